"""Who may not, what is malformed, what is hostile: always a problem, never more than it should say."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest

from arche.operations.refusals import NotFound
from functions.api import download
from functions.api.refs import from_ref, to_ref

CUSTOMER = "/v1/customers/K-000001"
CONFIGURE = [
    ("POST", "/v1/customers", {"alias": "x"}),
    ("POST", f"{CUSTOMER}/connections", {"platform": "microsoft365"}),
    ("POST", f"{CUSTOMER}/connections/C-01/reconsent", {}),
    ("POST", f"{CUSTOMER}/connections/C-01/discover", {}),
    ("POST", f"{CUSTOMER}/accounts/activate", {"all": True}),
    ("POST", f"{CUSTOMER}/backups", {}),
    ("POST", f"{CUSTOMER}/restores", {"account": "A-0001", "whole": True}),
    ("POST", f"{CUSTOMER}/restores/restore-00000000/start", {}),
]
READ = [
    "/connections",
    "/connections/C-01",
    "/accounts",
    "/accounts/A-0001/snapshots",
    "/accounts/A-0001/runs",
    "/jobs",
    "/restores/restore-0000",
]
CONTENT = ["/folders?service=exchange", "/items?service=exchange", "/items/exchange/x", "/items/exchange/x/content"]


def problem(answer, status, code):
    """A whole and well-formed problem of this code."""
    assert answer.headers["Content-Type"] == "application/problem+json"
    found = answer.json
    assert set(found) - {"errors"} == {"type", "title", "status", "detail", "code", "instance"}
    assert (answer.status, found["status"], found["code"]) == (status, status, code)
    assert found["type"] == f"urn:arche:problem:{code}"
    assert found["detail"].count(".") >= 1
    return found


@pytest.mark.parametrize("who", [None, "stranger", ""])
def test_a_login_without_membership_may_nothing(world, who):
    for method, path, body in [("GET", "/v1/me", None), *CONFIGURE]:
        problem(world.call(method, path, body, who=who), 403, "not_a_member")


@pytest.mark.parametrize("who", ["viewer", "finance"])
def test_configuring_and_operating_need_a_role(world, who):
    for method, path, body in CONFIGURE:
        problem(world.call(method, path, body, who=who), 403, "role_missing")


def test_finance_reads_customers_and_nothing_below(world):
    for path in READ:
        problem(world.call("GET", CUSTOMER + path, who="finance"), 403, "role_missing")


@pytest.mark.parametrize("who", ["technician", "viewer", "finance"])
def test_content_needs_the_switch(world, who):
    for asked in CONTENT:
        path, _, query = asked.partition("?")
        answer = world.call(
            "GET", f"{CUSTOMER}/accounts/A-0001{path}", who=who, query={"service": "exchange"} if query else None
        )
        problem(answer, 403, "content_not_allowed")
    assert world.leases == []


def test_claims_count_and_not_the_request(world):
    headers = {"x-partner": "p-two", "authorization": "Bearer forged", "x-amzn-oidc-data": "forged"}
    answer = world.call("GET", "/v1/me", who="viewer", headers=headers, query={"partner": "p-two", "role": "admin"})
    assert (answer.json["partner"], answer.json["role"]) == ("p-one", "viewer")


@pytest.mark.parametrize(
    "extra",
    [{"customer": "K-000001"}, {"partner": "p-two"}, {"state": "suspended"}, {"created": "x"}, {"__class__": "x"}],
)
def test_mass_assignment_is_refused(world, extra):
    found = problem(world.call("POST", "/v1/customers", {"alias": "x", **extra}), 422, "invalid_request")
    assert found["errors"][0]["what"] == "extra_forbidden"
    assert world.call("GET", "/v1/customers").json["customers"] == []


def test_connections_cannot_be_made_live_by_hand(world):
    customer = world.customer()
    for extra in ({"tenant": "t"}, {"state": "live"}, {"restore_ready": True}):
        body = {"platform": "microsoft365", **extra}
        problem(world.call("POST", f"/v1/customers/{customer}/connections", body), 422, "invalid_request")
    assert world.call("GET", f"/v1/customers/{customer}/connections").json["connections"] == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        "text",
        7,
        {"alias": ""},
        {"alias": " \t"},
        {"alias": "a\u0000b"},
        {"alias": "a\nb"},
        {"alias": "a\u202eb"},
        {"alias": "x" * 201},
        {"alias": ["x"]},
        {"alias": {"$gt": ""}},
        {"alias": 1},
    ],
)
def test_malformed_customers(world, body):
    problem(world.call("POST", "/v1/customers", body), 422, "invalid_request")


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "Müller & Söhne 🦜", "'; DROP TABLE x; --", "=cmd|' /C calc'"]
)
def test_odd_names_are_names(world, name):
    made = world.call("POST", "/v1/customers", {"name": name})
    assert (made.status, made.json["name"]) == (201, name)
    assert made.headers["X-Content-Type-Options"] == "nosniff"


def test_lone_surrogates_are_refused(world):
    problem(world.call("POST", "/v1/customers", raw='{"alias": "\\ud800"}'), 422, "invalid_request")


def test_bodies_that_are_no_json(world):
    problem(world.call("POST", "/v1/customers", raw="{"), 422, "invalid_request")
    form = {"content-type": "application/x-www-form-urlencoded"}
    problem(world.call("POST", "/v1/customers", raw="alias=x", headers=form), 415, "unsupported_media_type")
    problem(
        world.call("POST", "/v1/customers", raw='{"alias":"x"}', headers={"content-type": ""}),
        415,
        "unsupported_media_type",
    )
    problem(world.call("POST", "/v1/customers", raw="[" * 30_000), 422, "invalid_request")
    problem(world.call("POST", "/v1/customers", raw=b"\xff\xfe"), 422, "invalid_request")


def test_large_bodies(world):
    problem(world.call("POST", "/v1/customers", {"alias": "x" * 70_000}), 413, "request_too_large")
    umlauts = json.dumps({"alias": "ü" * 33_000}, ensure_ascii=False)
    problem(world.call("POST", "/v1/customers", raw=umlauts), 413, "request_too_large")


def test_long_lists(world):
    many = [f"A-{number:04d}" for number in range(1001)]
    problem(world.call("POST", f"{CUSTOMER}/backups", {"accounts": many}), 422, "invalid_request")


def test_unknown_paths_and_methods(world):
    problem(world.call("GET", "/v1/nothing"), 404, "not_found")
    problem(world.call("DELETE", "/v1/customers/K-000001"), 404, "not_found")
    problem(world.call("GET", "/"), 404, "not_found")


@pytest.mark.parametrize(
    "label",
    [
        "K-1",
        "k-000001",
        "K-000001 ",
        "..",
        "%2e%2e",
        "K-000001%00",
        "BINDING#microsoft365#t",
        "K-\uff10\uff10\uff10\uff10\uff10\uff11",
    ],
)
def test_malformed_labels_are_nobodys(world, label):
    problem(world.call("GET", f"/v1/customers/{label}"), 404, "not_found")


def test_what_the_caller_made_up_is_not_echoed(world):
    answer = world.call("POST", "/v1/customers", {"alias": "x", "<img src=x>": 1, "secret-of-somebody": 2})
    found = problem(answer, 422, "invalid_request")
    assert "<img" not in answer.text
    assert {one["where"] for one in found["errors"]} == {"body.?", "body.secret-of-somebody"}


@pytest.mark.parametrize("limit", ["0", "201", "-1", "x", "1e3"])
def test_limits_of_pages(world, limit):
    problem(world.call("GET", "/v1/customers", query={"limit": limit}), 422, "invalid_request")


def test_half_a_choice_is_none(world):
    customer = world.connected()
    base = f"/v1/customers/{customer}"
    for path, body in [
        ("/accounts/activate", {}),
        ("/accounts/activate", {"all": True, "accounts": ["A-0001"]}),
        ("/accounts/activate", {"all": True, "per_day": 5}),
        ("/backups", {"connection": "C-01", "accounts": ["A-0001"]}),
        ("/restores", {"account": "A-0001"}),
        ("/restores", {"account": "A-0001", "whole": True, "folders": [{"service": "exchange", "id": "x"}]}),
        ("/restores", {"account": "A-0001", "whole": True, "conflict": "destroy"}),
        ("/connections", {"platform": "unknown"}),
    ]:
        problem(world.call("POST", base + path, body), 422, "invalid_request")


def test_an_edit_needs_the_tag(world):
    customer = world.customer()
    path = f"/v1/customers/{customer}"
    problem(world.call("PATCH", path, {"alias": "x"}), 422, "invalid_request")
    problem(world.call("PATCH", path, {"alias": "x"}, headers={"if-match": "*"}), 422, "invalid_request")
    problem(
        world.call("PATCH", path, {"alias": "x"}, headers={"if-match": f'"{"0" * 32}"'}), 412, "precondition_failed"
    )


def test_a_connection_that_is_not_live_runs_nothing(world):
    customer = world.customer()
    assert world.call("POST", f"/v1/customers/{customer}/connections", {"platform": "microsoft365"}).status == 201
    world.account(customer, active=True)
    base = f"/v1/customers/{customer}"
    problem(world.call("POST", f"{base}/connections/C-01/discover", {}), 409, "connection_not_live")
    problem(world.call("POST", f"{base}/backups", {"connection": "C-01"}), 409, "connection_not_live")
    problem(world.call("POST", f"{base}/connections/C-01/reconsent", {"app": "restore"}), 409, "connection_not_bound")
    assert world.machines.calls == []


def test_one_unknown_account_stops_the_whole_request(world):
    customer = world.connected()
    label = world.account(customer)
    body = {"accounts": [label, "A-0999"]}
    problem(world.call("POST", f"/v1/customers/{customer}/accounts/activate", body), 404, "not_found")
    assert not world.catalog.accounts.account(customer, label).active


def test_someone_who_left_is_not_activated(world):
    customer = world.connected()
    label = world.account(customer, left="2026-11-01T00:00:00Z")
    base = f"/v1/customers/{customer}/accounts/activate"
    problem(world.call("POST", base, {"accounts": [label]}), 409, "account_left")
    assert world.call("POST", base, {"all": True}).json == {"activated": 0, "already_active": 0}


@pytest.mark.parametrize(
    "ref", ["missing", "~", "~!", "~YQ", "..", "%2e%2e", "~" + base64.urlsafe_b64encode(b"\xff").decode()]
)
def test_items_that_are_not_there(world, ref):
    customer = world.connected()
    account = world.account(customer)
    world.backed_up(customer, account)
    base = f"/v1/customers/{customer}/accounts/{account}/items/exchange"
    problem(world.call("GET", f"{base}/{ref}"), 404, "not_found")


def test_what_is_not_there_in_a_vault(world):
    customer = world.connected()
    account, empty = world.account(customer), world.account(customer, "u-2")
    world.backed_up(customer, account)
    base = f"/v1/customers/{customer}/accounts"
    for path, query, status, code in [
        (f"{account}/items", {"service": "onedrive"}, 404, "not_found"),
        (f"{account}/items", {"service": "exchange", "folder": "nowhere"}, 404, "not_found"),
        (f"{account}/items", {"service": "exchange", "at": "99"}, 404, "not_found"),
        (f"{account}/items", {"service": "exchange", "at": "yesterday"}, 422, "invalid_instant"),
        (f"{account}/items", {"service": "EXCHANGE"}, 422, "invalid_request"),
        (f"{account}/items/exchange/big/content", {"part": "attachment:1"}, 404, "not_found"),
        (f"{empty}/folders", {"service": "exchange"}, 422, "no_restore_point"),
        ("A-0999/folders", {"service": "exchange"}, 404, "not_found"),
    ]:
        problem(world.call("GET", f"{base}/{path}", query=query), status, code)


def test_damage_is_named_and_not_delivered(world):
    customer = world.connected()
    account = world.account(customer)
    world.backed_up(customer, account)
    for key, data in list(world.objects.objects.items()):
        if key.startswith("p0/"):
            world.objects.objects[key] = bytes(byte ^ 1 for byte in data)
    ref = to_ref("mail/2+ü")
    answer = world.call("GET", f"/v1/customers/{customer}/accounts/{account}/items/exchange/{ref}/content")
    problem(answer, 409, "damaged")


def test_an_unforeseen_error_says_nothing_of_itself(world, monkeypatch, caplog):
    def broken(*_):
        raise RuntimeError("token=hunter2 of Erika Muster")

    monkeypatch.setattr(type(world.catalog.tenancy), "customers", broken)
    answer = world.call("GET", "/v1/customers")
    problem(answer, 500, "internal_error")
    (logged,) = caplog.records
    assert "hunter2" not in answer.text + str(vars(logged))
    assert logged.error == "RuntimeError"


def test_an_answer_without_its_form_is_our_fault(world, monkeypatch):
    # The first answer fixes the form that later ones are held against; it must be the real one.
    assert world.call("GET", "/v1/me").status == 200
    found = world.catalog.tenancy.member("admin")
    monkeypatch.setattr(type(world.catalog.tenancy), "member", lambda *_: replace(found, role="king"))
    monkeypatch.setattr(type(found), "rights", property(lambda _: frozenset({"list"})))
    monkeypatch.setattr("functions.api.routes.me.shapes.Me", lambda **fields: fields)
    problem(world.call("GET", "/v1/me"), 500, "internal_error")


def test_busy_tables_ask_for_patience(world, monkeypatch):
    from arche.catalog.errors import Busy

    def busy(*_):
        raise Busy("throttled")

    monkeypatch.setattr(type(world.catalog.tenancy), "member", busy)
    answer = world.call("GET", "/v1/me")
    problem(answer, 503, "try_again")
    assert answer.headers["Retry-After"] == "5"


@pytest.mark.parametrize("item", ["AAMkAGI2=_-", "a/b+c=", "", "~tilde", ".", "..", "ümlaut", "x" * 701, "a b", "%41"])
def test_refs_are_reversible_and_fit_into_a_path(item):
    ref = to_ref(item)
    assert from_ref(ref) == item
    assert not set(ref) & set("/?#% ")
    assert ref not in {".", ".."}


def test_a_ref_has_one_form_only():
    with pytest.raises(NotFound):
        from_ref("~" + base64.urlsafe_b64encode(b"plain").decode().rstrip("="))


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("../../etc/passwd", "_.._etc_passwd.eml"),
        ("", "item.eml"),
        ("...", "item.eml"),
        ("CON", "_CON.eml"),
        ("nul.txt", "_nul.txt.eml"),
        ("a\u202egpj.exe", "agpj.exe.eml"),
        ("Re: Größe?", "Re_ Größe_.eml"),
        ("schon.EML", "schon.EML"),
        ("x" * 500, "x" * 120 + ".eml"),
    ],
)
def test_file_names(name, wanted):
    assert download.file_name(name, ".eml") == wanted


def test_dispositions_hold_one_line():
    shown = download.disposition('Größe "neu"\r\nX-Evil: 1.eml')
    assert "\r" not in shown
    assert "\n" not in shown
    assert shown.count('"') == 2
    assert "filename*=UTF-8''Gr%C3%B6%C3%9Fe%20%22neu%22" in shown
