"""The room's way to a token: consent, sign-in, both apps, secret and certificate, and each refusal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import httpx
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

from arche.providers import errors, registry
from arche.providers.microsoft365.consent import Flow, answer_of, bind, consent_url, sign_in_url
from arche.providers.microsoft365.token import App, Token, acquire, require
from tests.oracle.stage import REDIRECT, Stage
from tests.oracle.tape import Tape
from tests.simulators.clients import Key


@dataclass(frozen=True)
class Signer:
    """An app's key as KMS keeps it: signs PS256 and shows its certificate."""

    key: Key

    @property
    def certificate(self) -> bytes:
        return self.key.certificate.public_bytes(serialization.Encoding.DER)

    def sign(self, data: bytes) -> bytes:
        return self.key.private.sign(data, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())


@dataclass(frozen=True)
class Apps:
    """A token of the backup app and one of the restore app, in the tenant that signed in."""

    backup: Token
    restore: Token
    ids: tuple[str, ...]


def consented(stage: Stage, tape: Tape) -> Apps:
    """Let the administrator consent to both apps, and get their tokens. Asserts what must hold on the way."""
    platform = registry.platform("microsoft365")
    permissions = platform.permissions["exchange"]
    browser = httpx.Client(transport=stage.transport())
    with platform.login(transport=tape.around(stage.transport())) as client, browser:
        tokens: list[Token] = []
        ids: list[str] = []
        for name, roles in (("Backup", permissions.backup), ("Restore", permissions.restore)):
            client_id, secret = stage.register(name, roles, consent=False)
            app = App(client_id, secret=secret)
            flow = Flow.begin()
            answer_of(_accept(browser, stage, consent_url(client_id, REDIRECT, flow.state)), flow.state)
            code = answer_of(_accept(browser, stage, sign_in_url(client_id, REDIRECT, flow)), flow.state)
            at = datetime.fromtimestamp(stage.control.now(), UTC)
            bound = bind(app, client, flow, code=code, redirect_uri=REDIRECT, at=at)
            assert bound.tenant == stage.tenant, "the sign-in binds the tenant it came from"
            key = Key.make()
            stage.control.act("app_certificate_add", client_id=client_id, pem=key.pem)
            for one in (app, App(client_id, signer=Signer(key))):
                token = acquire(one, stage.tenant, client)
                require(token, roles)
            tokens.append(token)
            ids.append(client_id)
            _refused(stage, client, app, flow, code)
    backup, restore = tokens
    return Apps(backup, restore, tuple(ids))


def _refused(stage: Stage, client: httpx.Client, app: App, flow: Flow, code: str) -> None:
    """Wrong secret, a code used twice, a busy login host, a withdrawn consent."""
    at = datetime.fromtimestamp(stage.control.now(), UTC)
    stage.control.fault("token_endpoint_429", count=1, retry_after="3")
    for wrong, wanted in ((app, errors.Throttled), (App(app.client_id, secret="wrong"), errors.CredentialRejected)):
        try:
            acquire(wrong, stage.tenant, client)
        except wanted:
            continue
        raise AssertionError(f"{wanted.__name__} was not raised")
    try:
        bind(app, client, flow, code=code, redirect_uri=REDIRECT, at=at)
    except errors.CredentialRejected:
        pass
    else:
        raise AssertionError("a code was redeemed twice")
    stage.control.act("consent_withdraw", tenant=stage.tenant, client_id=app.client_id)
    try:
        acquire(app, stage.tenant, client)
    except errors.CredentialRejected:
        pass
    else:
        raise AssertionError("a withdrawn consent still gave a token")
    stage.control.act("consent_grant", tenant=stage.tenant, client_id=app.client_id)


def _accept(browser: httpx.Client, stage: Stage, url: str) -> dict[str, str]:
    """Accept a page as the tenant's administrator; gives the query of the redirect."""
    assert browser.get(url).status_code == httpx.codes.OK
    answer = browser.post(url, data={"user": f"admin@{stage.domain}", "decision": "accept"})
    assert answer.status_code == httpx.codes.FOUND, "the page was not accepted"
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}
