"""Backup now: a run outside the slots for some accounts, one connection, or a whole customer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from arche.model.listing import AccountListing
from arche.model.tenancy import Job, Member
from arche.model.work import iso
from arche.operations import accounts as accounts_of
from arche.operations import connections
from arche.operations.front_ports import Front
from arche.operations.members import customer_of
from arche.operations.refusals import Conflict


def request(
    front: Front,
    member: Member,
    customer: str,
    *,
    chosen: Sequence[str],
    connection: str | None,
    job: str,
    now: datetime,
) -> Job:
    """Write the job and start the machine. Safe to repeat with the same ``job``.

    Raises NotAllowed, NotFound (also if one label is unknown), and Conflict if nothing named is backed up or the
    connection cannot be used.
    """
    customer_of(front.tenancy, member, customer, "operate")
    rows = _rows(front, customer, chosen, connection)
    if not rows:
        raise Conflict(
            "None of these accounts is backed up. Activate accounts first: POST …/accounts/activate.",
            code="nothing_active",
        )
    for label in sorted({row.connection for row in rows}) if chosen or connection else ():
        connections.require_live(connections.one(front.tenancy, customer, label))
    made = Job(
        id=job,
        customer=customer,
        kind="backup",
        state="queued",
        created=iso(now),
        connection=connection or "",
        accounts=len(rows),
    )
    front.work.add_job(made)
    event: dict[str, object] = {"customer": customer, "job": job}
    if chosen:
        event["accounts"] = [row.label for row in rows]
    elif connection:
        event["connection"] = connection
    front.machines.start_backup(job, event)
    return front.work.job(customer, job) or made


def _rows(front: Front, customer: str, chosen: Sequence[str], connection: str | None) -> list[AccountListing]:
    if chosen:
        rows = [accounts_of.one(front.accounts, customer, label) for label in dict.fromkeys(chosen)]
    elif connection:
        connections.one(front.tenancy, customer, connection)
        rows = list(front.accounts.of_connection(customer, connection))
    else:
        rows = list(accounts_of.every(front.accounts, customer))
    return [row for row in rows if row.active]
