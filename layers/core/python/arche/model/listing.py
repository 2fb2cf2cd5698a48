"""What the catalog shows of accounts and keeps of answers; here because catalog may not import operations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class AccountListing:
    """An account as people see it: index row and directory row together.

    ``left`` is when discovery no longer found it ("" = present); ``active`` says that it is backed up; ``slots`` are
    hours in UTC (``06``). ``colour`` is of the last run, "" before the first.
    """

    customer: str
    label: str
    connection: str
    provider_id: str
    kind: str
    services: tuple[str, ...]
    name: str
    address: str
    active: bool = False
    activated: str = ""
    left: str = ""
    slots: tuple[str, ...] = ()
    colour: str = ""
    last_run: str = ""
    last_snapshot: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """A stored answer to an idempotent request."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
