"""The one formula: a run is green only if everything expected is accounted for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum


class Ending(StrEnum):
    """How an item ended in a run. Every item ends in exactly one of these."""

    STORED = "stored"
    UNCHANGED = "unchanged"
    VANISHED = "vanished"
    SKIPPED = "skipped"
    FAILED = "failed"


class Colour(StrEnum):
    """What a run, a snapshot or an account shows."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"
    GREY = "grey"


def ending(colours: Mapping[str, int]) -> str:
    """State in which a backup job ends, by how many accounts ended in which colour.

    ``done``: every account is green. ``failed``: not one is green or amber. ``partial``: anything between.
    """
    green, amber = colours.get(Colour.GREEN, 0), colours.get(Colour.AMBER, 0)
    if green == sum(colours.values()):
        return "done"
    return "partial" if green or amber else "failed"


@dataclass(frozen=True, slots=True)
class Counts:
    """Items of one service in one run, by ending. ``expected`` is what the source announced."""

    expected: int = 0
    stored: int = 0
    unchanged: int = 0
    vanished: int = 0
    skipped: int = 0
    failed: int = 0

    def __add__(self, other: Counts) -> Counts:
        """Sum of both, field by field."""
        return Counts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def accounted(self) -> int:
        """Items with a proven good ending (failed ones are not)."""
        return self.stored + self.unchanged + self.vanished + self.skipped

    @property
    def green(self) -> bool:
        """Whether expected = stored + unchanged + vanished + skipped by rule, and nothing failed."""
        return self.failed == 0 and self.expected == self.accounted

    @property
    def colour(self) -> Colour:
        """Green, or amber: a run that ended is never red by its counts alone."""
        return Colour.GREEN if self.green else Colour.AMBER

    def as_dict(self) -> dict[str, int]:
        """Flat map of the six numbers, as stored in manifests and run records."""
        return {f.name: getattr(self, f.name) for f in fields(self)}
