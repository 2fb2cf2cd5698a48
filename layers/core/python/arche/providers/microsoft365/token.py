"""App-only access tokens: client credentials with a signer or a secret, and what a refusal means to a partner."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import httpx
import msal

from arche.providers.certificate import Signer
from arche.providers.errors import CredentialRejected, Forbidden, ProviderError, Throttled, Unreachable
from arche.providers.patience import Backoff, now, retry_after

LOGIN: Final = "https://login.microsoftonline.com"
_SCOPE: Final = "https://graph.microsoft.com/.default"
ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ASSERTION_SECONDS: Final = 300
_GUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

# AADSTS code: (who must act and how). Everything else is shown with its code and the general next step.
_RENEW: Final = "renew the consent with the link of this connection"
_OPERATOR: Final = "the operator must renew the app's credential; nothing is wrong at the customer"
_MEANINGS: Final[Mapping[int, str]] = {
    7000215: f"the app's secret is wrong: {_OPERATOR}",
    7000222: f"the app's secret has expired: {_OPERATOR}",
    700027: f"the app's certificate is not accepted or has expired: {_OPERATOR}",
    700016: f"the app is not in this tenant: {_RENEW}",
    7000229: f"the app was removed from this tenant: {_RENEW}",
    500014: f"the app is blocked in this tenant (its service principal is disabled): unblock it, then {_RENEW}",
    7000112: f"the app is disabled in this tenant: enable it, then {_RENEW}",
    90002: "the tenant does not exist any more: check with the customer",
    50034: "the tenant does not know this account: check with the customer",
    65001: f"consent is missing: {_RENEW}",
    53003: "an access policy of the tenant blocks the app: its administrator must let it through",
}
_PASSING: Final = frozenset({90033, 90055, 50196})


@dataclass(frozen=True, slots=True)
class App:
    """One of our app registrations: a signer (preferred) or a secret."""

    client_id: str
    signer: Signer | None = field(default=None, repr=False)
    secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Token:
    """An access token of one tenant. ``roles`` are the app permissions that the tenant granted."""

    value: str = field(repr=False)
    expires: datetime
    roles: tuple[str, ...]


def acquire(app: App, tenant: str, client: httpx.Client) -> Token:
    """Get an app-only token of a tenant. Raises CredentialRejected, Throttled or Unreachable."""
    if not _GUID.fullmatch(tenant.lower()):
        raise CredentialRejected("the tenant's id is not a GUID", code="tenant_id")
    if app.signer is None:
        credential: Any = app.secret
    else:
        # msal 1.39 takes a callable and asks it anew for each request.
        credential = {"client_assertion": lambda: assertion(app, f"{LOGIN}/{tenant}/oauth2/v2.0/token")}
    application = msal.ConfidentialClientApplication(
        app.client_id,
        client_credential=credential,
        authority=f"{LOGIN}/{tenant}",
        instance_discovery=False,
        http_client=_Http(client),
    )
    answer: Mapping[str, Any] = application.acquire_token_for_client(scopes=[_SCOPE])
    if "access_token" not in answer:
        raise refusal(answer)
    value = str(answer["access_token"])
    return Token(value, now() + timedelta(seconds=int(answer.get("expires_in", 0))), _roles(value))


def require(token: Token, needed: Iterable[str]) -> None:
    """Compare what was granted with what is needed. Raises Forbidden that names what is missing.

    A permission to write covers the one to read: ``Mail.ReadWrite`` stands for ``Mail.Read``.
    """
    granted = set(token.roles) | {role.replace("ReadWrite", "Read") for role in token.roles}
    missing = sorted(set(needed) - granted)
    if missing:
        names = ", ".join(missing)
        raise Forbidden(f"the tenant did not grant {names}: {_RENEW}", code="permission_missing")


def assertion(app: App, audience: str, clock: Callable[[], float] = time.time) -> str:
    """Write a client assertion: a JWT signed by the app's key, PS256, named by its certificate's SHA-256."""
    assert app.signer is not None
    issued = int(clock())
    header = {"alg": "PS256", "typ": "JWT", "x5t#S256": _base64(hashlib.sha256(app.signer.certificate).digest())}
    claims = {
        "aud": audience,
        "iss": app.client_id,
        "sub": app.client_id,
        "jti": secrets.token_urlsafe(24),
        "iat": issued,
        "nbf": issued,
        "exp": issued + _ASSERTION_SECONDS,
    }
    signed = ".".join(_base64(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims))
    return f"{signed}.{_base64(app.signer.sign(signed.encode()))}"


def credentials(app: App, audience: str) -> dict[str, str]:
    """Give the form fields that prove who the app is."""
    if app.signer is None:
        return {"client_secret": app.secret}
    return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion(app, audience)}


def refusal(answer: Mapping[str, Any], backoff: Backoff | None = None) -> ProviderError:
    """Say what a refusal of the login host means and what to do next. Its own text may hold names and is not kept."""
    codes = [int(code) for code in answer.get("error_codes") or () if str(code).isdigit()]
    code = codes[0] if codes else 0
    name = f"AADSTS{code}" if code else re.sub(r"[^a-z_]", "", str(answer.get("error", "")))[:40]
    request_id = re.sub(r"[^0-9a-f-]", "", str(answer.get("trace_id", "")))[:40]
    if code in _PASSING or answer.get("error") in {"temporarily_unavailable", "server_error"}:
        wait = (backoff or Backoff()).refused()
        return Throttled(f"the login host asks for patience ({name})", after=wait, code=name, request_id=request_id)
    meaning = _MEANINGS.get(code, f"the login host refused the app: {_RENEW}")
    return CredentialRejected(f"{meaning} ({name})", code=name, request_id=request_id)


def _roles(value: str) -> tuple[str, ...]:
    """Read the granted roles. The token comes from its issuer over TLS just now; Graph checks its signature."""
    try:
        claims = json.loads(_unbase64(value.split(".")[1]))
        return tuple(sorted(str(role) for role in claims.get("roles", ())))
    except (ValueError, IndexError, AttributeError):
        return ()


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _unbase64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class _Http:
    """The client that msal wants, over ours: same hosts, same proxy, and our errors instead of cached refusals."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def post(self, url: str, params: Any = None, data: Any = None, headers: Any = None, **_: Any) -> httpx.Response:
        return self._send("POST", url, params=params, data=data, headers=headers)

    def get(self, url: str, params: Any = None, headers: Any = None, **_: Any) -> httpx.Response:
        return self._send("GET", url, params=params, headers=headers)

    def close(self) -> None:
        """Leave the client to its owner."""

    def _send(self, method: str, url: str, **given: Any) -> httpx.Response:
        return send(self._client, method, url, **given)


def send(client: httpx.Client, method: str, url: str, **given: Any) -> httpx.Response:
    """Call the login host. Raises Throttled and Unreachable; other answers are for the caller to read."""
    template = re.sub(r"^/[^/]+", "/{tenant}", httpx.URL(url).path)
    given = {name: value for name, value in given.items() if value is not None}
    try:
        response = client.request(method, url, extensions={"template": template}, **given)
    except httpx.HTTPError as error:
        raise Unreachable(f"the login host: {type(error).__name__}", code="network") from None
    if response.status_code in {429, 503}:
        wait = retry_after(response.headers, now())
        raise Throttled(
            f"{template}: {response.status_code}",
            after=Backoff().refused() if wait is None else wait,
            status=response.status_code,
        )
    if response.is_server_error:
        raise Unreachable(f"{template}: {response.status_code}", status=response.status_code)
    return response
