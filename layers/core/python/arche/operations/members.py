"""Who is asking and what that person may do: from verified claims and the membership table, never from the request."""

from __future__ import annotations

from collections.abc import Mapping

from arche.model.tenancy import Customer, Member, Right
from arche.operations.front_ports import TenancyBook
from arche.operations.refusals import NotAllowed, NotFound

_NEEDS: Mapping[Right, str] = {
    "list": "any role",
    "read": "the role viewer, technician or admin",
    "configure": "the role technician or admin",
    "operate": "the role technician or admin",
    "content": "the switch “sees content”",
}


def member_of(tenancy: TenancyBook, claims: Mapping[str, str]) -> Member:
    """Give the member behind verified claims. Raises NotAllowed if the log-in belongs to no partner."""
    member = tenancy.member(claims["sub"]) if claims.get("sub") else None
    if member is None:
        raise NotAllowed(
            "This log-in belongs to no partner yet. Ask an admin of your company to add you as a member.",
            code="not_a_member",
        )
    return member


def require(member: Member, right: Right) -> None:
    """Raise NotAllowed unless the member has the right."""
    if right in member.rights:
        return
    code = "content_not_allowed" if right == "content" else "role_missing"
    raise NotAllowed(f"This needs {_NEEDS[right]}. Ask an admin of your company to change your membership.", code=code)


def customer_of(tenancy: TenancyBook, member: Member, label: str, right: Right) -> Customer:
    """Give the member's own customer. The right is asked first, so that a refusal tells nothing of the customer.

    Raises NotAllowed, and NotFound for an unknown label and for another partner's alike.
    """
    require(member, right)
    customer = tenancy.customer(member.partner, label)
    if customer is None:
        raise NotFound
    return customer
