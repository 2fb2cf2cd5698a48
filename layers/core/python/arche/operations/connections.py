"""Connections: one cloud tenant of a customer each; what to do when one is red."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from arche.model.tenancy import App, ConnectionRecord, Consent, Member
from arche.model.work import iso
from arche.operations import consent
from arche.operations.front_ports import Front, TenancyBook
from arche.operations.members import customer_of
from arche.operations.refusals import Conflict, NotFound


def create(
    front: Front, member: Member, customer: str, *, platform: str, language: str, now: datetime
) -> tuple[ConnectionRecord, Consent, str]:
    """Create a pending connection and its consent; the text is the address to open.

    Raises NotAllowed, NotFound.
    """
    customer_of(front.tenancy, member, customer, "configure")
    connection = front.tenancy.add_connection(customer, platform, iso(now))
    asked, url = consent.begin(front, member, connection, app="backup", language=language, now=now)
    return connection, asked, url


def reconsent(
    front: Front, member: Member, customer: str, label: str, *, app: App, language: str, now: datetime
) -> tuple[ConnectionRecord, Consent, str]:
    """Give a consent anew (same tenant only), or the consent of the restore app.

    Raises NotAllowed, NotFound, and Conflict if the restore app is asked for before the tenant is bound.
    """
    customer_of(front.tenancy, member, customer, "configure")
    connection = one(front.tenancy, customer, label)
    if app == "restore" and not connection.tenant:
        raise Conflict(
            "The connection has no tenant yet. Finish the consent of the backup app first.", code="connection_not_bound"
        )
    asked, url = consent.begin(front, member, connection, app=app, language=language, now=now)
    return connection, asked, url


def every(tenancy: TenancyBook, member: Member, customer: str) -> Sequence[ConnectionRecord]:
    """All connections of the partner's customer. Raises NotAllowed, NotFound."""
    customer_of(tenancy, member, customer, "read")
    return tenancy.connections(customer)


def one(tenancy: TenancyBook, customer: str, label: str) -> ConnectionRecord:
    """Give a connection of a customer that the caller may see. Raises NotFound."""
    connection = tenancy.connection(customer, label)
    if connection is None:
        raise NotFound
    return connection


def require_live(connection: ConnectionRecord) -> None:
    """Raise Conflict unless the connection is bound and works."""
    if connection.state == "live":
        return
    step = {
        "new": "Finish the consent of an administrator first.",
        "red": "Its consent or credentials were refused: ask for a reconsent and let an administrator open the link.",
        "paused": "It is paused: resume it first.",
    }[connection.state]
    raise Conflict(f"The connection {connection.label} cannot be used now. {step}", code="connection_not_live")
