"""Where mail comes from: a world directory, or the made-up company."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import unicodedata
from pathlib import Path

import pytest

from simulators.frame import running
from simulators.microsoft365.people import NORDWIND
from tests.simulators.clients import tenant
from tests.simulators.microsoft365_mail.post import ANNA, IMMUTABLE, ROLES, SETTABLE, Post, u, upload

LARGE = 3 * 1024 * 1024


def write(place: Path, path: str, content: bytes) -> Path:
    target = place / "microsoft365" / "moewe.example" / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    return target


def test_a_world_directory(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    world = tmp_path / "world"
    crlf = b"From: a@b.example\r\nSubject: Eins\r\n\r\nx\r\n"
    write(world, "anna/mail/Posteingang/1.eml", crlf)
    write(world, "anna/mail/Inbox/2.EML", b"\xff\xfe no mail at all")
    write(world, "anna/mail/lose.eml", b"Subject: lose\n\n")
    state = {"isRead": True, "categories": ["Rot"], "flag": {"flagStatus": "flagged"}, "id": "no"}
    write(world, "anna/mail/Inbox/2.EML.json", json.dumps(state).encode())
    write(world, "anna/mail/Inbox/3.eml", b"")
    write(world, "anna/mail/Inbox/3.eml.json", b"{broken")
    write(world, f"anna/mail/{unicodedata.normalize('NFD', 'Kunden/Größe 📦')}/x/y/tief.eml", b"Subject: tief\n\n")
    write(world, "anna/mail/Sent Items/s.eml", b"Subject: gesendet\n\n")
    write(world, "anna/mail/Drafts/d.eml", b"Subject: Entwurf\n\n")
    write(world, "anna/mail/readme.txt", b"no mail")
    mails = [b"Subject: m1\n\nFrom here on text\n>From quoted\n", b"Subject: m2\r\n\r\nx\r\n", b"Subject: m3\n\nend"]
    mbox = b"From a Mon\n" + mails[0] + b"\nFrom b Tue\r\n" + mails[1] + b"\r\nFrom c Wed\n" + mails[2]
    write(world, "anna/mail/Archiv/alt.mbox", mbox)
    write(world, "anna/mail/Archiv/alt.mbox.json", b'[{}, {"isRead": true}, {"isRead": "x"}]')
    secret = write(world, "secret.eml", b"Subject: outside\n\n")
    (world / "microsoft365/moewe.example/anna/mail/Inbox/link.eml").symlink_to(secret)
    closed = write(world, "anna/mail/Inbox/dir.eml/inner.eml", b"Subject: in\n\n").parent
    assert closed.is_dir()
    hostile = b"anna/mail/Inbox/\xff\xfe\x01name.eml"
    os.makedirs(os.path.dirname(os.fsencode(world / "microsoft365/moewe.example") + b"/" + hostile), exist_ok=True)  # noqa: PTH103, PTH120
    with open(os.fsencode(world / "microsoft365/moewe.example") + b"/" + hostile, "wb") as target:  # noqa: PTH123
        target.write(b"Subject: hostile\n\n")
    secret.unlink()
    with caplog.at_level(logging.WARNING), tenant(tmp_path / "state", ROLES, world=world) as at:
        post = Post(at, ANNA)
        inbox = {one["subject"]: one for one in post.all("/mailFolders/inbox/messages?$top=50", **IMMUTABLE)}
        assert {"Eins", None, "lose", "hostile"} <= set(inbox)
        assert "outside" not in inbox
        assert post.get(f"/messages/{u(inbox['Eins']['id'])}/$value").content == crlf
        odd = [one for one in post.all("/mailFolders/inbox/messages?$top=50") if one["categories"] == ["Rot"]]
        assert (odd[0]["isRead"], odd[0]["flag"]["flagStatus"]) == (True, "flagged")
        [drafted] = post.all("/mailFolders/drafts/messages")
        assert drafted["isDraft"] is True
        [sent] = post.all("/mailFolders/sentitems/messages")
        assert (sent["isRead"], sent["isDraft"]) == (True, False)
        archived = sorted(post.all("/mailFolders/archive/messages", **IMMUTABLE), key=lambda one: one["subject"])
        assert [post.get(f"/messages/{u(one['id'])}/$value").content for one in archived] == mails
        assert [one["isRead"] for one in archived] == [False, True, False]
        [customers] = [one for one in post.all("/mailFolders?$top=50") if one["displayName"] == "Kunden"]
        [sizes] = post.all(f"/mailFolders/{u(customers['id'])}/childFolders")
        assert sizes["displayName"] == "Größe 📦"
        assert post.problems == []
    assert "link.eml" in caplog.text
    assert "3.eml.json" in caplog.text


def test_the_made_up_company_looks_real_and_is_the_same_every_time(tmp_path: Path) -> None:
    prints = []
    for number in range(2):
        with running(tmp_path / str(number), seed=7) as sim:
            for who in ("lukas.weiss", "auftrag"):
                sim.control.act("mail_notifications", user=f"{who}@{NORDWIND.domain}")
            database = sim.simulation.state.database("microsoft365_mail")
            rows = database.execute("SELECT data FROM blob JOIN message ON raw = blob ORDER BY message").fetchall()
            prints.append([hashlib.sha256(row["data"]).digest() for row in rows])
            count, drafts, unread = database.execute(
                "SELECT count(*), sum(draft), sum(1 - read) FROM message"
            ).fetchone()
            assert 350 < count < 800
            assert drafts >= 4
            assert unread > 10
            kinds = {row[0] for row in database.execute("SELECT DISTINCT kind FROM attachment")}
            assert {"file", "item"} <= kinds
    assert prints[0] == prints[1]


def test_everything_in_a_made_up_mailbox_can_be_read_and_given_back_by_json(tmp_path: Path) -> None:
    """Every message of a real-looking mailbox against the contract; each can be made again with the same properties."""
    with tenant(tmp_path / "state", ROLES) as at:
        post = Post(at, f"maelle.ohara@{NORDWIND.domain}")
        folder = post.made("/mailFolders", {"displayName": "Wiederhergestellt"})["id"]
        kinds, count = set(), 0
        for one in post.all("/messages?$top=200", **IMMUTABLE):
            count += 1
            kinds.add(one.get("@odata.type", "message"))
            if count % 3 and "@odata.type" not in one:
                continue
            attachments = post.all(f"/messages/{u(one['id'])}/attachments", **IMMUTABLE)
            body = {name: one[name] for name in SETTABLE if one[name] is not None}
            body["singleValueExtendedProperties"] = [
                {"id": "Integer 0x0E07", "value": "8" if one["isDraft"] else "1"},
                {"id": "SystemTime 0x0E06", "value": one["receivedDateTime"]},
                {"id": "SystemTime 0x0039", "value": one["sentDateTime"]},
                {"id": "String 0x1035", "value": one["internetMessageId"]},
            ]
            made = post.made(f"/mailFolders/{u(folder)}/messages", body, **IMMUTABLE)
            for given in attachments:
                _give_back(post, one["id"], made["id"], given)
            again = post.json(f"/messages/{u(made['id'])}", **IMMUTABLE)
            same = (
                "receivedDateTime",
                "sentDateTime",
                "internetMessageId",
                "isDraft",
                "hasAttachments",
                "bodyPreview",
                *SETTABLE,
            )
            assert {name: again[name] for name in same} == {name: one[name] for name in same}
            shown = post.all(f"/messages/{u(made['id'])}/attachments")
            kept = ("name", "contentType", "isInline", "contentId", "contentBytes")
            assert [[a.get(name) for name in kept] for a in shown] == [
                [a.get(name) for name in kept] for a in attachments
            ]
            assert post.get(f"/messages/{u(made['id'])}/$value").status_code == 200
        assert count > 200
        assert "#microsoft.graph.eventMessageRequest" in kinds
        assert post.control.act("mail_notifications") == 0
        assert post.problems == [], post.problems[:5]


def _give_back(post: Post, source: str, target: str, given: dict[str, object]) -> None:
    body = {name: given[name] for name in ("@odata.type", "name", "contentType", "isInline") if name in given}
    if str(given["@odata.type"]).endswith("fileAttachment"):
        content = str(given["contentBytes"])
        if len(content) * 3 // 4 >= LARGE:
            pytest.fail("this mailbox has no file of that size")
        body |= {"contentId": given["contentId"], "contentBytes": content}
    else:
        path = f"/messages/{u(source)}/attachments/{u(str(given['id']))}?$expand=microsoft.graph.itemAttachment/item"
        item = post.json(path)["item"]
        kept = {name: item[name] for name in SETTABLE if item[name] is not None}
        kept["attachments"] = [
            {k: v for k, v in a.items() if k not in {"id", "size"}} for a in item.get("attachments", [])
        ]
        body["item"] = kept
    post.made(f"/messages/{u(target)}/attachments", body)


def test_a_mailbox_of_very_many_mails(tmp_path: Path) -> None:
    world = tmp_path / "world"
    (world / "microsoft365/moewe.example/anna/mail").mkdir(parents=True)
    with tenant(tmp_path / "state", ROLES, world=world) as at:
        post = Post(at, ANNA)
        post.control.act("mail_fill", user=ANNA, count=5000, folder="archive")
        post.control.act("mail_fill", user=ANNA, count=10, folder="archive")
        found = post.all(
            "/mailFolders/archive/messages/delta?$select=internetMessageId", Prefer="odata.maxpagesize=1000"
        )
        assert len({one["internetMessageId"] for one in found}) == 5010
        value = post.get(f"/messages/{u(found[17]['id'])}/$value").content
        assert b"Statusmeldung" in value
        assert post.json("/mailFolders/archive")["totalItemCount"] == 5010
        item = {"attachmentType": "file", "name": "x", "size": LARGE}
        assert upload(post, found[17]["id"], item, bytes(LARGE)).status_code == 201
