"""Jobs, runs and leases: work in flight.

=====  ==============================  ===================================================================
table  pk, sk                          attributes
=====  ==============================  ===================================================================
work   RUN#{run}, RUN                  fields of Run, ttl
work   {customer}, LEASE#{id}          fields of Lease (tasks: account label -> fields of Task), ttl
work   {customer}, JOB#{job}           fields of Job; a restore's: those of RestoreJob, too
work   {customer}, JOBS#{created}#{job}  job (the list, by time)
=====  ==============================  ===================================================================

Runs and leases are removed a week after they can serve nobody; jobs stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from arche.catalog.errors import ConditionFailed, Conflict, NotFound
from arche.catalog.table import Rows
from arche.catalog.values import fields, record
from arche.catalog.writes import Put, Update, absent, attr, present, setting, value
from arche.model.restore import JobState, RestoreJob
from arche.model.tenancy import Job
from arche.model.work import Lease, Run, Task, TaskState, moment

KEPT_SECONDS: Final = 7 * 86_400
_RUN_SECONDS: Final = 30 * 86_400


def open_run(rows: Rows, run: Run) -> Run:
    """Create the run, or answer the one that is there under this id."""
    values = {**fields(run), "ttl": int(moment(run.started).timestamp()) + _RUN_SECONDS}
    try:
        rows.put(Put("work", f"RUN#{run.id}", "RUN", values, absent()))
    except ConditionFailed:
        there = read_run(rows, run.id)
        if there is None:
            raise Conflict("the run was removed at this moment; begin again") from None
        return there
    return run


def read_run(rows: Rows, run: str) -> Run | None:
    """Read a run, or None."""
    row = rows.get("work", f"RUN#{run}", "RUN")
    return record(Run, row) if row else None


def write_run(rows: Rows, run: Run) -> None:
    """Write the run's state and number of leases; a closed run stays closed. Raises NotFound."""
    changed = setting({"state": run.state, "leases": run.leases})
    still_open = attr("state") != value("closed")
    try:
        rows.update(Update("work", f"RUN#{run.id}", "RUN", changed, present() & still_open))
    except ConditionFailed:
        if read_run(rows, run.id) is None:
            raise NotFound("there is no such run") from None


def open_lease(rows: Rows, lease: Lease) -> None:
    """Create the lease; nothing if it is there."""
    values = {**fields(lease), "ttl": lease.expires + KEPT_SECONDS}
    try:
        rows.put(Put("work", lease.customer, f"LEASE#{lease.id}", values, absent()))
    except ConditionFailed:
        return


def mark_accounts(rows: Rows, lease: Lease) -> None:
    """Set ``open_run`` of the lease's accounts, as far as no other run works on them."""
    free = attr("open_run").is_in(value(""), value(lease.run))
    for label in lease.tasks:
        try:
            write = Update("index", lease.customer, f"ACCOUNT#{label}", setting({"open_run": lease.run}), free)
            rows.update(write)
        except ConditionFailed:
            continue


def read_lease(rows: Rows, customer: str, lease: str) -> Lease | None:
    """Read a lease with its tasks, or None."""
    row = rows.get("work", customer, f"LEASE#{lease}")
    return record(Lease, row) if row else None


def close_lease(rows: Rows, customer: str, lease: str) -> None:
    """Close a lease: ``grant`` answers no more for it. Nothing if it is unknown."""
    try:
        rows.update(Update("work", customer, f"LEASE#{lease}", setting({"open": False}), present()))
    except ConditionFailed:
        return


def extend_lease(rows: Rows, customer: str, lease: str, expires: int) -> bool:
    """Let an open lease live until ``expires`` (epoch seconds), never shorter; False if it is closed or unknown."""
    write = Update(
        "work",
        customer,
        f"LEASE#{lease}",
        setting({"expires": expires, "ttl": expires + KEPT_SECONDS}),
        present() & (attr("open") == value(held=True)) & (attr("expires") <= value(expires)),
    )
    try:
        rows.update(write)
    except ConditionFailed:
        found = read_lease(rows, customer, lease)
        return found is not None and found.open and found.expires >= expires
    return True


def renew_lease(rows: Rows, customer: str, lease: str, expires: int) -> None:
    """Open a lease again, until ``expires`` (epoch seconds), and its run with it, at once. Raises NotFound."""
    found = read_lease(rows, customer, lease)
    if found is None:
        raise NotFound("there is no such lease")
    opened = {"open": True, "expires": expires, "ttl": expires + KEPT_SECONDS}
    kept = {"state": "open", "ttl": expires + KEPT_SECONDS}
    try:
        rows.transact(
            Update("work", customer, f"LEASE#{lease}", setting(opened), present()),
            Update("work", f"RUN#{found.run}", "RUN", setting(kept), present()),
        )
    except ConditionFailed:
        raise NotFound("there is no such lease") from None


def record_task(rows: Rows, customer: str, lease: str, task: Task) -> None:
    """Put the state of one account into the lease. Never moves a ``sealed`` task back. Raises NotFound."""
    place = attr("tasks", task.account)
    not_sealed = attr("tasks", task.account, "state") != value(TaskState.SEALED)
    write = Update("work", customer, f"LEASE#{lease}", [place.set(value(fields(task)))], place.exists() & not_sealed)
    try:
        rows.update(write)
    except ConditionFailed:
        found = read_lease(rows, customer, lease)
        if found is None or task.account not in found.tasks:
            raise NotFound("the lease has no such account") from None


class WorkBook:
    """Jobs, runs and leases of all customers. Fills ``operations.front_ports.WorkBook`` with ``idempotency``."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def jobs(self, customer: str, after: str, limit: int) -> tuple[Sequence[Job], str]:
        """Page of jobs, newest first, and the position after it ("" = last page). Raises BadCursor."""
        listed, following = self._rows.page("work", customer, "JOBS#", after=after, limit=limit, newest_first=True)
        keys = [(customer, f"JOB#{row['job']}") for row in listed]
        found = self._rows.many("work", keys)
        return [record(Job, found[key]) for key in keys if key in found], following

    def job(self, customer: str, job: str) -> Job | None:
        """One job, or None."""
        row = self._rows.get("work", customer, f"JOB#{job}")
        return record(Job, row) if row else None

    def add_job(self, job: Job) -> bool:
        """Create it; False if it is there (the same request again)."""
        return self._add(job.customer, job.id, job.created, fields(job))

    def add_restore(self, job: RestoreJob, created: str) -> bool:
        """Create a restore's row; False if it is there (the same request again)."""
        listed = Job(id=job.id, customer=job.customer, kind="restore", state=job.state, created=created)
        return self._add(job.customer, job.id, created, {**fields(listed), **fields(job)})

    def restore(self, customer: str, job: str) -> RestoreJob | None:
        """One restore, or None (also for a job of another kind)."""
        return read_restore(self._rows, customer, job)

    def set_job(self, customer: str, job: str, state: str, message: str = "") -> None:
        """Write state and message. Raises NotFound."""
        update_job(self._rows, customer, job, {"state": state, "message": message})

    def open_run(self, run: Run) -> Run:
        """Create the run, or answer the one that is there under this id."""
        return open_run(self._rows, run)

    def open_lease(self, lease: Lease) -> None:
        """Create the lease (nothing if it is there)."""
        open_lease(self._rows, lease)

    def lease(self, customer: str, lease: str) -> Lease | None:
        """Read a lease, or None."""
        return read_lease(self._rows, customer, lease)

    def close_lease(self, customer: str, lease: str) -> None:
        """Close a lease: ``grant`` answers no more for it."""
        close_lease(self._rows, customer, lease)

    def renew_lease(self, customer: str, lease: str, expires: int) -> None:
        """Open a lease again, until ``expires`` (epoch seconds), and its run with it. Raises NotFound."""
        renew_lease(self._rows, customer, lease, expires)

    def advance_job(self, customer: str, job: str, before: str, after: str) -> bool:
        """Write the state ``after`` if it is ``before``; else False."""
        return advance_job(self._rows, customer, job, before, after)

    def _add(self, customer: str, job: str, created: str, values: dict[str, Any]) -> bool:
        try:
            self._rows.transact(
                Put("work", customer, f"JOB#{job}", values, absent()),
                Put("work", customer, f"JOBS#{created}#{job}", {"job": job}),
            )
        except ConditionFailed:
            return False
        return True


def read_restore(rows: Rows, customer: str, job: str) -> RestoreJob | None:
    """Read a restore's job, or None (also for a job of another kind)."""
    row = rows.get("work", customer, f"JOB#{job}")
    return record(RestoreJob, row) if row and row["kind"] == "restore" else None


def update_restore(rows: Rows, customer: str, job: str, state: JobState, changed: dict[str, Any]) -> None:
    """Write the state of a restore's job and whatever of message, plan and report is in ``changed``."""
    update_job(rows, customer, job, {"state": state, **{k: v for k, v in changed.items() if v is not None}})


def advance_job(rows: Rows, customer: str, job: str, before: str, after: str) -> bool:
    """Write a job's state ``after`` if it is ``before``; else False."""
    expected = present() & (attr("state") == value(before))
    try:
        rows.update(Update("work", customer, f"JOB#{job}", setting({"state": after}), expected))
    except ConditionFailed:
        return False
    return True


def update_job(rows: Rows, customer: str, job: str, values: dict[str, Any]) -> None:
    """Write attributes of a job. Raises NotFound."""
    try:
        rows.update(Update("work", customer, f"JOB#{job}", setting(values), present()))
    except ConditionFailed:
        raise NotFound("there is no such job") from None
