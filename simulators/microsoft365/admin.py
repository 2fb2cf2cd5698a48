"""What the customer's administrator does by hand in the admin centre: people, licences, mailbox kinds."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from simulators.microsoft365.cloud import Cloud
from simulators.microsoft365.directory import Directory, User
from simulators.microsoft365.licences import SKUS, SPE_E3
from simulators.microsoft365.people import GLOBAL_ADMINISTRATOR, Company, Person

PURPOSES = {"user", "shared", "room", "equipment"}


def install(cloud: Cloud) -> None:
    """Register the actions."""
    at = _Admin(cloud.directory)
    cloud.action("tenants", "list the tenants", at.tenants)
    cloud.action("tenant_add", "a new tenant with an administrator", at.tenant_add)
    cloud.action("users", "list a tenant's users of all states", at.users)
    cloud.action("user_add", "a new user, shared or resource mailbox", at.user_add)
    cloud.action("user_remove", "delete a user: 30 days in the bin", at.user_remove)
    cloud.action("user_restore", "take a user out of the bin", at.user_restore)
    cloud.action("user_purge", "delete a user for good", at.user_purge)
    cloud.action("user_update", "set properties of a user", at.user_update)
    cloud.action("licences_set", "assign exactly these SKU ids (empty: none)", at.licences_set)


class _Admin:
    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def tenants(self) -> list[dict[str, Any]]:
        return [asdict(tenant) for tenant in self._directory.tenants()]

    def tenant_add(self, domain: str, name: str = "") -> dict[str, Any]:
        admin = Person("admin", "Administrator", roles=(GLOBAL_ADMINISTRATOR,))
        return asdict(self._directory.add_company(Company(domain.lower(), name or domain, (admin,))))

    def users(self, tenant: str) -> list[dict[str, Any]]:
        found = self._directory.users(self._directory.tenant(tenant).id, state=None)
        return [_row(user) for user in found]

    def user_add(
        self,
        tenant: str,
        local: str,
        name: str,
        purpose: str = "user",
        roles: list[str] | None = None,
        *,
        licensed: bool = True,
        guest: bool = False,
    ) -> dict[str, Any]:
        if purpose not in PURPOSES:
            raise ValueError(f"purpose is one of {', '.join(sorted(PURPOSES))}")
        person = Person(local.lower(), name, purpose, guest=guest, roles=tuple(roles or ()))
        return _row(self._directory.add(self._directory.tenant(tenant), person, licensed=licensed))

    def user_remove(self, tenant: str, user: str) -> None:
        self._directory.move(self._user(tenant, user), "binned")

    def user_restore(self, tenant: str, user: str) -> None:
        self._directory.move(self._user(tenant, user, "binned"), "live")

    def user_purge(self, tenant: str, user: str) -> None:
        found = self._directory.find(self._directory.tenant(tenant).id, user, state="binned")
        self._directory.move(found or self._user(tenant, user), "gone")

    def user_update(
        self, tenant: str, user: str, properties: dict[str, Any], purpose: str | None = None
    ) -> dict[str, Any]:
        if "id" in properties:
            raise ValueError("the id cannot be changed")
        return _row(self._directory.update(self._user(tenant, user), properties, purpose=purpose))

    def licences_set(self, tenant: str, user: str, skus: list[str] | None = None) -> dict[str, Any]:
        chosen = [SPE_E3] if skus is None else skus
        if unknown := set(chosen) - set(SKUS):
            raise ValueError(f"unknown SKU {', '.join(sorted(unknown))}")
        return _row(self._directory.license(self._user(tenant, user), chosen))

    def _user(self, tenant: str, user: str, state: str = "live") -> User:
        found = self._directory.find(self._directory.tenant(tenant).id, user, state=state)
        if found is None:
            raise LookupError(f"no {state} user {user} in {tenant}")
        return found


def _row(user: User) -> dict[str, Any]:
    row = {"id": user.id, "address": user.address, "name": user.name, "purpose": user.purpose, "state": user.state}
    return row | {
        "guest": user.guest,
        "roles": list(user.roles),
        "has_mailbox": user.has_mailbox,
        "tenant": user.tenant,
    }
