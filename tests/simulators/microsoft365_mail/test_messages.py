"""Messages: what is refused, what a JSON create makes of a message, ids, $value, moves and deletions."""

from __future__ import annotations

import base64
import email
import email.policy

import pytest

from tests.simulators.microsoft365_mail.post import ANNA, BERT, IMMUTABLE, Post, u

PLAIN = (
    "Received: from a by b; Mon, 04 May 2026 08:00:05 +0000\r\nFrom: =?utf-8?q?J=C3=B6rg?= <joerg@else.example>\r\n"
    "To: Anna <anna@moewe.example>, bert@moewe.example\r\nSubject: =?utf-8?b?R3LDvMOfZSDwn5iA?=\r\n"
    "Date: Mon, 04 May 2026 10:00:00 +0200\r\nMessage-ID: <one@else.example>\r\nX-Own: a\r\n\r\n"
    "Hallo Anna,\r\nbis bald.\r\n"
)


def prop(name: str, value: str) -> dict[str, str]:
    return {"id": name, "value": value}


def test_a_message_that_comes_with_unknown_or_wrong_properties_is_refused(post: Post) -> None:
    for body in (
        {"subjekt": "x"},
        {"subject": 7},
        {"toRecipients": {"emailAddress": {"address": "a@b.example"}}},
        {"toRecipients": None},
        {"importance": "urgent"},
        {"isRead": "true"},
        {"body": {"contentType": "markdown", "content": "x"}},
        {"flag": {"flagStatus": "flagged", "color": "red"}},
        {"singleValueExtendedProperties": [{"id": "Integer 0x0E07", "value": 1}]},
        {"singleValueExtendedProperties": [{"id": "Integer 0x0E07", "value": "1", "x": 1}]},
        {"attachments": [{"name": "a.txt", "contentBytes": "YQ=="}]},
        {"attachments": [{"@odata.type": "#microsoft.graph.fileAttachment", "name": "a", "contentBytes": "%"}]},
    ):
        assert post.code(post.post("/messages", body)) == (400, "RequestBodyRead"), body
    broken = post.ask("POST", "/messages", content=b"{", Content_Type="application/json")
    assert post.code(broken) == (400, "BadRequest")
    odd = {"singleValueExtendedProperties": [prop("Whatever 0x1", "1")]}
    assert post.code(post.post("/messages", odd)) == (400, "ErrorInvalidArgument")
    odd = {"singleValueExtendedProperties": [prop("SystemTime 0x0E06", "yesterday")]}
    assert post.code(post.post("/messages", odd)) == (400, "ErrorPropertyValidationFailure")
    event = {"@odata.type": "#microsoft.graph.eventMessageRequest", "subject": "x"}
    assert post.code(post.post("/messages", event)) == (400, "ErrorInvalidRequest")
    header = {"internetMessageHeaders": [{"name": "Received", "value": "x"}]}
    assert post.code(post.post("/messages", header)) == (400, "InvalidInternetMessageHeader")
    assert post.code(post.ask("POST", "/messages", content=b"x", Content_Type="text/html"))[0] == 415
    assert post.all("/messages") == []


def test_read_only_properties_of_a_create_have_no_effect(post: Post) -> None:
    made = post.made(
        "/mailFolders/inbox/messages",
        {
            "subject": "x",
            "isDraft": False,
            "receivedDateTime": "2020-01-01T00:00:00Z",
            "sentDateTime": "2020-01-01T00:00:00Z",
            "hasAttachments": True,
            "conversationId": "AAA",
            "id": "AAA",
            "bodyPreview": "no",
        },
    )
    assert made["isDraft"] is True
    assert made["hasAttachments"] is False
    assert made["bodyPreview"] == ""
    assert not made["receivedDateTime"].startswith("2020")
    assert not made["sentDateTime"].startswith("2020")
    assert made["conversationId"] != "AAA"
    assert made["internetMessageId"]


@pytest.mark.parametrize(
    ("flags", "draft", "read"),
    [("0", False, False), ("1", False, True), ("4", False, False), ("8", True, False), ("9", True, True)],
)
def test_the_flags_decide_at_the_create_alone(post: Post, flags: str, draft: bool, read: bool) -> None:
    made = post.made("/mailFolders/inbox/messages", {"singleValueExtendedProperties": [prop("Integer 0x0E07", flags)]})
    assert (made["isDraft"], made["isRead"]) == (draft, read)
    path = f"/messages/{u(made['id'])}"
    change = {"singleValueExtendedProperties": [prop("Integer 0x0E07", "1" if draft else "8")]}
    assert post.ask("PATCH", path, body=change).status_code == 200
    assert post.json(path)["isDraft"] is draft


def test_dates_and_ids_are_carried_by_extended_properties(post: Post) -> None:
    made = post.made(
        "/mailFolders/inbox/messages",
        {
            "subject": "Alt",
            "isRead": False,
            "singleValueExtendedProperties": [
                prop("Integer 0x0E07", "1"),
                prop("SystemTime 0x0E06", "2019-03-04T05:06:07.0000000Z"),
                prop("SystemTime 0x0039", "2019-03-04T05:06:00Z"),
                prop("String 0x1035", "<alt@else.example>"),
                prop("String 0x1042", "<davor@else.example>"),
                prop("String {00020386-0000-0000-c000-000000000046} Name x-eigen", "42"),
            ],
        },
    )
    assert made["receivedDateTime"] == "2019-03-04T05:06:07Z"
    assert made["sentDateTime"] == "2019-03-04T05:06:00Z"
    assert made["internetMessageId"] == "<alt@else.example>"
    assert made["isRead"] is False
    wanted = "id eq 'Integer 0x0E07' or id eq 'String 0x1042' or id eq 'SystemTime 0x0e06' or id eq 'String 0x9999'"
    named = "id eq 'String {00020386-0000-0000-C000-000000000046} Name x-eigen'"
    found = post.json(f"/messages/{u(made['id'])}?$expand=singleValueExtendedProperties($filter={wanted} or {named})")
    assert {one["id"]: one["value"] for one in found["singleValueExtendedProperties"]} == {
        "Integer 0xe07": "0",
        "String 0x1042": "<davor@else.example>",
        "SystemTime 0xe06": "2019-03-04T05:06:07Z",
        "String {00020386-0000-0000-c000-000000000046} Name x-eigen": "42",
    }
    assert post.code(post.get("/messages?$expand=singleValueExtendedProperties")) == (400, "ErrorInvalidUrlQuery")


def test_value_of_a_delivered_mail_is_what_was_delivered_until_its_content_changes(post: Post) -> None:
    found = post.deliver(PLAIN)
    path = f"/messages/{u(found)}"
    assert post.get(f"{path}/$value").content == PLAIN.encode()
    state = {"isRead": True, "categories": ["Blau"], "flag": {"flagStatus": "flagged"}}
    before = post.json(path)
    changed = post.ask("PATCH", path, body=state).json()
    assert changed["changeKey"] != before["changeKey"]
    assert changed["@odata.etag"] != before["@odata.etag"]
    assert post.get(f"{path}/$value").content == PLAIN.encode()
    assert post.code(post.ask("PATCH", path, body={"subject": "neu"})) == (400, "ErrorInvalidPropertySet")
    post.control.act("mail_edit", user=ANNA, id=found, properties={"subject": "Neu"})
    built = email.message_from_bytes(post.get(f"{path}/$value").content, policy=email.policy.default)
    assert built["subject"] == "Neu"
    assert "X-Own" not in built
    assert built.get_content().strip().startswith("Hallo Anna")


def test_fields_of_a_delivered_mail(post: Post) -> None:
    found = post.json(f"/messages/{u(post.deliver(PLAIN))}")
    assert found["subject"] == "Grüße 😀"
    assert found["from"] == found["sender"] == {"emailAddress": {"name": "Jörg", "address": "joerg@else.example"}}
    assert [one["emailAddress"]["address"] for one in found["toRecipients"]] == [ANNA, BERT]
    assert found["receivedDateTime"] == "2026-05-04T08:00:05Z"
    assert found["sentDateTime"] == "2026-05-04T08:00:00Z"
    assert found["body"] == {"contentType": "text", "content": "Hallo Anna,\r\nbis bald.\r\n"}
    assert (found["isDraft"], found["isRead"], found["hasAttachments"]) == (False, False, False)
    assert "internetMessageHeaders" not in found
    headers = post.json(f"/messages/{u(found['id'])}?$select=internetMessageHeaders,uniqueBody")
    assert {"name": "X-Own", "value": "a"} in headers["internetMessageHeaders"]
    assert "subject" not in headers


def test_a_body_is_kept_as_exchange_keeps_it_and_the_same_body_stays_the_same(post: Post) -> None:
    first = post.made("/messages", {"body": {"contentType": "HTML", "content": "<p>Hä\n<script>x()</script></p>"}})
    assert first["body"]["contentType"] == "html"
    assert "charset=utf-8" in first["body"]["content"]
    assert "script" not in first["body"]["content"]
    assert first["bodyPreview"] == "Hä"
    again = post.made("/messages", {"body": first["body"]})
    assert again["body"] == first["body"]
    plain = post.json(f"/messages/{u(first['id'])}", Prefer='outlook.body-content-type="text"')
    assert plain["body"] == {"contentType": "text", "content": "Hä"}


def test_a_posted_mime_is_a_draft_for_ever(post: Post) -> None:
    def send(content: bytes) -> object:
        return post.ask("POST", "/mailFolders/inbox/messages", content=content, Content_Type="text/plain")

    assert post.code(send(PLAIN.encode())) == (400, "ErrorMimeContentInvalidBase64String")  # type: ignore[arg-type]
    assert post.code(send(b"")) == (400, "ErrorMimeContentInvalidBase64String")  # type: ignore[arg-type]
    made = send(base64.encodebytes(PLAIN.encode())).json()  # type: ignore[attr-defined]
    assert made["isDraft"] is True
    assert made["subject"] == "Grüße 😀"
    assert not made["receivedDateTime"].startswith("2026-05-04")
    path = f"/messages/{u(made['id'])}"
    assert post.ask("PATCH", path, body={"isDraft": False, "isRead": True}).json()["isDraft"] is True
    value = post.get(f"{path}/$value").content
    assert value != PLAIN.encode()
    assert b"X-Unsent: 1" in value
    too_much = base64.b64encode(b"x" * (3 * 1024 * 1024 + 1))
    assert post.code(send(too_much)) == (413, "RequestEntityTooLarge")  # type: ignore[arg-type]


def test_an_ordinary_id_dies_with_a_move_and_an_immutable_one_does_not(post: Post) -> None:
    immutable = post.deliver(PLAIN)
    ordinary = post.json("/mailFolders/inbox/messages")["value"][0]["id"]
    assert ordinary != immutable
    assert post.json("/messages", **IMMUTABLE)["value"][0]["id"] == immutable
    before = post.json(f"/messages/{u(immutable)}", **IMMUTABLE)
    moved = post.made(f"/messages/{u(ordinary)}/move", {"destinationId": "archive"})
    assert moved["id"] != ordinary
    assert post.code(post.get(f"/messages/{u(ordinary)}")) == (404, "ErrorItemNotFound")
    after = post.json(f"/messages/{u(immutable)}", **IMMUTABLE)
    assert after["id"] == immutable
    assert after["changeKey"] != before["changeKey"]
    assert after["parentFolderId"] != before["parentFolderId"]
    assert post.code(post.get(f"/mailFolders/inbox/messages/{u(immutable)}")) == (404, "ErrorItemNotFound")
    assert post.json(f"/mailFolders/archive/messages/{u(immutable)}")["subject"] == "Grüße 😀"


def test_ids_are_case_sensitive_sealed_and_belong_to_a_mailbox(post: Post) -> None:
    found = post.deliver(PLAIN)
    for wrong in (found.swapcase(), found[:-8] + "AAAAAAA=", "AAMkAD", "inbox", "ä"):
        assert post.code(post.get(f"/messages/{u(wrong)}")) == (400, "ErrorInvalidIdMalformed"), wrong
    other = Post(post.at, BERT)
    assert other.code(other.get(f"/messages/{u(found)}")) == (400, "ErrorInvalidMailboxItemId")
    folder = post.json("/mailFolders/inbox")["id"]
    assert post.code(post.get(f"/messages/{u(folder)}")) == (400, "ErrorInvalidIdMalformed")
    assert post.code(post.get(f"/mailFolders/{u(found)}")) == (400, "ErrorInvalidIdMalformed")


def test_ids_can_be_translated(post: Post) -> None:
    immutable = post.deliver(PLAIN)
    ordinary = post.json("/mailFolders/inbox/messages")["value"][0]["id"]

    def translate(ids: list[str], source: str, target: str) -> list[dict[str, object]]:
        body = {"inputIds": ids, "sourceIdType": source, "targetIdType": target}
        found: list[dict[str, object]] = post.post("/translateExchangeIds", body).json()["value"]
        return found

    assert translate([ordinary], "restId", "restImmutableEntryId")[0]["targetId"] == immutable
    assert translate([immutable], "restImmutableEntryId", "restId")[0]["targetId"] == ordinary
    assert "errorDetails" in translate(["x"], "restId", "restImmutableEntryId")[0]
    assert "errorDetails" in translate([immutable], "restId", "restImmutableEntryId")[0]
    body = {"inputIds": ["x"] * 1001, "sourceIdType": "restId", "targetIdType": "restImmutableEntryId"}
    assert post.code(post.post("/translateExchangeIds", body)) == (400, "ErrorInvalidArgument")


def test_delete_goes_to_the_bin_then_to_the_recoverable_items_then_away(post: Post) -> None:
    found = post.deliver(PLAIN)
    for place in ("deleteditems", "recoverableitemsdeletions"):
        assert post.ask("DELETE", f"/messages/{u(found)}").status_code == 204
        assert [one["id"] for one in post.all(f"/mailFolders/{place}/messages", **IMMUTABLE)] == [found]
    assert post.ask("DELETE", f"/messages/{u(found)}").status_code == 204
    assert post.code(post.get(f"/messages/{u(found)}")) == (404, "ErrorItemNotFound")
    other = post.deliver(PLAIN)
    assert post.ask("POST", f"/messages/{u(other)}/permanentDelete").status_code == 204
    assert post.code(post.get(f"/messages/{u(other)}")) == (404, "ErrorItemNotFound")


def test_a_copy_is_an_item_of_its_own(post: Post) -> None:
    found = post.deliver(PLAIN)
    copy = post.made(f"/messages/{u(found)}/copy", {"destinationId": "archive"}, **IMMUTABLE)
    assert copy["id"] != found
    post.control.act("mail_purge", user=ANNA, ids=[found])
    assert post.get(f"/messages/{u(copy['id'])}/$value").content == PLAIN.encode()


def test_if_match_is_honoured(post: Post) -> None:
    path = f"/messages/{u(post.deliver(PLAIN))}"
    etag = post.json(path)["@odata.etag"]
    assert post.ask("PATCH", path, body={"isRead": True}, If_Match=etag).status_code == 200
    assert post.ask("PATCH", path, body={"isRead": False}, If_Match=etag).status_code == 412


def test_lists_page_filter_and_select(post: Post) -> None:
    for number in range(12):
        post.deliver(
            PLAIN.replace("04 May 2026 08:00:05", f"04 May 2026 08:{number:02}:05").replace("<one@", f"<n{number}@")
        )
    pages = list(post.pages("/mailFolders/inbox/messages?$select=subject,receivedDateTime&$top=5"))
    assert [len(page["value"]) for page in pages] == [5, 5, 2]
    dates = [one["receivedDateTime"] for page in pages for one in page["value"]]
    assert dates == sorted(dates, reverse=True)
    assert len(post.json("/mailFolders/inbox/messages")["value"]) == 10
    assert set(pages[0]["value"][0]) == {"@odata.etag", "id", "subject", "receivedDateTime"}
    found = post.all("/messages?$filter=internetMessageId eq '<n3@else.example>'&$count=true")
    assert [one["receivedDateTime"] for one in found] == ["2026-05-04T08:03:05Z"]
    assert len(post.all("/messages?$filter=receivedDateTime ge 2026-05-04T08:10:05Z and isRead eq false")) == 2
    assert len(post.all("/messages?$filter=startswith(subject,'Gr')&$top=50")) == 12
    for query, code in (
        ("$select=colour", "RequestBroker--ParseUri"),
        ("$filter=colour eq 1", "ErrorInvalidUrlQueryFilter"),
        ("$filter=isRead eq 1", "ErrorInvalidUrlQueryFilter"),
        ("$filter=isRead eq false&$orderby=receivedDateTime desc", "InefficientFilter"),
        ("$orderby=colour", "ErrorInvalidUrlQuery"),
        ("$expand=extensions", "BadRequest"),
        ("$top=x", "BadRequest"),
        ("$top=0", "ErrorInvalidUrlQuery"),
        ("$search=x", "ErrorInvalidUrlQuery"),
    ):
        assert post.code(post.get(f"/messages?{query}")) == (400, code), query


def test_sending_is_counted(shared: Post) -> None:
    before = shared.control.act("mail_notifications")
    body = {"subject": "Hallo", "toRecipients": [{"emailAddress": {"address": BERT}}]}
    assert shared.post("/sendMail", {"message": body}).status_code == 202
    draft = shared.made("/messages", body)
    assert shared.ask("POST", f"/messages/{u(draft['id'])}/send").status_code == 202
    assert shared.control.act("mail_notifications") == before + 2
    assert len(Post(shared.at, BERT).all("/mailFolders/inbox/messages")) == 2
    assert shared.code(shared.post("/sendMail", {"message": {"subject": "x"}})) == (400, "ErrorInvalidRecipients")
    empty = shared.made("/messages", {"subject": "x", "singleValueExtendedProperties": [prop("Integer 0x0E07", "1")]})
    assert shared.code(shared.ask("POST", f"/messages/{u(empty['id'])}/send")) == (400, "ErrorInvalidRequest")
