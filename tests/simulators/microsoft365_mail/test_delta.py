"""Deltas: a client that follows the rules ends with what is there, whatever happened in between."""

from __future__ import annotations

from random import Random
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.simulators.microsoft365_mail.post import ANNA, IMMUTABLE, Post, u

INBOX = "/mailFolders/inbox/messages/delta"


def note(number: int) -> str:
    day = f"{number % 28 + 1:02} May 2026 08:{number % 60:02}:00 +0000"
    head = f"From: a@b.example\r\nSubject: Mail {number}\r\nMessage-ID: <{number}@b.example>"
    return f"{head}\r\nDate: {day}\r\n\r\nText {number}\r\n"


def fill(post: Post, count: int, folder: str = "inbox") -> list[str]:
    return [post.deliver(note(number), folder) for number in range(count)]


class Mirror:
    """What a backup knows of one folder: last occurrence wins."""

    def __init__(self, post: Post, path: str, **headers: str) -> None:
        self.post, self.path, self.headers = post, path, headers
        self.known: dict[str, str] = {}
        self.link = path

    def run(self) -> list[dict[str, Any]]:
        entries, self.link = self.post.round(self.link, **self.headers)
        for entry in entries:
            if "@removed" in entry:
                self.known.pop(entry["id"], None)
            else:
                self.known[entry["id"]] = entry.get("changeKey", "")
        return entries


def test_the_first_round_lists_everything_in_pages_and_the_next_only_what_changed(post: Post) -> None:
    ids = fill(post, 12)
    pages = list(post.pages(f"{INBOX}?$select=subject,changeKey", Prefer='IdType="ImmutableId", odata.maxpagesize=5'))
    assert [len(page["value"]) for page in pages] == [5, 5, 2]
    assert all("@odata.deltaLink" not in page for page in pages[:-1])
    assert {one["id"] for page in pages for one in page["value"]} == set(ids)
    assert pages[0]["value"][0]["@odata.type"] == "#microsoft.graph.message"
    assert set(pages[0]["value"][0]) == {"@odata.type", "@odata.etag", "id", "subject", "changeKey"}
    link = pages[-1]["@odata.deltaLink"]
    entries, link = post.round(link, **IMMUTABLE)
    assert entries == []
    post.ask("PATCH", f"/messages/{u(ids[3])}", body={"isRead": True})
    entries, again = post.round(link, **IMMUTABLE)
    assert [(one["id"], one["subject"]) for one in entries] == [(ids[3], "Mail 3")]
    assert post.round(link, **IMMUTABLE)[0] == entries
    assert post.round(again, **IMMUTABLE)[0] == []


def test_a_move_is_removed_here_and_new_there(post: Post) -> None:
    [found] = fill(post, 1)
    archive = "/mailFolders/archive/messages/delta"
    here, there = post.round(INBOX, **IMMUTABLE)[1], post.round(archive, **IMMUTABLE)[1]
    ordinary = post.round(INBOX)[0][0]["id"]
    ordinary_link = post.round(INBOX)[1]
    post.made(f"/messages/{u(found)}/move", {"destinationId": "archive"})
    assert post.round(here, **IMMUTABLE)[0] == [
        {"@odata.type": "#microsoft.graph.message", "id": found, "@removed": {"reason": "deleted"}}
    ]
    assert post.round(ordinary_link)[0][0]["id"] == ordinary
    [new] = post.round(there, **IMMUTABLE)[0]
    assert new["id"] == found
    assert "@removed" not in new
    post.made(f"/messages/{u(found)}/move", {"destinationId": "inbox"})
    entries = post.round(here, **IMMUTABLE)[0]
    assert [(one["id"], "@removed" in one) for one in entries] == [(found, True), (found, False)]


def test_forms_and_options(post: Post) -> None:
    fill(post, 3)
    for form in ("delta", "delta()", "microsoft.graph.delta", "microsoft.graph.delta()"):
        assert len(post.all(f"/mailFolders/inbox/messages/{form}")) == 3
    assert len(post.json(f"{INBOX}?$top=2")["value"]) == 2
    entries, link = post.round(f"{INBOX}?$filter=receivedDateTime ge 2026-05-02T08:01:00Z")
    assert {one["subject"] for one in entries} == {"Mail 1", "Mail 2"}
    newest = post.all(f"{INBOX}?$orderby=receivedDateTime desc&$top=1&$select=subject")
    assert [one["subject"] for one in newest] == ["Mail 2", "Mail 1", "Mail 0"]
    wanted = "singleValueExtendedProperties($filter=id eq 'Integer 0x0E07')"
    expanded = post.all(f"{INBOX}?$expand={wanted},attachments&$select=id")
    assert expanded[0]["singleValueExtendedProperties"] == [{"id": "Integer 0xe07", "value": "0"}]
    assert expanded[0]["attachments"] == []
    for query in (
        "$filter=isRead eq true",
        "$filter=receivedDateTime le 2026-05-02T08:01:00Z",
        "$filter=receivedDateTime ge 2026-05-02T08:01:00Z and isRead eq false",
        "$orderby=receivedDateTime asc",
        "$orderby=subject",
        "$skip=1",
        "$search=x",
        "$expand=extensions",
        "$select=colour",
        "changeType=moved",
    ):
        assert post.get(f"{INBOX}?{query}").status_code == 400, query
    assert post.get(f"{link}&$select=id").status_code == 400


@pytest.mark.parametrize(("kind", "wanted"), [("created", {"new"}), ("updated", {"Mail 0"}), ("deleted", {None})])
def test_change_types(post: Post, kind: str, wanted: set[str | None]) -> None:
    ids = fill(post, 2)
    entries, link = post.round(f"{INBOX}?changeType={kind}", **IMMUTABLE)
    assert len(entries) == (2 if kind == "created" else 0)
    post.ask("PATCH", f"/messages/{u(ids[0])}", body={"isRead": True})
    post.control.act("mail_purge", user=ANNA, ids=[ids[1]])
    post.deliver("Subject: new\r\n\r\n")
    assert {one.get("subject") for one in post.round(link)[0]} == wanted


def test_tokens_are_opaque_sealed_and_bound(post: Post) -> None:
    fill(post, 2)
    page = post.json(f"{INBOX}?$top=1")
    link = post.round(INBOX)[1]
    token = parse_qs(urlsplit(link).query)["$deltatoken"][0]
    assert "inbox" not in token
    for wrong in (token[:-4] + "AAAA", "x", token.swapcase()):
        answer = post.get(f"{INBOX}?$deltatoken={wrong}")
        assert post.code(answer) == (400, "SyncStateInvalid")
    assert post.code(post.get(f"/mailFolders/archive/messages/delta?$deltatoken={token}")) == (400, "SyncStateInvalid")
    assert "$skiptoken=" in page["@odata.nextLink"]
    post.control.act("mail_forget_deltas", user=ANNA)
    refused = post.get(link)
    assert post.code(refused) == (410, "SyncStateNotFound")
    assert refused.headers["location"].endswith("?$deltatoken=")
    assert len(post.round(refused.headers["location"])[0]) == 2
    assert post.round(post.round(INBOX)[1])[0] == []


def test_a_deleted_folder_ends_its_delta(post: Post) -> None:
    made = post.made("/mailFolders", {"displayName": "Kurz"})["id"]
    post.deliver(note(1), made)
    tree = post.round("/mailFolders/delta")[1]
    link = post.round(f"/mailFolders/{u(made)}/messages/delta")[1]
    post.control.act("mail_folder_delete", user=ANNA, folder=made, purge=True)
    assert post.code(post.get(link)) == (404, "ErrorItemNotFound")
    assert post.round(tree)[0] == [{"id": made, "@removed": {"reason": "deleted"}}]


def test_the_folder_delta_is_flat_over_the_tree(post: Post) -> None:
    entries, link = post.round("/mailFolders/delta")
    assert {"Inbox", "Archive"} <= {one["displayName"] for one in entries}
    assert "Clutter" not in {one["displayName"] for one in entries}
    everything = post.all("/mailFolders/delta?includeHiddenFolders=true&$select=displayName")
    assert {"Clutter", "Conflicts"} <= {one["displayName"] for one in everything}
    top = post.made("/mailFolders", {"displayName": "Oben"})["id"]
    sub = post.made(f"/mailFolders/{u(top)}/childFolders", {"displayName": "Unten"})["id"]
    entries, link = post.round(link)
    assert [one["id"] for one in entries] == [top, sub]
    post.ask("PATCH", f"/mailFolders/{u(top)}", body={"displayName": "Ganz oben"})
    entries, link = post.round(link)
    assert [(one["id"], one["displayName"]) for one in entries] == [(top, "Ganz oben")]
    post.ask("DELETE", f"/mailFolders/{u(top)}")
    entries, link = post.round(link)
    assert [one["id"] for one in entries] == [top]
    assert entries[0]["parentFolderId"] == post.json("/mailFolders/deleteditems")["id"]
    post.ask("DELETE", f"/mailFolders/{u(top)}")
    assert {(one["id"], "@removed" in one) for one in post.round(link)[0]} == {(top, True), (sub, True)}
    for query in ("$filter=displayName eq 'x'", "$orderby=displayName", "$expand=childFolders"):
        assert post.get(f"/mailFolders/delta?{query}").status_code == 400, query


WEATHER = (
    "mail_delta_shuffle",
    "mail_delta_duplicates",
    "mail_delta_removed_first",
    "mail_delta_replay",
)


@pytest.mark.parametrize("seed", range(6))
def test_a_client_of_the_rules_always_ends_with_what_is_there(post: Post, seed: int) -> None:
    chance = Random(seed)
    headers = {"Prefer": f'IdType="ImmutableId", odata.maxpagesize={chance.randint(1, 7)}'}
    folders = ["inbox", "archive", post.made("/mailFolders", {"displayName": f"Modell {seed}"})["id"]]
    mirrors = {
        name: Mirror(post, f"/mailFolders/{u(name)}/messages/delta?$select=changeKey", **headers) for name in folders
    }
    truth: dict[str, str] = {}
    for step in range(10):
        if step % 2:
            for name in WEATHER:
                post.control.fault(name, probability=0.5)
            post.control.fault("mail_delta_empty_page", probability=0.3)
        else:
            post.control.clear()
        for _ in range(chance.randint(0, 9)):
            _change(post, chance, folders, truth)
        for mirror in mirrors.values():
            mirror.run()
        for name, mirror in mirrors.items():
            assert set(mirror.known) == {one for one, place in truth.items() if place == name}, (seed, step, name)
    post.control.clear()
    for name, mirror in mirrors.items():
        listed = post.all(f"/mailFolders/{u(name)}/messages?$top=100&$select=changeKey", **IMMUTABLE)
        assert mirror.known == {one["id"]: one["changeKey"] for one in listed}


def _change(post: Post, chance: Random, folders: list[str], truth: dict[str, str]) -> None:
    what = chance.choice(["new", "new", "move", "edit", "purge"])
    if what == "new" or not truth:
        place = chance.choice(folders)
        truth[post.deliver(note(chance.randint(0, 999)), place)] = place
        return
    item = chance.choice(sorted(truth))
    if what == "move":
        place = chance.choice(folders)
        post.control.act("mail_move", user=ANNA, id=item, folder=place)
        truth[item] = place
    elif what == "edit":
        post.control.act("mail_edit", user=ANNA, id=item, properties={"isRead": chance.random() < 0.5})
    else:
        post.control.act("mail_purge", user=ANNA, ids=[item])
        del truth[item]


def test_a_change_in_the_middle_of_a_round_is_in_the_next_one(post: Post) -> None:
    ids = fill(post, 6)
    page = post.json(f"{INBOX}?$top=2", **IMMUTABLE)
    post.control.act("mail_purge", user=ANNA, ids=[ids[0], ids[5]])
    late = post.deliver(note(99))
    known = {one["id"] for one in page["value"]}
    entries, link = post.round(page["@odata.nextLink"], **IMMUTABLE)
    known |= {one["id"] for one in entries}
    for entry in post.round(link, **IMMUTABLE)[0]:
        known = known - {entry["id"]} if "@removed" in entry else known | {entry["id"]}
    assert known == {*ids[1:5], late}


def test_faults_of_deltas(post: Post) -> None:
    ids = set(fill(post, 6))
    post.control.fault("mail_delta_empty_page", count=2)
    pages = list(post.pages(f"{INBOX}?$top=4", **IMMUTABLE))
    assert [len(page["value"]) for page in pages] == [0, 0, 4, 2]
    link = pages[-1]["@odata.deltaLink"]
    post.control.fault("mail_delta_loop", scope={"folder": "Inbox"}, count=2)
    first = post.json(f"{INBOX}?$top=4", **IMMUTABLE)
    second = post.json(first["@odata.nextLink"], **IMMUTABLE)
    assert second["@odata.nextLink"] == first["@odata.nextLink"]
    post.control.fault("mail_delta_all_removed", count=1)
    assert {one["id"] for one in post.round(link, **IMMUTABLE)[0] if "@removed" in one} == ids
    assert len(post.all("/mailFolders/inbox/messages")) == 6
    post.control.fault("mail_delta_turns_empty", count=1)
    entries, later = post.round(INBOX, **IMMUTABLE)
    assert entries == []
    assert post.round(later)[0] == []
    post.control.fault("mail_delta_removed_first", count=1)
    assert sum("@removed" in one for one in post.all(INBOX)) == 2
    post.control.fault("mail_delta_duplicates", count=1)
    doubled = [one["id"] for one in post.all(INBOX, **IMMUTABLE)]
    assert len(doubled) == 9
    assert set(doubled) == ids
    post.control.fault("mail_delta_replay", count=1)
    assert {one["id"] for one in post.round(link, **IMMUTABLE)[0] if "@removed" not in one} == ids
    for code, status in (("SyncStateNotFound", 410), ("SyncStateInvalid", 400), ("resyncRequired", 410)):
        post.control.fault("mail_delta_expired", scope={"token": "delta"}, count=1, code=code, status=status)
        assert post.code(post.get(link)) == (status, code)
    assert post.round(link)[0] == []


def test_shuffled_pages_have_another_order_and_miss_nothing(post: Post) -> None:
    ids = fill(post, 20)
    plain = [one["id"] for one in post.all(f"{INBOX}?$top=3", **IMMUTABLE)]
    post.control.fault("mail_delta_shuffle")
    shuffled = [one["id"] for one in post.all(f"{INBOX}?$top=3", **IMMUTABLE)]
    assert shuffled != plain
    assert sorted(shuffled) == sorted(ids)


def test_a_filtered_delta_ends_after_five_thousand(post: Post) -> None:
    post.control.act("mail_fill", user=ANNA, count=5100)
    query = f"{INBOX}?$filter=receivedDateTime ge 2020-01-01T00:00:00Z&$select=id"
    assert len(post.all(query, Prefer="odata.maxpagesize=900")) == 5000
    assert len(post.all(f"{INBOX}?$select=id", Prefer="odata.maxpagesize=1000")) == 5100
