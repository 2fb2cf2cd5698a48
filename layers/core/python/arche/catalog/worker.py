"""Rows of one customer, as a worker sees them. Nothing here takes a customer: the book has one and no other.

=====  =============================  ===================================================================
table  pk, sk                         attributes
=====  =============================  ===================================================================
work   {customer}, INFLIGHT#{C-..}    places (map: lease -> accounts, until in epoch seconds), version
=====  =============================  ===================================================================

The other rows are drawn in ``tenancy``, ``connections``, ``accounts`` and ``work``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from arche.catalog import connections, work
from arche.catalog.accounts import read_account, read_head, write_head
from arche.catalog.errors import Busy, ConditionFailed
from arche.catalog.seal import seal_account
from arche.catalog.table import Row, Rows
from arche.catalog.writes import Put, Update, absent, attr, present, value
from arche.model import labels
from arche.model.restore import JobState, RestoreJob
from arche.model.work import AccountRow, Connection, Head, Lease, RunRecord, Task

_TRIES: Final = 6


class CustomerBook:
    """Rows of one customer. Fills ``CustomerBook`` and ``RestoreBook`` of operations. Every call is safe to repeat."""

    def __init__(self, rows: Rows, customer: str) -> None:
        self._rows = rows
        self._customer = labels.require_customer(customer)

    def lease(self, lease: str) -> Lease | None:
        """Read a lease with its tasks, or None."""
        return work.read_lease(self._rows, self._customer, lease)

    def open_lease(self, lease: Lease) -> None:
        """Create the lease (nothing if it is there). Raises LabelError for a lease of another customer."""
        if lease.customer != self._customer:
            raise labels.LabelError("the lease belongs to another customer")
        work.open_lease(self._rows, lease)

    def close_lease(self, lease: str) -> None:
        """Close a lease: ``grant`` answers no more for it."""
        work.close_lease(self._rows, self._customer, lease)

    def record_task(self, lease: str, task: Task) -> None:
        """Put the state of one account into the lease. Never moves a ``sealed`` task back. Raises NotFound."""
        work.record_task(self._rows, self._customer, lease, task)

    def account(self, label: str) -> AccountRow | None:
        """Read an account's index row, or None."""
        return read_account(self._rows, self._customer, label)

    def connection(self, label: str) -> Connection | None:
        """Read a connection's state, or None."""
        return connections.worker_view(self._rows, self._customer, label)

    def redden(self, connection: str, run: str, reason: str, message: str) -> bool:
        """Turn a connection red. True only for the call that turned it (the one that may alert)."""
        return connections.redden(self._rows, self._customer, connection, run=run, reason=reason, message=message)

    def recover(self, connection: str) -> None:
        """Turn a red connection live again; nothing if it is not red."""
        connections.recover(self._rows, self._customer, connection)

    def enter(self, connection: str, lease: str, accounts: int, limit: int, until: datetime) -> bool:
        """Take ``accounts`` of the ``limit`` places in flight; False if they are taken. Lapses at ``until``.

        A lease that holds places already holds the new number afterwards.
        """
        now = int(datetime.now(UTC).timestamp())
        for _ in range(_TRIES):
            row = self._rows.get("work", self._customer, _inflight(connection))
            held = {name: place for name, place in _places(row).items() if place["until"] > now and name != lease}
            if sum(place["accounts"] for place in held.values()) + accounts > limit:
                return False
            held[lease] = {"accounts": accounts, "until": int(until.timestamp())}
            if self._swap(connection, row, held):
                return True
        raise Busy("the places of the connection are contended; the same call may work in a moment")

    def leave(self, connection: str, lease: str) -> None:
        """Give the places back; nothing if there are none."""
        sk = _inflight(connection)
        held = attr("places", lease)
        write = Update("work", self._customer, sk, [held.remove(), attr("version").add(value(1))], held.exists())
        try:
            self._rows.update(write)
        except ConditionFailed:
            return

    def head(self, account: str) -> Head | None:
        """Read the cached head of an account, or None."""
        return read_head(self._rows, self._customer, account)

    def put_head(self, head: Head) -> None:
        """Write the cached head. A lower ``seq`` than the stored one is ignored."""
        write_head(self._rows, self._customer, head)

    def seal_account(self, lease: str, task: Task, record: RunRecord) -> bool:
        """Write run record, account status, sealed task and the job's count at once; False if it was sealed before."""
        return seal_account(self._rows, self._customer, lease, task, record)

    def job(self, job: str) -> RestoreJob | None:
        """Read a restore job, or None."""
        return work.read_restore(self._rows, self._customer, job)

    def update_job(
        self,
        job: str,
        state: JobState,
        *,
        message: str | None = None,
        plan: Mapping[str, Any] | None = None,
        report: Mapping[str, Any] | None = None,
    ) -> None:
        """Write a restore job's state and whichever of the others is given. Raises NotFound."""
        changed = {"message": message, "plan": plan, "report": report}
        work.update_restore(self._rows, self._customer, job, state, changed)

    def _swap(self, connection: str, row: Row | None, places: dict[str, Any]) -> bool:
        version = row["version"] if row else 0
        expected = (present() & (attr("version") == value(version))) if row else absent()
        values = {"places": places, "version": version + 1}
        try:
            self._rows.put(Put("work", self._customer, _inflight(connection), values, expected))
        except ConditionFailed:
            return False
        return True


def _inflight(connection: str) -> str:
    return f"INFLIGHT#{connection}"


def _places(row: Row | None) -> dict[str, Any]:
    return dict(row["places"]) if row else {}
