"""The simulators' time: token expiry, throttle windows and bins go by it, so tests need not wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

Store = Callable[[str, str | None], str | None]


class Clock:
    """Real time plus an offset, or a fixed instant.

    ``keep(key, value)`` stores a text, ``keep(key, None)`` reads it, so that the time survives a restart.
    """

    def __init__(self, keep: Store) -> None:
        self._keep = keep
        self._offset = float(keep("clock.offset", None) or 0)
        frozen = keep("clock.frozen", None)
        self._frozen = float(frozen) if frozen else None

    def now(self) -> float:
        """Seconds since 1970, UTC."""
        return self._frozen if self._frozen is not None else time.time() + self._offset

    def moment(self) -> datetime:
        """Return the same instant as an aware datetime."""
        return datetime.fromtimestamp(self.now(), UTC)

    def text(self) -> str:
        """Return the same instant as vendors write it, to the second: ``2026-05-04T08:00:00Z``."""
        return self.moment().strftime("%Y-%m-%dT%H:%M:%SZ")

    def set(self, instant: datetime, *, freeze: bool = False) -> None:
        """Let it be ``instant`` now; time goes on from there unless frozen. Raises ValueError without a zone."""
        if instant.tzinfo is None:
            raise ValueError("the instant needs a time zone, as in 2026-05-04T08:00:00Z")
        self._frozen = instant.timestamp() if freeze else None
        self._offset = instant.timestamp() - time.time()
        self._save()

    def advance(self, seconds: float) -> None:
        """Go forward (or back, if negative)."""
        if self._frozen is not None:
            self._frozen += seconds
        self._offset += seconds
        self._save()

    def real(self) -> None:
        """Go back to the machine's own time."""
        self._frozen, self._offset = None, 0.0
        self._save()

    def _save(self) -> None:
        self._keep("clock.offset", repr(self._offset))
        self._keep("clock.frozen", "" if self._frozen is None else repr(self._frozen))
