"""`report`: sums a restore up, item by item, and sends what was cut off through `deliver` again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from arche.model.restore import JobState, RestoreJob, Result
from arche.model.work import iso
from arche.operations.deliver_journal import read_results
from arche.operations.plan_batches import RestoreBatch, read_batch, results_prefix
from arche.operations.restore_ports import RestorePorts

ROUNDS = 3
LOSS_KINDS = 200

_GIVEN_BACK = frozenset({"written", "renamed", "replaced", "existing"})


@dataclass(slots=True)
class _Totals:
    actions: dict[str, int] = field(default_factory=dict)
    losses: dict[tuple[str, str], int] = field(default_factory=dict)
    items_with_losses: int = 0
    verified: int = 0
    unfinished: int = 0

    def add(self, result: Result) -> None:
        self.actions[result.action] = self.actions.get(result.action, 0) + 1
        self.verified += result.verified
        self.items_with_losses += bool(result.losses)
        for loss in result.losses:
            self.losses[loss] = self.losses.get(loss, 0) + 1

    @property
    def given_back(self) -> int:
        return sum(number for action, number in self.actions.items() if action in _GIVEN_BACK)

    @property
    def failed(self) -> int:
        return self.actions.get("failed", 0)


def report(event: Mapping[str, Any], ports: RestorePorts) -> dict[str, Any]:
    """Sum the job up; ``event`` also holds ``round`` (from 1) and, after an error, ``problem`` (its name).

    Answers the event with ``next``: ``deliver`` when items lack a result and another round makes sense, else ``end``,
    and the job is ``done``, ``partial`` or ``failed``. Safe to repeat.
    """
    job = ports.book.job(str(event["job"]))
    if job is None:
        return {**event, "next": "end"}
    turn = int(event.get("round", 1))
    problem = str(event.get("problem") or job.report.get("problem") or "")
    totals = _Totals()
    if job.plan:
        for batch in _batches(job, ports):
            _sum(job, batch, totals, ports)
    if totals.unfinished and turn < ROUNDS and not problem and job.state == "running":
        return {**event, "next": "deliver", "round": turn + 1}
    figures = {
        "items": int(job.plan.get("items", 0)),
        "actions": totals.actions,
        "given_back": totals.given_back,
        "verified": totals.verified,
        "failed": totals.failed,
        "unfinished": totals.unfinished,
        "declared_loss": sum(totals.losses.values()),
        "items_with_losses": totals.items_with_losses,
        "losses": [
            {"field": name, "reason": reason, "items": number}
            for (name, reason), number in sorted(totals.losses.items(), key=lambda loss: -loss[1])[:LOSS_KINDS]
        ],
        "results": f"{job.customer}/{job.id}/results/",
        "ended": iso(ports.now()),
        "problem": problem,
    }
    state = _state(totals, problem)
    ports.book.update_job(job.id, state, message=_message(totals, problem), report=figures)
    ports.book.close_lease(job.lease)
    return {**event, "next": "end", "round": turn}


def _batches(job: RestoreJob, ports: RestorePorts) -> Iterator[RestoreBatch]:
    for number in range(1, int(job.plan.get("batches", 0)) + 1):
        yield read_batch(ports.work, job.customer, job.id, number, int(job.plan["seq"]))


def _sum(job: RestoreJob, batch: RestoreBatch, totals: _Totals, ports: RestorePorts) -> None:
    results = {r.id: r for r in read_results(ports.work, results_prefix(job.customer, job.id, batch.number))}
    for item in batch.items:
        if item in results:
            totals.add(results[item])
        else:
            totals.unfinished += 1


def _state(totals: _Totals, problem: str) -> JobState:
    if not totals.failed and not totals.unfinished and not problem:
        return "done"
    return "partial" if totals.given_back or totals.actions.get("skipped") else "failed"


_MESSAGES = {
    "CredentialRejected": (
        "The cloud no longer accepts the restore app. Let an administrator consent to it again, then restore again: "
        "what is there already is recognised."
    ),
    "Forbidden": (
        "A permission for restoring is missing. Let an administrator consent to the restore app, then restore again: "
        "what is there already is recognised."
    ),
    "UndoFailed": (
        "The target could not be backed up before the restore, so nothing was written. Look at its last backup; or "
        "ask for a restore without an undo point."
    ),
}


def _message(totals: _Totals, problem: str) -> str:
    if problem:
        return _MESSAGES.get(problem, "The restore was cut off. Ask for it again: what is there already is recognised.")
    if totals.unfinished:
        return (
            f"{totals.unfinished} items could not be reached. Ask for the restore again: what is there is recognised."
        )
    if totals.failed:
        return f"{totals.failed} items could not be given back. The results name each with its reason."
    there = totals.actions.get("skipped", 0)
    left = f" {there} items are there already and were left as they are." if there else ""
    return (
        f"Everything that was asked for is back; the results name what could not be carried over, item by item.{left}"
    )
