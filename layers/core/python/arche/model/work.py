"""Nouns of work in flight: batches, tasks, leases, runs, heads and run records.

They travel between operations (who decide), catalog (who keeps them) and the state machines (who carry
references only). All times are ISO 8601 in UTC, second precision, ending in ``Z`` unless a name says ``ms``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

from arche.model import labels
from arche.model.completeness import Colour

Purpose = Literal["backup", "restore", "browse", "discover"]
BATCH_ACCOUNTS = 8


def iso(moment: datetime) -> str:
    """``moment`` as text, e.g. ``2026-11-24T06:00:00Z``; Step Functions reads it as a timestamp."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: str) -> datetime:
    """Inverse of ``iso``. Raises ValueError for anything else."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def iso_after(now: datetime, seconds: float) -> str:
    """``seconds`` from ``now``, rounded up to the next full second, so that nobody comes back too early."""
    later = now + timedelta(seconds=max(0.0, seconds))
    return iso(later + timedelta(seconds=1) if later.microsecond else later)


class TaskState(StrEnum):
    """Where one account of a lease stands."""

    OPEN = "open"
    CONTINUE = "continue"
    LATER = "later"
    COLLECTED = "collected"
    STOPPED = "stopped"
    SEALED = "sealed"


#: States in which `collect` still has something to do.
UNFINISHED = frozenset({TaskState.OPEN, TaskState.CONTINUE, TaskState.LATER})


@dataclass(frozen=True, slots=True)
class Task:
    """One account within a lease. ``counts`` is service -> the six numbers of ``Counts`` for this run so far.

    ``at`` is the earliest next try of a ``later`` task. ``reason`` is a stable code (an error's class name or
    a word of ``quarantine``), ``message`` the sentence for people; both are free of names and content.
    """

    account: str
    state: TaskState = TaskState.OPEN
    at: str = ""
    reason: str = ""
    message: str = ""
    changed: bool = False
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Batch:
    """One line of a work list and the input of `collect` and `seal`: accounts of one connection, by label."""

    run: str
    lease: str
    customer: str
    connection: str
    accounts: tuple[str, ...]

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Batch:
        """Read state input. Raises LabelError or KeyError for anything that is not a batch."""
        return cls(
            run=str(event["run"]),
            lease=str(event["lease"]),
            customer=labels.require_customer(str(event["customer"])),
            connection=labels.require_connection(str(event["connection"])),
            accounts=tuple(labels.require_account(str(label)) for label in event["accounts"]),
        )

    def as_event(self) -> dict[str, Any]:
        """State input and output: labels and ids only."""
        return {
            "run": self.run,
            "lease": self.lease,
            "customer": self.customer,
            "connection": self.connection,
            "accounts": list(self.accounts),
        }


@dataclass(frozen=True, slots=True)
class Lease:
    """Permission to work on some accounts of one customer within one run. ``expires`` is in epoch seconds."""

    id: str
    run: str
    customer: str
    connection: str
    purpose: Purpose
    expires: int
    tasks: Mapping[str, Task]
    job: str = ""
    open: bool = True
    started: str = ""
    slot: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a machine. ``slot`` is ``20261124-06`` for scheduled runs, else ""; ``job`` names a backup now.

    ``owner`` is the execution that works on it, so that a slot that fires twice is worked on once.
    """

    id: str
    kind: Literal["backup", "restore", "browse", "discover"]
    started: str
    slot: str = ""
    customer: str = ""
    job: str = ""
    state: Literal["opening", "open", "closed"] = "opening"
    leases: int = 0
    owner: str = ""


@dataclass(frozen=True, slots=True)
class AccountRow:
    """An account as the index knows it; name and address live in the directory only.

    ``last_slot`` and ``queued_slot`` are slots as in ``Run.slot`` (empty if none); ``open_run`` is the run that
    works on the account at this moment; ``activated`` is when its backups began.
    """

    customer: str
    label: str
    connection: str
    provider_id: str
    kind: str
    services: tuple[str, ...]
    active: bool = True
    activated: str = ""
    has_snapshot: bool = False
    last_slot: str = ""
    queued_slot: str = ""
    open_run: str = ""


@dataclass(frozen=True, slots=True)
class Connection:
    """State of a connection as workers see it. ``red_run`` is the run that found it rejected."""

    label: str
    platform: str
    state: Literal["new", "live", "red", "paused"] = "live"
    red_run: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Head:
    """Cache of an account's chain head. ``cursors`` (advisory) are newer than the manifest ``seq`` by nothing but time.

    ``items`` and ``stored_bytes`` are those of the newest snapshot, for usage rows and lists.
    """

    account: str
    seq: int
    digest: str
    checked_at: str
    cursors: Mapping[str, str] = field(default_factory=dict)
    items: int = 0
    stored_bytes: int = 0


@dataclass(frozen=True, slots=True)
class RunProblem:
    """One clear message: a stable code, how many items or services it is about, what happened and what to do."""

    code: str
    message: str
    count: int = 1
    service: str = ""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """How one account ended in one run: what the dashboard shows, and the proof behind its colour."""

    account: str
    run: str
    started: str
    ended: str
    colour: Colour
    outcome: Literal["snapshot", "unchanged", "quarantined", "stopped", "unfinished", "queued"]
    seq: int = 0
    slot: str = ""
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    problems: tuple[RunProblem, ...] = ()
    items: int = 0
    stored_bytes: int = 0
