"""When a worker has to stop, so that it stops by itself and is never cut off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

SPARE_SECONDS = 60
LAST_SECONDS = 15


@dataclass(frozen=True, slots=True)
class Deadline:
    """The moment at which the worker would be cut off, and the clock that tells the time."""

    until: datetime
    now: Callable[[], datetime]

    @classmethod
    def after(cls, seconds: float, now: Callable[[], datetime]) -> Deadline:
        """Make a deadline ``seconds`` from now."""
        return cls(now() + timedelta(seconds=seconds), now)

    @property
    def soon(self) -> bool:
        """Less than a minute is left: begin nothing new, save what there is."""
        return self.now() >= self.until - timedelta(seconds=SPARE_SECONDS)

    @property
    def over(self) -> bool:
        """So little is left that even the item at hand has to be dropped."""
        return self.now() >= self.until - timedelta(seconds=LAST_SECONDS)
