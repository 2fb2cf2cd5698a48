"""``token``: one tenant's access token, and the proof of a sign-in. Both sides of the function.

The function alone may sign with the app keys. A token is handed to the holder of an open lease only, for the tenant of
the lease's connection only, and of the app that the lease's purpose allows: the restore app for restores.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from arche.aws.functions import invoke
from arche.catalog.connections import worker_view
from arche.catalog.work import read_lease, read_run
from arche.model.tenancy import App
from arche.model.work import Purpose
from arche.operations.access import AccessRefused, Ask, allowed, app_of, tenant_of
from arche.providers import errors as provider_errors
from arche.providers import registry
from arche.providers.errors import CredentialRejected, ProviderError

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

    from arche.aws.app_keys import AppKeys
    from arche.aws.grants import Audit
    from arche.catalog.table import Rows

_PURPOSES: Final[frozenset[Purpose]] = frozenset({"backup", "discover", "restore"})
#: A token is asked for anew this long before it ends, so that no call leaves with a dead one.
_MARGIN: Final = 300
#: And it is kept no longer than this, so that a consent given anew is seen soon, whatever this process remembers.
_KEPT: Final = 600
_CACHED: Final = 1000
_BAD_TOKEN: Final = frozenset({"signature", "audience", "issuer", "nonce", "expired"})


@dataclass(frozen=True, slots=True)
class Issued:
    """An access token of one tenant; ``expires`` in epoch seconds."""

    value: str = field(repr=False)
    expires: int


class TokenOffice:
    """The function's side. Keeps tokens in memory between invocations; builds nothing until asked.

    ``login`` gives the client for a platform's login hosts, ``audit`` hears of every answer, ``now`` tells epoch time.
    """

    def __init__(
        self,
        rows: Rows,
        keys: AppKeys,
        *,
        login: Callable[[str], Any],
        redirect: str,
        audit: Audit,
        now: Callable[[], float],
    ) -> None:
        self._rows = rows
        self._keys = keys
        self._login = login
        self._redirect = redirect
        self._audit = audit
        self._now = now
        self._cache: dict[tuple[str, App, str], tuple[Issued, float]] = {}

    def answer(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Answer ``{run, lease, customer}`` or ``{purpose: "bind", …}``. Errors come as data."""
        try:
            return self._prove(event) if event.get("purpose") == "bind" else self._issue(event)
        except ProviderError as error:
            told = _told(error)
            named = {name: str(event.get(name, ""))[:200] for name in ("run", "lease", "customer")}
            self._audit("no token from the vendor", {**named, "kind": told["kind"], "code": error.code})
            return {"error": told}

    def _issue(self, event: Mapping[str, Any]) -> dict[str, Any]:
        told: dict[str, Any] = {}
        try:
            ask = Ask.from_event(event)
            told = dict(ask.as_event())
            lease = read_lease(self._rows, ask.customer, ask.lease)
            lease = allowed(ask, lease, read_run(self._rows, ask.run), _PURPOSES, int(self._now()))
            app = app_of(lease)
            row = self._rows.get("tenancy", ask.customer, f"CONNECTION#{lease.connection}")
            view = worker_view(self._rows, ask.customer, lease.connection)
            tenant = tenant_of(view, str(row["tenant"]) if row else "")
            platform = str(row["platform"]) if row else ""
        except AccessRefused as refused:
            self._audit("token refused", {**told, "reason": refused.reason})
            return {"refused": True}
        told |= {"connection": lease.connection, "purpose": lease.purpose, "app": app}
        # Discovery is what follows a consent: it must see what was granted just now.
        issued = self._token(platform, app, tenant, fresh=lease.purpose == "discover")
        self._audit("token issued", told)
        return {"token": issued.value, "expires": issued.expires}

    def _token(self, platform: str, app: App, tenant: str, *, fresh: bool) -> Issued:
        key = (platform, app, tenant)
        kept = self._cache.get(key)
        if kept is not None and not fresh and self._now() < kept[1]:
            return kept[0]
        self._cache.pop(key, None)
        room = _room(platform, "token")
        with self._login(platform) as client:
            got = room.acquire(self._keys.app(platform, app), tenant, client)
        issued = Issued(got.value, int(got.expires.timestamp()))
        if len(self._cache) >= _CACHED:
            self._cache.clear()
        self._cache[key] = (issued, min(issued.expires - _MARGIN, self._now() + _KEPT))
        return issued

    def _prove(self, event: Mapping[str, Any]) -> dict[str, Any]:
        platform, app = str(event["platform"]), app_named(event["app"])
        consent = _room(platform, "consent")
        flow = consent.Flow(state="", nonce=str(event["nonce"]), verifier=str(event["verifier"]))
        at = datetime.fromtimestamp(self._now(), UTC)
        made, code = self._keys.app(platform, app), str(event["code"])
        try:
            with self._login(platform) as client:
                found = consent.bind(made, client, flow, code=code, redirect_uri=self._redirect, at=at)
        except consent.ConsentRefused as refused:
            self._audit("sign-in refused", {"platform": platform, "app": app, "reason": refused.code})
            return {"refused": _reason(refused.code)}
        self._audit("sign-in proven", {"platform": platform, "app": app})
        return {"tenant": found.tenant}


class Tokens:
    """The worker's and the API's side: asks the function ``token`` directly, never through state."""

    def __init__(self, client: LambdaClient, function: str) -> None:
        self._client = client
        self._function = function

    def ask(self, ask: Ask) -> Issued:
        """Get the token of one open lease.

        Raises AccessRefused, the provider's errors (CredentialRejected, Throttled, Unreachable …) and AwsError.
        """
        answer = self._answer(ask.as_event())
        return Issued(str(answer["token"]), int(answer["expires"]))

    def prove(self, request: Mapping[str, str]) -> dict[str, Any]:
        """Have a sign-in proven: ``{"tenant": id}`` or ``{"refused": reason}``. Raises as ``ask``."""
        answer = invoke(self._client, self._function, json.dumps({"purpose": "bind", **request}))
        if "error" in answer:
            raise _error(answer["error"])
        return answer

    def _answer(self, event: Mapping[str, Any]) -> dict[str, Any]:
        answer = invoke(self._client, self._function, json.dumps(event))
        if "error" in answer:
            raise _error(answer["error"])
        if answer.get("refused"):
            raise AccessRefused("unknown")
        return answer


def _room(platform: str, part: str) -> Any:
    if platform not in registry.names():
        raise CredentialRejected("this platform is not known here", code="platform")
    return importlib.import_module(f"arche.providers.{platform}.{part}")


def app_named(name: Any) -> App:
    """Read the name of one of our apps. Raises CredentialRejected."""
    if name == "restore":
        return "restore"
    if name == "backup":
        return "backup"
    raise CredentialRejected("this app is not known here", code="app")


def _reason(code: str) -> str:
    if code in {"not_admin", "guest"}:
        return code
    return "bad_token" if code in _BAD_TOKEN else "refused"


def _told(error: ProviderError) -> dict[str, Any]:
    """Write a provider's error down; its text is ours and holds nothing secret (``providers.errors``)."""
    kind = next(k.__name__ for k in type(error).__mro__ if k.__module__ == provider_errors.__name__)
    told = {"kind": kind, "message": str(error), "code": error.code, "status": error.status}
    told["request_id"] = error.request_id
    after = getattr(error, "after", None)
    return told if after is None else {**told, "after": after}


def _error(told: Mapping[str, Any]) -> ProviderError:
    """Make the error again that ``_told`` wrote down."""
    kind = getattr(provider_errors, str(told["kind"]))
    known = {name: told[name] for name in ("code", "status", "request_id", "after") if name in told}
    made = kind(str(told["message"]), **known)
    assert isinstance(made, ProviderError)
    return made
