"""Customers of a partner: an alias is enough, a name is recommended; both live in the directory only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from arche.model import labels
from arche.model.tenancy import Customer, Member
from arche.model.work import iso
from arche.operations.front_ports import TenancyBook
from arche.operations.members import customer_of, require
from arche.operations.refusals import Stale, Unavailable

_DRAWS: Final = 8


def create(tenancy: TenancyBook, member: Member, *, name: str, alias: str, now: datetime) -> Customer:
    """Create a customer under a label drawn at random. Raises NotAllowed, Unavailable."""
    require(member, "configure")
    for _ in range(_DRAWS):
        customer = Customer(
            label=labels.draw_customer(),
            partner=member.partner,
            name=name.strip(),
            alias=alias.strip(),
            created=iso(now),
        )
        if tenancy.add_customer(customer):
            return customer
    raise Unavailable("No free customer label was found. Try again; if it stays so, tell the operator.")


def page(tenancy: TenancyBook, member: Member, *, after: str, limit: int) -> tuple[Sequence[Customer], str]:
    """Read a page of the partner's customers and the position after it. Raises NotAllowed."""
    require(member, "list")
    return tenancy.customers(member.partner, after, limit)


def edit(tenancy: TenancyBook, member: Member, seen: Customer, *, name: str, alias: str) -> Customer:
    """Write name and alias anew, if the customer still is as the caller ``seen`` it. Raises NotAllowed, Stale."""
    require(member, "configure")
    edited = replace(seen, name=name.strip(), alias=alias.strip())
    if not tenancy.edit_customer(seen, edited):
        raise Stale
    return edited


def one(tenancy: TenancyBook, member: Member, label: str) -> Customer:
    """Give the partner's customer. Raises NotAllowed, NotFound."""
    return customer_of(tenancy, member, label, "list")
