"""`collect`: one slice of work on the accounts of a batch, all of one connection, side by side.

Time goes into waiting for the vendor, so the accounts run in threads. Whatever happens to one account is kept in its
task and does not touch the others, but for a rejected credential: that is the connection's, and it is said once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Literal

from arche.model.deadline import Deadline
from arche.model.work import UNFINISHED, AccountRow, Batch, Lease, Task, TaskState, iso_after, moment
from arche.operations.backup_ports import CollectPorts
from arche.operations.collect_account import CONFLICTS, AccountSlice, Limits
from arche.operations.collect_gate import Gate
from arche.providers.contract import Service
from arche.providers.errors import CredentialRejected, Forbidden, Throttled
from arche.vault import Conflict

FULL_HOUSE_SECONDS = 60
PLACE_MINUTES = 16

REJECTED = (
    "The cloud no longer accepts our access to {connection}: consent was withdrawn, or the secret or certificate "
    "expired. Nothing that is backed up is touched. Let an administrator consent again{where}."
)
FORBIDDEN = (
    "A permission is missing for {what}. Nothing that is backed up is touched. Let an administrator consent "
    "again{where}, and check that no access policy excludes us."
)


class LeaseClosed(Exception):  # noqa: N818 - the name says what happened
    """The lease of this batch is unknown or closed: the run is over, there is nothing to do here."""


@dataclass(frozen=True, slots=True)
class Slice:
    """What a slice came to. ``at`` is the earliest next try of a ``later``."""

    batch: Batch
    status: Literal["collected", "continue", "later"]
    at: str = ""

    def as_event(self) -> dict[str, Any]:
        """Output of the Lambda: the same batch, ready to be the next state's input."""
        return {**self.batch.as_event(), "status": self.status, "at": self.at or None}


def collect(batch: Batch, ports: CollectPorts, deadline: Deadline, limits: Limits | None = None) -> Slice:
    """Work on the batch's unfinished accounts until they end or the time does.

    Raises CredentialRejected or Forbidden when the whole connection is closed to us (it is red and its tasks are
    stopped by then), Unreachable and anything unforeseen after the other accounts had their turn, and LeaseClosed.
    """
    limits = limits or Limits()
    book = ports.book
    lease = book.lease(batch.lease)
    if lease is None or not lease.open or lease.run != batch.run:
        raise LeaseClosed("This batch belongs to a run that has ended; the next run takes the accounts up.")
    due = _due(batch, lease, ports)
    if not due:
        return _outcome(batch, ports)
    connection = book.connection(batch.connection)
    if (
        connection is None
        or connection.state == "paused"
        or (connection.state == "red" and connection.red_run == batch.run)
    ):
        reason = connection.reason if connection is not None else "unknown_connection"
        for task in due:
            book.record_task(batch.lease, replace(task, state=TaskState.STOPPED, reason=reason or "paused"))
        return _outcome(batch, ports)
    until = ports.now() + timedelta(minutes=PLACE_MINUTES)
    if not book.enter(batch.connection, batch.lease, len(due), limits.in_flight, until):
        return Slice(batch, "later", iso_after(ports.now(), FULL_HOUSE_SECONDS))
    try:
        _work(batch, due, ports, deadline, limits, red=connection.state == "red")
    finally:
        book.leave(batch.connection, batch.lease)
    return _outcome(batch, ports)


def _due(batch: Batch, lease: Lease, ports: CollectPorts) -> list[Task]:
    now = ports.now()
    tasks = [lease.tasks[label] for label in batch.accounts if label in lease.tasks]
    return [task for task in tasks if task.state in UNFINISHED and (not task.at or moment(task.at) <= now)]


def _outcome(batch: Batch, ports: CollectPorts) -> Slice:
    lease = ports.book.lease(batch.lease)
    tasks = [lease.tasks[label] for label in batch.accounts if label in lease.tasks] if lease else []
    states = {task.state for task in tasks}
    if states & {TaskState.OPEN, TaskState.CONTINUE}:
        return Slice(batch, "continue")
    if TaskState.LATER in states:
        return Slice(batch, "later", min(task.at for task in tasks if task.state == TaskState.LATER))
    return Slice(batch, "collected")


def _work(batch: Batch, due: list[Task], ports: CollectPorts, deadline: Deadline, limits: Limits, *, red: bool) -> None:
    errors: list[Exception] = []
    try:
        services = ports.services()
    except (CredentialRejected, Forbidden) as error:
        _stop(batch, due, error, ports)
        raise
    except Throttled as throttled:
        at = iso_after(ports.now(), throttled.after)
        for task in due:
            ports.book.record_task(batch.lease, replace(task, state=TaskState.LATER, at=at, reason="Throttled"))
        return
    gate = Gate()

    def work(task: Task) -> Exception | None:
        def begin(row: AccountRow) -> AccountSlice:
            return AccountSlice(row, batch.run, ports, deadline=deadline, limits=limits, gate=gate)

        return _account(batch, task, services, ports, begin)

    if limits.accounts > 1 and len(due) > 1:
        with ThreadPoolExecutor(min(limits.accounts, len(due)), thread_name_prefix="account") as pool:
            jobs = [pool.submit(work, task) for task in due]
            errors = [error for error in (job.result() for job in jobs) if error is not None]
    else:
        errors = [error for error in map(work, due) if error is not None]
    closed = next((e for e in errors if isinstance(e, CredentialRejected) or _whole(e)), None)
    if closed is not None:
        _stop(batch, due, closed, ports)
        raise closed
    if red and len(errors) < len(due):
        ports.book.recover(batch.connection)
    failed = next((error for error in errors if not isinstance(error, Forbidden)), None)
    if failed is not None:
        raise failed


def _account(
    batch: Batch,
    task: Task,
    services: Mapping[str, Service],
    ports: CollectPorts,
    begin: Callable[[AccountRow], AccountSlice],
) -> Exception | None:
    """Work on one account and keep its task. Answers the error that is more than this account's, if any."""
    row = ports.book.account(task.account)
    if row is None or row.connection != batch.connection:
        ports.book.record_task(batch.lease, replace(task, state=TaskState.STOPPED, reason="unknown_account"))
        return None
    error: Exception | None = None
    done = replace(task, state=TaskState.CONTINUE, reason="", message="", at="")
    try:
        for _ in range(CONFLICTS):
            try:
                done = begin(row).run(services)
                break
            except Conflict:
                done = replace(done, reason="Conflict")  # somebody else works on it: begin again on the new head
    except Forbidden as forbidden:
        error = forbidden
        done = replace(done, state=TaskState.STOPPED, reason="Forbidden", message=_sentence(batch, forbidden, ports))
    except Exception as unforeseen:  # noqa: BLE001 - kept apart from the other accounts, raised after them
        error = unforeseen
        done = replace(done, reason=type(unforeseen).__name__)
    ports.book.record_task(batch.lease, done)
    return error


def _whole(error: Exception) -> bool:
    return isinstance(error, Forbidden) and not error.account


def _stop(batch: Batch, due: list[Task], error: Exception, ports: CollectPorts) -> None:
    """Turn the connection red, once, and end the tasks of the batch that are not done."""
    reason = type(error).__name__
    message = _sentence(batch, error, ports)
    ports.book.redden(batch.connection, batch.run, reason, message)
    lease = ports.book.lease(batch.lease)
    present = {task.account: task for task in due} | dict(lease.tasks if lease is not None else {})
    for label in batch.accounts:
        task = present.get(label)
        if task is not None and (task.state in UNFINISHED or task.reason == reason):
            stopped = replace(task, state=TaskState.STOPPED, at="", reason=reason, message=message)
            ports.book.record_task(batch.lease, stopped)


def _sentence(batch: Batch, error: Exception, ports: CollectPorts) -> str:
    where = f" by the link that POST {ports.reconsent} gives" if ports.reconsent else ""
    if isinstance(error, Forbidden):
        what = "this account" if error.account else batch.connection
        return FORBIDDEN.format(what=what, where=where)
    return REJECTED.format(connection=batch.connection, where=where)
