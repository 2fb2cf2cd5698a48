"""Graph's refusals, sorted by the caller's next move. The table stands in docs/providers/microsoft365.md, Errors."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any, Final, Literal

import httpx

from arche.providers.errors import (
    CredentialRejected,
    CursorExpired,
    Forbidden,
    ItemRefused,
    ProviderError,
    Throttled,
    Unreachable,
)
from arche.providers.patience import Backoff, now, retry_after

Scope = Literal["tenant", "account", "item"]

_NO_MAILBOX: Final = frozenset(
    {"mailboxnotenabledforrestapi", "mailboxnotsupportedforrestapi", "errornonexistentmailbox"}
)
_DEAD_CURSOR: Final = frozenset({"syncstatenotfound", "syncstateinvalid", "resyncrequired", "errorsyncstatenotfound"})
_BANDWIDTH: Final = 509
_FAULTS_OF_AN_ITEM: Final = frozenset(
    {"errorcorruptdata", "errorcannotopenfileattachment", "errorinvalidrecipients", "errorquotaexceeded"}
)


class NotFoundError(ProviderError):
    """The thing asked for is not there (404). Stays inside the room: each caller knows what it means there."""


class ExistsError(ProviderError):
    """A folder of this name is there already (409 ErrorFolderExists). Stays inside the room."""


def refusal(response: httpx.Response, template: str, scope: Scope, backoff: Backoff) -> ProviderError:
    """Give the error for a refused call. ``scope`` says whose refusal it is: the tenant's, the account's, an item's."""
    code, status = _code(response), response.status_code
    known = {"code": code or str(status), "status": status, "request_id": response.headers.get("request-id", "")}
    text = f"{template}: {status} {code}".rstrip()
    if _asks_for_patience(response):
        wait = retry_after(response.headers, now())
        return Throttled(text, after=backoff.refused() if wait is None else wait, **known)
    if code.lower() in _NO_MAILBOX:
        return Forbidden(text, account=True, **known)
    if status == HTTPStatus.GONE or code.lower() in _DEAD_CURSOR:
        return CursorExpired(text, **known)
    # Whoever may not write may write nothing; one mail that may not be read says nothing about the others.
    if status == HTTPStatus.FORBIDDEN and not (scope == "item" and response.request.method == "GET"):
        return Forbidden(text, account=scope != "tenant", **known)
    return _plain(status, code.lower(), scope)(text, **known)


def _asks_for_patience(response: httpx.Response) -> bool:
    status = response.status_code
    named = status == HTTPStatus.GATEWAY_TIMEOUT and "retry-after" in response.headers
    return named or status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE, _BANDWIDTH}


def _plain(status: int, code: str, scope: Scope) -> type[ProviderError]:
    if status == HTTPStatus.UNAUTHORIZED:
        return CredentialRejected
    if code == "errorfolderexists":
        return ExistsError
    if status == HTTPStatus.NOT_FOUND:
        return NotFoundError
    # Exchange answers 500 for one corrupt item: a code of this list means the item, not the server.
    broken = status >= HTTPStatus.INTERNAL_SERVER_ERROR and code not in _FAULTS_OF_AN_ITEM
    return Unreachable if broken or scope != "item" else ItemRefused


def _code(response: httpx.Response) -> str:
    try:
        code: Any = response.json()["error"]["code"]
    except (ValueError, KeyError, TypeError, httpx.ResponseNotRead):
        return ""
    # It goes into messages and logs: only what a code may look like.
    return code if isinstance(code, str) and re.fullmatch(r"[A-Za-z0-9_.]{1,64}", code) else ""
