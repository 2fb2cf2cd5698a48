"""Nouns of tenancy: members, customers, connections, consents, jobs. Times are ISO 8601 in UTC, as in ``work``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Role = Literal["admin", "technician", "finance", "viewer"]
Right = Literal["list", "read", "configure", "operate", "content"]
App = Literal["backup", "restore"]
ConsentStep = Literal["consent", "sign_in", "binding", "done"]

_RIGHTS: Mapping[str, frozenset[Right]] = {
    "admin": frozenset({"list", "read", "configure", "operate"}),
    "technician": frozenset({"list", "read", "configure", "operate"}),
    "finance": frozenset({"list"}),
    "viewer": frozenset({"list", "read"}),
}


@dataclass(frozen=True, slots=True)
class Member:
    """One person of a partner, by the verified ``sub`` of its log-in."""

    sub: str
    partner: str
    role: Role
    sees_content: bool = False

    @property
    def rights(self) -> frozenset[Right]:
        """What the role allows; ``content`` comes from the switch alone, and needs ``read``."""
        rights = _RIGHTS.get(self.role, frozenset[Right]())
        return rights | {"content"} if self.sees_content and "read" in rights else rights


@dataclass(frozen=True, slots=True)
class Customer:
    """A partner's end customer. ``name`` and ``alias`` come from the directory; one of them may be empty."""

    label: str
    partner: str
    name: str
    alias: str
    created: str
    state: str = "active"


@dataclass(frozen=True, slots=True)
class ConnectionRecord:
    """One cloud tenant of a customer, as its partner sees it.

    ``tenant`` is the provider's id, "" until bound. ``discovery`` is never, done, needs_confirmation or failed;
    ``leaving`` counts the accounts that a stopped discovery would mark as left. ``granted`` holds units that the vendor
    granted this tenant in place of its usual limit, by the budget's name.
    """

    label: str
    customer: str
    platform: str
    created: str
    state: Literal["new", "live", "red", "paused"] = "new"
    tenant: str = ""
    restore_ready: bool = False
    discovery: str = "never"
    discovered: str = ""
    leaving: int = 0
    reason: str = ""
    message: str = ""
    granted: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Consent:
    """A consent on its way. ``id`` is the SHA-256 (hex) of the state that the browser carries.

    Bound to the member that asked, the customer and the connection. The step ``sign_in`` has a nonce and a PKCE
    verifier. ``expires`` is in epoch seconds.
    """

    id: str
    partner: str
    customer: str
    connection: str
    platform: str
    member: str
    app: App
    step: ConsentStep
    language: str
    expires: int
    nonce: str = ""
    verifier: str = ""


@dataclass(frozen=True, slots=True)
class Binding:
    """What the vendor proved about a sign-in: the tenant, and that an administrator of it signed in."""

    platform: str
    tenant: str


@dataclass(frozen=True, slots=True)
class Job:
    """Long work that a member asked for. ``colours`` counts finished accounts by colour."""

    id: str
    customer: str
    kind: Literal["backup", "restore", "discover"]
    state: str
    created: str
    connection: str = ""
    run: str = ""
    lease: str = ""
    message: str = ""
    accounts: int = 0
    accounts_done: int = 0
    colours: Mapping[str, int] = field(default_factory=dict)
