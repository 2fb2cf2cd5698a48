"""`seal`: what was collected becomes a restore point, and every account of a batch gets its record and colour.

A snapshot is committed only above a complete state; a run that changed nothing writes no object. When two runs meet on
one account (a slot and a "backup now"), whoever comes first seals for both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from arche.model.completeness import Colour, Counts
from arche.model.work import Batch, Head, Lease, RunProblem, RunRecord, Task, TaskState, iso
from arche.operations.backup_ports import SealPorts
from arche.operations.collect_draft import note, stored, totals_of
from arche.operations.quarantine import AMBER_FLAGS, DELTA_MISTRUSTED, MASS_CHANGE
from arche.vault import AccountVault, Conflict, Manifest, ServiceState

CONFLICTS = 3

_FLAG_MESSAGES = {
    MASS_CHANGE: (
        "More than half of the items are gone at the source; a full listing proves it. Earlier restore points hold "
        "them: if this was no clean-up, restore from one of them."
    ),
    DELTA_MISTRUSTED: (
        "The source reported items as removed that its full listing still shows. They are kept. Nothing to do; "
        "if it happens every day, tell support."
    ),
}


_STOPPED_MESSAGES = {
    "paused": "The connection is paused, so nothing was backed up. Resume it to go on.",
    "unknown_connection": "The connection is not known any more. Connect the tenant again, or end these backups.",
    "unknown_account": "The connection has no such account any more. Discover its accounts again.",
}


class NotClosed(Exception):  # noqa: N818 - the name says what happened
    """A row refers to content that is not stored. No snapshot is made of it."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """What a call sealed, for metrics: accounts by colour, items by ending, and the next state's input."""

    batch: Batch
    colours: Mapping[str, int]
    counts: Counts

    def as_event(self) -> dict[str, Any]:
        """Output of the Lambda: the batch and how many accounts ended in which colour."""
        return {**self.batch.as_event(), "sealed": dict(self.colours)}


def seal(batch: Batch, ports: SealPorts) -> Sealed:
    """Seal the batch's accounts that are collected or stopped; leave the others alone. Safe to repeat.

    Raises NotClosed, vault errors, and Conflict when another attempt keeps committing.
    """
    lease = ports.book.lease(batch.lease)
    colours: dict[str, int] = {}
    total = Counts()
    if lease is None:
        return Sealed(batch, colours, total)
    for label in batch.accounts:
        task = lease.tasks.get(label)
        if task is None or task.state not in {TaskState.COLLECTED, TaskState.STOPPED}:
            continue
        record, head = _account(lease, task, ports)
        if head is not None:
            ports.book.put_head(head)
        if ports.book.seal_account(batch.lease, replace(task, state=TaskState.SEALED), record):
            colours[record.colour] = colours.get(record.colour, 0) + 1
            total = sum((Counts(**counts) for counts in record.counts.values()), total)
    return Sealed(batch, colours, total)


def _account(lease: Lease, task: Task, ports: SealPorts) -> tuple[RunRecord, Head | None]:
    now = iso(ports.now())
    if task.state == TaskState.STOPPED:
        return unsuccessful(lease, task, now), None
    vault = ports.vault(task.account)
    cached = ports.book.head(task.account)
    parent = vault.head(cached.seq if cached else 0)
    if parent is None:
        raise NotClosed(f"{task.account} was collected in {lease.run}, but its chain is empty")
    if task.reason:
        return _quarantined(lease, task, parent, now), None
    snapshot = _snapshot(vault, parent, lease.run, ports)
    services = snapshot.services
    items = sum(numbers.get("items", 0) for numbers in totals_of(snapshot).values())
    record = RunRecord(
        account=task.account,
        run=lease.run,
        started=lease.started,
        ended=now,
        colour=colour(task, services),
        outcome="snapshot" if task.changed or snapshot.run == lease.run else "unchanged",
        seq=snapshot.seq,
        slot=lease.slot,
        counts=task.counts,
        problems=tuple(problems(services, task.flags)),
        items=items,
        stored_bytes=stored(snapshot),
    )
    newer = cached.cursors if cached is not None and cached.seq == snapshot.seq else {}
    head = Head(
        account=task.account,
        seq=snapshot.seq,
        digest=snapshot.digest.hex(),
        checked_at=now,
        cursors=newer,
        items=items,
        stored_bytes=stored(snapshot),
    )
    return record, head


def _snapshot(vault: AccountVault, parent: Manifest, run: str, ports: SealPorts) -> Manifest:
    """Commit the snapshot above ``parent`` unless it is one; after a conflict look again at what is there."""
    for _ in range(CONFLICTS):
        if parent.kind == "snapshot":
            return parent
        if not all(state.complete for state in parent.services.values()):
            raise NotClosed(f"the chain's head {parent.seq} is a state that {parent.run} has not completed")
        _prove(vault, parent)
        try:
            writer = vault.writer(parent, run, ports.attempt)
            return writer.commit("snapshot", parent.services, note(totals_of(parent), parent))
        except Conflict as conflict:
            parent = conflict.manifest
    raise NotClosed(f"others keep committing above {parent.seq}; the next run seals")


def _prove(vault: AccountVault, parent: Manifest) -> None:
    """Every reference of the rows that this run put must resolve to stored content."""
    broken = next(iter(vault.unresolved(parent)), None)
    if broken is not None:
        raise NotClosed(f"content of a row in {broken.service} is missing from the vault below {parent.seq}")


def colour(task: Task, services: Mapping[str, ServiceState]) -> Colour:
    """Green only by the one formula in every service, with no failed item and no flag that asks for attention."""
    green = all(Counts(**numbers).green for numbers in task.counts.values())
    whole = not any(state.problems or state.listings for state in services.values())
    return Colour.GREEN if task.counts and green and whole and not AMBER_FLAGS & set(task.flags) else Colour.AMBER


def problems(services: Mapping[str, ServiceState], flags: tuple[str, ...]) -> list[RunProblem]:
    """One clear message per kind of problem, each with the number of items it is about."""
    found = []
    for name, state in services.items():
        by_code: dict[str, int] = {}
        for reason in state.problems.values():
            code = reason.partition(":")[0]
            by_code[code] = by_code.get(code, 0) + 1
        for code, count in sorted(by_code.items()):
            message = (
                f"{count} item{'s' if count > 1 else ''} of {name} could not be read. They are named in the account's "
                "items with their reason; each run tries them again."
            )
            found.append(RunProblem(code=code, message=message, count=count, service=name))
        if state.listings:
            message = f"A folder of {name} was not listed to its end; nothing in it was removed. The next run goes on."
            found.append(RunProblem(code="listing_open", message=message, service=name))
    found += [RunProblem(code=flag, message=_FLAG_MESSAGES[flag]) for flag in flags if flag in _FLAG_MESSAGES]
    return found


def _quarantined(lease: Lease, task: Task, parent: Manifest, now: str) -> RunRecord:
    return RunRecord(
        account=task.account,
        run=lease.run,
        started=lease.started,
        ended=now,
        colour=Colour.AMBER,
        outcome="quarantined",
        seq=parent.seq,
        slot=lease.slot,
        counts=task.counts,
        problems=(RunProblem(code=task.reason, message=task.message),),
    )


def unsuccessful(lease: Lease, task: Task, now: str) -> RunRecord:
    """Record of an account that was stopped, or that the run left unfinished."""
    stopped = task.state == TaskState.STOPPED
    message = task.message or (
        _STOPPED_MESSAGES.get(task.reason, "The account could not be backed up in this run. The next run tries again.")
        if stopped
        else "The run ended before this account was done. Nothing is lost: the next run goes on where this one stopped."
    )
    return RunRecord(
        account=task.account,
        run=lease.run,
        started=lease.started,
        ended=now,
        colour=Colour.RED if stopped else Colour.AMBER,
        outcome="stopped" if stopped else "unfinished",
        slot=lease.slot,
        counts=task.counts,
        problems=(RunProblem(code=task.reason or "unfinished", message=message),),
    )
