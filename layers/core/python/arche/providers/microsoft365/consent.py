"""Consent of a customer's administrator, and the proof of who gave it.

Two steps: the admin consent page (its answer proves nothing: ``tenant`` in the query can be forged), then a sign-in of
an administrator in the same flow. Only the id token of that sign-in binds a tenant: signed by the vendor, for our app,
with our nonce, from a member of the tenant who is Global or Privileged Role Administrator there.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import httpx
import jwt

from arche.providers.errors import CredentialRejected, Unreachable
from arche.providers.microsoft365.token import LOGIN, App, credentials, refusal, send

GLOBAL_ADMINISTRATOR: Final = "62e90394-69f5-4237-9190-012177145e10"
PRIVILEGED_ROLE_ADMINISTRATOR: Final = "e8611ab8-c189-46e8-94e1-60213ab1f814"
# The tenant of personal Microsoft accounts.
_PERSONAL: Final = "9188040d-6c67-4c5b-b112-36a304b66dad"
_ANY: Final = "organizations"
_LEEWAY: Final = 120


class ConsentRefused(CredentialRejected):
    """The flow ends here. ``code`` says why: declined, state, code, nonce, expired, issuer, signature, audience,
    guest, personal, not_admin, no_roles, tenant_mismatch.
    """  # noqa: D205 -- one list


@dataclass(frozen=True, slots=True)
class Flow:
    """What one consent flow must remember between its steps (kept server-side, for one hour, used once)."""

    state: str
    nonce: str
    verifier: str

    @classmethod
    def begin(cls) -> Flow:
        """Draw the secrets of a new flow."""
        return cls(secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_urlsafe(48))

    @property
    def challenge(self) -> str:
        """The PKCE challenge, S256."""
        return base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode("ascii")


@dataclass(frozen=True, slots=True)
class Binding:
    """A proven tenant. ``subject``: the administrator's object id there; ``evidence``: what proved it, no names."""

    tenant: str
    subject: str
    evidence: Mapping[str, Any]


def consent_url(client_id: str, redirect_uri: str, state: str, tenant: str = _ANY) -> str:
    """Give the address of the admin consent page. ``tenant`` only for a renewal: the bound tenant's id."""
    query = {
        "client_id": client_id,
        "scope": "https://graph.microsoft.com/.default",
        "redirect_uri": redirect_uri,
        "state": state,
    }
    return str(httpx.URL(f"{LOGIN}/{tenant}/v2.0/adminconsent", params=query))


def sign_in_url(client_id: str, redirect_uri: str, flow: Flow, tenant: str = _ANY) -> str:
    """Give the address of the sign-in that proves who consented."""
    query = {
        "client_id": client_id,
        "response_type": "code",
        "response_mode": "query",
        "redirect_uri": redirect_uri,
        "scope": "openid profile",
        "state": flow.state,
        "nonce": flow.nonce,
        "code_challenge": flow.challenge,
        "code_challenge_method": "S256",
        "prompt": "select_account",
    }
    return str(httpx.URL(f"{LOGIN}/{tenant}/oauth2/v2.0/authorize", params=query))


def answer_of(query: Mapping[str, str], state: str) -> str:
    """Check the query of a redirect: our state and no error. Gives the code ("" after the admin consent page).

    ``admin_consent=True`` also comes with errors, so it is not looked at.
    """
    if not secrets.compare_digest(query.get("state", "").encode(), state.encode()):
        raise ConsentRefused("this answer belongs to another consent: start again", code="state")
    if query.get("error"):
        raise ConsentRefused("the administrator did not consent: start again when ready", code="declined")
    return query.get("code", "")


def bind(
    app: App, client: httpx.Client, flow: Flow, *, code: str, redirect_uri: str, at: datetime, tenant: str = ""
) -> Binding:
    """Redeem the code of the sign-in and prove the tenant. ``tenant`` (of a renewal) must be the one that signs in.

    Raises ConsentRefused, Throttled or Unreachable.
    """
    endpoint = f"{LOGIN}/{_ANY}/oauth2/v2.0/token"
    form = {
        "client_id": app.client_id,
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": flow.verifier,
        "scope": "openid profile",
        **credentials(app, endpoint),
    }
    answer = _json(send(client, "POST", endpoint, data=form))
    if answer.get("error") == "invalid_grant":
        raise ConsentRefused("the sign-in was used before or took too long: start again", code="code")
    if "id_token" not in answer:
        raise refusal(answer)
    claims = verify(str(answer["id_token"]), app.client_id, flow.nonce, at, keys(client))
    if tenant and claims["tid"] != tenant:
        raise ConsentRefused("an administrator of another tenant signed in", code="tenant_mismatch")
    names: tuple[str, ...] = ("iss", "tid", "oid", "wids", "iat", "exp", "acct", "uti")
    shown = {name: claims[name] for name in names if name in claims}
    return Binding(str(claims["tid"]), str(claims["oid"]), shown)


def keys(client: httpx.Client) -> dict[str, Any]:
    """Read the public keys with which the vendor signs, by key id."""
    answer = _json(send(client, "GET", f"{LOGIN}/{_ANY}/discovery/v2.0/keys"))
    return {str(key["kid"]): jwt.PyJWK(key, "RS256") for key in answer.get("keys", ()) if key.get("kty") == "RSA"}


def verify(id_token: str, client_id: str, nonce: str, at: datetime, known: Mapping[str, Any]) -> dict[str, Any]:
    """Check an id token in full and give its claims. Raises ConsentRefused with the code of the first failure."""
    try:
        header = jwt.get_unverified_header(id_token)
        key = known.get(str(header.get("kid")))
        if key is None or header.get("alg") != "RS256":
            raise ConsentRefused("the sign-in is not signed by a key of the vendor: start again", code="signature")
        # Times are checked below against the caller's clock.
        claims: dict[str, Any] = jwt.decode(
            id_token,
            key,
            algorithms=["RS256"],
            audience=client_id,
            options={
                "require": ["exp", "iat", "iss", "aud", "nonce", "tid", "oid"],
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
            },
        )
    except jwt.InvalidAudienceError:
        raise ConsentRefused("the sign-in is for another app: start again", code="audience") from None
    except jwt.PyJWTError:
        raise ConsentRefused("the sign-in cannot be verified: start again", code="signature") from None
    _check(claims, nonce, at.timestamp())
    return claims


def _check(claims: Mapping[str, Any], nonce: str, at: float) -> None:
    if claims["iss"] != f"{LOGIN}/{claims['tid']}/v2.0":
        raise ConsentRefused("the sign-in comes from another issuer: start again", code="issuer")
    if not claims.get("nbf", claims["iat"]) - _LEEWAY <= at < claims["exp"] + _LEEWAY:
        raise ConsentRefused("the sign-in has expired: start again", code="expired")
    if not secrets.compare_digest(str(claims["nonce"]).encode(), nonce.encode()):
        raise ConsentRefused("the sign-in belongs to another consent: start again", code="nonce")
    if claims["tid"] == _PERSONAL:
        raise ConsentRefused("a personal account cannot speak for a company: use an administrator's", code="personal")
    # acct is 1 for guests; idp names the home issuer of somebody who is at home elsewhere.
    if claims.get("acct") not in {None, 0, "0"} or claims.get("idp", claims["iss"]) not in {
        claims["iss"],
        f"https://sts.windows.net/{claims['tid']}/",
    }:
        raise ConsentRefused("a guest signed in: an administrator at home in the tenant must", code="guest")
    if "wids" not in claims:
        raise ConsentRefused(
            "the sign-in names no roles: the operator must add the claim wids to the app", code="no_roles"
        )
    if not {GLOBAL_ADMINISTRATOR, PRIVILEGED_ROLE_ADMINISTRATOR} & set(claims["wids"]):
        raise ConsentRefused("a Global or Privileged Role Administrator must sign in", code="not_admin")


def _json(response: httpx.Response) -> dict[str, Any]:
    try:
        answer = response.json()
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise Unreachable("the login host did not answer JSON", code="truncated", status=response.status_code)
    return answer
