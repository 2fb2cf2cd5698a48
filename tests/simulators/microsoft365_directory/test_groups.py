"""Groups: members that come in pieces, join, leave and vanish with their user."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from simulators.frame.control import ControlError
from tests.simulators import csdl
from tests.simulators.clients import DOMAIN, Tenant, tenant_without_mail

PEOPLE = [f"{local}@{DOMAIN}" for local in ("ute.groesser", "joerg.mueller", "anke.schaefer", "rene.lefevre", "admin")]


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Tenant]:
    with tenant_without_mail(tmp_path, roles=["Group.Read.All", "GroupMember.Read.All", "User.Read.All"]) as made:
        yield made


def add(cloud: Tenant, name: str, members: list[str]) -> str:
    found: str = cloud.control.act("group_add", tenant=DOMAIN, name=name, members=members)["id"]
    return found


def walk(cloud: Tenant, start: str) -> tuple[list[dict[str, Any]], str]:
    pages = list(cloud.pages(start))
    return [entry for page in pages for entry in page["value"]], pages[-1]["@odata.deltaLink"]


def test_members_come_in_pieces_that_are_merged_by_id(cloud: Tenant) -> None:
    one, two = add(cloud, "Leitung", PEOPLE), add(cloud, "Lager", PEOPLE[:3])
    cloud.control.fault("group_members_page", size=2)
    pages = list(cloud.pages("/groups/delta?$select=displayName,members"))
    assert [len(page["value"]) for page in pages] == [1] * 5
    merged: dict[str, set[str]] = {one: set(), two: set()}
    for page in pages:
        for entry in page["value"]:
            assert len(entry["members@delta"]) <= 2
            merged[entry["id"]] |= {member["id"] for member in entry["members@delta"]}
    assert {len(members) for members in merged.values()} == {5, 3}
    assert sum("displayName" in entry for page in pages for entry in page["value"]) == 2


def test_joining_leaving_and_users_who_vanish(cloud: Tenant) -> None:
    group = add(cloud, "Leitung", PEOPLE[:3])
    _, link = walk(cloud, "/groups/delta")
    assert walk(cloud, link)[0] == []
    ids = {user["address"]: user["id"] for user in cloud.control.act("users", tenant=DOMAIN)}
    arguments = {"tenant": DOMAIN, "group": group}
    cloud.control.act("group_members", **arguments, join=[PEOPLE[4]], leave=[PEOPLE[0]])
    cloud.control.act("user_remove", tenant=DOMAIN, user=PEOPLE[1])
    ((entry,), second) = walk(cloud, link)
    seen = {member["id"]: "@removed" in member for member in entry["members@delta"]}
    assert seen == {ids[PEOPLE[4]]: False, ids[PEOPLE[0]]: True, ids[PEOPLE[1]]: True}
    cloud.control.act("user_restore", tenant=DOMAIN, user=PEOPLE[1])
    ((entry,), third) = walk(cloud, second)
    assert entry["members@delta"] == [{"@odata.type": "#microsoft.graph.user", "id": ids[PEOPLE[1]]}]
    cloud.control.act("group_remove", tenant=DOMAIN, group=group)
    assert walk(cloud, third)[0] == [{"id": group, "@removed": {"reason": "deleted"}}]
    assert cloud.get(f"/groups/{group}").status_code == 404


def test_lists_members_and_what_is_not_there(cloud: Tenant) -> None:
    groups = [add(cloud, f"Gruppe {number}", PEOPLE[:2]) for number in range(3)]
    pages = list(cloud.pages("/groups?$top=2&$select=displayName"))
    assert [len(page["value"]) for page in pages] == [2, 1]
    members = cloud.get(f"/groups/{groups[0]}/members").json()
    assert {member["userPrincipalName"] for member in members["value"]} == set(PEOPLE[:2])
    for path in ("/groups/x", "/groups/x/members"):
        assert cloud.get(path).json()["error"]["code"] == "Request_ResourceNotFound"
    assert cloud.get("/groups?$filter=a eq 'b'").status_code == 400
    assert cloud.get("/groups?$select=invented").status_code == 400
    for wrong in (lambda: add(cloud, "Gruppe 1", []), lambda: add(cloud, "Neu", ["nobody"])):
        with pytest.raises(ControlError):
            wrong()
    assert len(cloud.get("/groups").json()["value"]) == 3


def test_tokens_of_groups(cloud: Tenant) -> None:
    _, link = walk(cloud, "/groups/delta")
    _, users = walk(cloud, "/users/delta")
    assert cloud.get(users.replace("/users/", "/groups/")).status_code == 400
    latest = cloud.get("/groups/delta?$deltatoken=latest").json()
    assert latest["value"] == []
    add(cloud, "Neu", [])
    assert [entry["displayName"] for entry in walk(cloud, latest["@odata.deltaLink"])[0]] == ["Neu"]
    cloud.control.advance(8 * 86400)
    cloud._token.clear()
    dead = cloud.get(link)
    assert (dead.status_code, "$deltatoken=" in dead.headers["location"]) == (410, True)


@pytest.mark.skipif(not csdl.available(), reason=csdl.MISSING)
def test_groups_are_of_their_type(cloud: Tenant) -> None:
    group = add(cloud, "Leitung", PEOPLE)
    kinds = {
        "/groups": "group",
        "/groups/delta": "group",
        f"/groups/{group}": "group",
        f"/groups/{group}/members": "user",
    }
    found = {path: csdl.validate(cloud.get(path).json(), kind) for path, kind in kinds.items()}
    assert [problem for problems in found.values() for problem in problems] == []
