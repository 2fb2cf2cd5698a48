"""``/users``, ``/organization``, ``/domains``, ``/subscribedSkus``, the bin, mailbox settings."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from typing import Any
from urllib.parse import quote, urlencode

from simulators.frame.platform import Simulation
from simulators.microsoft365 import facts, filters, licences
from simulators.microsoft365.cloud import Cloud
from simulators.microsoft365.directory import Directory, User, iso
from simulators.microsoft365.graph import GraphCall, GraphError, Reply, pick

DEFAULT = [
    "businessPhones",
    "displayName",
    "givenName",
    "jobTitle",
    "mail",
    "mobilePhone",
    "officeLocation",
    "preferredLanguage",
    "surname",
    "userPrincipalName",
    "id",
]
FILTERABLE = frozenset(
    [
        "id",
        "displayName",
        "userPrincipalName",
        "mail",
        "accountEnabled",
        "userType",
        "mailNickname",
        "givenName",
        "surname",
        "department",
        "jobTitle",
    ]
)
PAGE, LARGEST_PAGE = 100, 999


def install(cloud: Cloud) -> None:
    """Register the routes."""
    at = _Users(cloud.simulation, cloud.directory)
    cloud.route("GET", "/users", at.users)
    cloud.route("GET", "/users/{user}", at.user)
    cloud.route("GET", "/users/{user}/mailboxSettings", at.settings)
    cloud.route("GET", "/users/{user}/mailboxSettings/userPurpose", at.purpose)
    cloud.route("GET", "/organization", at.organization)
    cloud.route("GET", "/domains", at.domains)
    cloud.route("GET", "/subscribedSkus", at.skus, permissions="/subscribedSkus")
    # The list has no entry for reading the bin; the page of "List deleted items" asks for User.Read.All.
    cloud.route("GET", "/directory/deletedItems/microsoft.graph.user", at.bin, permissions="/users/delta")


def shown(user: User, names: list[str] | None) -> dict[str, Any]:
    """Return a user as Graph shows it: selected or default properties, null for what is not set."""
    known = facts.properties("user") | facts.navigation("user")
    if names is None:
        return {name: user.entity.get(name, [] if known[name].endswith("[]") else None) for name in DEFAULT}
    by_fold = {name.lower(): name for name in known}
    chosen = [_known(name, by_fold) for name in names]
    entity = {name: user.entity.get(name, [] if known[name].endswith("[]") else None) for name in chosen}
    return entity if "id" in entity else entity | {"id": user.id}


def check_select(names: list[str] | None) -> None:
    """Raise GraphError 400 if a selected property does not exist."""
    by_fold = {name.lower(): name for name in facts.properties("user") | facts.navigation("user")}
    for name in names or []:
        _known(name, by_fold)


def context(call: GraphCall, what: str) -> str:
    """``@odata.context`` for an entity set, with the selection as Graph writes it."""
    names = call.selected()
    return f"{call.base}/$metadata#{what}" + (f"({','.join(names)})" if names else "")


def packed(values: dict[str, Any]) -> str:
    """Return an opaque token; the digest at its head makes an altered one invalid."""
    body = json.dumps(values, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(hashlib.sha256(body).digest()[:6] + body).decode().rstrip("=")


def unpacked(token: str) -> dict[str, Any]:
    """Return what ``packed`` packed. Raises GraphError 400."""
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (ValueError, binascii.Error):
        raw = b""
    if not raw or hashlib.sha256(raw[6:]).digest()[:6] != raw[:6]:
        raise GraphError(400, "BadRequest", "Invalid skip token or delta token.")
    values: dict[str, Any] = json.loads(raw[6:])
    return values


def _known(name: str, by_fold: dict[str, str]) -> str:
    if name.lower() not in by_fold:
        note = f"Parsing OData Select and Expand failed: Could not find a property named '{name}' on type 'microsoft.graph.user'."  # noqa: E501
        raise GraphError(400, "BadRequest", note)
    return by_fold[name.lower()]


class _Users:
    def __init__(self, simulation: Simulation, directory: Directory) -> None:
        self._simulation = simulation
        self._directory = directory

    def users(self, call: GraphCall) -> Reply:
        for option in ("$search", "$expand"):
            if option in call.query:
                raise GraphError(400, "Request_UnsupportedQuery", f"{option} is not supported here.")
        top = call.query.get("$top", str(PAGE))
        if not top.isdecimal() or not 1 <= int(top) <= LARGEST_PAGE:
            raise GraphError(
                400, "Request_UnsupportedQuery", "Invalid page size specified. Must be between 1 and 999 inclusive."
            )
        test = filters.parse(call.query["$filter"], FILTERABLE) if "$filter" in call.query else None
        found = [user for user in self._directory.users(call.tenant) if test is None or test(user.entity)]
        after = ""
        if token := call.query.get("$skiptoken"):
            place = unpacked(token)
            if place.get("t") != call.tenant:
                raise GraphError(400, "Directory_ExpiredPageToken", "The specified page token value has expired.")
            after = str(place["a"])
        size = self._page_size(call, int(top))
        rest = [user for user in found if user.id > after]
        body: dict[str, Any] = {"@odata.context": context(call, "users")}
        if call.query.get("$count", "").lower() == "true":
            body["@odata.count"] = len(found)
        body["value"] = [shown(user, call.selected()) for user in rest[:size]]
        if len(rest) > size:
            kept = {name: value for name, value in call.query.items() if name != "$skiptoken"}
            kept["$skiptoken"] = packed({"t": call.tenant, "a": rest[size - 1].id})
            body["@odata.nextLink"] = link(call, "/users", kept)
        return Reply(body)

    def user(self, call: GraphCall) -> Reply:
        user = self._directory.user(call.tenant, call.parts["user"])
        return Reply({"@odata.context": context(call, "users") + "/$entity"} | shown(user, call.selected()))

    def settings(self, call: GraphCall) -> Reply:
        user = self._mailbox(call)
        settings = {
            "archiveFolder": "",
            "timeZone": "W. Europe Standard Time",
            "delegateMeetingMessageDeliveryOptions": "sendToDelegateOnly",
            "dateFormat": "dd.MM.yyyy",
            "timeFormat": "HH:mm",
            "userPurpose": user.purpose,
            "language": {"locale": "de-DE", "displayName": "German (Germany)"},
        }
        where = f"{call.base}/$metadata#users('{user.id}')/mailboxSettings"
        return Reply({"@odata.context": where} | pick(settings, call.selected(), always=()))

    def purpose(self, call: GraphCall) -> Reply:
        user = self._mailbox(call)
        where = f"{call.base}/$metadata#users('{user.id}')/mailboxSettings/userPurpose"
        return Reply({"@odata.context": where, "value": user.purpose})

    def organization(self, call: GraphCall) -> Reply:
        tenant = self._directory.tenant(call.tenant)
        initial = f"{tenant.domain.split('.')[0].replace('-', '')}.onmicrosoft.com"
        entity = {
            "id": tenant.id,
            "displayName": tenant.name,
            "createdDateTime": tenant.created,
            "countryLetterCode": "DE",
            "defaultUsageLocation": "DE",
            "preferredLanguage": "de",
            "tenantType": "AAD",
            "verifiedDomains": [
                {
                    "capabilities": "Email",
                    "isDefault": True,
                    "isInitial": False,
                    "name": tenant.domain,
                    "type": "Managed",
                },
                {"capabilities": "Email", "isDefault": False, "isInitial": True, "name": initial, "type": "Managed"},
            ],
        }
        return Reply({"@odata.context": context(call, "organization"), "value": [pick(entity, call.selected())]})

    def domains(self, call: GraphCall) -> Reply:
        tenant = self._directory.tenant(call.tenant)
        entity = {
            "id": tenant.domain,
            "authenticationType": "Managed",
            "availabilityStatus": None,
            "isAdminManaged": True,
            "isDefault": True,
            "isInitial": False,
            "isRoot": True,
            "isVerified": True,
            "supportedServices": ["Email"],
        }
        return Reply({"@odata.context": context(call, "domains"), "value": [pick(entity, call.selected())]})

    def skus(self, call: GraphCall) -> Reply:
        tenant = self._directory.tenant(call.tenant)
        consumed: dict[str, int] = dict.fromkeys(licences.SKUS, 0)
        for user in self._directory.users(call.tenant):
            for licence in user.entity.get("assignedLicenses", []):
                consumed[licence["skuId"]] += 1
        value = [
            pick(licences.subscribed_sku(tenant.id, tenant.name, sku, used), call.selected())
            for sku, used in consumed.items()
        ]
        return Reply({"@odata.context": context(call, "subscribedSkus"), "value": value})

    def bin(self, call: GraphCall) -> Reply:
        names = call.selected()
        check_select(names)
        value = []
        for user in self._directory.users(call.tenant, state="binned"):
            # A binned user's address is free for others; Entra puts the object's id before it.
            prefixed = user.id.replace("-", "") + str(user.entity["userPrincipalName"])
            entity = user.entity | {"deletedDateTime": iso(user.binned or 0), "userPrincipalName": prefixed}
            value.append(pick(entity, names or [*DEFAULT, "deletedDateTime"]))
        return Reply({"@odata.context": context(call, "users"), "value": value})

    def _mailbox(self, call: GraphCall) -> User:
        user = self._directory.find(call.tenant, call.parts["user"])
        if user is None:
            raise GraphError(404, "ErrorInvalidUser", f"The requested user '{call.parts['user']}' is invalid.")
        if not user.has_mailbox:
            raise GraphError(
                404,
                "MailboxNotEnabledForRESTAPI",
                "The mailbox is either inactive, soft-deleted, or is hosted on-premise.",
            )
        return user

    def _page_size(self, call: GraphCall, size: int) -> int:
        fault = self._simulation.faults.strike("directory_page_size", call.log)
        return min(size, int(fault.parameters["size"])) if fault else size


def link(call: GraphCall, path: str, query: dict[str, str]) -> str:
    """Return a link that a client follows as it stands."""
    return f"{call.base}{path}?{urlencode(query, quote_via=quote, safe='$,')}"
