"""Jobs: long work that a member asked for, under ids that a repeated request finds again."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence

from arche.model.tenancy import Job, Member
from arche.operations.front_ports import TenancyBook, WorkBook
from arche.operations.members import customer_of
from arche.operations.refusals import NotFound


def draw(member: Member, kind: str, key: str | None) -> str:
    """Give a job's id, always the same for an idempotency key: a repeat after a crash starts nothing twice."""
    if key is None:
        return f"{kind}-{secrets.token_hex(12)}"
    # The member is part of it: two members that choose the same key mean two things.
    return f"{kind}-{hashlib.sha256(f'{member.partner}/{member.sub}/{key}'.encode()).hexdigest()[:24]}"


def page(
    tenancy: TenancyBook, work: WorkBook, member: Member, customer: str, *, after: str, limit: int
) -> tuple[Sequence[Job], str]:
    """Read a page of a customer's jobs, newest first. Raises NotAllowed, NotFound."""
    customer_of(tenancy, member, customer, "read")
    return work.jobs(customer, after, limit)


def one(tenancy: TenancyBook, work: WorkBook, member: Member, customer: str, job: str) -> Job:
    """One job of the partner's customer. Raises NotAllowed, NotFound."""
    customer_of(tenancy, member, customer, "read")
    found = work.job(customer, job)
    if found is None:
        raise NotFound
    return found
