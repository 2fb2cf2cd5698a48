"""`schedule`: opens a run for what is due, hands out what a first pass left over, and closes the run.

Every call may be repeated: ids come from the slot, the job or the run, rows and lists are only ever created.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from arche.model import labels
from arche.model.work import UNFINISHED, AccountRow, Batch, Lease, Run, Task, TaskState, iso, moment
from arche.operations.backup_ports import SchedulePorts
from arche.operations.quarantine import QUARANTINES
from arche.operations.schedule_lists import interleave, read_list, write_list
from arche.operations.seal import unsuccessful

INCREMENT_HOURS = 26
FIRST_DAYS = 14
EARLY = timedelta(minutes=30)

NOT_BEGUN = "This backup could not begin. Nothing was changed; start it again, and call support if it happens twice."
QUEUED = "An earlier run still works on this account. The slot is queued and taken up when that run ends."


class BadRequest(ValueError):  # noqa: N818 - the name says what happened
    """The input of the machine is not one of those in docs/design.md."""


@dataclass(frozen=True, slots=True)
class _Plan:
    run: Run
    accounts: Mapping[str, list[AccountRow]]
    """Accounts by the slot they are taken for."""


def schedule(event: Mapping[str, Any], ports: SchedulePorts) -> dict[str, Any]:  # noqa: PLR0911 - one per step
    """Answer one step of the machine `backup`. ``event["execution"]`` names the execution, in every step.

    ``{"slot"}``, ``{"customer", "job", …}`` and ``{"queued": run}`` open a run: ``{"run", "increments", "firsts",
    "increments_key", "firsts_key"}`` with numbers of batches. ``{"run", "rest": n}`` lists what is left over, as
    ``{"run", "rest", "rest_key"}``. ``{"run", "close": true}`` ends it: ``{"run", "unfinished", "failed", "queued"}``
    in accounts, quarantined ones not among the failed. ``{"not_begun": input}`` tells the member who waits for its job.
    Raises BadRequest and LabelError.
    """
    owner = str(event.get("execution", ""))
    match event:
        case {"run": str(run), "rest": int(turn)}:
            return _rest(run, turn, ports)
        case {"run": str(run), "close": True}:
            return _close(run, ports)
        case {"not_begun": {"customer": str(customer), "job": str(job)}}:
            ports.book.fail_job(labels.require_customer(customer), job, NOT_BEGUN)
            return {"told": True}
        case {"not_begun": dict()}:
            return {"told": False}
        case {"queued": str(run)}:
            return _open(_queued(run, owner, ports), ports)
        case {"slot": str(hour)}:
            return _open(_slot(hour, owner, ports), ports)
        case {"customer": str(customer), "job": str(job)}:
            return _open(_job(event, labels.require_customer(customer), job, owner, ports), ports)
    raise BadRequest("Start this machine with a slot, or with a customer and a job.")


def _slot(hour: str, owner: str, ports: SchedulePorts) -> _Plan:
    now = ports.now()
    begins = _latest(hour, now)
    slot = f"{begins:%Y%m%d-%H}"
    accounts = {slot: list(ports.book.due(hour))}
    taken = {(row.customer, row.label) for row in accounts[slot]}
    for back in range(1, 24):
        missed = begins - timedelta(hours=back)
        late = [row for row in ports.book.due(f"{missed:%H}") if _missed(row, missed)]
        fresh = [row for row in late if (row.customer, row.label) not in taken]
        taken |= {(row.customer, row.label) for row in fresh}
        if fresh:
            accounts[f"{missed:%Y%m%d-%H}"] = fresh
    run = Run(id=slot, kind="backup", started=iso(now), slot=slot, owner=owner)
    return _Plan(run, {name: list(_free(rows, name, ports)) for name, rows in accounts.items()})


def _latest(hour: str, now: datetime) -> datetime:
    """Find the last moment at which it was ``hour`` o'clock UTC; a scheduler may be a little early, and hours late."""
    if len(hour) != 2 or not hour.isdigit() or int(hour) > 23:  # noqa: PLR2004 - hours of a day
        raise BadRequest("A slot is an hour of the day, 00 to 23.")
    begins = now.astimezone(UTC).replace(hour=int(hour), minute=0, second=0, microsecond=0)
    return begins if begins <= now + EARLY else begins - timedelta(days=1)


def _missed(row: AccountRow, slot: datetime) -> bool:
    """Whether nobody took the account up for a slot that lies behind it (no run, no queue)."""
    name = f"{slot:%Y%m%d-%H}"
    served = max(row.last_slot, row.queued_slot) >= name
    return bool(row.activated) and moment(row.activated) <= slot and not served and not row.open_run


def _free(rows: Iterable[AccountRow], slot: str, ports: SchedulePorts) -> Iterator[AccountRow]:
    """Accounts that no other run works on; for the others the slot is queued. One run per account and slot."""
    open_runs: dict[str, bool] = {}
    for row in rows:
        if row.last_slot >= slot:
            continue
        busy = row.open_run
        if busy and busy != slot:
            if busy not in open_runs:
                open_runs[busy] = _alive(ports.book.run(busy), ports.now(), first=not row.has_snapshot)
            if open_runs[busy]:
                ports.book.queue(row.customer, row.label, slot, QUEUED)
                continue
        yield row


def _alive(run: Run | None, now: datetime, *, first: bool) -> bool:
    """Whether a run can still be at work: an aborted execution must not hold its accounts for ever."""
    if run is None or run.state == "closed":
        return False
    if run.state == "opening":
        return now < moment(run.started) + timedelta(hours=1)
    return now < moment(run.started) + (timedelta(days=FIRST_DAYS) if first else timedelta(hours=INCREMENT_HOURS))


def _job(event: Mapping[str, Any], customer: str, job: str, owner: str, ports: SchedulePorts) -> _Plan:
    wanted = event.get("accounts")
    chosen = None if wanted is None else [labels.require_account(str(label)) for label in wanted]
    connection = str(event.get("connection") or "")
    rows = list(ports.book.accounts(customer, chosen, connection))
    return _Plan(
        Run(id=job, kind="backup", started=iso(ports.now()), customer=customer, job=job, owner=owner), {"": rows}
    )


def _queued(ended: str, owner: str, ports: SchedulePorts) -> _Plan:
    """Take up the slots that waited for a run which is closed now."""
    accounts: dict[str, list[AccountRow]] = {}
    for row in _waiting(ended, ports):
        accounts.setdefault(row.queued_slot, []).append(row)
    slot = max(accounts, default="")
    return _Plan(Run(id=f"{ended}-q", kind="backup", started=iso(ports.now()), slot=slot, owner=owner), accounts)


def _waiting(run: str, ports: SchedulePorts) -> Iterator[AccountRow]:
    for batch in _batches(run, ports):
        for row in ports.book.accounts(batch.customer, batch.accounts):
            if row.queued_slot > row.last_slot:
                yield row


def _batches(run: str, ports: SchedulePorts) -> Iterator[Batch]:
    for name in ("increments", "firsts"):
        yield from read_list(ports.work, f"{run}/{name}.jsonl")


def _open(plan: _Plan, ports: SchedulePorts) -> dict[str, Any]:
    run = ports.book.open_run(plan.run)
    keys = {"increments_key": f"{run.id}/increments.jsonl", "firsts_key": f"{run.id}/firsts.jsonl"}
    if run.state == "closed" or run.owner != plan.run.owner:
        return {"run": run.id, "increments": 0, "firsts": 0, **keys, "close": False}
    numbers = {}
    leases = 0
    for name in ("increments", "firsts"):
        key = f"{run.id}/{name}.jsonl"
        there = list(read_list(ports.work, key))
        if there:
            numbers[name] = len(there)
            leases += len(there)
            continue
        batches = []
        for slot, rows in sorted(plan.accounts.items()):
            wanted = [row for row in rows if row.has_snapshot == (name == "increments")]
            for accounts in interleave(wanted):
                leases += 1
                lease = _lease(run, slot, accounts, ports)
                batches.append(Batch(run.id, lease.id, lease.customer, lease.connection, tuple(lease.tasks)))
        numbers[name] = write_list(ports.work, key, batches)
    ports.book.set_run(replace(run, state="open", leases=leases))
    return {"run": run.id, **numbers, **keys, "close": True}


def _lease(run: Run, slot: str, accounts: list[AccountRow], ports: SchedulePorts) -> Lease:
    """Open a lease whose id says what it holds, so that a repeat opens the same one, or another for other accounts."""
    first = accounts[0]
    held = json.dumps([run.id, first.customer, slot, [row.label for row in accounts]])
    name = f"{run.id}-{hashlib.sha256(held.encode()).hexdigest()[:12]}"
    life = timedelta(hours=INCREMENT_HOURS) if first.has_snapshot else timedelta(days=FIRST_DAYS)
    lease = Lease(
        id=name,
        run=run.id,
        customer=first.customer,
        connection=first.connection,
        purpose="backup",
        expires=int((ports.now() + life).timestamp()),
        tasks={row.label: Task(row.label) for row in accounts},
        job=run.job,
        started=run.started,
        slot=slot,
    )
    ports.book.open_lease(lease)
    return lease


def _rest(run: str, turn: int, ports: SchedulePorts) -> dict[str, Any]:
    """List again the accounts of the first pass that are not done: continued, throttled, or their worker was killed."""
    key = f"{run}/rest-{turn}.jsonl"
    left = []
    for batch in read_list(ports.work, f"{run}/increments.jsonl"):
        lease = ports.book.lease(batch.customer, batch.lease)
        tasks = lease.tasks if lease is not None and lease.open else {}
        again = tuple(label for label in batch.accounts if label in tasks and tasks[label].state != TaskState.SEALED)
        if again:
            left.append(replace(batch, accounts=again))
    return {"run": run, "rest": write_list(ports.work, key, left), "rest_key": key}


def _close(run: str, ports: SchedulePorts) -> dict[str, Any]:
    """End a run: whoever is not done gets a record that says so, leases close, queued slots are counted."""
    found = ports.book.run(run)
    if found is None:
        raise BadRequest("There is no such run.")
    now = iso(ports.now())
    unfinished = failed = 0
    for batch in _batches(run, ports):
        lease = ports.book.lease(batch.customer, batch.lease)
        if lease is None:
            continue
        for label in batch.accounts:
            task = lease.tasks.get(label)
            if task is None:
                continue
            failed += task.state in {TaskState.STOPPED, TaskState.SEALED} and task.reason not in {"", *QUARANTINES}
            if task.state == TaskState.SEALED:
                continue
            unfinished += task.state in UNFINISHED or task.state == TaskState.COLLECTED
            record = unsuccessful(lease, task, now)
            sealed = replace(task, state=TaskState.SEALED, reason=task.reason or "unfinished")
            ports.book.seal_account(batch.customer, batch.lease, sealed, record)
        ports.book.close_lease(batch.customer, batch.lease)
    ports.book.set_run(replace(found, state="closed"))
    return {"run": run, "unfinished": unfinished, "failed": failed, "queued": sum(1 for _ in _waiting(run, ports))}
