"""Who has a mailbox: people, shared mailboxes, rooms and equipment; leavers as inactive, guests not at all."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from arche.providers.contract import Account, AccountKind
from arche.providers.errors import Forbidden, Unreachable
from arche.providers.microsoft365.graph import Graph

_SELECT: Final = "id,displayName,userPrincipalName,mail,accountEnabled,userType,createdDateTime,department,jobTitle"
_BATCH: Final = 20
# userPurpose of mailboxSettings; linked mailboxes (a person of another forest) and "others" are people's.
_KINDS: Final[dict[str, AccountKind]] = {"shared": "shared", "room": "room", "equipment": "equipment"}
_WITHOUT: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.BAD_REQUEST})


def accounts(graph: Graph) -> Iterator[Account]:
    """Stream every account with a mailbox.

    Any fault raises: an incomplete directory must never look like people who left. A mailbox that refuses to tell its
    purpose (an access policy) is listed as a person with the property ``closed``.
    """
    users = graph.pages("/users", {"$select": _SELECT, "$top": "999"}, scope="tenant")
    members = (user for user in users if user.get("userType") != "Guest")
    while group := tuple(itertools.islice(members, _BATCH)):
        addresses = [f"/users/{quote(user['id'], safe='')}/mailboxSettings?$select=userPurpose" for user in group]
        answers = graph.batch(addresses, spends={"directory": len(addresses)})
        for user, (status, settings) in zip(group, answers, strict=True):
            account = _account(user, status, settings)
            if account is not None:
                yield account


def _account(user: dict[str, Any], status: int, settings: dict[str, Any]) -> Account | None:
    properties = {name: user[name] for name in ("department", "jobTitle", "createdDateTime") if user.get(name)}
    if status == HTTPStatus.OK:
        purpose = str(settings.get("userPurpose", "user"))
    elif status == HTTPStatus.FORBIDDEN:
        if _code(settings) not in {"erroraccessdenied", "accessdenied"}:
            raise Forbidden("/users/{id}/mailboxSettings: 403", code=_code(settings), status=status)
        purpose, properties["closed"] = "user", True
    elif status in _WITHOUT:
        return None
    else:
        raise Unreachable(f"/users/{{id}}/mailboxSettings: {status} {_code(settings)}".rstrip(), status=status)
    kind = _KINDS.get(purpose, "person")
    return Account(
        id=user["id"],
        kind=kind,
        name=str(user.get("displayName") or ""),
        address=str(user.get("mail") or user.get("userPrincipalName") or ""),
        # The sign-in of shared and resource mailboxes is always blocked: it says nothing about them.
        active=kind != "person" or user.get("accountEnabled") is not False,
        services=("exchange",),
        properties=properties,
    )


def _code(body: dict[str, Any]) -> str:
    error = body.get("error")
    return str(error.get("code", "")).lower() if isinstance(error, dict) else ""
