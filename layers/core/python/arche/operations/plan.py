"""`plan`: what a restore would do, before it does anything: what, where to, conflicts, losses, cost, earliest finish.

Reads the vault only, never the vendor. Leaves batches for `deliver` in the work bucket and the plan in the job's row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from arche.model.restore import RequestRefused, RestoreJob
from arche.model.work import iso
from arche.operations.plan_batches import BatchWriter
from arche.operations.plan_selection import Selected, Selection
from arche.operations.restore_ports import Pace, RestorePorts
from arche.vault import Manifest, View


@dataclass(slots=True)
class _Sums:
    items: int = 0
    bytes: int = 0
    folders: int = 0
    conflicts: int = 0
    without_content: int = 0
    by_kind: dict[str, int] = field(default_factory=dict)
    by_service: dict[str, int] = field(default_factory=dict)


def plan(event: dict[str, Any], ports: RestorePorts) -> dict[str, Any]:
    """Plan a job (``{"customer", "job", "run", "lease", "connection", "start"}``) and answer the next state's input.

    Without ``start`` the job becomes ``planned`` and the answer's ``next`` is ``end``. With it the answer holds
    ``undo`` (input of the backup to make first, or None), ``batches`` and ``batches_key``. A request that cannot
    be carried out makes the job ``failed`` with a sentence that says why, and ``next`` is ``end``. Safe to repeat.
    """
    job = ports.book.job(str(event["job"]))
    if job is None or job.state in {"done", "partial", "failed"}:
        return {**event, "next": "end"}
    try:
        made = dict(job.plan) or _make(job, ports)
    except RequestRefused as refused:
        ports.book.update_job(job.id, "failed", message=str(refused))
        return {**event, "next": "end"}
    if not event.get("start"):
        ports.book.update_job(job.id, "planned", plan=made)
        return {**event, "next": "end"}
    undo = _undo(job, ports) if job.request.undo else None
    ports.book.update_job(job.id, "running", plan=made)
    return {
        **event,
        "next": "undo" if undo else "deliver",
        "undo": undo,
        "batches": made["batches"],
        "batches_key": made["batches_key"],
    }


def _make(job: RestoreJob, ports: RestorePorts) -> dict[str, Any]:
    manifest = _point(job, ports)
    view = ports.vault(job.request.account).view(manifest)
    present = _present(job, ports)
    selection = Selection(view, job.request, tuple(manifest.services))
    writer = BatchWriter(ports.work, job, manifest.seq)
    sums = _Sums()
    for chosen in selection:
        _add(sums, chosen, present)
        writer.add(chosen)
    count = writer.finish()
    if not sums.items and not selection.folders:
        raise RequestRefused("Nothing of what was chosen is in this restore point. Browse it and choose again.")
    sums.folders = selection.folders
    return {**_figures(job, manifest, sums, ports), "batches": count, "batches_key": writer.list_key}


def _point(job: RestoreJob, ports: RestorePorts) -> Manifest:
    """Find the restore point asked for; only a snapshot is one."""
    vault = ports.vault(job.request.account)
    if job.request.seq:
        head = ports.book.head(job.request.account)
        newest = vault.head(head.seq if head else 0)
        if newest is not None and job.request.seq <= newest.seq:
            manifest = vault.manifest(job.request.seq)
            if manifest.kind == "snapshot":
                return manifest
        raise RequestRefused(f"{job.request.account} has no restore point {job.request.seq}. List them and choose one.")
    newest_point = next(vault.points(), None)
    if newest_point is None:
        raise RequestRefused(f"{job.request.account} has no restore point yet. Back it up first.")
    return newest_point


def _present(job: RestoreJob, ports: RestorePorts) -> View | None:
    """View the target as its newest restore point shows it, to foresee conflicts; only in place can ids meet."""
    if job.request.elsewhere or job.request.target != job.request.account:
        return None
    vault = ports.vault(job.request.target)
    newest = next(vault.points(), None)
    return vault.view(newest) if newest is not None else None


def _add(sums: _Sums, chosen: Selected, present: View | None) -> None:
    row = chosen.row
    if row is None:
        return
    sums.items += 1
    sums.bytes += sum(part.size for part in row.parts)
    sums.by_kind[row.kind] = sums.by_kind.get(row.kind, 0) + 1
    sums.by_service[row.service] = sums.by_service.get(row.service, 0) + 1
    sums.without_content += not row.parts
    there = present.row(row.service, row.id) if present is not None else None
    sums.conflicts += there is not None


def _figures(job: RestoreJob, manifest: Manifest, sums: _Sums, ports: RestorePorts) -> dict[str, Any]:
    calls, seconds = 0.0, 0.0
    for service, number in sums.by_service.items():
        pace = ports.pace.get(service, Pace())
        own = number * pace.calls_per_item + sums.folders
        calls += own
        seconds += own / pace.calls_per_second
    pace = next((ports.pace[service] for service in sums.by_service if service in ports.pace), Pace())
    seconds = max(seconds, sums.bytes / pace.bytes_per_second)
    losses = [
        {"kind": kind, "field": name, "reason": reason, "items": sums.by_kind[kind]}
        for kind in sorted(sums.by_kind)
        for name, reason in ports.losses.get(kind, ())
    ]
    states = {
        name: {"as_of": state.as_of, "problems": len(state.problems)} for name, state in manifest.services.items()
    }
    return {
        "seq": manifest.seq,
        "services": states,
        "target": job.request.target,
        "in_place": not job.request.elsewhere and job.request.target == job.request.account,
        "items": sums.items,
        "folders": sums.folders,
        "bytes": sums.bytes,
        "conflicts": sums.conflicts,
        "conflict_rule": job.request.conflict,
        "without_content": sums.without_content,
        "losses": losses,
        "calls": round(calls),
        "earliest_finish": iso(ports.now() + timedelta(seconds=seconds)),
        "seconds": round(seconds),
    }


def _undo(job: RestoreJob, ports: RestorePorts) -> dict[str, Any] | None:
    """Input of the machine `backup` for the snapshot that lets the target be put back; None if it is not backed up."""
    row = ports.book.account(job.request.target)
    if row is None or not row.active:
        return None
    return {"customer": job.customer, "job": f"{job.id}-undo", "accounts": [row.label]}
