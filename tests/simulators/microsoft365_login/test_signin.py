"""Consent and sign-in pages, and the code that comes out of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest

from tests.simulators.clients import (
    BACKUP_ROLES,
    CALLBACK,
    DOMAIN,
    GRAPH,
    LOGIN,
    Tenant,
    landed,
    pkce,
    tenant_without_mail,
)

ADMIN = f"admin@{DOMAIN}"
PRIVILEGED = f"tom.krueger@{DOMAIN}"
ORDINARY = f"anke.schaefer@{DOMAIN}"
GUEST = f"kai.gast_suedwind-beratung.example#ext#@{DOMAIN}"
GLOBAL_ADMINISTRATOR = "62e90394-69f5-4237-9190-012177145e10"
DEFAULT = "https://graph.microsoft.com/.default"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenant]:
    with tenant_without_mail(tmp_path_factory.mktemp("state")) as made:
        yield made


@pytest.fixture
def app(cloud: Tenant) -> str:
    """An app that nobody consented to yet."""
    cloud.control.act("app_register", name="New", client_id="22222222-2222-4222-8222-222222222222")
    arguments = {"redirect_uris": [CALLBACK], "roles": list(BACKUP_ROLES)}
    made: str = cloud.control.act("app_register", name=f"App {cloud.control.mark()}", **arguments)["client_id"]
    return made


def consent(cloud: Tenant, app: str, name: str = "organizations", **changes: Any) -> str:
    query = {"client_id": app, "scope": DEFAULT, "redirect_uri": CALLBACK, "state": "s 1&2"} | changes
    return f"{LOGIN}/{name}/v2.0/adminconsent?" + urlencode({k: v for k, v in query.items() if v is not None})


def authorize(cloud: Tenant, name: str = "organizations", **changes: Any) -> str:
    query = {"client_id": cloud.app, "response_type": "code", "redirect_uri": CALLBACK, "scope": "openid profile"}
    query |= {"state": "s2", "nonce": "n1"} | changes
    return f"{LOGIN}/{name}/oauth2/v2.0/authorize?" + urlencode({k: v for k, v in query.items() if v is not None})


def code(cloud: Tenant, user: str = ADMIN, name: str = "organizations", **changes: Any) -> str:
    answer = cloud.client.post(authorize(cloud, name, **changes), data={"user": user, "decision": "accept"})
    return landed(answer)["code"]


def redeem(cloud: Tenant, value: str, name: str = "organizations", **changes: Any) -> Any:
    form = {"grant_type": "authorization_code", "client_id": cloud.app, "client_secret": cloud.secret}
    form |= {"code": value, "redirect_uri": CALLBACK} | changes
    filled = {key: text for key, text in form.items() if text is not None}
    return cloud.client.post(f"{LOGIN}/{name}/oauth2/v2.0/token", data=filled)


def refused(answer: Any, error: str, number: int) -> None:
    assert (answer.json()["error"], answer.json()["error_codes"]) == (error, [number]), answer.text


@pytest.mark.parametrize("user", [ADMIN, PRIVILEGED])
@pytest.mark.parametrize("name", ["organizations", DOMAIN])
def test_an_administrator_grants_what_the_app_declares(cloud: Tenant, app: str, user: str, name: str) -> None:
    page = cloud.client.get(consent(cloud, app, name))
    assert page.status_code == 200
    assert set(BACKUP_ROLES) <= set(re.findall(r"<li>([^<]+)</li>", page.text))
    query = landed(cloud.client.post(consent(cloud, app, name), data={"user": user, "decision": "accept"}))
    assert query == {"admin_consent": "True", "tenant": cloud.id, "scope": DEFAULT, "state": "s 1&2"}
    shown = cloud.control.act("consent_show", tenant=DOMAIN, client_id=app)
    assert shown == {"state": "granted", "roles": sorted(BACKUP_ROLES)}


def test_cancelling_comes_back_with_admin_consent_true_all_the_same(cloud: Tenant, app: str) -> None:
    query = landed(cloud.client.post(consent(cloud, app), data={"user": ADMIN, "decision": "cancel"}))
    assert query.pop("error_description").startswith("AADSTS65004")
    assert query == {"admin_consent": "True", "error": "consent_required", "state": "s 1&2"}
    assert cloud.control.act("consent_show", tenant=DOMAIN, client_id=app)["state"] == "none"


@pytest.mark.parametrize("user", [ORDINARY, GUEST])
def test_others_cannot_consent(cloud: Tenant, app: str, user: str) -> None:
    answer = cloud.client.post(consent(cloud, app), data={"user": user, "decision": "accept"})
    assert answer.status_code == 403
    assert "AADSTS90094" in answer.text
    assert cloud.control.act("consent_show", tenant=DOMAIN, client_id=app)["state"] == "none"


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({"redirect_uri": CALLBACK + "/"}, "AADSTS50011"),
        ({"redirect_uri": None}, "AADSTS50011"),
        ({"redirect_uri": "https://evil.example/"}, "AADSTS50011"),
        ({"client_id": "unknown<script>"}, "AADSTS700016"),
        ({"scope": "https://graph.microsoft.com/Mail.Read"}, "AADSTS70011"),
        ({"scope": None}, "AADSTS70011"),
        ({"name": "common"}, "AADSTS90002"),
        ({"name": "nowhere.example"}, "AADSTS90002"),
    ],
)
def test_mistakes_stay_on_the_page(cloud: Tenant, app: str, changes: dict[str, Any], number: str) -> None:
    url = consent(cloud, app, changes.pop("name", "organizations"), **changes)
    for answer in (cloud.client.get(url), cloud.client.post(url, data={"user": ADMIN, "decision": "accept"})):
        assert answer.status_code == 400
        assert number in answer.text
        assert "<script>" not in answer.text


def test_an_administrator_of_another_tenant_cannot_consent_here(cloud: Tenant, app: str) -> None:
    cloud.control.act("tenant_add", domain=f"other{cloud.control.mark()}.example")
    other = cloud.control.act("tenants")[-1]
    answer = cloud.client.post(consent(cloud, app), data={"user": f"admin@{other['domain']}", "decision": "accept"})
    assert landed(answer)["tenant"] == other["id"]
    form = {"user": f"admin@{other['domain']}", "decision": "accept"}
    assert "AADSTS50020" in cloud.client.post(consent(cloud, app, DOMAIN), data=form).text
    assert cloud.control.act("consent_show", tenant=DOMAIN, client_id=app)["state"] == "none"


def test_a_sign_in_proves_tenant_person_and_roles(cloud: Tenant) -> None:
    verifier, challenge = pkce()
    value = code(cloud, code_challenge=challenge, code_challenge_method="S256")
    body = redeem(cloud, value, code_verifier=verifier).json()
    keys = cloud.client.get(f"{LOGIN}/organizations/discovery/v2.0/keys").json()
    claims = jwt.decode(
        body["id_token"], jwt.PyJWKSet.from_dict(keys).keys[0].key, algorithms=["RS256"], audience=cloud.app
    )
    assert claims["iss"] == f"{LOGIN}/{cloud.id}/v2.0"
    assert (claims["tid"], claims["nonce"], claims["acct"], claims["ver"]) == (cloud.id, "n1", 0, "2.0")
    assert GLOBAL_ADMINISTRATOR in claims["wids"]
    assert claims["preferred_username"] == ADMIN
    users = {user["address"]: user["id"] for user in cloud.control.act("users", tenant=DOMAIN)}
    assert claims["oid"] == users[ADMIN]


def test_the_delegated_token_reads_nothing_app_only(cloud: Tenant) -> None:
    token = redeem(cloud, code(cloud)).json()["access_token"]
    assert cloud.client.get(f"{GRAPH}/users", headers={"Authorization": f"Bearer {token}"}).status_code == 403


def test_guests_and_ordinary_people_are_told_apart(cloud: Tenant) -> None:
    def claims(user: str) -> dict[str, Any]:
        token = redeem(cloud, code(cloud, user)).json()["id_token"]
        return jwt.decode(token, options={"verify_signature": False})

    assert (claims(GUEST)["acct"], claims(GUEST)["wids"]) == (1, [])
    assert cloud.id not in claims(GUEST)["idp"]
    assert "idp" not in claims(ORDINARY)
    assert (claims(ORDINARY)["acct"], GLOBAL_ADMINISTRATOR in claims(ORDINARY)["wids"]) == (0, False)
    arguments = {"local": "gast.admin", "name": "Gast Admin", "guest": True, "roles": [GLOBAL_ADMINISTRATOR]}
    made = cloud.control.act("user_add", tenant=DOMAIN, **arguments)
    assert (claims(made["address"])["acct"], claims(made["address"])["wids"]) == (1, [GLOBAL_ADMINISTRATOR])


def test_optional_claims_come_only_if_the_registration_asks(cloud: Tenant) -> None:
    arguments = {"redirect_uris": [CALLBACK], "optional_claims": []}
    plain = cloud.control.act("app_register", name="Plain", **arguments)["client_id"]
    secret = cloud.control.act("app_secret_add", client_id=plain)["secret"]
    token = redeem(cloud, code(cloud, client_id=plain), client_id=plain, client_secret=secret).json()["id_token"]
    assert {"acct", "wids"}.isdisjoint(jwt.decode(token, options={"verify_signature": False}))


def test_a_code_is_good_once_for_ten_minutes_for_its_app_and_place(cloud: Tenant) -> None:
    value = code(cloud)
    assert redeem(cloud, value).is_success
    refused(redeem(cloud, value), "invalid_grant", 54005)
    late = code(cloud)
    cloud.control.advance(601)
    refused(redeem(cloud, late), "invalid_grant", 70008)
    refused(redeem(cloud, code(cloud), redirect_uri="https://backup.example/other"), "invalid_client", 500112)
    refused(redeem(cloud, "invented"), "invalid_grant", 9002313)
    refused(redeem(cloud, code(cloud), client_secret="wrong"), "invalid_client", 7000215)
    refused(redeem(cloud, code(cloud), client_secret=None), "invalid_client", 7000218)
    arguments = {"redirect_uris": [CALLBACK]}
    thief = cloud.control.act("app_register", name="Thief", **arguments)["client_id"]
    secret = cloud.control.act("app_secret_add", client_id=thief)["secret"]
    refused(redeem(cloud, code(cloud), client_id=thief, client_secret=secret), "invalid_grant", 9002313)


def test_a_code_of_one_tenant_is_no_code_of_another(cloud: Tenant) -> None:
    domain = f"third{cloud.control.mark()}.example"
    cloud.control.act("tenant_add", domain=domain)
    refused(redeem(cloud, code(cloud), domain), "invalid_grant", 700005)


@pytest.mark.parametrize("verifier", ["wrong", "", None])
def test_pkce_is_checked(cloud: Tenant, verifier: str | None) -> None:
    value = code(cloud, code_challenge=pkce()[1], code_challenge_method="S256")
    refused(redeem(cloud, value, code_verifier=verifier), "invalid_grant", 501481)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_challenge": "x", "code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": "x"}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"scope": None}, "invalid_request"),
        ({"prompt": "none"}, "login_required"),
    ],
)
def test_mistakes_of_the_app_are_sent_back_to_it(cloud: Tenant, changes: dict[str, Any], error: str) -> None:
    query = landed(cloud.client.get(authorize(cloud, **changes)))
    assert (query["error"], query["state"]) == (error, "s2")


def test_cancelled_sign_ins_and_people_who_may_not(cloud: Tenant) -> None:
    query = landed(cloud.client.post(authorize(cloud), data={"user": ADMIN, "decision": "cancel"}))
    assert (query["error"], query["state"]) == ("access_denied", "s2")
    page = unescape(cloud.client.get(authorize(cloud)).text)
    assert ORDINARY in page
    assert f"auftrag@{DOMAIN}" not in page, "a shared mailbox cannot sign in"
    answer = cloud.client.post(authorize(cloud), data={"user": f"auftrag@{DOMAIN}", "decision": "accept"})
    assert "AADSTS50034" in answer.text
    assert "AADSTS50011" in cloud.client.get(authorize(cloud, redirect_uri="https://evil.example/")).text


def test_names_on_the_page_are_escaped(tmp_path: Path) -> None:
    with tenant_without_mail(tmp_path) as cloud:
        cloud.control.act("user_add", tenant=DOMAIN, local="x", name="<script>alert(1)</script>")
        assert "<script>" not in cloud.client.get(authorize(cloud)).text
