"""One account's slice: from its head on, service after service, until the end of the source or of the time."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta

from arche.model.deadline import Deadline
from arche.model.work import AccountRow, Head, Task, TaskState, iso, iso_after
from arche.operations.backup_ports import CollectPorts
from arche.operations.collect_draft import Draft, stored, totals_of
from arche.operations.collect_gate import HEAVY_BYTES, HEAVY_ROWS, Gate
from arche.operations.collect_pass import Pass
from arche.operations.collect_progress import Progress, resume
from arche.operations.collect_read import Reader
from arche.operations.collect_reads import SliceOver
from arche.operations.quarantine import CIRCLES, PROVING, Mistrusted, Quarantined, circles
from arche.providers.contract import Service
from arche.providers.errors import Throttled, Unreachable
from arche.vault import Conflict, Manifest, ServiceState

CONFLICTS = 3
CHECKPOINT_BYTES = 256 << 20
CHECKPOINT_ROWS = 25_000
CHECKPOINT_MINUTES = 5
ADVISORY_BYTES = 64_000
CURSOR_COMMIT_DAYS = 7
CROWDED = 8


@dataclass(frozen=True, slots=True)
class Limits:
    """How much at once. ``reads`` per mailbox plus the listing call make the vendor's four (0 = no threads at all)."""

    accounts: int = 8
    reads: int = 3
    in_flight: int = 64
    checkpoint_bytes: int = CHECKPOINT_BYTES
    checkpoint_rows: int = CHECKPOINT_ROWS


class AccountSlice:
    """Collects one account above one head. ``run`` answers the account's task; errors of the whole pass through it."""

    def __init__(
        self, row: AccountRow, run: str, ports: CollectPorts, *, deadline: Deadline, limits: Limits, gate: Gate
    ) -> None:
        self._row = row
        self._run = run
        self._ports = ports
        self._deadline = deadline
        self._limits = limits
        self._gate = gate
        self._heavy = False
        self._vault = ports.vault(row.label)
        head = ports.book.head(row.label)
        parent = self._vault.head(head.seq if head else 0)
        self._draft = Draft(self._vault, parent, run, ports.attempt)
        self._saved = ports.now()
        self._commits = 0
        self._progress = self._resume(parent, head)
        self._kept = {name: progress.marked.cursor for name, progress in self._progress.items()}
        self._pass: Pass | None = None

    def run(self, services: Mapping[str, Service]) -> Task:
        """Work until the end or the deadline. Raises Conflict, Unreachable, CredentialRejected, Forbidden.

        Whatever is raised, all that was read and lies below a cursor is committed first.
        """
        try:
            return self._serve_all(services)
        finally:
            self._lighten()
            # The pass knows this slice and this slice its pass: what they hold would wait for the cycle collector,
            # which counts objects and not their megabytes.
            self._pass = None

    def _serve_all(self, services: Mapping[str, Service]) -> Task:
        try:
            for name in self._row.services:
                if not self._progress[name].complete:
                    self._serve_sanely(name, services[name])
        except Quarantined as quarantined:
            return self._quarantine(quarantined)
        except SliceOver:
            self._close()
            return self._task(TaskState.CONTINUE)
        except Throttled as throttled:
            self._close()
            return replace(
                self._task(TaskState.LATER), at=iso_after(self._ports.now(), throttled.after), reason="Throttled"
            )
        except Conflict:
            raise
        except Exception:
            self._close()
            raise
        self._conclude()
        return self._task(TaskState.COLLECTED)

    def _serve_sanely(self, name: str, service: Service) -> None:
        try:
            self._serve(name, service)
        except Unreachable as lost:
            # Asked again at once it would go round again: this run is quarantined, the next one asks anew.
            if lost.code == CIRCLES:
                raise circles(name) from None
            raise

    def _resume(self, parent: Manifest | None, head: Head | None) -> dict[str, Progress]:
        same_run = parent is not None and parent.run == self._run
        current = head is not None and parent is not None and head.seq == parent.seq and parent.kind == "snapshot"
        found = {}
        for name in self._row.services:
            state = parent.services.get(name) if parent is not None else None
            totals = totals_of(parent).get(name, {}) if parent is not None else {}
            newer = head.cursors.get(name, "") if head is not None and current else ""
            found[name] = resume(state, totals, newer, self._ports.work, same_run=same_run)
        return found

    def _serve(self, name: str, service: Service) -> None:
        account = self._ports.account(self._row)
        pool = ThreadPoolExecutor(self._limits.reads, thread_name_prefix="read") if self._limits.reads else None
        try:
            reader = Reader(service, account, self._deadline, self._gate, pool)
            self._pass = Pass(
                name=name,
                reader=reader,
                draft=self._draft,
                progress=self._progress[name],
                reads=self._limits.reads,
                now=self._ports.now,
                save=self._save,
            )
            self._pass.run()
        finally:
            if pool is not None:
                pool.shutdown(wait=False, cancel_futures=True)

    def _save(self) -> None:
        """Commit a checkpoint when much has gathered, so that a killed worker loses little and none grows large."""
        draft = self._draft
        if not self._heavy and (draft.bytes > HEAVY_BYTES or draft.rows > HEAVY_ROWS):
            self._heavy = self._gate.enter(self._deadline)
        share = CROWDED if self._gate.crowded else 1
        if (
            draft.bytes * share >= self._limits.checkpoint_bytes
            or draft.rows * share >= self._limits.checkpoint_rows
            or (self._ports.now() - self._saved) * share >= timedelta(minutes=CHECKPOINT_MINUTES)
        ):
            if self._pass is not None:
                self._pass.settle()
            self._commit()
            self._lighten()

    def _lighten(self) -> None:
        if self._heavy:
            self._heavy = False
            self._gate.leave()

    def _close(self) -> None:
        """Commit what there is at the end of a slice, if the slice brought anything on."""
        if self._pass is not None:
            try:
                self._pass.settle()
            except Mistrusted:
                self._pass.restart(PROVING)
            except Quarantined:
                return
        if self._draft.changed or self._moved():
            self._commit()

    def _moved(self) -> bool:
        return any(progress.marked.cursor != self._kept[name] for name, progress in self._progress.items())

    def _conclude(self) -> None:
        """Everything is read: a commit if there is anything to keep, else nothing but a row in the index."""
        parent = self._draft.parent
        if parent is None or self._draft.changed or self._worth_a_commit(parent):
            self._commit()
        elif parent.kind == "checkpoint":
            if not self._concluded(parent):
                self._commit()
        else:
            self._ports.book.put_head(
                Head(
                    account=self._row.label,
                    seq=parent.seq,
                    digest=parent.digest.hex(),
                    checked_at=iso(self._ports.now()),
                    cursors={name: progress.marked.cursor for name, progress in self._progress.items()},
                    items=sum(progress.live for progress in self._progress.values()),
                    stored_bytes=stored(parent),
                )
            )

    def _concluded(self, parent: Manifest) -> bool:
        """Whether the parent is this run's own commit with everything in it (a worker was killed after it)."""
        states = parent.services
        return parent.run == self._run and all(name in states and states[name].complete for name in self._progress)

    def _worth_a_commit(self, parent: Manifest) -> bool:
        """Once a week a cursor is committed though nothing changed; so is one that no row could hold, or a listing."""
        size = sum(len(progress.marked.cursor) for progress in self._progress.values())
        old = (self._ports.now() - timedelta(days=CURSOR_COMMIT_DAYS)).timestamp() * 1000
        return (
            size > ADVISORY_BYTES
            or parent.created < old
            or any(progress.marked.listings for progress in self._progress.values())
            or any(state.listings for state in parent.services.values())
        )

    def _quarantine(self, quarantined: Quarantined) -> Task:
        """Drop this slice, and put back the last good snapshot's cursors if checkpoints of this run moved them."""
        task = replace(
            self._task(TaskState.COLLECTED), changed=False, reason=quarantined.reason, message=quarantined.message
        )
        parent = self._draft.parent
        if parent is not None and parent.run == self._run and parent.kind == "checkpoint":
            good = next(self._vault.points(), None)
            states = good.services if good is not None else {}
            services = {name: states.get(name, ServiceState()) for name in self._progress}
            draft = Draft(self._vault, parent, self._run, self._ports.attempt)
            draft.commit(services, totals_of(parent))
        return task

    def _commit(self) -> None:
        services, totals = {}, {}
        for name, progress in self._progress.items():
            dumps = progress.dumps()
            key = ""
            if dumps:
                self._commits += 1
                label = self._row.label
                key = f"{self._row.customer}/{self._run}/{label}/{name}-{self._ports.attempt}-{self._commits}.seen"
                self._ports.work.create(key, b"".join(dumps))
            services[name] = progress.state(key, dumps)
            totals[name] = {"items": progress.live, "base": progress.base}
        self._draft.commit(services, totals)
        self._kept = {name: progress.marked.cursor for name, progress in self._progress.items()}
        self._saved = self._ports.now()

    def _task(self, state: TaskState) -> Task:
        flags = {flag for progress in self._progress.values() for flag in progress.flags}
        return Task(
            account=self._row.label,
            state=state,
            changed=self._draft.parent is not None and self._draft.parent.kind == "checkpoint",
            counts={name: progress.counts.as_dict() for name, progress in self._progress.items()},
            flags=tuple(sorted(flags)),
        )
