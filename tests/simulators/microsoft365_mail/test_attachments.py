"""Attachments and upload sessions: every rule of the contract, and that bytes come back as they went."""

from __future__ import annotations

import base64
import email
import email.policy
from typing import Any

import httpx

from tests.simulators.microsoft365_mail.post import ANNA, IMMUTABLE, Post, u, upload

MEGABYTE = 1024 * 1024
FILE = "#microsoft.graph.fileAttachment"
BYTES = bytes(range(256)) * 16 * 1024
WITH_ALL = (
    b"From: a@b.example\r\nSubject: Mit Anlagen\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n"
    b"--m\r\nContent-Type: multipart/related; boundary=r\r\n\r\n--r\r\nContent-Type: text/html\r\n\r\n"
    b"<p>x<img src='cid:bild@x'></p>\r\n--r\r\nContent-Type: image/png; name=\"b.png\"\r\nContent-ID: <bild@x>\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\niVBORw==\r\n--r--\r\n"
    b"--m\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename*=utf-8''Gr%C3%B6%C3%9Fe.pdf\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\nJVBE\r\nRg==\r\n"
    b"--m\r\nContent-Type: message/rfc822\r\n\r\nSubject: Innen\r\nDate: Mon, 04 May 2026 10:00:00 +0200\r\n"
    b"Content-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\n\r\nText\r\n"
    b"--i\r\nContent-Type: text/csv; name=t.csv\r\n\r\na;b\r\n--i--\r\n"
    b"--m--\r\n"
)


def draft(post: Post, **more: Any) -> str:
    return str(post.made("/messages", {"subject": "x"} | more, **IMMUTABLE)["id"])


def file(name: str, data: bytes, **more: Any) -> dict[str, Any]:
    return {"@odata.type": FILE, "name": name, "contentBytes": base64.b64encode(data).decode()} | more


def put(post: Post, url: str, data: bytes, span: str | None, **headers: str) -> httpx.Response:
    shown = ({"Content-Range": span} if span else {}) | headers
    return post.at.client.put(url, content=data, headers=shown)


def test_attachments_of_a_delivered_mail(post: Post) -> None:
    found = post.deliver(WITH_ALL)
    picture, paper, mail = post.all(f"/messages/{u(found)}/attachments", **IMMUTABLE)
    assert (picture["name"], picture["contentType"], picture["isInline"], picture["contentId"]) == (
        "b.png",
        "image/png",
        True,
        "bild@x",
    )
    assert (paper["name"], paper["contentType"], paper["isInline"]) == ("Größe.pdf", "application/pdf", False)
    assert base64.b64decode(paper["contentBytes"]) == b"%PDF"
    assert (mail["@odata.type"], mail["name"]) == ("#microsoft.graph.itemAttachment", "Innen")
    assert "contentBytes" not in mail
    value = post.get(f"/messages/{u(found)}/attachments/{u(paper['id'])}/$value")
    assert (value.content, value.headers["content-type"]) == (b"%PDF", "application/pdf")
    path = f"/messages/{u(found)}/attachments/{u(mail['id'])}"
    assert post.get(f"{path}/$value").content.startswith(b"Subject: Innen\r\n")
    item = post.json(f"{path}?$expand=microsoft.graph.itemAttachment/item")["item"]
    assert (item["subject"], item["isDraft"], item["sentDateTime"]) == ("Innen", False, "2026-05-04T08:00:00Z")
    assert item["attachments"][0]["name"] == "t.csv"
    assert post.json(f"/messages/{u(found)}")["hasAttachments"] is True
    shown = post.json(f"/messages/{u(found)}?$expand=attachments($select=name)")["attachments"]
    assert [set(one) - {"@odata.type", "@odata.mediaContentType"} for one in shown] == [{"id", "name"}] * 3
    casted = post.all(f"/messages/{u(found)}/attachments?$select=microsoft.graph.fileAttachment/contentId")
    assert casted[0]["contentId"] == "bild@x"
    wrong = post.get(f"/messages/{u(found)}/attachments?$select=contentId")
    assert post.code(wrong) == (400, "RequestBroker--ParseUri")


def test_an_edit_takes_the_mime_away_and_keeps_every_attachment(post: Post) -> None:
    found = post.deliver(WITH_ALL)
    path = f"/messages/{u(found)}/attachments"
    before = post.all(path, **IMMUTABLE)
    post.control.act("mail_edit", user=ANNA, id=found, properties={"subject": "Neu"})
    after = post.all(path, **IMMUTABLE)
    for one in (*before, *after):
        one.pop("size")
    assert after == before
    built = email.message_from_bytes(post.get(f"/messages/{u(found)}/$value").content, policy=email.policy.default)
    assert [part.get_content_type() for part in built.walk()][:4] == [
        "multipart/mixed",
        "multipart/related",
        "multipart/alternative",
        "text/plain",
    ]
    inner = next(part for part in built.walk() if part.get_content_type() == "message/rfc822").get_content()
    assert inner["subject"] == "Innen"
    assert [part.get_filename() for part in inner.iter_attachments()] == ["t.csv"]


def test_posted_attachments_keep_everything(post: Post) -> None:
    item = {"@odata.type": "#microsoft.graph.message", "subject": "Innen", "attachments": [file("n.txt", b"n")]}
    item["singleValueExtendedProperties"] = [{"id": "Integer 0x0E07", "value": "1"}]
    inside = {"@odata.type": "#microsoft.graph.itemAttachment", "name": "Innen", "item": item}
    link = {"@odata.type": "#microsoft.graph.referenceAttachment", "name": "Link"}
    found = draft(
        post, attachments=[file("ä.bin", BYTES[:5000], contentType="x/y", isInline=True, contentId="c@d"), inside, link]
    )
    version = post.json(f"/messages/{u(found)}")["changeKey"]
    made = post.made(f"/messages/{u(found)}/attachments", file("leer.txt", b"", contentType="text/plain"))
    assert post.json(f"/messages/{u(found)}")["changeKey"] != version
    first, second, third, fourth = post.all(f"/messages/{u(found)}/attachments")
    assert (first["name"], first["contentType"], first["isInline"], first["contentId"]) == ("ä.bin", "x/y", True, "c@d")
    assert base64.b64decode(first["contentBytes"]) == BYTES[:5000]
    path = f"/messages/{u(found)}/attachments/"
    shown = post.json(f"{path}{u(second['id'])}?$expand=microsoft.graph.itemAttachment/item")["item"]
    assert (shown["subject"], shown["isDraft"], shown["attachments"][0]["contentBytes"]) == ("Innen", False, "bg==")
    assert post.code(post.get(f"{path}{u(third['id'])}/$value"))[0] == 405
    assert (fourth["name"], fourth["contentBytes"], made["name"]) == ("leer.txt", "", "leer.txt")
    assert post.ask("DELETE", f"{path}{u(fourth['id'])}").status_code == 204
    assert post.code(post.get(path + u(fourth["id"]))) == (404, "ErrorItemNotFound")


def test_what_an_attachment_must_have(post: Post) -> None:
    path = f"/messages/{u(draft(post))}/attachments"
    for body, code in (
        ({"name": "a", "contentBytes": "YQ=="}, "RequestBodyRead"),
        ({"@odata.type": FILE, "name": "a", "contentBytes": "!"}, "RequestBodyRead"),
        ({"@odata.type": FILE, "name": "a", "colour": "red"}, "RequestBodyRead"),
        ({"@odata.type": FILE, "contentBytes": "YQ=="}, "ErrorInvalidProperty"),
        ({"@odata.type": "#microsoft.graph.itemAttachment", "name": "a"}, "ErrorInvalidRequest"),
    ):
        assert post.code(post.post(path, body)) == (400, code), body
    assert post.made(path, file("a", b"x" * (3 * MEGABYTE - 1000)))["name"] == "a"
    assert post.post(path, file("b", b"x" * (3 * MEGABYTE))).status_code == 413
    assert post.post("/messages", {"attachments": [file("b", b"x" * (3 * MEGABYTE))]}).status_code == 413


def test_a_large_file_goes_up_in_pieces(post: Post) -> None:
    found = draft(post)
    item = {"attachmentType": "file", "name": "groß.bin", "size": len(BYTES) + 1}
    item |= {"isInline": False, "contentId": "a@b", "contentType": "x/y"}
    done = upload(post, found, item, BYTES + b"!", 3 * MEGABYTE)
    assert done.status_code == 201
    assert done.content == b""
    assert "/Attachments('" in done.headers["location"]
    [one] = post.all(f"/messages/{u(found)}/attachments?$top=5")
    assert (one["name"], one["contentType"], one["contentId"], one["isInline"]) == ("groß.bin", "x/y", "a@b", False)
    identity = done.headers["location"].split("Attachments('")[1][:-2]
    value = post.get(f"/messages/{u(found)}/attachments/{identity}/$value")
    assert value.content == BYTES + b"!"
    assert post.json(f"/messages/{u(found)}")["hasAttachments"] is True


def test_the_rules_of_an_upload_session(post: Post) -> None:
    found = draft(post)
    path = f"/messages/{u(found)}/attachments/createUploadSession"

    def session(size: int, **more: Any) -> httpx.Response:
        return post.post(path, {"AttachmentItem": {"attachmentType": "file", "name": "x", "size": size} | more})

    small = (400, "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize")
    assert post.code(session(3 * MEGABYTE - 1)) == small
    assert session(151 * MEGABYTE).status_code == 413
    assert session(36 * MEGABYTE).status_code == 413
    post.control.act("mail_message_limit", tenant="moewe.example", megabytes=150)
    assert session(36 * MEGABYTE).status_code == 201
    assert post.code(session(4 * MEGABYTE, attachmentType="item"))[0] == 400
    assert post.code(post.post(path, {"name": "x"})) == (400, "RequestBodyRead")
    opened = session(5 * MEGABYTE).json()
    assert opened["nextExpectedRanges"] == ["0-"]
    url, total = opened["uploadUrl"], 5 * MEGABYTE
    assert url.startswith("https://outlook.office.com/")
    piece = BYTES[:MEGABYTE]
    first = f"bytes 0-{MEGABYTE - 1}/{total}"
    assert put(post, url, piece, first, Authorization="Bearer x").status_code == 401
    assert put(post, url, piece, None).status_code == 400
    assert put(post, url, piece, f"bytes 0-{MEGABYTE}/{total}").status_code == 400
    assert put(post, url, piece, f"bytes 0-{MEGABYTE - 1}/{total + 1}").status_code == 400
    assert put(post, url, b"x" * (4 * MEGABYTE + 1), f"bytes 0-{4 * MEGABYTE}/{total}").status_code == 413
    assert put(post, url, piece, f"bytes {MEGABYTE}-{2 * MEGABYTE - 1}/{total}").status_code == 416
    going = put(post, url, piece, first)
    assert (going.status_code, going.json()["nextExpectedRanges"]) == (200, [str(MEGABYTE)])
    assert put(post, url, piece, first).status_code == 416
    assert put(post, url.replace("authtoken=", "authtoken=0"), piece, first).status_code == 401
    assert post.at.client.get(url).status_code == 405
    assert post.at.client.delete(url).status_code == 204
    assert put(post, url, piece, first).status_code == 404
    late = session(5 * MEGABYTE).json()["uploadUrl"]
    post.control.advance(3 * 3600)
    post.at._token.clear()
    assert put(post, late, piece, first).status_code == 404
    lost = session(5 * MEGABYTE).json()["uploadUrl"]
    post.control.fault("mail_upload_lost", count=1)
    assert put(post, lost, piece, first).status_code == 404
    assert put(post, lost, piece, first).status_code == 404
    assert post.all(f"/messages/{u(found)}/attachments") == []
    post.control.act("mail_message_limit", tenant="moewe.example", megabytes=35)


def test_a_fault_strikes_an_upload_by_its_template(post: Post) -> None:
    """Section 2.5 of the contract: uploads are throttled per app and mailbox, so a 429 names both in the log."""
    found = draft(post)
    item = {"AttachmentItem": {"attachmentType": "file", "name": "x", "size": 3 * MEGABYTE}}
    url = post.made(f"/messages/{u(found)}/attachments/createUploadSession", item)["uploadUrl"]
    mark = post.control.mark()
    post.control.fault("throttle_429", scope={"template": "/AttachmentSessions/{id}", "mailbox": "*"}, count=1)
    held = f"bytes 0-{3 * MEGABYTE - 1}/{3 * MEGABYTE}"
    assert put(post, url, BYTES[: 3 * MEGABYTE], held).status_code == 429
    assert put(post, url, BYTES[: 3 * MEGABYTE], held).status_code == 201
    refused, taken = post.control.calls(since=mark)
    assert (refused["status"], taken["status"]) == (429, 201)
    for name in ("template", "tenant", "app"):
        assert refused[name] == taken[name] != ""


def test_an_upload_to_a_purged_message_is_lost(post: Post) -> None:
    found = draft(post)
    item = {"AttachmentItem": {"attachmentType": "file", "name": "x", "size": 3 * MEGABYTE}}
    url = post.made(f"/messages/{u(found)}/attachments/createUploadSession", item)["uploadUrl"]
    post.control.act("mail_purge", user=ANNA, ids=[found])
    assert put(post, url, BYTES[: 3 * MEGABYTE], f"bytes 0-{3 * MEGABYTE - 1}/{3 * MEGABYTE}").status_code == 404
