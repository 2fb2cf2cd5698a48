"""Restores as a member asks for them: a dry run first, then the start."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from arche.model.restore import RequestRefused, RestoreJob, RestoreRequest
from arche.model.tenancy import Member
from arche.model.work import Lease, Run, Task, iso
from arche.operations import accounts as accounts_of
from arche.operations import connections, points
from arche.operations.front_ports import Front, TenancyBook, WorkBook
from arche.operations.members import customer_of
from arche.operations.refusals import Conflict, Invalid, NotFound

PLAN_LIFE: Final = timedelta(days=1)
RESTORE_LIFE: Final = timedelta(days=14)


def plan(
    front: Front, member: Member, customer: str, wanted: RestoreRequest, *, at: str, job: str, now: datetime
) -> RestoreJob:
    """Write run, lease and job of a dry run and start the machine. Safe to repeat with the same ``job``.

    ``at`` says as of when (see ``points.seq_at``). Raises NotAllowed, NotFound, Invalid, and Conflict if the target's
    connection is of another platform.
    """
    customer_of(front.tenancy, member, customer, "operate")
    source = accounts_of.one(front.accounts, customer, wanted.account)
    target = accounts_of.one(front.accounts, customer, wanted.target)
    connection = connections.one(front.tenancy, customer, target.connection)
    if connection.platform != connections.one(front.tenancy, customer, source.connection).platform:
        raise Conflict("The target is on another platform. Choose an account of the same one.", code="other_platform")
    seq = points.seq_at(front.accounts, customer, wanted.account, at)
    made = RestoreJob(
        id=job,
        customer=customer,
        connection=connection.label,
        run=job,
        lease=job,
        request=replace(wanted, seq=seq),
        started=iso(now),
    )
    front.work.open_run(
        Run(id=job, kind="restore", started=iso(now), customer=customer, job=job, state="open", leases=1)
    )
    front.work.open_lease(
        Lease(
            id=job,
            run=job,
            customer=customer,
            connection=connection.label,
            purpose="restore",
            expires=int((now + PLAN_LIFE).timestamp()),
            tasks={target.label: Task(target.label)},
            job=job,
        )
    )
    front.work.add_restore(made, iso(now))
    front.machines.start_restore(f"{job}-plan", _event(made, start=False))
    return front.work.restore(customer, job) or made


def start(front: Front, member: Member, customer: str, job: str, *, now: datetime) -> RestoreJob:
    """Carry out a planned restore. Safe to repeat while it runs.

    Raises NotAllowed, NotFound, and Conflict if it is not planned (any more), or if an administrator of the target has
    not consented to the restore app yet.
    """
    customer_of(front.tenancy, member, customer, "operate")
    planned = front.work.restore(customer, job)
    if planned is None:
        raise NotFound
    if planned.state not in {"planned", "running"}:
        raise Conflict(
            f"This restore is {planned.state}. Only a planned one can be started; ask for a new one.",
            code="restore_not_planned",
        )
    connection = connections.one(front.tenancy, customer, planned.connection)
    if not connection.restore_ready:
        raise Conflict(
            "No administrator of the target has consented to the restore app yet. Ask for it with "
            f"POST …/connections/{connection.label}/reconsent and app = restore, then start again.",
            code="restore_consent_missing",
        )
    connections.require_live(connection)
    front.work.renew_lease(customer, planned.lease, int((now + RESTORE_LIFE).timestamp()))
    front.work.advance_job(customer, job, "planned", "running")
    # The name makes a repeat harmless, also one after a crash between these two lines.
    front.machines.start_restore(f"{job}-start", _event(planned, start=True))
    return front.work.restore(customer, job) or planned


def one(tenancy: TenancyBook, work: WorkBook, member: Member, customer: str, job: str) -> RestoreJob:
    """One restore of the partner's customer. Raises NotAllowed, NotFound."""
    customer_of(tenancy, member, customer, "read")
    found = work.restore(customer, job)
    if found is None:
        raise NotFound
    return found


def wish(**fields: object) -> RestoreRequest:
    """Give a restore request from a caller's fields. Raises Invalid with the reason."""
    try:
        return RestoreRequest.from_dict(fields)
    except RequestRefused as refused:
        raise Invalid(str(refused), code="restore_not_possible") from None


def _event(job: RestoreJob, *, start: bool) -> dict[str, object]:
    return {
        "customer": job.customer,
        "job": job.id,
        "run": job.run,
        "lease": job.lease,
        "connection": job.connection,
        "start": start,
    }
