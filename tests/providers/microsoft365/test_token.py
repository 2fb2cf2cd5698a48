"""App-only tokens: by secret, by a key that stays with its keeper, and what each refusal tells the partner."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import httpx
import pytest

from arche.providers import registry
from arche.providers.certificate import self_signed
from arche.providers.errors import CredentialRejected, Forbidden, Throttled, Unreachable
from arche.providers.microsoft365 import token
from arche.providers.microsoft365.token import App, Token, acquire, require
from tests.providers.microsoft365.conftest import Cloud, Signer

ROLES = ("Mail.Read", "MailboxSettings.Read", "User.Read.All")


@pytest.fixture(scope="module")
def app(cloud: Cloud) -> App:
    client_id, secret = cloud.app("token test", ROLES)
    return App(client_id, secret=secret)


@pytest.fixture
def client(cloud: Cloud):
    with registry.platform("microsoft365").login(transport=cloud.transport()) as opened:
        yield opened


def test_a_secret_gets_a_token(cloud: Cloud, app: App, client: httpx.Client) -> None:
    got = acquire(app, cloud.tenant, client)
    assert got.roles == ROLES
    assert 3000 < (got.expires - datetime.now(UTC)).total_seconds() < 3700
    assert got.value not in repr(got)
    assert app.secret not in repr(app)


def test_a_key_that_stays_with_its_keeper_gets_a_token(cloud: Cloud, client: httpx.Client) -> None:
    client_id, _ = cloud.app("signed", ROLES)
    signer = Signer()
    signer.certificate = self_signed(signer, "Arche", datetime(2026, 1, 1, tzinfo=UTC), 3650)
    cloud.control.act("app_certificate_add", client_id=client_id, pem=signer.pem)
    app = App(client_id, signer=signer)
    mark = cloud.control.mark()
    assert acquire(app, cloud.tenant, client).roles == ROLES
    # Each assertion is used once: a second token needs a new one, and gets it.
    assert acquire(app, cloud.tenant, client).roles == ROLES
    hosts = {call["host"] for call in cloud.control.calls(since=mark)}
    assert hosts == {"login.microsoftonline.com"}


def test_another_key_is_refused(cloud: Cloud, client: httpx.Client) -> None:
    client_id, _ = cloud.app("signed", ROLES)
    good, bad = Signer(), Signer()
    good.certificate = bad.certificate = self_signed(good, "Arche", datetime(2026, 1, 1, tzinfo=UTC), 3650)
    cloud.control.act("app_certificate_add", client_id=client_id, pem=good.pem)
    with pytest.raises(CredentialRejected) as caught:
        acquire(App(client_id, signer=bad), cloud.tenant, client)
    assert caught.value.code == "AADSTS700027"


def test_a_wrong_secret_is_the_operators_matter(cloud: Cloud, app: App, client: httpx.Client) -> None:
    with pytest.raises(CredentialRejected, match="operator must renew") as caught:
        acquire(App(app.client_id, secret="wrong-secret-value"), cloud.tenant, client)
    assert caught.value.code == "AADSTS7000215"
    assert "wrong-secret-value" not in str(caught.value)


@pytest.mark.parametrize(
    ("switch", "code"), [("secret_expired", "AADSTS7000222"), ("consent_withdrawn", "AADSTS7000229")]
)
def test_expiry_and_withdrawal(cloud: Cloud, app: App, client: httpx.Client, switch: str, code: str) -> None:
    cloud.control.fault(switch, count=1)
    with pytest.raises(CredentialRejected) as caught:
        acquire(app, cloud.tenant, client)
    assert caught.value.code == code


def test_a_tenant_that_never_consented(cloud: Cloud, client: httpx.Client) -> None:
    client_id, secret = cloud.app("stranger", ROLES, granted=False)
    with pytest.raises(CredentialRejected, match="renew the consent") as caught:
        acquire(App(client_id, secret=secret), cloud.tenant, client)
    assert caught.value.code == "AADSTS700016"


def test_a_disabled_service_principal_never_looks_like_people_who_left(
    cloud: Cloud, app: App, client: httpx.Client
) -> None:
    cloud.control.fault("aadsts", count=1, code=500014)
    with pytest.raises(CredentialRejected, match="blocked in this tenant") as caught:
        acquire(app, cloud.tenant, client)
    assert caught.value.code == "AADSTS500014"


def test_an_unknown_code_is_shown_with_the_next_step(cloud: Cloud, app: App, client: httpx.Client) -> None:
    cloud.control.fault("aadsts", count=1, code=999999, note="Ute Größer is not amused")
    with pytest.raises(CredentialRejected, match="renew the consent") as caught:
        acquire(app, cloud.tenant, client)
    assert caught.value.code == "AADSTS999999"
    assert "Ute" not in str(caught.value)


@pytest.mark.parametrize("told", ["5.5", None])
def test_the_login_host_may_ask_for_patience(cloud: Cloud, app: App, client: httpx.Client, told: str | None) -> None:
    least, most = (float(told), float(told)) if told else (0.1, 300.0)
    cloud.control.fault("token_endpoint_429", count=1, retry_after=told)
    with pytest.raises(Throttled) as caught:
        acquire(app, cloud.tenant, client)
    assert least <= caught.value.after <= most


@pytest.mark.parametrize("fault", ["connection_reset", "html_502"])
def test_a_broken_login_host_is_unreachable(cloud: Cloud, app: App, client: httpx.Client, fault: str) -> None:
    cloud.control.fault(fault, count=1, scope={"host": "login.microsoftonline.com"})
    with pytest.raises(Unreachable):
        acquire(app, cloud.tenant, client)


@pytest.mark.parametrize("tenant", ["", "organizations", "common", "../evil", "a" * 36])
def test_a_tenant_is_a_guid(app: App, client: httpx.Client, tenant: str) -> None:
    with pytest.raises(CredentialRejected):
        acquire(app, tenant, client)


def test_missing_permissions_are_named() -> None:
    granted = Token("t", datetime(2026, 1, 1, tzinfo=UTC), ("Mail.ReadWrite", "User.Read.All"))
    require(granted, ("Mail.Read", "User.Read.All"))
    with pytest.raises(Forbidden, match=r"did not grant MailboxSettings.Read, Sites.Read.All") as caught:
        require(granted, ("Sites.Read.All", "Mail.Read", "MailboxSettings.Read"))
    assert caught.value.account is False


def test_reading_never_covers_writing() -> None:
    with pytest.raises(Forbidden):
        require(Token("t", datetime(2026, 1, 1, tzinfo=UTC), ("Mail.Read",)), ("Mail.ReadWrite",))


def test_an_assertion_is_short_lived_single_use_and_names_the_certificate() -> None:
    signer = Signer()
    signer.certificate = b"der"
    app = App("client", signer=signer)
    one, two = (token.assertion(app, "https://login/token", clock=lambda: 1000.0) for _ in range(2))
    header, claims = (json.loads(token._unbase64(part)) for part in one.split(".")[:2])
    assert header["alg"] == "PS256"
    assert claims["aud"] == "https://login/token"
    assert (claims["nbf"], claims["exp"]) == (1000, 1300)
    assert claims["jti"] != json.loads(token._unbase64(two.split(".")[1]))["jti"]


def test_what_is_no_token_has_no_roles() -> None:
    assert token._roles("") == token._roles("a.b.c") == token._roles("only") == ()
