"""Tenants and their users: joiners, leavers, licences, roles; every change has a number, for delta."""

from __future__ import annotations

import json
import sqlite3
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from simulators.frame.platform import Simulation
from simulators.microsoft365.graph import GraphError
from simulators.microsoft365.licences import EXCHANGE_S_ENTERPRISE, SPE_E3, assigned_plans
from simulators.microsoft365.people import Company, Person

BIN_SECONDS = 30 * 86400
SCHEMA = """
CREATE TABLE IF NOT EXISTS tenant (id TEXT PRIMARY KEY, domain TEXT UNIQUE, name TEXT, created TEXT, change INTEGER);
CREATE TABLE IF NOT EXISTS user (
    tenant TEXT, id TEXT, address TEXT, purpose TEXT, roles TEXT, entity TEXT, changes TEXT, change INTEGER,
    born INTEGER, state TEXT, binned REAL, PRIMARY KEY (tenant, id)
);
CREATE INDEX IF NOT EXISTS user_address ON user (tenant, address);
CREATE INDEX IF NOT EXISTS user_bin ON user (binned) WHERE state = 'binned';
"""


@dataclass(frozen=True)
class Tenant:
    """One Entra tenant. ``domain`` is its verified default domain."""

    id: str
    domain: str
    name: str
    created: str


@dataclass(frozen=True)
class User:
    """One user object. ``entity``: the Graph properties that are set.

    ``state``: live, binned (30 days) or gone. ``changes``: property to the number of its last change.
    ``change``: number of the user's last change; ``born``: of its (re)appearance.
    """

    tenant: str
    id: str
    address: str
    purpose: str
    roles: tuple[str, ...]
    entity: dict[str, Any]
    changes: dict[str, int]
    change: int
    born: int
    state: str
    binned: float | None

    @property
    def name(self) -> str:
        """The display name."""
        return str(self.entity["displayName"])

    @property
    def live(self) -> bool:
        """Neither in the bin nor gone."""
        return self.state == "live"

    @property
    def guest(self) -> bool:
        """A guest from another tenant."""
        return self.entity.get("userType") == "Guest"

    @property
    def has_mailbox(self) -> bool:
        """Licensed for Exchange, or a shared or resource mailbox (which needs no licence); not in the bin."""
        plans = self.entity.get("assignedPlans", [])
        licensed = any(
            plan["servicePlanId"] == EXCHANGE_S_ENTERPRISE and plan["capabilityStatus"] == "Enabled" for plan in plans
        )
        return self.live and (licensed or self.purpose != "user") and not self.guest


Created = Callable[[User, Path | None], None]


class Directory:
    """All tenants. ``created`` hears of every new user, with the world's folder for it, if there is one."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._database = simulation.state.database("microsoft365")
        self._database.executescript(SCHEMA)
        self.created: list[Created] = []

    def tenants(self) -> list[Tenant]:
        """Every tenant, oldest first."""
        return [_tenant(row) for row in self._database.execute("SELECT * FROM tenant ORDER BY rowid")]

    def tenant(self, key: str) -> Tenant:
        """By GUID or domain, in any case. Raises LookupError."""
        row = self._database.execute(
            "SELECT * FROM tenant WHERE id = ? OR domain = ?", (key.lower(), key.lower())
        ).fetchone()
        if row is None:
            raise LookupError(f"no tenant {key}")
        return _tenant(row)

    def add_company(self, company: Company) -> Tenant:
        """Make a tenant and its people. Raises ValueError if the domain is taken."""
        tenant = Tenant(
            self._simulation.chance.guid("tenant", company.domain), company.domain, company.name, self._now()
        )
        try:
            self._database.execute(
                "INSERT INTO tenant VALUES (?, ?, ?, ?, 0)", (tenant.id, tenant.domain, tenant.name, tenant.created)
            )
        except sqlite3.IntegrityError as error:
            raise ValueError(f"there is a tenant {company.domain} already") from error
        for person in company.people:
            self.add(tenant, person)
        return tenant

    def add(self, tenant: Tenant, person: Person, *, licensed: bool = True) -> User:
        """Make a user. Raises ValueError if the address is taken by a live user."""
        entity = _entity(person, tenant, self._now(), licensed=licensed)
        address = str(entity["userPrincipalName"]).lower()
        if self.find(tenant.id, address):
            raise ValueError("another object with the same value for property userPrincipalName already exists")
        earlier = self._database.execute(
            "SELECT count(*) FROM user WHERE tenant = ? AND address = ?", (tenant.id, address)
        ).fetchone()[0]
        user_id = self._simulation.chance.guid("user", address, str(earlier) if earlier else "")
        number = self.next_change(tenant.id)
        self._database.execute(
            "INSERT INTO user VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'live', NULL)",
            (
                tenant.id,
                user_id,
                address,
                person.purpose,
                ",".join(person.roles),
                _dump({"id": user_id} | entity),
                _dump(dict.fromkeys(entity, number)),
                number,
                number,
            ),
        )
        user = self.user(tenant.id, user_id)
        for hear in self.created:
            hear(user, person.folder)
        return user

    def find(self, tenant_id: str, key: str, *, state: str = "live") -> User | None:
        """Return a user by id or address, in the given state; None if there is none."""
        self._empty_bin()
        row = self._database.execute(
            "SELECT * FROM user WHERE tenant = ? AND state = ? AND (id = ? OR address = ?)",
            (tenant_id, state, key.lower(), key.lower()),
        ).fetchone()
        return None if row is None else _user(row)

    def user(self, tenant_id: str, key: str) -> User:
        """Return a live user by id or address. Raises GraphError 404 as the directory does."""
        found = self.find(tenant_id, key)
        if found is None:
            raise GraphError(
                404,
                "Request_ResourceNotFound",
                f"Resource '{key}' does not exist or one of its queried reference-property objects are not present.",
            )
        return found

    def users(self, tenant_id: str, *, since: int = -1, state: str | None = "live") -> Iterator[User]:
        """Users of a state (None: any) with a change after number ``since``, in order of id."""
        self._empty_bin()
        rows = self._database.execute(
            "SELECT * FROM user WHERE tenant = ? AND change > ? AND (? IS NULL OR state = ?) ORDER BY id",
            (tenant_id, since, state, state),
        ).fetchall()
        return (_user(row) for row in rows)

    def change(self, tenant_id: str) -> int:
        """Return the number of the tenant's last change."""
        self._empty_bin()
        row = self._database.execute("SELECT change FROM tenant WHERE id = ?", (tenant_id,)).fetchone()
        return int(row["change"])

    def update(self, user: User, values: Mapping[str, Any], *, purpose: str | None = None) -> User:
        """Set properties of a user; None takes one away."""
        number = self.next_change(user.tenant)
        entity = {key: value for key, value in (user.entity | dict(values)).items() if value is not None}
        changes = user.changes | dict.fromkeys(values, number)
        address = str(entity["userPrincipalName"]).lower()
        self._database.execute(
            "UPDATE user SET entity = ?, changes = ?, change = ?, address = ?, purpose = ? WHERE tenant = ? AND id = ?",
            (_dump(entity), _dump(changes), number, address, purpose or user.purpose, user.tenant, user.id),
        )
        return self.user(user.tenant, user.id)

    def license(self, user: User, skus: list[str]) -> User:
        """Assign exactly these SKUs."""
        licences = [{"disabledPlans": [], "skuId": sku} for sku in skus]
        return self.update(user, {"assignedLicenses": licences, "assignedPlans": assigned_plans(skus, self._now())})

    def move(self, user: User, state: str) -> None:
        """Into the bin (``binned``), out of it (``live``), or away for good (``gone``)."""
        number = self.next_change(user.tenant)
        born = number if state == "live" else user.born
        binned = self._simulation.clock.now() if state == "binned" else user.binned
        self._database.execute(
            "UPDATE user SET state = ?, change = ?, born = ?, binned = ? WHERE tenant = ? AND id = ?",
            (state, number, born, binned, user.tenant, user.id),
        )

    def _empty_bin(self) -> None:
        limit = self._simulation.clock.now() - BIN_SECONDS
        old = self._database.execute("SELECT * FROM user WHERE state = 'binned' AND binned < ?", (limit,)).fetchall()
        for row in old:
            self.move(_user(row), "gone")

    def next_change(self, tenant_id: str) -> int:
        """Draw the number of the tenant's next change."""
        row = self._database.execute(
            "UPDATE tenant SET change = change + 1 WHERE id = ? RETURNING change", (tenant_id,)
        ).fetchone()
        return int(row["change"])

    def _now(self) -> str:
        return self._simulation.clock.text()


def _entity(person: Person, tenant: Tenant, now: str, *, licensed: bool) -> dict[str, Any]:
    address = f"{person.local}@{tenant.domain}"
    given, _, surname = person.name.partition(" ")
    common: dict[str, Any] = {
        "displayName": person.name,
        "createdDateTime": now,
        "mail": address,
        "userType": "Guest" if person.guest else "Member",
        # A shared or resource mailbox is a user whose own sign-in is blocked.
        "accountEnabled": person.purpose == "user",
        "assignedLicenses": [],
        "assignedPlans": [],
        "businessPhones": [],
    }
    if person.guest:
        home = f"{person.local}@suedwind-beratung.example"
        guest = f"{home.replace('@', '_')}#EXT#@{tenant.domain}"
        return common | {"mail": home, "userPrincipalName": guest, "proxyAddresses": [f"SMTP:{home}"]}
    skus = [SPE_E3] if licensed and person.purpose == "user" else []
    plain = unicodedata.normalize("NFKD", person.local).encode("ascii", "ignore").decode()
    details = {
        "userPrincipalName": address,
        "mailNickname": plain,
        "proxyAddresses": [f"SMTP:{address}"],
        "usageLocation": "DE",
        "assignedLicenses": [{"disabledPlans": [], "skuId": sku} for sku in skus],
        "assignedPlans": assigned_plans(skus, now),
    }
    if person.purpose == "user" and surname:
        details |= {"givenName": given, "surname": surname, "preferredLanguage": "de-DE"}
    if person.title:
        details |= {"jobTitle": person.title, "department": person.department}
    return common | details


def _tenant(row: sqlite3.Row) -> Tenant:
    return Tenant(row["id"], row["domain"], row["name"], row["created"])


def _user(row: sqlite3.Row) -> User:
    roles = tuple(role for role in row["roles"].split(",") if role)
    return User(
        row["tenant"],
        row["id"],
        row["address"],
        row["purpose"],
        roles,
        json.loads(row["entity"]),
        json.loads(row["changes"]),
        row["change"],
        row["born"],
        row["state"],
        row["binned"],
    )


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def iso(instant: float) -> str:
    """Epoch seconds as Graph writes them."""
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
