"""The end of an account's run, in one transaction over index and work table: all of it is there, or none."""

from __future__ import annotations

from typing import Any

from arche.catalog.errors import ConditionFailed, Conflict, NotFound
from arche.catalog.table import Rows
from arche.catalog.values import fields
from arche.catalog.work import read_lease
from arche.catalog.writes import Put, Update, Write, attr, present, setting, value
from arche.model.work import Lease, RunRecord, Task, TaskState


def seal_account(rows: Rows, customer: str, lease: str, task: Task, record: RunRecord) -> bool:
    """Write the run record, the account's status and the sealed task, and count it in the lease's job, at once.

    Clears the account's ``open_run`` and sets ``last_slot``. False (and nothing written) if it was sealed before.
    An account that is not in the index (it is being made anew) and a job that is gone are left out.
    Raises NotFound for an unknown lease or an account that is not in it.
    """
    held = read_lease(rows, customer, lease)
    if held is None or task.account not in held.tasks:
        raise NotFound("the lease has no such account")
    left_out: set[str] = set()
    for _ in range(3):
        try:
            rows.transact(*(w for w in _writes(customer, held, task, record) if w.name not in left_out))
        except ConditionFailed as refused:
            if "lease" in refused.failed:
                return False
            left_out |= set(refused.failed)
            continue
        _serve_queue(rows, customer, record)
        return True
    raise Conflict("the account's rows keep changing; read them again")


def _writes(customer: str, held: Lease, task: Task, record: RunRecord) -> list[Write]:
    place = attr("tasks", task.account)
    sealed = {**fields(task), "state": TaskState.SEALED.value}
    unsealed = place.exists() & (attr("tasks", task.account, "state") != value(TaskState.SEALED))
    writes: list[Write] = [
        Put("index", customer, f"RUN#{record.account}#{record.started}#{record.run}", fields(record)),
        Update("index", customer, f"ACCOUNT#{record.account}", setting(_status(record)), present(), "account"),
        Update("work", customer, f"LEASE#{held.id}", [place.set(value(sealed))], unsealed, "lease"),
    ]
    if held.job:
        colour = attr("colours", record.colour.value)
        count = [attr("accounts_done").add(value(1)), colour.set((colour | value(0)) + value(1))]
        writes.append(Update("work", customer, f"JOB#{held.job}", count, present(), "job"))
    return writes


def _status(record: RunRecord) -> dict[str, Any]:
    status: dict[str, Any] = {"colour": record.colour.value, "last_run": record.ended, "open_run": ""}
    if record.slot:
        status |= {"last_slot": record.slot}
    if record.outcome in {"snapshot", "unchanged"}:
        # A run without a change proves that the newest restore point is what the source shows now.
        status |= {"last_snapshot": record.ended, "has_snapshot": True}
    return status


def _serve_queue(rows: Rows, customer: str, record: RunRecord) -> None:
    """Forget a queued slot that this run, being of the same slot or a later one, has served."""
    if not record.slot:
        return
    served = attr("queued_slot").between(value("0"), value(record.slot))
    try:
        rows.update(Update("index", customer, f"ACCOUNT#{record.account}", setting({"queued_slot": ""}), served))
    except ConditionFailed:
        return
