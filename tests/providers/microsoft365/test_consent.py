"""Who may bind a tenant: an administrator, at home in it, signed in in this very flow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from arche.providers import registry
from arche.providers.microsoft365 import consent
from arche.providers.microsoft365.consent import ConsentRefused, Flow, answer_of, bind, consent_url, sign_in_url
from arche.providers.microsoft365.token import App
from tests.providers.microsoft365.conftest import DOMAIN, REDIRECT, Cloud

ROLES = ("Mail.Read", "User.Read.All")
KEY = rsa.generate_private_key(65537, 2048)
OTHER = rsa.generate_private_key(65537, 2048)
KNOWN = {"k1": KEY.public_key()}
TENANT = "11111111-2222-4333-8444-555555555555"
AT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def token(key=KEY, kid="k1", algorithm="RS256", **changed) -> str:
    claims = {
        "aud": "client",
        "iss": f"https://login.microsoftonline.com/{TENANT}/v2.0",
        "iat": AT.timestamp(),
        "nbf": AT.timestamp(),
        "exp": AT.timestamp() + 3600,
        "nonce": "n-1",
        "tid": TENANT,
        "oid": "subject",
        "acct": 0,
        "wids": ["b79fbf4d-3ef9-4689-8143-76b194e85509", consent.GLOBAL_ADMINISTRATOR],
    } | changed
    claims = {name: value for name, value in claims.items() if value is not ...}
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid})


def check(id_token: str, at: datetime = AT) -> dict:
    return consent.verify(id_token, "client", "n-1", at, KNOWN)


def test_a_good_sign_in_is_taken() -> None:
    assert check(token())["tid"] == TENANT
    assert check(token(wids=[consent.PRIVILEGED_ROLE_ADMINISTRATOR]))["oid"] == "subject"
    assert check(token(acct=...))["tid"] == TENANT


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"aud": "another-app"}, "audience"),
        ({"iss": "https://login.microsoftonline.com/99999999-2222-4333-8444-555555555555/v2.0"}, "issuer"),
        ({"iss": "https://evil.example.net/v2.0"}, "issuer"),
        ({"nonce": "n-2"}, "nonce"),
        ({"nonce": ...}, "signature"),
        ({"tid": ...}, "signature"),
        ({"acct": 1}, "guest"),
        ({"idp": "https://sts.windows.net/99999999-2222-4333-8444-555555555555/"}, "guest"),
        ({"idp": "live.com"}, "guest"),
        ({"wids": []}, "not_admin"),
        ({"wids": ["b79fbf4d-3ef9-4689-8143-76b194e85509"]}, "not_admin"),
        ({"wids": ...}, "no_roles"),
        ({"exp": AT.timestamp() - 600}, "expired"),
        ({"nbf": AT.timestamp() + 600}, "expired"),
        (
            {
                "tid": "9188040d-6c67-4c5b-b112-36a304b66dad",
                "iss": "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0",
            },
            "personal",
        ),
    ],
)
def test_each_flaw_is_refused_by_its_name(changed: dict, code: str) -> None:
    with pytest.raises(ConsentRefused) as caught:
        check(token(**changed))
    assert caught.value.code == code


def test_signatures_are_the_vendors() -> None:
    unsigned = jwt.encode({"aud": "client"}, None, algorithm="none", headers={"kid": "k1"})
    symmetric = jwt.encode({"aud": "client"}, "x" * 64, algorithm="HS256", headers={"kid": "k1"})
    for forged in (token(OTHER), token(kid="k2"), token() + "x", "", "a.b.c", unsigned, symmetric):
        with pytest.raises(ConsentRefused) as caught:
            check(forged)
        assert caught.value.code == "signature"


def test_an_answer_must_carry_our_state() -> None:
    assert answer_of({"state": "s", "code": "c"}, "s") == "c"
    assert answer_of({"state": "s", "admin_consent": "True", "tenant": TENANT}, "s") == ""
    for query, code in (
        ({"state": "t", "code": "c"}, "state"),
        ({"code": "c"}, "state"),
        ({"state": "s", "admin_consent": "True", "error": "consent_required"}, "declined"),
    ):
        with pytest.raises(ConsentRefused) as caught:
            answer_of(query, "s")
        assert caught.value.code == code


def test_flows_never_repeat_themselves() -> None:
    one, two = Flow.begin(), Flow.begin()
    assert len({one.state, one.nonce, one.verifier, two.state, two.nonce, two.verifier}) == 6
    assert 43 <= len(one.verifier) <= 128


class Browser:
    """Clicks through the vendor's pages as somebody."""

    def __init__(self, cloud: Cloud) -> None:
        self._client = httpx.Client(transport=cloud.transport())

    def close(self) -> None:
        self._client.close()

    def go(self, url: str, user: str, decision: str = "accept") -> dict[str, str]:
        assert self._client.get(url).status_code == 200
        answer = self._client.post(url, data={"user": user, "decision": decision})
        assert answer.status_code == 302, answer.text
        assert answer.headers["location"].startswith(REDIRECT)
        return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}


@pytest.fixture(scope="module")
def app(cloud: Cloud) -> App:
    client_id, secret = cloud.app("consent test", ROLES, granted=False)
    return App(client_id, secret=secret)


@pytest.fixture
def client(cloud: Cloud):
    with registry.platform("microsoft365").login(transport=cloud.transport()) as opened:
        yield opened


@pytest.fixture
def browser(cloud: Cloud):
    opened = Browser(cloud)
    yield opened
    opened.close()


def now(cloud: Cloud) -> datetime:
    return datetime.fromtimestamp(cloud.control.now(), UTC)


def test_the_whole_flow(cloud: Cloud, app: App, client: httpx.Client, browser: Browser) -> None:
    flow = Flow.begin()
    back = browser.go(consent_url(app.client_id, REDIRECT, flow.state), f"admin@{DOMAIN}")
    assert answer_of(back, flow.state) == ""
    back = browser.go(sign_in_url(app.client_id, REDIRECT, flow), f"admin@{DOMAIN}")
    code = answer_of(back, flow.state)
    proven = bind(app, client, flow, code=code, redirect_uri=REDIRECT, at=now(cloud))
    assert proven.tenant == cloud.tenant
    assert proven.evidence["wids"]
    assert not {"name", "preferred_username", "email"} & set(proven.evidence)
    with pytest.raises(ConsentRefused) as caught:
        bind(app, client, flow, code=code, redirect_uri=REDIRECT, at=now(cloud))
    assert caught.value.code == "code"


def test_a_privileged_role_administrator_may(cloud: Cloud, app: App, client: httpx.Client, browser: Browser) -> None:
    flow = Flow.begin()
    code = answer_of(browser.go(sign_in_url(app.client_id, REDIRECT, flow), f"tom.krueger@{DOMAIN}"), flow.state)
    assert bind(app, client, flow, code=code, redirect_uri=REDIRECT, at=now(cloud)).tenant == cloud.tenant


def test_a_plain_member_may_not(cloud: Cloud, app: App, client: httpx.Client, browser: Browser) -> None:
    flow = Flow.begin()
    code = answer_of(browser.go(sign_in_url(app.client_id, REDIRECT, flow), f"joerg.mueller@{DOMAIN}"), flow.state)
    with pytest.raises(ConsentRefused) as caught:
        bind(app, client, flow, code=code, redirect_uri=REDIRECT, at=now(cloud))
    assert caught.value.code == "not_admin"


def test_another_flows_verifier_does_not_redeem(cloud: Cloud, app: App, client: httpx.Client, browser: Browser) -> None:
    flow, other = Flow.begin(), Flow.begin()
    code = answer_of(browser.go(sign_in_url(app.client_id, REDIRECT, flow), f"admin@{DOMAIN}"), flow.state)
    with pytest.raises(ConsentRefused) as caught:
        bind(app, client, other, code=code, redirect_uri=REDIRECT, at=now(cloud))
    assert caught.value.code == "code"


def test_another_nonce_does_not_bind(cloud: Cloud, app: App, client: httpx.Client, browser: Browser) -> None:
    flow = Flow.begin()
    code = answer_of(browser.go(sign_in_url(app.client_id, REDIRECT, flow), f"admin@{DOMAIN}"), flow.state)
    mixed = Flow(flow.state, "another nonce", flow.verifier)
    with pytest.raises(ConsentRefused) as caught:
        bind(app, client, mixed, code=code, redirect_uri=REDIRECT, at=now(cloud))
    assert caught.value.code == "nonce"


def test_a_late_or_foreign_sign_in_does_not_bind(
    cloud: Cloud, app: App, client: httpx.Client, browser: Browser
) -> None:
    flow = Flow.begin()
    url = sign_in_url(app.client_id, REDIRECT, flow)
    code = answer_of(browser.go(url, f"admin@{DOMAIN}"), flow.state)
    with pytest.raises(ConsentRefused) as caught:
        bind(app, client, flow, code=code, redirect_uri=REDIRECT, at=now(cloud) + timedelta(hours=3))
    assert caught.value.code == "expired"
    code = answer_of(browser.go(url, f"admin@{DOMAIN}"), flow.state)
    with pytest.raises(ConsentRefused) as caught:
        bind(app, client, flow, code=code, redirect_uri=REDIRECT, at=now(cloud), tenant=TENANT)
    assert caught.value.code == "tenant_mismatch"


def test_a_declined_consent_is_told(app: App, browser: Browser) -> None:
    flow = Flow.begin()
    back = browser.go(consent_url(app.client_id, REDIRECT, flow.state), f"admin@{DOMAIN}", "cancel")
    with pytest.raises(ConsentRefused) as caught:
        answer_of(back, flow.state)
    assert caught.value.code == "declined"
