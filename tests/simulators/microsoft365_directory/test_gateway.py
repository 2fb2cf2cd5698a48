"""The door of Graph: bearer, permissions, ids, throttling."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jwt
import pytest

from tests.simulators.clients import DOMAIN, GRAPH, Key, Tenant, tenant_without_mail

MAY = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Tenant]:
    with tenant_without_mail(tmp_path) as made:
        yield made


def refused(answer: Any, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text


def users(cloud: Tenant, authorization: str | None) -> Any:
    headers = {} if authorization is None else {"Authorization": authorization}
    return cloud.client.get(f"{GRAPH}/users", headers=headers)


def test_bearers_that_are_none(cloud: Tenant) -> None:
    good = cloud.headers()["Authorization"]
    claims = jwt.decode(good.split()[1], options={"verify_signature": False})
    forged = jwt.encode(claims, Key.make().private, algorithm="RS256")
    unsigned = jwt.encode(claims, "", algorithm="none")
    shortened = good.rpartition(".")[0] + "."
    for wrong in (None, "", "Bearer", "Basic abc", "Bearer abc", f"Bearer {forged}", f"Bearer {unsigned}", shortened):
        answer = users(cloud, wrong)
        refused(answer, 401, "InvalidAuthenticationToken")
        assert answer.headers["www-authenticate"].startswith("Bearer ")
    assert users(cloud, good).is_success
    assert users(cloud, good.replace("Bearer", "bearer")).is_success


def test_a_token_ends(cloud: Tenant) -> None:
    good = cloud.headers()["Authorization"]
    cloud.control.advance(3500)
    assert users(cloud, good).is_success
    cloud.control.advance(100)
    refused(users(cloud, good), 401, "InvalidAuthenticationToken")


def test_an_id_token_is_no_bearer(cloud: Tenant) -> None:
    issuer_key = cloud.sim.simulation.state.folder / "microsoft365-signing-key.pem"
    signed = jwt.encode(
        {"aud": cloud.app, "tid": cloud.id, "appid": cloud.app, "roles": ["User.Read.All"], "exp": 4102444800},
        issuer_key.read_text(),
        algorithm="RS256",
    )
    refused(users(cloud, f"Bearer {signed}"), 401, "InvalidAuthenticationToken")


@pytest.mark.parametrize(
    ("roles", "path", "status"),
    [
        (["User.Read.All"], "/users", 200),
        (["User.ReadWrite.All"], "/users", 200),
        (["Directory.Read.All"], "/users/delta", 200),
        (["User.ReadBasic.All"], "/users/delta", 403),
        (["Mail.Read"], "/users", 403),
        ([], "/users", 403),
        (["User.Read.All"], "/organization", 200),
        (["User.Read.All"], "/domains", 403),
        (["User.Read.All"], "/subscribedSkus", 403),
        (["LicenseAssignment.Read.All"], "/subscribedSkus", 200),
        (["Organization.Read.All"], "/subscribedSkus", 200),
        (["User.Read.All"], f"/users/admin@{DOMAIN}/mailboxSettings", 403),
        (["MailboxSettings.ReadWrite"], f"/users/admin@{DOMAIN}/mailboxSettings", 200),
    ],
)
def test_each_path_asks_for_its_permission(tmp_path: Path, roles: list[str], path: str, status: int) -> None:
    with tenant_without_mail(tmp_path, roles=roles) as cloud:
        answer = cloud.get(path)
        assert answer.status_code == status, answer.text
        if status == 403:
            mailbox = path.endswith("mailboxSettings")
            refused(answer, 403, "ErrorAccessDenied" if mailbox else "Authorization_RequestDenied")


def test_a_permission_missing_for_one_path(cloud: Tenant) -> None:
    cloud.control.fault("permission_missing", scope={"template": "/users/delta"}, permissions="User.Read.All")
    assert cloud.get("/users").is_success
    refused(cloud.get("/users/delta"), 403, "Authorization_RequestDenied")


def test_every_answer_has_its_ids(cloud: Tenant) -> None:
    first = cloud.get("/users", headers={"client-request-id": "11111111-2222-4333-8444-555555555555"})
    second = cloud.get("/inventions")
    assert first.headers["client-request-id"] == "11111111-2222-4333-8444-555555555555"
    assert first.headers["request-id"] != second.headers["request-id"]
    assert second.headers["client-request-id"] == second.headers["request-id"]
    assert "ServerInfo" in first.headers["x-ms-ags-diagnostic"]
    logged = {call["request_id"]: call for call in cloud.control.calls(host="graph.microsoft.com")}
    assert logged[first.headers["request-id"]]["client_request_id"].startswith("11111111")
    assert logged[first.headers["request-id"]]["template"] == "/users"


def test_resource_units_per_ten_seconds(cloud: Tenant) -> None:
    cloud.control.set_clock(MAY, freeze=True)
    cloud.headers()
    cloud.control.fault("directory_limit", units=10)
    costs = ["/users", "/users?$select=id", "/users?$top=5", "/organization"]
    units = [cloud.get(path).headers["x-ms-resource-unit"] for path in costs]
    assert units == ["2", "1", "1", "1"]
    warned = [cloud.get("/users") for _ in range(2)]
    assert "x-ms-throttle-limit-percentage" not in warned[0].headers
    assert warned[1].headers["x-ms-throttle-limit-percentage"] == "0.9"
    over = cloud.get("/users")
    refused(over, 429, "TooManyRequests")
    assert over.headers["retry-after"] == "10"
    assert cloud.app in over.headers["x-ms-throttle-scope"]
    cloud.control.advance(10)
    assert cloud.get("/users").is_success


def test_the_limit_of_one_tenant_is_not_that_of_another(cloud: Tenant) -> None:
    other = cloud.control.act("tenant_add", domain="suedwind.example")
    cloud.control.act("consent_grant", tenant=other["id"], client_id=cloud.app)
    token = cloud.token(url=cloud.token_url.replace(cloud.id, other["id"])).json()["access_token"]
    cloud.control.set_clock(MAY, freeze=True)
    cloud._token.clear()
    cloud.control.fault("directory_limit", units=1, scope={"tenant": cloud.id})
    refused(cloud.get("/users"), 429, "TooManyRequests")
    cloud.control.real()
    assert users(cloud, f"Bearer {token}").is_success


def test_the_cap_of_an_app_over_all_tenants(cloud: Tenant) -> None:
    cloud.control.set_clock(MAY, freeze=True)
    cloud.control.fault("app_limit", units=3)
    assert [cloud.get("/organization").status_code for _ in range(5)] == [200, 200, 200, 429, 429]


def test_a_throttled_call_in_graphs_form(cloud: Tenant) -> None:
    cloud.control.fault("throttle_429", scope={"template": "/users/delta", "tenant": cloud.id}, retry_after="2.128")
    answer = cloud.get("/users/delta")
    refused(answer, 429, "TooManyRequests")
    assert answer.headers["retry-after"] == "2.128"
    assert cloud.get("/users").is_success
