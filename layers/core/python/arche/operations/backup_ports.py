"""What a backup needs from outside. `arche.aws.wiring` builds these for one invocation and one customer.

Protocols stand only where two things fill them: the catalog (DynamoDB) and the books in memory of the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from arche.model.work import AccountRow, Connection, Head, Lease, Run, RunRecord, Task
from arche.providers.contract import Account, Service
from arche.vault import AccountVault, ObjectStore


class CustomerBook(Protocol):
    """Rows of one customer, as far as a worker reads and writes them. Every call is safe to repeat."""

    def lease(self, lease: str) -> Lease | None:
        """Read a lease with its tasks, or None."""
        ...

    def record_task(self, lease: str, task: Task) -> None:
        """Put the state of one account into the lease. Never moves a ``sealed`` task back."""
        ...

    def account(self, label: str) -> AccountRow | None:
        """Read an account's index row, or None."""
        ...

    def connection(self, label: str) -> Connection | None:
        """Read a connection's state, or None."""
        ...

    def redden(self, connection: str, run: str, reason: str, message: str) -> bool:
        """Turn a connection red. True only for the call that turned it (the one that may alert)."""
        ...

    def recover(self, connection: str) -> None:
        """Turn a red connection live again; nothing if it is not red."""
        ...

    def enter(self, connection: str, lease: str, accounts: int, limit: int, until: datetime) -> bool:
        """Take ``accounts`` of the ``limit`` places in flight; False if they are taken. Lapses at ``until``."""
        ...

    def leave(self, connection: str, lease: str) -> None:
        """Give the places back; nothing if there are none."""
        ...

    def head(self, account: str) -> Head | None:
        """Read the cached head of an account, or None."""
        ...

    def put_head(self, head: Head) -> None:
        """Write the cached head. A lower ``seq`` than the stored one is ignored."""
        ...

    def seal_account(self, lease: str, task: Task, record: RunRecord) -> bool:
        """Write the run record, the account's status and the sealed task, and count it in the lease's job, at once.

        Clears the account's ``open_run`` and sets ``last_slot``. False (and nothing written) if it was sealed before.
        """
        ...


@dataclass(frozen=True, slots=True)
class CollectPorts:
    """What `collect` needs. ``services`` asks for a token only when first called; ``work`` is the customer's part.

    ``account`` turns an index row into the provider's account (the address from the directory, if a room needs it).
    ``reconsent`` is the address where the partner's administrator renews consent.
    """

    book: CustomerBook
    vault: Callable[[str], AccountVault]
    services: Callable[[], Mapping[str, Service]]
    account: Callable[[AccountRow], Account]
    work: ObjectStore
    now: Callable[[], datetime]
    attempt: str
    reconsent: str = ""


@dataclass(frozen=True, slots=True)
class SealPorts:
    """What `seal` needs: no services, no token."""

    book: CustomerBook
    vault: Callable[[str], AccountVault]
    now: Callable[[], datetime]
    attempt: str


class ScheduleBook(Protocol):
    """Rows of all customers, as far as `schedule` reads and writes them. Every call is safe to repeat."""

    def open_run(self, run: Run) -> Run:
        """Create the run (state ``opening``), or answer the one that is there under this id."""
        ...

    def run(self, run: str) -> Run | None:
        """Read a run, or None."""
        ...

    def set_run(self, run: Run) -> None:
        """Write the run's state and number of leases."""
        ...

    def due(self, slot: str) -> Iterator[AccountRow]:
        """Active accounts of active customers and connections that are due at an hour (``06``)."""
        ...

    def accounts(self, customer: str, labels: Iterable[str] | None, connection: str = "") -> Iterator[AccountRow]:
        """Active accounts of one customer: those named, those of a connection, or all."""
        ...

    def open_lease(self, lease: Lease) -> None:
        """Create the lease (nothing if it is there) and set ``open_run`` of its accounts."""
        ...

    def lease(self, customer: str, lease: str) -> Lease | None:
        """Read a lease with its tasks, or None."""
        ...

    def close_lease(self, customer: str, lease: str) -> None:
        """Close a lease: `grant` answers no more for it."""
        ...

    def fail_job(self, customer: str, job: str, message: str) -> None:
        """End a job that has not ended yet as failed, with a sentence for people; nothing if it has, or is unknown."""
        ...

    def queue(self, customer: str, account: str, slot: str, message: str) -> None:
        """Note that a slot waits for an earlier run: ``queued_slot`` of the account and a record to be seen."""
        ...

    def seal_account(self, customer: str, lease: str, task: Task, record: RunRecord) -> bool:
        """As ``CustomerBook.seal_account``, for accounts that a run leaves unfinished."""
        ...


@dataclass(frozen=True, slots=True)
class SchedulePorts:
    """What `schedule` needs. ``work`` is the part of the work bucket under ``runs/``; ``read_only`` use elsewhere."""

    book: ScheduleBook
    work: ObjectStore
    now: Callable[[], datetime]
