"""The operations at home: books in memory, a real vault over a store in memory, and a source that may misbehave."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from arche.model.deadline import Deadline
from arche.model.restore import RestoreJob, RestoreRequest
from arche.model.usage import Usage
from arche.model.work import AccountRow, Batch, Connection, Head, Lease, Run, RunRecord, Task, TaskState, iso
from arche.operations.backup_ports import CollectPorts, SchedulePorts, SealPorts
from arche.operations.collect import Limits, Slice, collect
from arche.operations.restore_ports import RestorePorts
from arche.operations.seal import Sealed, seal
from arche.providers.contract import Account
from arche.vault import AccountVault, KeyRing, LocalWrapper, MemoryStore
from tests.operations.world import SERVICE, Board, Clock, Mail, Trouble

CUSTOMER = "K-000001"
CONNECTION = "C-01"
INLINE = Limits(accounts=1, reads=0)


class Store(MemoryStore):
    """A store whose every call may be the last."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__()
        self.trouble = trouble
        self.created: list[str] = []
        self.listed = 0

    def create(self, key: str, data: bytes) -> None:
        self.trouble.tick("create")
        super().create(key, data)
        self.created.append(key)
        self.trouble.tick("created")

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        self.trouble.tick("get")
        return super().read(key, start, length)

    def list(self, prefix: str, after: str = "") -> Iterator[str]:
        self.trouble.tick("list")
        self.listed += 1
        return super().list(prefix, after)


class Book:
    """All rows of all books, with the promises that the ports state."""

    def __init__(self, trouble: Trouble, clock: Clock) -> None:
        self.trouble = trouble
        self.clock = clock
        self.runs: dict[str, Run] = {}
        self.leases: dict[str, Lease] = {}
        self.rows: dict[tuple[str, str], AccountRow] = {}
        self.slots: dict[tuple[str, str], set[str]] = {}
        self.connections: dict[str, Connection] = {CONNECTION: Connection(CONNECTION, "example")}
        self.alerts: list[str] = []
        self.heads: dict[str, Head] = {}
        self.records: list[RunRecord] = []
        self.places: dict[str, dict[str, tuple[int, datetime]]] = {}
        self.jobs: dict[str, RestoreJob] = {}
        self.usage: dict[tuple[str, str], Usage] = {}
        self.not_begun: list[tuple[str, str, str]] = []
        self.queued: list[tuple[str, str]] = []

    # CustomerBook
    def lease(self, *names: str) -> Lease | None:
        self.trouble.tick("lease")
        return self.leases.get(names[-1])

    def record_task(self, lease: str, task: Task) -> None:
        self.trouble.tick("record_task")
        held = self.leases[lease]
        if held.tasks[task.account].state != TaskState.SEALED:
            self.leases[lease] = replace(held, tasks={**held.tasks, task.account: task})
        self.trouble.tick("task_recorded")

    def account(self, label: str) -> AccountRow | None:
        return self.rows.get((CUSTOMER, label))

    def connection(self, label: str) -> Connection | None:
        return self.connections.get(label)

    def redden(self, connection: str, run: str, reason: str, message: str) -> bool:
        self.trouble.tick("redden")
        there = self.connections[connection]
        self.connections[connection] = replace(there, state="red", red_run=run, reason=reason)
        if there.state != "red":
            self.alerts.append(message)
        return there.state != "red"

    def recover(self, connection: str) -> None:
        self.connections[connection] = replace(self.connections[connection], state="live", red_run="", reason="")

    def enter(self, connection: str, lease: str, accounts: int, limit: int, until: datetime) -> bool:
        self.trouble.tick("enter")
        held = {k: v for k, v in self.places.get(connection, {}).items() if v[1] > self.clock.at and k != lease}
        if sum(n for n, _ in held.values()) + accounts > limit:
            return False
        self.places[connection] = {**held, lease: (accounts, until)}
        return True

    def leave(self, connection: str, lease: str) -> None:
        self.places.get(connection, {}).pop(lease, None)

    def head(self, account: str) -> Head | None:
        return self.heads.get(account)

    def put_head(self, head: Head) -> None:
        self.trouble.tick("put_head")
        if head.account not in self.heads or self.heads[head.account].seq <= head.seq:
            self.heads[head.account] = head

    def seal_account(self, *given: Any) -> bool:
        lease, task, record = given[-3:]
        self.trouble.tick("seal_account")
        held = self.leases[lease]
        if held.tasks[task.account].state == TaskState.SEALED:
            return False
        self.leases[lease] = replace(held, tasks={**held.tasks, task.account: replace(task, state=TaskState.SEALED)})
        self.records.append(record)
        key = (held.customer, task.account)
        row = self.rows[key]
        done = record.outcome in {"snapshot", "unchanged"}
        self.rows[key] = replace(
            row,
            open_run="",
            last_slot=record.slot or row.last_slot,
            has_snapshot=row.has_snapshot or done,
        )
        self.trouble.tick("account_sealed")
        return True

    # ScheduleBook
    def open_run(self, run: Run) -> Run:
        self.trouble.tick("open_run")
        return self.runs.setdefault(run.id, run)

    def run(self, run: str) -> Run | None:
        return self.runs.get(run)

    def set_run(self, run: Run) -> None:
        self.trouble.tick("set_run")
        if self.runs[run.id].state != "closed":
            self.runs[run.id] = run

    def due(self, slot: str) -> Iterator[AccountRow]:
        return iter([row for key, row in sorted(self.rows.items()) if row.active and slot in self.slots.get(key, ())])

    def accounts(self, customer: str, labels: Iterable[str] | None, connection: str = "") -> Iterator[AccountRow]:
        wanted = None if labels is None else set(labels)
        for row in self.rows.values():
            named = wanted is None or row.label in wanted
            if row.customer == customer and row.active and named and connection in ("", row.connection):
                yield row

    def open_lease(self, lease: Lease) -> None:
        self.trouble.tick("open_lease")
        self.leases.setdefault(lease.id, lease)
        for label in lease.tasks:
            row = self.rows[lease.customer, label]
            if row.open_run in ("", lease.run):
                self.rows[lease.customer, label] = replace(row, open_run=lease.run)

    def close_lease(self, *names: str) -> None:
        if names[-1] in self.leases:
            self.leases[names[-1]] = replace(self.leases[names[-1]], open=False)

    def fail_job(self, customer: str, job: str, message: str) -> None:
        self.not_begun.append((customer, job, message))

    def queue(self, customer: str, account: str, slot: str, message: str) -> None:
        self.queued.append((account, slot))
        self.rows[customer, account] = replace(self.rows[customer, account], queued_slot=slot)

    # RestoreBook
    def job(self, job: str) -> RestoreJob | None:
        return self.jobs.get(job)

    def update_job(self, job: str, state: Any, **changed: Any) -> None:
        self.trouble.tick("update_job")
        given = {name: value for name, value in changed.items() if value is not None}
        self.jobs[job] = replace(self.jobs[job], state=state, **given)

    # MeterBook
    def customers(self) -> Iterator[str]:
        return iter(sorted({customer for customer, _ in self.rows}))

    def protected(self, customer: str) -> Iterator[tuple[AccountRow, Head | None]]:
        for row in self.rows.values():
            if row.customer == customer:
                yield row, self.heads.get(row.label)

    def put_usage(self, usage: Usage) -> None:
        self.usage[usage.customer, usage.date] = usage


@dataclass
class House:
    """Everything that the operations touch, and shortcuts to run them."""

    trouble: Trouble
    clock: Clock
    book: Book
    store: Store
    work: Store
    keys: MemoryStore
    mail: Mail
    ring: KeyRing
    attempts: int = 0
    runs: int = 0
    services_error: BaseException | None = None

    @classmethod
    def build(cls, accounts: int = 1) -> House:
        trouble, clock = Trouble(), Clock()
        keys = MemoryStore()
        ring = KeyRing.open(keys, LocalWrapper(b"test"), CUSTOMER, create=True)
        boards = {f"user{n}": Board(trouble) for n in range(1, accounts + 1)}
        book = Book(trouble, clock)
        for number, name in enumerate(boards, 1):
            label = f"A-{number:04d}"
            book.rows[CUSTOMER, label] = AccountRow(CUSTOMER, label, CONNECTION, name, "person", (SERVICE,))
            ring.account(label, create=True)
        store, work = Store(trouble), Store(trouble)
        return cls(trouble, clock, book, store, work, keys, Mail(boards, trouble), ring)

    @property
    def board(self) -> Board:
        return self.mail.boards["user1"]

    def vault(self, label: str = "A-0001") -> AccountVault:
        return AccountVault(self.store, self.ring.account(label), CUSTOMER, label)

    def services(self) -> Mapping[str, Any]:
        self.trouble.tick("token")
        if self.services_error is not None:
            raise self.services_error
        return {SERVICE: self.mail}

    def account(self, row: AccountRow) -> Account:
        return Account(row.provider_id, "person", "", "", services=row.services)

    def collect_ports(self) -> CollectPorts:
        self.attempts += 1
        return CollectPorts(
            book=self.book,
            vault=self.vault,
            services=self.services,
            account=self.account,
            work=self.work,
            now=self.clock,
            attempt=f"t{self.attempts:04d}",
            reconsent="https://arche.example/consent",
        )

    def seal_ports(self) -> SealPorts:
        self.attempts += 1
        return SealPorts(book=self.book, vault=self.vault, now=self.clock, attempt=f"t{self.attempts:04d}")

    def schedule_ports(self) -> SchedulePorts:
        return SchedulePorts(book=self.book, work=self.work, now=self.clock)

    def restore_ports(self, **more: Any) -> RestorePorts:
        self.attempts += 1
        return RestorePorts(
            book=self.book,
            vault=self.vault,
            services=self.services,
            account=self.account,
            work=self.work,
            now=self.clock,
            attempt=f"t{self.attempts:04d}",
            **more,
        )

    def open(self, *labels: str) -> Batch:
        """Open a run and a lease for some accounts (all if none is named)."""
        self.runs += 1
        run = f"r{self.runs:03d}"
        wanted = labels or tuple(sorted(label for _, label in self.book.rows))
        self.book.runs[run] = Run(run, "backup", iso(self.clock.at), state="open")
        self.book.leases[f"{run}-l"] = Lease(
            f"{run}-l", run, CUSTOMER, CONNECTION, "backup", 0, {w: Task(w) for w in wanted}, started=iso(self.clock.at)
        )
        self.clock.forward(1)
        return Batch(run, f"{run}-l", CUSTOMER, CONNECTION, wanted)

    def slice(self, batch: Batch, seconds: float = 900, limits: Limits = INLINE) -> Slice:
        return collect(batch, self.collect_ports(), Deadline.after(seconds, self.clock), limits)

    def seal(self, batch: Batch) -> Sealed:
        return seal(batch, self.seal_ports())

    def backup(self, *labels: str, limits: Limits = INLINE) -> list[RunRecord]:
        """A whole run, patient with whatever is passing; answers its records."""
        batch = self.open(*labels)
        before = len(self.book.records)
        self.go_on(batch, limits)
        return self.book.records[before:]

    def go_on(self, batch: Batch, limits: Limits = INLINE) -> None:
        for _ in range(50):
            came_to = self.slice(batch, limits=limits)
            if came_to.status == "collected":
                break
            if came_to.status == "later":
                self.clock.forward(600)
        self.seal(batch)

    def held(self, label: str = "A-0001") -> dict[str, tuple[str, str, str, bytes]]:
        """What the newest restore point holds: letters as (folder, name, version, body)."""
        point = next(self.vault(label).points())
        view = self.vault(label).view(point)
        return {
            row.id: (row.folder, row.name, row.version, b"".join(view.read(row.parts[0])))
            for row in view.rows(SERVICE)
            if not row.is_folder and row.parts
        }

    def folders(self, label: str = "A-0001") -> dict[str, tuple[str, str]]:
        point = next(self.vault(label).points())
        return {row.id: (row.folder, row.name) for row in self.vault(label).view(point).folders(SERVICE)}

    def in_step(self, label: str = "A-0001") -> bool:
        """Whether the newest restore point shows what the source shows."""
        board = self.mail.boards[f"user{int(label[2:])}"]
        return self.held(label) == board.holds() and self.folders(label) == board.folders

    def restore(self, **wanted: Any) -> RestoreJob:
        """Write the rows of a restore as the API does."""
        self.runs += 1
        name = f"j{self.runs:03d}"
        request = RestoreRequest.from_dict({"account": "A-0001", **wanted})
        self.book.runs[name] = Run(name, "restore", iso(self.clock.at), state="open")
        self.book.leases[name] = Lease(
            name, name, CUSTOMER, CONNECTION, "restore", 0, {request.target: Task(request.target)}
        )
        self.book.jobs[name] = RestoreJob(name, CUSTOMER, CONNECTION, name, name, request)
        return self.book.jobs[name]


def later(clock: Clock, hours: float) -> datetime:
    """A moment some hours from now."""
    return clock.at + timedelta(hours=hours)
