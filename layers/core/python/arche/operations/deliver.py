"""`deliver`: gives the items of one batch back, verifies each by reading it again, and keeps a result per item.

May be cut off and run again at any point: what has a result is not touched again, what is in doubt is looked for first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from arche.model.deadline import Deadline
from arche.model.restore import Action, RestoreJob, Result
from arche.model.work import iso_after
from arche.operations.deliver_journal import Journal
from arche.operations.plan_batches import RestoreBatch, read_batch
from arche.operations.restore_ports import RestorePorts
from arche.providers.contract import Account, Into, Item, Outcome, Service
from arche.providers.errors import CredentialRejected, Forbidden, ItemChanged, ItemRefused, Throttled, Unreachable
from arche.vault import Row, View

GROUP = 10
ATTEMPTS = 2
THERE = "It is there already and was left as it is."


class JobClosed(Exception):  # noqa: N818 - the name says what happened
    """The job is not running: nothing may be written for it."""


class _Over(Exception):  # noqa: N818 - the name says what happened
    """The time of this slice is over."""


@dataclass(frozen=True, slots=True)
class StoredContent:
    """The stored parts of one row, as a room's ``write`` and ``verify`` read them (``contract.Content``)."""

    view: View
    row: Row

    @property
    def parts(self) -> Sequence[tuple[str, int]]:
        """Names and sizes in bytes."""
        return [(part.name, part.size) for part in self.row.parts]

    def open(self, name: str = "", offset: int = 0) -> Iterator[bytes]:
        """Stream a part from ``offset``. Raises KeyError for an unknown part, vault.Damaged."""
        for part in self.row.parts:
            if part.name == name:
                return self.view.read(part, offset)
        raise KeyError(name)


def deliver(event: Mapping[str, Any], ports: RestorePorts, deadline: Deadline) -> dict[str, Any]:
    """Work on one batch (a line of the work list) until it ends or the time does.

    Answers the line with ``status`` (``done``, ``continue``, ``later``) and ``at``. Raises CredentialRejected,
    Forbidden, Unreachable, vault errors and JobClosed; all that was written has its result by then.
    """
    job = ports.book.job(str(event["job"]))
    if job is None or job.state != "running":
        raise JobClosed("This restore is not running (any more).")
    if job.report.get("problem"):
        return {**event, "status": "done", "at": None}
    batch = read_batch(ports.work, job.customer, job.id, int(event["batch"]), int(job.plan["seq"]))
    journal = Journal(ports.work, job.customer, job.id, batch.number, ports.attempt)
    done, doubt = journal.read()
    todo = [item for item in batch.items if item not in done]
    if not todo and batch.items:
        return {**event, "status": "done", "at": None}
    try:
        worker = _Worker.open(job, batch, ports)
        for start in range(0, len(todo), GROUP):
            worker.group(todo[start : start + GROUP], doubt, journal, deadline)
    except Throttled as throttled:
        return {**event, "status": "later", "at": iso_after(ports.now(), throttled.after)}
    except _Over:
        return {**event, "status": "continue", "at": None}
    except (CredentialRejected, Forbidden) as closed:
        # The other batches stop at this note instead of knocking at the same door.
        ports.book.update_job(job.id, "running", report={"problem": type(closed).__name__})
        raise
    return {**event, "status": "done", "at": None}


@dataclass(frozen=True, slots=True)
class _Worker:
    """One batch at work: everything that its items share."""

    job: RestoreJob
    batch: RestoreBatch
    service: Service
    account: Account
    view: View
    folder: str

    @classmethod
    def open(cls, job: RestoreJob, batch: RestoreBatch, ports: RestorePorts) -> _Worker:
        row = ports.book.account(job.request.target)
        if row is None:
            raise JobClosed("The target account is not known any more.")
        account = ports.account(row)
        service = ports.services()[batch.service]
        vault = ports.vault(job.request.account)
        view = vault.view(vault.manifest(batch.seq))
        path = [_item(folder) for folder in batch.path]
        if job.request.new_folder:
            path.insert(0, _new_folder(job.request.new_folder))
        folder = service.folder(account, path, job.request.into) if path else job.request.into
        return cls(job, batch, service, account, view, folder)

    def group(self, items: Sequence[str], doubt: set[str], journal: Journal, deadline: Deadline) -> None:
        """Write a few items and keep their results, whatever ends the group."""
        if deadline.soon:
            raise _Over
        journal.begin(items)
        results: list[Result] = []
        touched = 0
        try:
            for item in items:
                if deadline.soon:
                    raise _Over
                touched += 1
                results.append(self._one(item, in_doubt=item in doubt))
        finally:
            journal.end(results, items[touched:])

    def _one(self, item_id: str, *, in_doubt: bool) -> Result:
        row = self.view.row(self.batch.service, item_id)
        if row is None or (row.problem and not row.parts):
            return self._result(item_id, "failed", message="The restore point holds no content of this item.")
        item, content = _item(row), StoredContent(self.view, row)
        try:
            outcome = self._write(item, content, again=in_doubt)
        except (ItemRefused, ItemChanged) as refused:
            return self._result(item_id, "failed", message=_refusal(refused))
        losses = tuple((loss.field, loss.reason) for loss in outcome.losses)
        if outcome.action == "skipped":
            return self._result(item_id, "skipped", losses=losses, message=THERE)
        found = self._verify(item, content, outcome.new_id)
        if found is None:
            message = "Written, but it could not be read again to compare it."
            return self._result(item_id, outcome.action, outcome.new_id, losses=losses, message=message)
        return self._result(
            item_id, outcome.action, outcome.new_id, losses=tuple(dict.fromkeys((*losses, *found))), verified=True
        )

    def _write(self, item: Item, content: StoredContent, *, again: bool) -> Outcome:
        """Write, and once more if the answer was lost: then the room looks for the first try's work."""
        for attempt in range(ATTEMPTS):
            mark = f"{self.job.id}/{hashlib.sha256(item.id.encode()).hexdigest()[:16]}"
            into = Into(
                self.folder,
                self.job.request.conflict,
                mark=mark,
                again=again or attempt > 0,
                known=lambda other: other != item.id and self.view.row(self.batch.service, other) is not None,
            )
            try:
                return self.service.write(self.account, item, content, into)
            except Unreachable:
                if attempt + 1 == ATTEMPTS:
                    raise
        raise AssertionError  # pragma: no cover - the loop returns or raises

    def _verify(self, item: Item, content: StoredContent, new_id: str) -> tuple[tuple[str, str], ...] | None:
        for _ in range(ATTEMPTS):
            try:
                losses = self.service.verify(self.account, item, content, new_id)
            except Unreachable:
                continue
            except (ItemRefused, ItemChanged):
                return None
            return tuple((loss.field, loss.reason) for loss in losses)
        return None

    def _result(
        self,
        item: str,
        action: Action,
        new_id: str = "",
        *,
        losses: tuple[tuple[str, str], ...] = (),
        verified: bool = False,
        message: str = "",
    ) -> Result:
        return Result(self.batch.service, item, action, new_id, losses, verified, message)


def _item(row: Row) -> Item:
    return Item(
        id=row.id,
        kind=row.kind,
        folder=row.folder,
        name=row.name,
        version=row.version,
        date=datetime.fromtimestamp(row.date / 1000, UTC),
        size=row.size,
        properties=row.properties,
    )


def _new_folder(name: str) -> Item:
    return Item(id="", kind="folder", folder="", name=name, version="", date=datetime.fromtimestamp(0, UTC))


def _refusal(error: ItemRefused | ItemChanged) -> str:
    code = error.code or (str(error.status) if error.status else "")
    return f"The target would not take it ({code})." if code else "The target would not take it."
