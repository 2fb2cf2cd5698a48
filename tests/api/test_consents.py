"""Consent is bound to a sign-in of an administrator; everything else binds nothing."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from arche.model.tenancy import Member
from functions.api import pages
from functions.api.page_texts import TEXTS
from tests.api.conftest import state_of

CONNECTIONS = "/v1/customers/{}/connections"


def begun(world, customer, *, who="admin", **body):
    path = CONNECTIONS.format(customer)
    answer = world.call("POST", path, {"platform": "microsoft365", **body}, who=who)
    assert answer.status == 201, answer.text
    assert (answer.json["state"], answer.json["tenant"]) == ("new", "")
    return answer.json["consent_url"]


def state(world, customer, label="C-01"):
    found = world.call("GET", f"{CONNECTIONS.format(customer)}/{label}").json
    return found["state"], found["tenant"], found["restore_ready"]


def shows(answer, ending, language="en"):
    title, text = TEXTS[ending][language]
    return answer.headers["Content-Type"] == "text/html; charset=utf-8" and title in answer.text and text in answer.text


def test_the_whole_way(world):
    customer = world.customer()
    url = begun(world, customer, language="de")
    first = world.callback(admin_consent="True", tenant="a-forged-tenant", scope="x", state=state_of(url))
    assert (first.status, first.raw) == (302, b"")
    assert first.headers["Location"].startswith("https://login.example/authorize?")
    assert state(world, customer) == ("new", "", False)
    second = world.callback(code="code-1", state=state_of(first.headers["Location"]), session_state="y")
    assert second.status == 200
    assert shows(second, "connected", "de")
    assert state(world, customer) == ("live", world.vendor.proof, False)
    ((consent, code),) = world.vendor.proven
    assert (code, consent.member, consent.customer, consent.app) == ("code-1", "admin", customer, "backup")
    assert len(consent.verifier) >= 43
    assert consent.nonce in first.headers["Location"]
    kind, _, event = world.machines.calls[-1]
    assert (kind, event["customer"], event["connection"]) == ("discover", customer, "C-01")


def test_the_state_is_stored_as_a_digest_only(world, shared):
    client, _ = shared
    customer = world.customer()
    url = begun(world, customer)
    rows = str(client.scan(TableName="t-tenancy")["Items"])
    assert "CONSENT#" in rows
    assert state_of(url) not in rows


def test_pages_are_inert(world):
    answer = world.callback(state="<script>alert(1)</script>", error="<img src=x>", admin_consent="True")
    assert answer.status == 400
    assert shows(answer, "link_used", "de")
    assert "<script" not in answer.text
    assert "<img" not in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_declined_consent(world):
    customer = world.customer()
    url = begun(world, customer)
    # Microsoft says admin_consent=True together with the error.
    answer = world.callback(admin_consent="True", error="consent_required", state=state_of(url))
    assert answer.status == 400
    assert shows(answer, "declined")
    assert state(world, customer) == ("new", "", False)
    assert shows(world.callback(admin_consent="True", state=state_of(url)), "link_used", "de")


def test_a_declined_sign_in(world):
    customer = world.customer()
    first = world.callback(admin_consent="True", state=state_of(begun(world, customer)))
    answer = world.callback(error="access_denied", state=state_of(first.headers["Location"]))
    assert shows(answer, "declined")
    assert state(world, customer) == ("new", "", False)
    assert world.vendor.proven == []


def test_states_work_once(world):
    customer = world.customer()
    url = begun(world, customer)
    first = world.callback(admin_consent="True", state=state_of(url))
    assert shows(world.callback(admin_consent="True", state=state_of(url)), "link_used", "de")
    sign_in = state_of(first.headers["Location"])
    assert world.callback(code="c", state=sign_in).status == 200
    assert shows(world.callback(code="c", state=sign_in), "link_used", "de")
    assert len(world.vendor.proven) == 1


def test_states_lapse_after_an_hour(world):
    customer = world.customer()
    url = begun(world, customer)
    first = world.callback(admin_consent="True", state=state_of(url))
    world.now += timedelta(hours=1, seconds=1)
    answer = world.callback(code="c", state=state_of(first.headers["Location"]))
    assert shows(answer, "link_used", "de")
    assert world.vendor.proven == []


def test_the_first_step_cannot_be_skipped(world):
    customer = world.customer()
    url = begun(world, customer)
    assert shows(world.callback(code="stolen", state=state_of(url)), "link_used", "de")
    assert shows(world.callback(code="stolen", admin_consent="True", state=state_of(url)), "link_used", "de")
    assert world.vendor.proven == []
    # The state was not used up by a step that is not its own.
    assert world.callback(admin_consent="True", state=state_of(url)).status == 302


@pytest.mark.parametrize("query", [{}, {"state": ""}, {"code": "c"}, {"admin_consent": "True"}, {"state": "x" * 8000}])
def test_callbacks_out_of_nowhere(world, query):
    answer = world.callback(**query)
    assert answer.status == 400
    assert shows(answer, "link_used", "de")


@pytest.mark.parametrize(
    ("reason", "ending"),
    [
        ("not_admin", "not_admin"),
        ("guest", "guest"),
        ("personal", "not_admin"),
        ("nonce", "sign_in_failed"),
        ("signature", "sign_in_failed"),
        ("audience", "sign_in_failed"),
        ("unreachable", "try_again"),
    ],
)
def test_a_sign_in_that_proves_nothing_binds_nothing(world, reason, ending):
    customer = world.customer()
    world.vendor.refuse = reason
    answer = world.consent(begun(world, customer))
    assert answer.status == 400
    assert shows(answer, ending)
    assert state(world, customer) == ("new", "", False)
    assert world.machines.calls == []


def test_a_second_claim_learns_nothing_and_is_reported(world, shared):
    client, _ = shared
    world.connected("other", tenant="t-1")
    customer = world.customer()
    world.vendor.proof = "t-1"
    answer = world.consent(begun(world, customer))
    assert answer.status == 400
    assert shows(answer, "not_available")
    assert state(world, customer) == ("new", "", False)
    alerts = client.query(
        TableName="t-tenancy",
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": "ALERT"}},
    )["Items"]
    assert [(one["kind"]["S"], one["by_customer"]["S"]) for one in alerts] == [("second_claim", customer)]


def test_a_second_claim_of_the_same_partner(world):
    world.connected(tenant="t-1")
    customer = world.customer()
    world.vendor.proof = "t-1"
    assert shows(world.consent(begun(world, customer)), "not_available")


def test_reconsent_wants_the_same_tenant(world):
    customer = world.connected(tenant="t-1")
    path = f"{CONNECTIONS.format(customer)}/C-01/reconsent"
    world.vendor.proof = "t-2"
    assert shows(world.consent(world.call("POST", path, {}).json["consent_url"]), "other_tenant")
    assert state(world, customer) == ("live", "t-1", False)
    world.vendor.proof = "t-1"
    assert shows(world.consent(world.call("POST", path, {}).json["consent_url"]), "connected")


def test_reconsent_makes_a_red_connection_live(world):
    customer = world.connected(tenant="t-1")
    assert world.catalog.customer(customer).redden("C-01", "run-1", "CredentialRejected", "Ask for a reconsent.")
    shown = world.call("GET", f"{CONNECTIONS.format(customer)}/C-01").json
    assert (shown["state"], shown["reason"], shown["message"]) == ("red", "CredentialRejected", "Ask for a reconsent.")
    refused = world.call("POST", f"{CONNECTIONS.format(customer)}/C-01/discover", {})
    assert (refused.status, refused.json["code"]) == (409, "connection_not_live")
    url = world.call("POST", f"{CONNECTIONS.format(customer)}/C-01/reconsent", {}).json["consent_url"]
    assert world.consent(url).status == 200
    assert state(world, customer) == ("live", "t-1", False)


def test_the_restore_app_is_consented_apart(world):
    customer = world.connected(tenant="t-1")
    path = f"{CONNECTIONS.format(customer)}/C-01/reconsent"
    started = len(world.machines.calls)
    world.vendor.proof = "t-2"
    other = world.consent(world.call("POST", path, {"app": "restore"}).json["consent_url"])
    assert shows(other, "other_tenant")
    assert state(world, customer) == ("live", "t-1", False)
    world.vendor.proof = "t-1"
    url = world.call("POST", path, {"app": "restore", "language": "de"}).json["consent_url"]
    assert "app=restore" in url
    assert shows(world.consent(url), "restore_ready", "de")
    assert state(world, customer) == ("live", "t-1", True)
    assert len(world.machines.calls) == started


def test_a_fault_of_ours_is_a_page_too(world, monkeypatch):
    def broken(*_):
        raise RuntimeError("x")

    monkeypatch.setattr(type(world.catalog.tenancy), "take_consent", broken)
    answer = world.callback(admin_consent="True", state="x")
    assert answer.status == 500
    assert shows(answer, "try_again", "de")
    answer = world.callback(state="x" * 9000)
    assert answer.status == 422
    assert shows(answer, "link_used", "de")


def test_someone_who_lost_the_right_meanwhile_binds_nothing(world):
    customer = world.customer()
    world.catalog.tenancy.put_member(Member("demoted", "p-one", "technician"))
    url = begun(world, customer, who="demoted")
    world.catalog.tenancy.put_member(Member("demoted", "p-one", "viewer"))
    assert shows(world.consent(url), "link_used")
    assert world.vendor.proven == []
    assert state(world, customer) == ("new", "", False)


def test_the_callback_needs_no_token_and_nothing_else_is_open(world):
    assert world.call("GET", "/v1/consents/callback/", who=None).status == 403
    assert world.call("POST", "/v1/consents/callback", who=None).status in {400, 403, 404}


@pytest.mark.parametrize("ending", sorted(TEXTS))
def test_every_page_speaks_both_languages_and_says_what_to_do(ending):
    for language in ("en", "de"):
        shown = pages.page(ending, language).body
        assert f'lang="{language}"' in shown
        assert re.search(r"close|ask|schließen|bitten|talk|Sprechen", shown, re.IGNORECASE)


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("de-DE,de;q=0.9,en;q=0.8", "de"),
        ("en-GB,en;q=0.9,de;q=0.8", "en"),
        ("", "en"),
        ("fr", "en"),
        ("de;q=0", "en"),
        ("de;q=evil,en;q=1", "en"),
        ("x" * 10_000, "en"),
    ],
)
def test_the_browsers_language(header, language):
    assert pages.preferred(header) == language
