"""Consent bound to a sign-in: an administrator consents, signs in, and only then the tenant is bound.

The tenant in the query of the consent's redirect is never read: anyone can write one there. What binds is the
verified sign-in of an administrator of that tenant in the same flow. A state is single-use, bound to the member,
customer and connection that it was made for, and only its SHA-256 is stored.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from arche.model.tenancy import App, Binding, ConnectionRecord, Consent, Member
from arche.model.work import iso
from arche.operations import discover
from arche.operations.front_ports import Front, SignInRefused

LIFETIME: Final = timedelta(hours=1)
_STATE_BYTES: Final = 32

Ending = Literal[
    "connected",
    "restore_ready",
    "declined",
    "link_used",
    "not_admin",
    "guest",
    "not_available",
    "other_tenant",
    "sign_in_failed",
    "try_again",
]


_ENDINGS: Final[Mapping[str, Ending]] = {
    "not_admin": "not_admin",
    "personal": "not_admin",
    "guest": "guest",
    "tenant_mismatch": "other_tenant",
    "unreachable": "try_again",
}


@dataclass(frozen=True, slots=True)
class Step:
    """What the browser is shown next: a redirect (``location``), or a page about the ``ending``."""

    language: str
    location: str = ""
    ending: Ending = "link_used"


def begin(
    front: Front, member: Member, connection: ConnectionRecord, *, app: App, language: str, now: datetime
) -> tuple[Consent, str]:
    """Put a consent on its way; returns it with the address where an administrator consents to ``app``."""
    state = secrets.token_urlsafe(_STATE_BYTES)
    asked = Consent(
        id=_digest(state),
        partner=member.partner,
        customer=connection.customer,
        connection=connection.label,
        platform=connection.platform,
        member=member.sub,
        app=app,
        step="consent",
        language=language,
        expires=int((now + LIFETIME).timestamp()),
    )
    front.tenancy.put_consent(asked)
    return asked, front.signs.consent_url(connection.platform, app, state)


def callback(front: Front, query: Mapping[str, str], *, language: str, now: datetime) -> Step:
    """Take the next step for a redirect of the vendor. Nothing in ``query`` is believed but ``state`` and ``code``."""
    state = query.get("state", "")
    if "code" in query or "admin_consent" not in query:
        signed_in = front.tenancy.take_consent(_digest(state), "sign_in", int(now.timestamp()))
        if signed_in is None:
            return Step(language)
        return _finish(front, signed_in, query, now)
    asked = front.tenancy.take_consent(_digest(state), "consent", int(now.timestamp()))
    if asked is None:
        return Step(language)
    if query.get("error") or query["admin_consent"].lower() != "true":
        # Microsoft sends admin_consent=True together with an error, so the error decides.
        return Step(asked.language, ending="declined")
    return _to_sign_in(front, asked)


def _to_sign_in(front: Front, asked: Consent) -> Step:
    state = secrets.token_urlsafe(_STATE_BYTES)
    signing = replace(
        asked,
        id=_digest(state),
        step="sign_in",
        nonce=secrets.token_urlsafe(_STATE_BYTES),
        # RFC 7636 wants 43 to 128 characters.
        verifier=secrets.token_urlsafe(48),
    )
    front.tenancy.put_consent(signing)
    location = front.signs.sign_in_url(
        signing.platform, signing.app, state=state, nonce=signing.nonce, verifier=signing.verifier
    )
    return Step(asked.language, location=location)


def _finish(front: Front, signed_in: Consent, query: Mapping[str, str], now: datetime) -> Step:
    code = query.get("code", "")
    if query.get("error") or not code:
        return Step(signed_in.language, ending="declined")
    member = front.tenancy.member(signed_in.member)
    if member is None or member.partner != signed_in.partner or "configure" not in member.rights:
        # The member that asked may have left, or lost its role, since it made the link.
        return Step(signed_in.language)
    try:
        binding = front.signs.prove(signed_in, code)
    except SignInRefused as refused:
        return Step(signed_in.language, ending=_ENDINGS.get(refused.reason, "sign_in_failed"))
    return Step(signed_in.language, ending=_bind(front, signed_in, binding, now))


def _bind(front: Front, signed_in: Consent, binding: Binding, now: datetime) -> Ending:
    outcome = front.tenancy.bind(signed_in, binding, iso(now))
    if outcome == "claimed":
        return "not_available"
    if outcome == "mismatch":
        return "other_tenant"
    if signed_in.app == "restore":
        return "restore_ready"
    discover.start(front, signed_in.customer, signed_in.connection, job=f"discover-{signed_in.id[:24]}", now=now)
    return "connected"


def _digest(state: str) -> str:
    return hashlib.sha256(state.encode()).hexdigest()
