"""Partners, members and customers.

=========  ==============================  ==========================================================
table      pk, sk                          attributes
=========  ==============================  ==========================================================
tenancy    PARTNER#p-…, PROFILE            partner, name, state, created
tenancy    PARTNER#p-…, MEMBER#{sub}       sub (the partner's list of members)
tenancy    MEMBER#{sub}, MEMBER            sub, partner, role, sees_content
tenancy    PARTNER#p-…, CUSTOMER#{label}   label (the partner's list of customers)
tenancy    {customer}, CUSTOMER            label, partner, state, created, accounts, connections (counters)
directory  {customer}, CUSTOMER            name, alias
=========  ==============================  ==========================================================

The verified ``sub`` of a log-in is the only way to a partner, and the partner the only way to a customer: every read
of a customer compares its partner, and another partner's customer is answered like an unknown one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from arche.catalog.connections import Connections
from arche.catalog.errors import ConditionFailed, NotFound
from arche.catalog.table import Row
from arche.catalog.values import record
from arche.catalog.writes import Put, Update, absent, attr, present, setting, value
from arche.model import labels
from arche.model.tenancy import Customer, Member


@dataclass(frozen=True, slots=True)
class Partner:
    """A managed-service provider with log-ins; sees its own customers only."""

    partner: str
    name: str
    created: str
    state: str = "active"


class TenancyBook(Connections):
    """Rows of the tenancy table (and the names beside them). Fills ``operations.front_ports.TenancyBook``."""

    def add_partner(self, partner: Partner) -> bool:
        """Create a partner; False if the id is taken."""
        values = {"partner": partner.partner, "name": partner.name, "created": partner.created, "state": partner.state}
        try:
            self._rows.put(Put("tenancy", _partner(partner.partner), "PROFILE", values, absent()))
        except ConditionFailed:
            return False
        return True

    def partner(self, partner: str) -> Partner | None:
        """Read a partner, or None."""
        row = self._rows.get("tenancy", _partner(partner), "PROFILE")
        return record(Partner, row) if row else None

    def put_member(self, member: Member) -> None:
        """Create or change a member. A log-in stays with its partner: NotFound if it belongs to another one."""
        values = {
            "sub": member.sub,
            "partner": member.partner,
            "role": member.role,
            "sees_content": member.sees_content,
        }
        ours = absent() | (attr("partner") == value(member.partner))
        try:
            self._rows.transact(
                Put("tenancy", f"MEMBER#{member.sub}", "MEMBER", values, ours),
                Put("tenancy", _partner(member.partner), f"MEMBER#{member.sub}", {"sub": member.sub}),
            )
        except ConditionFailed:
            raise NotFound("there is no such member") from None

    def member(self, sub: str) -> Member | None:
        """Membership of a log-in, or None."""
        row = self._rows.get("tenancy", f"MEMBER#{sub}", "MEMBER")
        return record(Member, row) if row else None

    def members(self, partner: str) -> list[Member]:
        """All members of a partner."""
        subs = [row["sub"] for row in self._rows.all("tenancy", _partner(partner), "MEMBER#")]
        rows = self._rows.many("tenancy", [(f"MEMBER#{sub}", "MEMBER") for sub in subs])
        found = [record(Member, row) for row in rows.values()]
        return sorted((m for m in found if m.partner == partner), key=lambda m: m.sub)

    def add_customer(self, customer: Customer) -> bool:
        """Create it with its directory row at once; False if the label is taken."""
        label = labels.require_customer(customer.label)
        values = {
            "label": label,
            "partner": customer.partner,
            "state": customer.state,
            "created": customer.created,
            "accounts": 0,
            "connections": 0,
        }
        names = {"name": customer.name, "alias": customer.alias}
        try:
            self._rows.transact(
                Put("tenancy", label, "CUSTOMER", values, absent()),
                Put("directory", label, "CUSTOMER", names, absent()),
                Put("tenancy", _partner(customer.partner), f"CUSTOMER#{label}", {"label": label}, absent()),
            )
        except ConditionFailed:
            return False
        return True

    def customers(self, partner: str, after: str, limit: int) -> tuple[Sequence[Customer], str]:
        """Page of a partner's customers and the position after it ("" = last page). Raises BadCursor."""
        listed, following = self._rows.page("tenancy", _partner(partner), "CUSTOMER#", after=after, limit=limit)
        keys = [(row["label"], "CUSTOMER") for row in listed]
        rows, names = self._rows.many("tenancy", keys), self._rows.many("directory", keys)
        found = [_customer(rows[key], names.get(key)) for key in keys if key in rows]
        return [customer for customer in found if customer.partner == partner], following

    def customer(self, partner: str, label: str) -> Customer | None:
        """Read a partner's customer; None for unknown ones and for another partner's, by the same reads."""
        row = self._rows.get("tenancy", label, "CUSTOMER")
        names = self._rows.get("directory", label, "CUSTOMER")
        if row is None or row["partner"] != partner:
            return None
        return _customer(row, names)

    def edit_customer(self, before: Customer, after: Customer) -> bool:
        """Write name and alias if they are still as in ``before``; else False."""
        unchanged = (attr("name") == value(before.name)) & (attr("alias") == value(before.alias))
        write = Update(
            "directory",
            before.label,
            "CUSTOMER",
            setting({"name": after.name, "alias": after.alias}),
            present() & unchanged,
        )
        try:
            self._rows.update(write)
        except ConditionFailed:
            return False
        return True


def _partner(partner: str) -> str:
    return f"PARTNER#{partner}"


def _customer(row: Row, names: Row | None) -> Customer:
    named = names or {"name": "", "alias": ""}
    return record(Customer, {**row, "name": named["name"], "alias": named["alias"]})
