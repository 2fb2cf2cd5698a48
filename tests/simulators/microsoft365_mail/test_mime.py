"""Mail as it comes: taken apart whatever the bytes are, and put together again from properties."""

from __future__ import annotations

import email
import email.policy
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.microsoft365.mail import text
from simulators.microsoft365.mail.content import Content, blank, complete, from_json, person
from simulators.microsoft365.mail.mime_build import File, build
from simulators.microsoft365.mail.mime_fields import derive, inner
from simulators.microsoft365.mail.mime_parse import decoded, parse, words

GUID, NOW = "0" * 36, "2026-01-01T00:00:00Z"


def of(raw: bytes | str) -> Content:
    return derive(raw.encode() if isinstance(raw, str) else raw, GUID, NOW)


def test_a_mail_without_the_parts_a_mail_should_have_is_a_mail_all_the_same() -> None:
    empty = of(b"")
    assert (empty.fields["subject"], empty.fields["from"], empty.fields["body"]["content"]) == (None, None, "")
    assert empty.fields["receivedDateTime"] == empty.fields["sentDateTime"] == NOW
    assert empty.fields["internetMessageId"].startswith("<")
    bare = of(b"Nur Text, kein Kopf.\n")
    assert bare.fields["body"]["content"] == "Nur Text, kein Kopf.\r\n"
    noise = of(Random(1).randbytes(5000))
    assert noise.fields["isDraft"] is False
    assert of("Date: gestern\nReceived: x\n\ny").fields["sentDateTime"] == NOW
    assert of("From someone Mon May  4\nSubject: mbox\n\ny").fields["subject"] == "mbox"


@given(st.binary(max_size=400))
@settings(max_examples=200, deadline=None)
def test_no_bytes_make_it_raise(noise: bytes) -> None:
    head = b"Content-Type: multipart/mixed; boundary=x\r\nFrom: =?utf-8?b?x\r\n"
    for raw in (noise, head + noise, head + b"\r\n--x\r\nContent-Type: message/rfc822\r\n\r\n" + noise + b"\r\n--x--"):
        content = of(raw)
        rebuilt = inner(raw, GUID, NOW)
        assert len(rebuilt.attachments) == len(content.attachments)
        assert build(rebuilt.fields, [], {}, "s")


@given(
    st.lists(
        st.sampled_from(
            [b"--x\r\n", b"--x--\r\n", b"\r\n", b"--y\n", b"Content-Type: multipart/mixed; boundary=y\n", b"a"]
        )
    )
)
@settings(max_examples=200, deadline=None)
def test_parts_lie_inside_of_each_other_and_never_overlap(pieces: list[bytes]) -> None:
    raw = b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + b"".join(pieces)

    def check(part: Any) -> None:
        at = part.start
        for child in part.children:
            assert at <= child.whole <= child.start <= child.stop <= part.stop
            at = child.stop
            check(child)

    check(parse(raw))


def test_deep_and_wide_nests_end() -> None:
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(500))
    assert sum(1 for _ in parse(deep).walk()) < 100
    wide = b"Content-Type: multipart/mixed; boundary=w\r\n\r\n" + b"--w\r\n\r\nx\r\n" * 5000
    assert len(parse(wide).children) <= 2000


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (b"=?utf-8?q?J=C3=B6rg_M?= =?utf-8?q?=C3=BCller?=", "Jörg Müller"),
        (b"=?iso-8859-1?q?Gr=FC=DFe?=", "Grüße"),
        (b"Gr\xc3\xbc\xc3\x9fe", "Grüße"),
        (b"Gr\xfc\xdfe", "Grüße"),
        (b"=?nix?b?w7w=?=", "ü"),
        (b"=?utf-8?b?%%%?=", "=?utf-8?b?%%%?="),
        (b"plain", "plain"),
    ],
)
def test_header_words(value: bytes, wanted: str) -> None:
    assert words(value) == wanted


def test_addresses() -> None:
    fields = of(
        "From: =?utf-8?q?M=C3=BCller=2C_J=C3=B6rg?= <j@x.example>\nSender: bot@x.example\n"
        'To: "Komma, Name" <k@x.example>, nackt@x.example,\n <spitz@x.example>\nCc: Gruppe: a@x.example, b@x.example;\n'
        "Reply-To: r@x.example\n\n"
    ).fields
    assert fields["from"]["emailAddress"] == {"name": "Müller, Jörg", "address": "j@x.example"}
    assert fields["sender"]["emailAddress"] == {"name": "bot@x.example", "address": "bot@x.example"}
    assert [one["emailAddress"]["name"] for one in fields["toRecipients"]] == [
        "Komma, Name",
        "nackt@x.example",
        "spitz@x.example",
    ]
    assert [one["emailAddress"]["address"] for one in fields["ccRecipients"]] == ["a@x.example", "b@x.example"]
    assert fields["replyTo"][0]["emailAddress"]["address"] == "r@x.example"


def test_what_headers_say() -> None:
    fields = of(
        "X-Priority: 1 (Highest)\nDisposition-Notification-To: a@b.example\nReturn-Receipt-To: a@b.example\n"
        "List-Unsubscribe: <x>\nStatus: RO\nX-Status: F\nX-Unsent: 1\n"
        "Thread-Index: AQHaWz2nB6oiCvmLzkCRa1GT+9U0Qg==\n\n"
    ).fields
    assert (fields["importance"], fields["inferenceClassification"]) == ("high", "other")
    assert (fields["isReadReceiptRequested"], fields["isDeliveryReceiptRequested"]) == (True, True)
    assert (fields["isRead"], fields["isDraft"], fields["flag"]) == (True, True, {"flagStatus": "flagged"})
    assert fields["conversationIndex"] == "AQHaWz2nB6oiCvmLzkCRa1GT+9U0Qg=="


def test_a_reply_joins_its_thread() -> None:
    first = of("Message-ID: <1@x>\nSubject: Thema\n\n")
    reply = of(
        "Message-ID: <2@x>\nReferences: <1@x>\nIn-Reply-To: <1@x>\nSubject: AW: Thema\n"
        "\nAntwort\n-----Original Message-----\n> x"
    )
    assert reply.fields["conversationId"] == first.fields["conversationId"]
    assert reply.extended == {"String 0x1042": "<1@x>", "String 0x1039": "<1@x>"}
    assert text.unique(reply.fields["body"])["content"] == "Antwort"


INVITATION = (
    "BEGIN:VCALENDAR\r\nMETHOD:{method}\r\n"
    "BEGIN:VTIMEZONE\r\nDTSTART:19700101T000000\r\nEND:VTIMEZONE\r\nBEGIN:VEVENT\r\n"
    "DTSTART:20260504T090000Z\r\nDTEND:20260504T100000Z\r\nLOCATION:Raum\\, oben\r\n"
    "ATTENDEE;RSVP=TRUE;PARTSTAT=DECLINED:mailto:a@b\r\nRRULE:FREQ=WEEKLY;BYDAY=MO,WE;COUNT=5\r\n"
    "END:VEVENT\r\nEND:VCALENDAR\r\n"
)


@pytest.mark.parametrize(
    ("method", "kind", "meeting"),
    [
        ("REQUEST", "#microsoft.graph.eventMessageRequest", "meetingRequest"),
        ("CANCEL", "#microsoft.graph.eventMessage", "meetingCancelled"),
        ("REPLY", "#microsoft.graph.eventMessageResponse", "meetingDeclined"),
    ],
)
def test_invitations_replies_cancellations(method: str, kind: str, meeting: str) -> None:
    head = "Subject: x\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\nKomm\r\n--b\r\n"
    content = of(
        f"{head}Content-Type: text/calendar; method={method}\r\n\r\n{INVITATION.format(method=method)}\r\n--b--\r\n"
    )
    fields = content.fields
    assert (fields["@odata.type"], fields["meetingMessageType"]) == (kind, meeting)
    assert fields["startDateTime"] == {"dateTime": "2026-05-04T09:00:00.0000000", "timeZone": "UTC"}
    assert fields["location"]["displayName"] == "Raum, oben"
    assert fields["recurrence"]["pattern"] == {"type": "weekly", "interval": 1, "daysOfWeek": ["monday", "wednesday"]}
    assert (fields["type"], fields["isAllDay"], content.attachments) == ("seriesMaster", False, [])
    plain = of(f"Content-Type: text/calendar\n\n{INVITATION.format(method='PUBLISH')}")
    assert "@odata.type" not in plain.fields


def test_a_signed_mail_keeps_its_seal_as_an_attachment() -> None:
    content = of(
        "Content-Type: multipart/signed; boundary=s\n\n--s\nContent-Type: text/plain\n\nGenau so.\n--s\n"
        "Content-Type: application/pkcs7-signature; name=smime.p7s\nContent-Transfer-Encoding: base64\n\nAAEC\n--s--\n"
    )
    assert content.fields["body"]["content"] == "Genau so."
    assert [one.name for one in content.attachments] == ["smime.p7s"]


@pytest.mark.parametrize("body", ["AAEC", "AAE C\n=", "A A E C", "AAEC====", "AAECA", "%%AAEC"])
def test_broken_base64_gives_what_can_be_read(body: str) -> None:
    raw = f"Content-Transfer-Encoding: base64\n\n{body}".encode()
    assert decoded(raw, parse(raw)).startswith(b"\x00\x01\x02")


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_a_stored_body_stays_the_same_when_stored_again(content: str) -> None:
    for kind in ("html", "text"):
        for start in ("", "<html><head>", "<HTML >\n<Head>\n<meta charset=x>"):
            once = text.body(start + content, kind)
            assert text.body(once["content"], kind) == once


def test_built_mime_says_what_the_properties_say_and_never_more() -> None:
    fields = blank(NOW) | {
        "subject": "Größe\r\nBcc: boese@x.example",
        "from": person("Jörg\r\nX-Evil: 1", "j@x.example"),
        "toRecipients": [person('A "B" C', "a@x.example"), person("Ünal", "u@x.example")],
        "body": text.body("<p>Grüße</p>", "html"),
        "internetMessageId": "<1@x>",
        "isDraft": False,
        "importance": "high",
    }
    complete(fields, GUID)
    files = [
        File("file", "bild.png", "image/png", True, "c@x", lambda: b"\x89PNG"),
        File("file", 'größe".bin', "no media type", False, None, lambda: bytes(range(256))),
        File("item", "mail", None, False, None, lambda: b"Subject: innen\r\n\r\nx"),
    ]
    raw = build(fields, files, {"String 0x1042": "<0@x>"}, "seed")
    assert build(fields, files, {"String 0x1042": "<0@x>"}, "seed") == raw
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    assert "Bcc" not in mail
    assert "X-Evil" not in mail
    assert mail["In-Reply-To"] == "<0@x>"
    assert mail["Importance"] == "high"
    again = of(raw)
    for name in ("toRecipients", "body", "internetMessageId", "importance", "sentDateTime", "isDraft"):
        assert again.fields[name] == fields[name], name
    assert [(one.kind, one.name, one.inline) for one in again.attachments] == [
        ("file", "bild.png", True),
        ("file", 'größe".bin', False),
        ("item", "mail", False),
    ]


def test_an_attached_mail_can_be_kept_as_properties() -> None:
    raw = (
        b"Subject: innen\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nText\r\n--x\r\n"
        b"Content-Type: message/rfc822\r\n\r\nSubject: ganz innen\r\n\r\nText\r\n--x\r\n"
        b"Content-Type: a/b; name=f\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC\r\n--x--\r\n"
    )
    content = inner(raw, GUID, NOW)
    from simulators.microsoft365.mail.content import as_json

    again = from_json(as_json(content))
    assert again.attachments[1].data == b"\0\1\2"
    assert again.attachments[0].item is not None
    assert again.attachments[0].item["fields"]["subject"] == "ganz innen"


def test_text_of_html() -> None:
    page = "<html><HEAD><title>no</title></HEAD>"
    page += "<header>Kopf</header><style>p{}</style><!-- no --><p>a&amp;b</p>c<br>d<script>x"
    assert text.plain(page, "html") == "Kopfa&b\r\nc\r\ndx"
    assert "x" in text.body(page, "html")["content"]


@pytest.mark.parametrize(
    "piece", ["<script", "<style>", "<meta ", "<head", "<div id=", "<!--", "<", "\n a", "Re: ", "=?utf-8?q?a?="]
)
def test_hostile_text_takes_no_time_that_grows_with_its_square(piece: str) -> None:
    many = piece * 60_000
    of(f"Subject: {many}\nContent-Type: text/html\n\n{many}")
    text.unique(text.body(many, "html"))
    text.plain(many, "html")


def test_very_deep_mails_in_mails_end() -> None:
    raw = b"Content-Type: message/rfc822\r\n\r\n" * 300 + b"Subject: x\r\n\r\ny"
    content, depth = inner(raw, GUID, NOW), 0
    item = content.attachments[0].item
    while item is not None:
        depth, item = depth + 1, item["attachments"][0]["item"] if item["attachments"] else None
    assert depth == 20
