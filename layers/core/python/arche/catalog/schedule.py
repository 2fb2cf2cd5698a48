"""Rows of all customers, as ``schedule`` sees them: what is due, runs and leases, and what has to wait."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from arche.catalog import work
from arche.catalog.accounts import SHARDS
from arche.catalog.errors import ConditionFailed
from arche.catalog.seal import seal_account
from arche.catalog.table import Row, Rows
from arche.catalog.values import fields, record
from arche.catalog.writes import Put, Update, present, setting
from arche.model.completeness import Colour, ending
from arche.model.work import AccountRow, Lease, Run, RunProblem, RunRecord, Task

_PART = 200


class ScheduleBook:
    """Runs, leases and due accounts. Fills ``operations.backup_ports.ScheduleBook``. Every call is safe to repeat."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def open_run(self, run: Run) -> Run:
        """Create the run (state ``opening``), or answer the one that is there under this id."""
        return work.open_run(self._rows, run)

    def run(self, run: str) -> Run | None:
        """Read a run, or None."""
        return work.read_run(self._rows, run)

    def set_run(self, run: Run) -> None:
        """Write the run's state and number of leases; a closed run stays closed. Its job follows. Raises NotFound."""
        work.write_run(self._rows, run)
        if run.job and run.kind == "backup":
            if run.state != "opening":
                work.advance_job(self._rows, run.customer, run.job, "queued", "running")
            if run.state == "closed":
                job = self._rows.get("work", run.customer, f"JOB#{run.job}") or {}
                work.advance_job(self._rows, run.customer, run.job, "running", ending(job.get("colours") or {}))

    def due(self, slot: str) -> Iterator[AccountRow]:
        """Active accounts of active customers that are due at an hour (``06``).

        Red connections are among them: the next run that succeeds is what turns them live again.
        """
        usable: dict[str, set[str]] = {}
        for number in range(SHARDS):
            listed = list(self._rows.slot(f"{slot}#{number}"))
            for start in range(0, len(listed), _PART):
                keys = [(row["pk"], f"ACCOUNT#{row['label']}") for row in listed[start : start + _PART]]
                found = self._rows.many("index", keys)
                for key in keys:
                    row = found.get(key)
                    # The index of slots is read late by nature: the account's own row decides.
                    if row is None or slot not in row["slots"]:
                        continue
                    if self._usable(row, usable):
                        yield record(AccountRow, row)

    def accounts(self, customer: str, labels: Iterable[str] | None, connection: str = "") -> Iterator[AccountRow]:
        """Active accounts of one customer: those named, those of a connection, or all. Connections as in ``due``."""
        if labels is None:
            rows: Iterable[Row] = self._rows.all("index", customer, "ACCOUNT#")
        else:
            found = self._rows.many("index", [(customer, f"ACCOUNT#{label}") for label in labels])
            rows = found.values()
        usable: dict[str, set[str]] = {}
        for row in rows:
            if (not connection or row["connection"] == connection) and self._usable(row, usable):
                yield record(AccountRow, row)

    def open_lease(self, lease: Lease) -> None:
        """Create the lease (nothing if it is there) and set ``open_run`` of its accounts."""
        work.open_lease(self._rows, lease)
        work.mark_accounts(self._rows, lease)

    def lease(self, customer: str, lease: str) -> Lease | None:
        """Read a lease with its tasks, or None."""
        return work.read_lease(self._rows, customer, lease)

    def close_lease(self, customer: str, lease: str) -> None:
        """Close a lease: ``grant`` answers no more for it."""
        work.close_lease(self._rows, customer, lease)

    def fail_job(self, customer: str, job: str, message: str) -> None:
        """End a job that has not ended yet as failed, with a sentence for people; nothing if it has, or is unknown."""
        for state in ("queued", "running"):
            if work.advance_job(self._rows, customer, job, state, "failed"):
                work.update_job(self._rows, customer, job, {"message": message})

    def queue(self, customer: str, account: str, slot: str, message: str) -> None:
        """Note that a slot waits for an earlier run: ``queued_slot`` of the account and a record to be seen."""
        day, _, hour = slot.partition("-")
        started = f"{day[:4]}-{day[4:6]}-{day[6:]}T{hour}:00:00Z"
        waiting = RunRecord(
            account=account,
            run=f"queued-{slot}",
            started=started,
            ended=started,
            colour=Colour.GREY,
            outcome="queued",
            slot=slot,
            problems=(RunProblem(code="queued", message=message),),
        )
        try:
            self._rows.transact(
                Update("index", customer, f"ACCOUNT#{account}", setting({"queued_slot": slot}), present()),
                Put("index", customer, f"RUN#{account}#{started}#{waiting.run}", fields(waiting)),
            )
        except ConditionFailed:
            return

    def seal_account(self, customer: str, lease: str, task: Task, record: RunRecord) -> bool:
        """As ``CustomerBook.seal_account``, for accounts that a run leaves unfinished."""
        return seal_account(self._rows, customer, lease, task, record)

    def _usable(self, row: Row, usable: dict[str, set[str]]) -> bool:
        """Whether an account is active, and its customer and connection are (read once per customer)."""
        customer = row["customer"]
        if not row["active"] or row.get("left"):
            return False
        if customer not in usable:
            usable[customer] = self._connections(customer)
        return row["connection"] in usable[customer]

    def _connections(self, customer: str) -> set[str]:
        own = self._rows.get("tenancy", customer, "CUSTOMER")
        if own is None or own["state"] != "active":
            return set()
        rows = self._rows.all("tenancy", customer, "CONNECTION#")
        return {row["label"] for row in rows if row["state"] in {"live", "red"}}
