"""What a restore needs from outside. `arche.aws.wiring` builds this for one invocation and one customer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from arche.model.restore import JobState, RestoreJob
from arche.model.work import AccountRow, Head
from arche.providers.contract import Account, Service
from arche.vault import AccountVault, ObjectStore


class RestoreBook(Protocol):
    """Rows of one customer, as far as a restore reads and writes them. Every call is safe to repeat."""

    def job(self, job: str) -> RestoreJob | None:
        """Read a restore job, or None."""
        ...

    def update_job(
        self,
        job: str,
        state: JobState,
        *,
        message: str | None = None,
        plan: Mapping[str, Any] | None = None,
        report: Mapping[str, Any] | None = None,
    ) -> None:
        """Write the job's state and whichever of the others is given."""
        ...

    def account(self, label: str) -> AccountRow | None:
        """Read an account's index row, or None."""
        ...

    def head(self, account: str) -> Head | None:
        """Read the cached head of an account, or None."""
        ...

    def close_lease(self, lease: str) -> None:
        """Close a lease: `grant` answers no more for it."""
        ...


@dataclass(frozen=True, slots=True)
class Pace:
    """What the vendor lets one account take, for the plan's earliest finish (see docs/providers)."""

    calls_per_item: float = 3.0
    calls_per_second: float = 16.0
    bytes_per_second: float = 500_000.0


@dataclass(frozen=True, slots=True)
class RestorePorts:
    """What `plan`, `deliver` and `report` need. ``services`` uses the restore app and is called by `deliver` only.

    ``work`` is the customer's part of the work bucket. ``losses`` names, per kind of item, what the room declares
    that it can never give back.
    """

    book: RestoreBook
    vault: Callable[[str], AccountVault]
    services: Callable[[], Mapping[str, Service]]
    account: Callable[[AccountRow], Account]
    work: ObjectStore
    now: Callable[[], datetime]
    attempt: str
    pace: Mapping[str, Pace] = field(default_factory=dict)
    losses: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
