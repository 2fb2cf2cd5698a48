"""Accounts: who is there, who is backed up, and since when."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from arche.model.listing import AccountListing
from arche.model.tenancy import Member
from arche.model.work import iso
from arche.operations.front_ports import AccountBook, TenancyBook
from arche.operations.members import customer_of
from arche.operations.refusals import Conflict, NotFound

HOURS: Final = 24
_PAGE: Final = 200


@dataclass(frozen=True, slots=True)
class Activation:
    """How many accounts an activation turned on, and how many were on already."""

    activated: int
    already_active: int


def page(
    tenancy: TenancyBook, accounts: AccountBook, member: Member, customer: str, *, after: str, limit: int
) -> tuple[Sequence[AccountListing], str]:
    """Read a page of a customer's accounts and the position after it. Raises NotAllowed, NotFound."""
    customer_of(tenancy, member, customer, "read")
    return accounts.accounts(customer, after, limit)


def one(accounts: AccountBook, customer: str, label: str) -> AccountListing:
    """Give an account of a customer that the caller may see. Raises NotFound."""
    account = accounts.account(customer, label)
    if account is None:
        raise NotFound
    return account


def activate(
    tenancy: TenancyBook,
    accounts: AccountBook,
    member: Member,
    customer: str,
    *,
    chosen: Sequence[str] | None,
    per_day: int,
    now: datetime,
) -> Activation:
    """Back up the ``chosen`` accounts from now on, or all that are present (None). Safe to repeat.

    The first run starts in the account's slot or by a backup now. Raises NotAllowed, NotFound (also if one label is
    unknown; nothing is done then), and Conflict if one of those named has left.
    """
    customer_of(tenancy, member, customer, "configure")
    if chosen is None:
        rows = [row for row in every(accounts, customer) if not row.left]
    else:
        rows = [one(accounts, customer, label) for label in dict.fromkeys(chosen)]
        if any(row.left for row in rows):
            raise Conflict("An account that you named has left its tenant. Leave it out.", code="account_left")
    fresh = [row for row in rows if not row.active]
    for row in fresh:
        accounts.put_account(
            replace(row, active=True, activated=row.activated or iso(now), slots=slots(customer, row.label, per_day))
        )
    return Activation(activated=len(fresh), already_active=len(rows) - len(fresh))


def slots(customer: str, account: str, per_day: int) -> tuple[str, ...]:
    """Hours (UTC) of an account's runs: a steady hash spreads accounts, equal gaps spread the runs of one."""
    digest = hashlib.sha256(f"{customer}/{account}".encode()).digest()
    gap = HOURS // per_day
    first = int.from_bytes(digest[:4], "big") % gap
    return tuple(f"{first + gap * turn:02d}" for turn in range(per_day))


def every(accounts: AccountBook, customer: str) -> Iterator[AccountListing]:
    """All accounts of a customer."""
    after = ""
    while True:
        rows, after = accounts.accounts(customer, after, _PAGE)
        yield from rows
        if not after:
            return
