"""Delta of users: what a client must survive."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.simulators.clients import DOMAIN, GRAPH, Tenant, tenant_without_mail

START = "/users/delta?$select=id,displayName,accountEnabled"


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Tenant]:
    with tenant_without_mail(tmp_path) as made:
        yield made


def walk(cloud: Tenant, start: str) -> tuple[list[dict[str, Any]], str]:
    """All entries of a round in their order, and its deltaLink."""
    pages = list(cloud.pages(start))
    assert all("@odata.deltaLink" not in page for page in pages[:-1])
    return [entry for page in pages for entry in page["value"]], pages[-1]["@odata.deltaLink"]


def refused(answer: Any, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text


def person(cloud: Tenant, local: str) -> str:
    found: str = cloud.get(f"/users/{local}@{DOMAIN}").json()["id"]
    return found


def test_the_first_round_lists_everybody_and_the_next_one_nobody(cloud: Tenant) -> None:
    cloud.control.fault("directory_page_size", size=4)
    entries, link = walk(cloud, START)
    assert len({entry["id"] for entry in entries}) == len(entries) == 13
    assert [entry["id"] for entry in entries] != sorted(entry["id"] for entry in entries)
    assert walk(cloud, link)[0] == []


@pytest.mark.parametrize("form", ["delta", "delta()", "microsoft.graph.delta", "microsoft.graph.delta()"])
def test_all_spellings_of_the_function(cloud: Tenant, form: str) -> None:
    assert len(cloud.get(f"/users/{form}").json()["value"]) == 13


def test_joiners_changes_leavers_and_those_who_come_back(cloud: Tenant) -> None:
    lukas, anke = person(cloud, "lukas.weiss"), person(cloud, "anke.schaefer")
    _, link = walk(cloud, START)
    made = cloud.control.act("user_add", tenant=DOMAIN, local="neu", name="Neu Hier")
    cloud.control.act("user_remove", tenant=DOMAIN, user=lukas)
    cloud.control.act("user_update", tenant=DOMAIN, user=anke, properties={"displayName": "Anke Groß"})
    entries, second = walk(cloud, link)
    by_id = {entry["id"]: entry for entry in entries}
    assert by_id == {
        made["id"]: {"id": made["id"], "displayName": "Neu Hier", "accountEnabled": True},
        lukas: {"id": lukas, "@removed": {"reason": "changed"}},
        anke: {"id": anke, "displayName": "Anke Groß", "accountEnabled": True},
    }
    cloud.control.act("user_restore", tenant=DOMAIN, user=lukas)
    entries, third = walk(cloud, second)
    assert [entry["displayName"] for entry in entries] == ["Lukas Weiß"]
    cloud.control.act("user_purge", tenant=DOMAIN, user=lukas)
    assert walk(cloud, third)[0] == [{"id": lukas, "@removed": {"reason": "deleted"}}]


def test_the_bin_runs_out_as_a_deletion(cloud: Tenant) -> None:
    lukas = person(cloud, "lukas.weiss")
    cloud.control.act("user_remove", tenant=DOMAIN, user=lukas)
    cloud.control.advance(25 * 86400)
    cloud._token.clear()
    _, link = walk(cloud, START)
    cloud.control.advance(6 * 86400)
    cloud._token.clear()
    assert walk(cloud, link)[0] == [{"id": lukas, "@removed": {"reason": "deleted"}}]


def test_unselected_changes_are_invisible(cloud: Tenant) -> None:
    anke = person(cloud, "anke.schaefer")
    _, link = walk(cloud, "/users/delta?$select=displayName")
    cloud.control.act("user_update", tenant=DOMAIN, user=anke, properties={"jobTitle": "Leitung"})
    assert walk(cloud, link)[0] == []
    cloud.control.act("user_update", tenant=DOMAIN, user=anke, properties={"displayName": "A. S."})
    assert walk(cloud, link)[0] == [{"id": anke, "displayName": "A. S."}]


def test_a_minimal_answer_holds_changed_properties_alone(cloud: Tenant) -> None:
    anke = person(cloud, "anke.schaefer")
    _, link = walk(cloud, START)
    cloud.control.act("user_update", tenant=DOMAIN, user=anke, properties={"accountEnabled": False, "city": "Kiel"})
    answer = cloud.get(link, headers={"Prefer": "return=minimal"})
    assert answer.headers["preference-applied"] == "return=minimal"
    assert answer.json()["value"] == [{"id": anke, "accountEnabled": False}]


@pytest.mark.parametrize("option", ["$top=5", "$expand=manager", "$orderby=displayName", "$search=a", "$count=true"])
def test_options_that_delta_refuses(cloud: Tenant, option: str) -> None:
    refused(cloud.get(f"/users/delta?{option}"), 400, "Request_UnsupportedQuery")


def test_only_ids_can_be_filtered(cloud: Tenant) -> None:
    anke = person(cloud, "anke.schaefer")
    entries, link = walk(cloud, f"/users/delta?$filter=id eq '{anke}'&$select=id")
    assert entries == [{"id": anke}]
    cloud.control.act("user_add", tenant=DOMAIN, local="neu", name="Neu")
    assert walk(cloud, link)[0] == []
    refused(cloud.get("/users/delta?$filter=displayName eq 'a'"), 400, "Request_UnsupportedQuery")
    many = " or ".join(f"id eq '{number}'" for number in range(51))
    refused(cloud.get("/users/delta", params={"$filter": many}), 400, "Request_UnsupportedQuery")


@pytest.mark.parametrize("name", ["$deltatoken", "$deltaToken"])
def test_from_now_on(cloud: Tenant, name: str) -> None:
    page = cloud.get(f"/users/delta?{name}=latest&$select=displayName").json()
    assert page["value"] == []
    cloud.control.act("user_add", tenant=DOMAIN, local="neu", name="Neu")
    assert [entry["displayName"] for entry in walk(cloud, page["@odata.deltaLink"])[0]] == ["Neu"]


def test_a_token_dies_after_seven_days_with_a_way_on(cloud: Tenant) -> None:
    _, link = walk(cloud, START)
    cloud.control.advance(7 * 86400 - 60)
    cloud._token.clear()
    assert cloud.get(link).is_success
    cloud.control.advance(120)
    dead = cloud.get(link)
    refused(dead, 410, "resyncRequired")
    location = dead.headers["location"]
    assert location.startswith(f"{GRAPH}/users/delta?")
    assert "$deltatoken=" in location
    entries, _ = walk(cloud, location)
    assert len(entries) == 13
    assert "accountEnabled" in entries[0]


def test_a_token_that_dies_early(cloud: Tenant) -> None:
    _, link = walk(cloud, START)
    cloud.control.fault("delta_token_expired", count=1)
    refused(cloud.get(link), 410, "resyncRequired")
    assert cloud.get(link).is_success


def test_tokens_that_are_none_or_another_tenants(cloud: Tenant) -> None:
    refused(cloud.get("/users/delta?$deltatoken=nonsense"), 400, "BadRequest")
    refused(cloud.get("/users/delta?$deltatoken=e30"), 400, "BadRequest")
    _, link = walk(cloud, START)
    refused(cloud.get(link[:-8] + "AAAAAAAA"), 400, "BadRequest")
    other = cloud.control.act("tenant_add", domain="suedwind.example")
    cloud.control.act("consent_grant", tenant=other["id"], client_id=cloud.app)
    url = cloud.token_url.replace(cloud.id, other["id"])
    token = cloud.token(url=url).json()["access_token"]
    refused(cloud.client.get(link, headers={"Authorization": f"Bearer {token}"}), 400, "BadRequest")


def test_empty_pages_duplicates_strangers_and_replays(cloud: Tenant) -> None:
    cloud.control.fault("directory_page_size", size=5)
    cloud.control.fault("delta_empty_page", count=1)
    cloud.control.fault("delta_duplicates", count=1, after=1)
    cloud.control.fault("delta_removed_first", count=1)
    pages = list(cloud.pages(START))
    assert "@removed" in pages[0]["value"][0]
    assert len(pages[0]["value"]) == 1
    entries = [entry for page in pages[1:] for entry in page["value"]]
    assert len(entries) == 14
    assert len({entry["id"] for entry in entries}) == 13
    cloud.control.act("user_add", tenant=DOMAIN, local="neu", name="Neu")
    _, link = walk(cloud, pages[-1]["@odata.deltaLink"])
    cloud.control.fault("delta_replay", count=1)
    assert "Neu" in {entry["displayName"] for entry in walk(cloud, link)[0]}


def test_a_loop_of_links(cloud: Tenant) -> None:
    cloud.control.fault("directory_page_size", size=3)
    cloud.control.fault("delta_loop")
    first = cloud.get(START).json()
    second = cloud.get(first["@odata.nextLink"]).json()
    third = cloud.get(second["@odata.nextLink"]).json()
    assert second["value"] == third["value"] == first["value"]


def test_changes_during_a_round_are_not_lost(cloud: Tenant) -> None:
    cloud.control.fault("directory_page_size", size=4)
    first = cloud.get(START).json()
    seen = {entry["id"] for entry in first["value"]}
    moved = min(seen)
    cloud.control.act("user_update", tenant=DOMAIN, user=moved, properties={"displayName": "Später"})
    made = cloud.control.act("user_add", tenant=DOMAIN, local="neu", name="Neu")
    _, link = walk(cloud, first["@odata.nextLink"])
    names = {entry["id"]: entry.get("displayName") for entry in walk(cloud, link)[0]}
    assert names[moved] == "Später"
    assert made["id"] in names
