"""What a customer has under protection on one day; the ground on which a bill can be checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Usage:
    """One customer's day (``2026-11-24``, UTC).

    ``accounts`` counts protected ones (active, with a restore point) by kind; ``waiting`` are active without one yet,
    ``archived`` no longer active but kept. ``items`` and ``stored_bytes`` are those of the newest restore points.
    """

    customer: str
    date: str
    accounts: Mapping[str, int] = field(default_factory=dict)
    waiting: int = 0
    archived: int = 0
    items: int = 0
    stored_bytes: int = 0
