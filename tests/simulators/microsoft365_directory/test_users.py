"""Users, licences, the bin, mailbox settings: as Graph answers, and as it refuses."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from simulators.frame.control import ControlError
from tests.simulators.clients import DOMAIN, GRAPH, Tenant, tenant_without_mail

GUEST = f"kai.gast_suedwind-beratung.example#EXT#@{DOMAIN}"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenant]:
    with tenant_without_mail(tmp_path_factory.mktemp("state")) as made:
        yield made


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Tenant]:
    with tenant_without_mail(tmp_path) as made:
        yield made


def refused(answer: Any, status: int, code: str) -> None:
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code), answer.text
    assert set(error["innerError"]) == {"date", "request-id", "client-request-id"}
    assert error["innerError"]["request-id"] == answer.headers["request-id"]


def test_the_made_up_company(cloud: Tenant) -> None:
    people = [
        user for page in cloud.pages("/users?$select=displayName,userType,accountEnabled") for user in page["value"]
    ]
    assert len(people) == 13
    assert {"Jörg Müller", "Søren Kjær", "Jadwiga Woźniak"} <= {user["displayName"] for user in people}
    assert [user["displayName"] for user in people if user["userType"] == "Guest"] == ["Kai Gast (Beratung Südwind)"]
    assert [user["displayName"] for user in people if not user["accountEnabled"]] == ["Auftragsannahme"]


def test_pages_by_opaque_links_bring_everybody_once(cloud: Tenant) -> None:
    pages = list(cloud.pages("/users?$top=4&$select=id"))
    assert [len(page["value"]) for page in pages] == [4, 4, 4, 1]
    ids = [user["id"] for page in pages for user in page["value"]]
    assert len(set(ids)) == 13
    assert all(set(user) == {"id"} for page in pages for user in page["value"])


def test_default_properties_and_selection(cloud: Tenant) -> None:
    plain = cloud.get(f"/users/joerg.mueller@{DOMAIN}").json()
    shown = (
        "businessPhones displayName givenName id jobTitle mail mobilePhone officeLocation preferredLanguage surname "
        "userPrincipalName"
    )
    assert sorted(set(plain) - {"@odata.context"}) == shown.split()
    assert plain["mobilePhone"] is None
    chosen = cloud.get(f"/users/{plain['id'].upper()}?$select=DisplayName,assignedPlans").json()
    assert set(chosen) == {"@odata.context", "id", "displayName", "assignedPlans"}
    assert {plan["service"] for plan in chosen["assignedPlans"]} == {"exchange", "SharePoint", "TeamspaceAPI"}
    assert cloud.get(f"/users('{plain['id']}')").json()["id"] == plain["id"]
    assert cloud.get(f"/users/{quote(GUEST)}?$select=mail").json()["mail"] == "kai.gast@suedwind-beratung.example"


@pytest.mark.parametrize(
    ("clause", "number"),
    [
        (f"userPrincipalName eq 'admin@{DOMAIN}'", 1),
        ("accountEnabled eq false", 1),
        ("userType eq 'Member' and accountEnabled eq true", 11),
        ("startswith(displayName,'J') or startsWith(displayName, 'u')", 3),
        ("displayName eq 'Maëlle O''Hara'", 1),
        ("displayName ne 'Ute Größer'", 12),
        (f"mail in ('admin@{DOMAIN}', 'nobody@x')", 1),
        ("displayName eq 'a and b'", 0),
    ],
)
def test_filters(cloud: Tenant, clause: str, number: int) -> None:
    assert len(cloud.get("/users", params={"$filter": clause}).json()["value"]) == number


@pytest.mark.parametrize(
    "query",
    [
        {"$filter": "displayName gt 'a'"},
        {"$filter": "inventedName eq 'a'"},
        {"$filter": "contains(displayName,'a')"},
        {"$filter": ""},
        {"$top": "0"},
        {"$top": "1000"},
        {"$top": "many"},
        {"$expand": "manager"},
        {"$search": '"displayName:a"'},
    ],
)
def test_queries_that_are_not_supported(cloud: Tenant, query: dict[str, str]) -> None:
    refused(cloud.get("/users", params=query), 400, "Request_UnsupportedQuery")


def test_what_is_not_there(cloud: Tenant) -> None:
    refused(cloud.get("/users/nobody@nordwind-logistik.example"), 404, "Request_ResourceNotFound")
    refused(cloud.get("/users?$select=inventedName"), 400, "BadRequest")
    refused(cloud.get("/users?$skiptoken=nonsense"), 400, "BadRequest")
    refused(cloud.get("/inventions"), 400, "BadRequest")
    refused(cloud.get("/users/x/inventions"), 400, "BadRequest")
    refused(cloud.get("https://graph.microsoft.com/v2.0/users"), 400, "BadRequest")
    refused(cloud.client.put(f"{GRAPH}/users", headers=cloud.headers()), 405, "Request_BadRequest")


def test_kinds_of_mailboxes(fresh: Tenant) -> None:
    fresh.control.act("user_add", tenant=DOMAIN, local="saal", name="Saal", purpose="room")
    fresh.control.act("user_add", tenant=DOMAIN, local="ohne", name="Ohne Lizenz", licensed=False)
    purposes = {"anke.schaefer": "user", "auftrag": "shared", "saal": "room"}
    for local, purpose in purposes.items():
        assert fresh.get(f"/users/{local}@{DOMAIN}/mailboxSettings").json()["userPurpose"] == purpose
        assert fresh.get(f"/users/{local}@{DOMAIN}/mailboxSettings/userPurpose").json()["value"] == purpose
    for address in (f"ohne@{DOMAIN}", quote(GUEST), f"admin@{DOMAIN}"):
        answer = fresh.get(f"/users/{address}/mailboxSettings")
        if address.startswith("admin"):
            assert answer.is_success
        else:
            refused(answer, 404, "MailboxNotEnabledForRESTAPI")
    refused(fresh.get("/users/nobody/mailboxSettings"), 404, "ErrorInvalidUser")


def test_a_licence_taken_away_and_given_back(fresh: Tenant) -> None:
    address = f"lukas.weiss@{DOMAIN}"
    fresh.control.act("licences_set", tenant=DOMAIN, user=address, skus=[])
    refused(fresh.get(f"/users/{address}/mailboxSettings"), 404, "MailboxNotEnabledForRESTAPI")
    assert fresh.get(f"/users/{address}?$select=assignedLicenses").json()["assignedLicenses"] == []
    fresh.control.act("licences_set", tenant=DOMAIN, user=address)
    assert fresh.get(f"/users/{address}/mailboxSettings").is_success
    with pytest.raises(ControlError, match="unknown SKU"):
        fresh.control.act("licences_set", tenant=DOMAIN, user=address, skus=["x"])


def test_licences_are_counted(cloud: Tenant) -> None:
    units = {sku["skuPartNumber"]: sku["consumedUnits"] for sku in cloud.get("/subscribedSkus").json()["value"]}
    assert units == {"SPE_E3": 11, "EXCHANGEENTERPRISE": 0}


def test_organisation_and_domains(cloud: Tenant) -> None:
    (organisation,) = cloud.get("/organization").json()["value"]
    assert (organisation["id"], organisation["displayName"]) == (cloud.id, "Nordwind Logistik GmbH")
    assert DOMAIN in {domain["name"] for domain in organisation["verifiedDomains"]}
    assert [domain["id"] for domain in cloud.get("/domains").json()["value"]] == [DOMAIN]


def test_the_bin_keeps_leavers_for_thirty_days(fresh: Tenant) -> None:
    address = f"lukas.weiss@{DOMAIN}"
    before = fresh.get(f"/users/{address}").json()["id"]
    fresh.control.act("user_remove", tenant=DOMAIN, user=address)
    refused(fresh.get(f"/users/{address}"), 404, "Request_ResourceNotFound")
    (binned,) = fresh.get("/directory/deletedItems/microsoft.graph.user").json()["value"]
    assert (binned["id"], binned["userPrincipalName"]) == (before, before.replace("-", "") + address)
    fresh.control.act("user_restore", tenant=DOMAIN, user=before)
    assert fresh.get(f"/users/{address}").json()["id"] == before
    fresh.control.act("user_remove", tenant=DOMAIN, user=address)
    fresh.control.advance(30 * 86400 + 1)
    fresh._token.clear()
    assert fresh.get("/directory/deletedItems/microsoft.graph.user").json()["value"] == []
    with pytest.raises(ControlError, match="no binned user"):
        fresh.control.act("user_restore", tenant=DOMAIN, user=before)


def test_somebody_who_comes_back_is_another_object(fresh: Tenant) -> None:
    address = f"lukas.weiss@{DOMAIN}"
    before = fresh.get(f"/users/{address}").json()["id"]
    fresh.control.act("user_purge", tenant=DOMAIN, user=address)
    fresh.control.act("user_add", tenant=DOMAIN, local="lukas.weiss", name="Lukas Weiß")
    assert fresh.get(f"/users/{address}").json()["id"] != before
    with pytest.raises(ControlError, match="already exists"):
        fresh.control.act("user_add", tenant=DOMAIN, local="lukas.weiss", name="Lukas Weiß")


def test_another_tenants_ids_are_unknown(fresh: Tenant) -> None:
    fresh.control.act("tenant_add", domain="suedwind.example")
    (stranger,) = fresh.control.act("users", tenant="suedwind.example")
    refused(fresh.get(f"/users/{stranger['id']}"), 404, "Request_ResourceNotFound")
    refused(fresh.get("/users/admin@suedwind.example"), 404, "Request_ResourceNotFound")


def test_the_same_seed_makes_the_same_ids_and_another_seed_others(tmp_path: Path) -> None:
    def ids(name: str, seed: int) -> set[str]:
        with tenant_without_mail(tmp_path / name, seed=seed) as cloud:
            return {user["id"] for page in cloud.pages("/users?$select=id") for user in page["value"]}

    assert ids("a", 1) == ids("b", 1)
    assert ids("a", 1).isdisjoint(ids("c", 2))


def test_people_come_from_a_world_directory(tmp_path: Path) -> None:
    world = tmp_path / "world" / "microsoft365" / "Firma.example"
    for name in (unicodedata.normalize("NFD", "hans.müller"), "EVA@firma.example", "admin"):
        (world / name / "mail").mkdir(parents=True)
    (world / "notes.txt").write_text("no user")
    (world / ".cache").mkdir()
    with tenant_without_mail(tmp_path / "state", world=tmp_path / "world") as cloud:
        rows = cloud.control.act("users", tenant="firma.example")
        names = {row["address"]: row["name"] for row in rows}
        assert names == {
            "hans.müller@firma.example": "Hans Müller",
            "eva@firma.example": "Eva",
            "admin@firma.example": "Admin",
        }
        assert [row["address"] for row in rows if row["roles"]] == ["admin@firma.example"]
        assert cloud.get(f"/users/{quote('hans.müller@firma.example')}").is_success


def test_two_directories_of_one_user(tmp_path: Path) -> None:
    for name in ("eva", "Eva@firma.example"):
        (tmp_path / "world" / "microsoft365" / "firma.example" / name).mkdir(parents=True)
    with (
        pytest.raises(ValueError, match="the same user"),
        tenant_without_mail(tmp_path / "state", world=tmp_path / "world"),
    ):
        pass
