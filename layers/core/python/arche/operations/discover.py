"""Discovery: who is at the source, under which stable label, and who has left.

Nobody is deleted here. A leaver is marked with the day on which it was no longer found and is backed up no more; its
restore points stay. A listing that the provider did not finish changes nothing, so that a fault never looks like a
leave. A listing by which more than 10 % and more than five accounts would leave, or an empty one, stops and asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from arche.model.listing import AccountListing
from arche.model.tenancy import ConnectionRecord, Job, Member
from arche.model.work import Lease, Run, Task, iso
from arche.operations import connections
from arche.operations.front_ports import DiscoverPorts, Front, TenancyBook
from arche.operations.members import customer_of
from arche.providers.contract import Account
from arche.providers.errors import CredentialRejected, Forbidden, ProviderError, Throttled

LEASE_LIFE: Final = timedelta(minutes=30)
FREE_LEAVERS: Final = 5
SHARE_OF_LEAVERS: Final = 0.10

State = Literal["done", "needs_confirmation", "failed"]


@dataclass(frozen=True, slots=True)
class Discovery:
    """How a discovery ended, in numbers. Nothing was marked as left unless ``state`` is ``done``."""

    state: State
    present: int = 0
    joined: int = 0
    returned: int = 0
    leaving: int = 0
    message: str = ""

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready form: the answer of the function; labels and numbers only."""
        return {name: getattr(self, name) for name in ("state", "present", "joined", "returned", "leaving", "message")}


def request(
    front: Front, member: Member, customer: str, connection: str, *, confirm: int, job: str, now: datetime
) -> Job:
    """Start a discovery for a member. Raises NotAllowed, NotFound, and Conflict if the connection is not live."""
    customer_of(front.tenancy, member, customer, "configure")
    connections.require_live(connections.one(front.tenancy, customer, connection))
    return start(front, customer, connection, job=job, now=now, confirm=confirm)


def start(front: Front, customer: str, connection: str, *, job: str, now: datetime, confirm: int = 0) -> Job:
    """Open run and lease, write the job and invoke the function. Safe to repeat with the same ``job``."""
    made = Job(
        id=job,
        customer=customer,
        kind="discover",
        state="queued",
        created=iso(now),
        connection=connection,
        run=job,
        lease=job,
    )
    front.work.open_run(
        Run(id=job, kind="discover", started=iso(now), customer=customer, job=job, state="open", leases=1)
    )
    front.work.open_lease(lease_of(job, customer, connection, now, job=job))
    front.work.add_job(made)
    front.machines.discover(
        {"run": job, "lease": job, "customer": customer, "connection": connection, "job": job, "confirm": confirm}
    )
    return front.work.job(customer, job) or made


def lease_of(run: str, customer: str, connection: str, now: datetime, *, job: str = "") -> Lease:
    """Give the lease of a discovery: one connection, no account, no vault."""
    tasks: dict[str, Task] = {}
    return Lease(
        id=run,
        run=run,
        customer=customer,
        connection=connection,
        purpose="discover",
        expires=int((now + LEASE_LIFE).timestamp()),
        tasks=tasks,
        job=job,
    )


def daily(ports: DiscoverPorts, *, now: Callable[[], datetime], deadline: Callable[[], bool]) -> dict[str, int]:
    """Discover all live connections, those that wait longest first, until ``deadline`` says that time is short.

    Answers how many ended in which state; ``waiting`` ones are the first of the next day. One connection's trouble
    never stops the others.
    """
    ended = {"done": 0, "needs_confirmation": 0, "failed": 0, "waiting": 0}
    for record in due(ports.tenancy):
        if deadline():
            ended["waiting"] += 1
            continue
        began = now()
        run_id = f"daily-{record.customer}-{record.label}-{began:%Y%m%d%H%M%S}".lower()
        ports.work.open_run(
            Run(id=run_id, kind="discover", started=iso(began), customer=record.customer, state="open", leases=1)
        )
        ports.work.open_lease(lease_of(run_id, record.customer, record.label, began))
        ended[run(ports, record.customer, record.label, run_id, confirm=0, now=began).state] += 1
    return ended


def run(ports: DiscoverPorts, customer: str, connection: str, lease: str, *, confirm: int, now: datetime) -> Discovery:
    """Carry out one discovery under an open lease, write how it ended, and close the lease."""
    record = ports.tenancy.connection(customer, connection)
    held = ports.work.lease(customer, lease)
    if record is None or held is None or not held.open:
        return Discovery("failed", message="The lease of this discovery is closed. Start a discovery again.")
    found = _carry_out(ports, record, held, confirm, now)
    ports.tenancy.record_discovery(
        customer, connection, state=found.state, at=iso(now), leaving=found.leaving, message=found.message
    )
    if held.job:
        ports.work.set_job(customer, held.job, found.state, found.message)
    ports.work.close_lease(customer, lease)
    return found


def _carry_out(ports: DiscoverPorts, record: ConnectionRecord, lease: Lease, confirm: int, now: datetime) -> Discovery:
    try:
        # All of it before anything is written: half a listing must not decide who has left.
        listed = {account.id: account for account in ports.accounts_of(lease, record.platform)}
    except ProviderError as error:
        return Discovery("failed", message=_advice(error))
    known = {row.provider_id: row for row in ports.accounts.of_connection(record.customer, record.label)}
    leavers = [row for row in known.values() if not row.left and not _is_there(listed.get(row.provider_id))]
    present = sum(1 for row in known.values() if not row.left)
    if (_brake(len(leavers), present) or not listed) and len(leavers) > confirm:
        message = (
            f"{len(leavers)} of {present} accounts would leave. Nothing was changed. If that is right, start the "
            f"discovery again with confirm_leaving = {len(leavers)}."
        )
        return Discovery("needs_confirmation", present=present, leaving=len(leavers), message=message)
    joined, returned = _write(ports, record, listed.values(), known)
    for row in leavers:
        ports.accounts.put_account(replace(row, active=False, left=iso(now)))
    return Discovery(
        "done", present=present - len(leavers) + joined + returned, joined=joined, returned=returned, leaving=0
    )


def _write(
    ports: DiscoverPorts, record: ConnectionRecord, listed: Iterable[Account], known: dict[str, AccountListing]
) -> tuple[int, int]:
    joined = returned = 0
    for account in listed:
        row = known.get(account.id)
        if not _is_there(account):
            continue
        fresh = AccountListing(
            customer=record.customer,
            label=row.label if row else "",
            connection=record.label,
            provider_id=account.id,
            kind=account.kind,
            services=account.services,
            name=account.name,
            address=account.address,
        )
        if row is None:
            ports.accounts.add_account(fresh)
            joined += 1
            continue
        # Someone who comes back is backed up again if it was before, and keeps label and history.
        merged = replace(
            row,
            kind=fresh.kind,
            services=fresh.services,
            name=fresh.name,
            address=fresh.address,
            left="",
            active=row.active or bool(row.left and row.activated),
        )
        returned += bool(row.left)
        if merged != row:
            ports.accounts.put_account(merged)
    return joined, returned


def _is_there(account: Account | None) -> bool:
    return account is not None and account.active


def _brake(leaving: int, present: int) -> bool:
    return leaving > FREE_LEAVERS and leaving > present * SHARE_OF_LEAVERS


def _advice(error: ProviderError) -> str:
    if isinstance(error, CredentialRejected):
        return "The provider refused our credentials. Ask for a reconsent and let an administrator open the link."
    if isinstance(error, Forbidden):
        return "A permission is missing at the provider. Ask for a reconsent and let an administrator open the link."
    if isinstance(error, Throttled):
        return "The provider asks for patience. Nothing was changed; start the discovery again in some minutes."
    return "The provider did not answer. Nothing was changed; start the discovery again in some minutes."


def due(tenancy: TenancyBook) -> Iterator[ConnectionRecord]:
    """Give connections for the daily discovery, those waiting longest first."""
    live = [record for record in tenancy.live() if record.state == "live"]
    yield from sorted(live, key=lambda record: (record.discovered, record.customer, record.label))
