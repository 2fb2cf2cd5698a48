"""One mail read whole: once, cut short, odd, refused, and where its attachments are."""

from __future__ import annotations

import json
from email.message import EmailMessage
from email.policy import SMTP

import pytest

from arche.providers import errors
from arche.providers.contract import Account, Item, Service
from tests.providers.contract_world import Kept, Model
from tests.providers.microsoft365.world import ExchangeWorld

DELTA = "/users/{id}/mailFolders/{id}/messages/delta"
VALUE = "/users/{id}/messages/{id}/$value"


@pytest.fixture
def world(mailbox: ExchangeWorld) -> ExchangeWorld:
    mailbox.fill()
    return mailbox


@pytest.fixture
def service(world: ExchangeWorld) -> Service:
    return world.open()


@pytest.fixture
def account(world: ExchangeWorld) -> Account:
    return Account(world.user, "person", "", "")


def names(known: Model) -> dict[str, Item]:
    return {row.name: row for row in known.rows.values()}


def test_content_is_read_once_per_mail(world: ExchangeWorld, service: Service, account: Account) -> None:
    known = Model().run(service, account)
    before = len(world.calls)
    for row in known.rows.values():
        if not row.is_folder:
            Kept(service, account, row)
    reads = [call for call in world.calls[before:] if call.template == VALUE]
    assert len(reads) == len(known.items())


def test_a_cut_answer_that_announces_its_short_length_is_noticed(
    world: ExchangeWorld, service: Service, account: Account
) -> None:
    item = names(Model().run(service, account))["Brief 1"]
    world.control.fault("mail_value_truncated", scope={"user": world.user}, count=1, share=0.5)
    with pytest.raises(errors.Unreachable) as caught:
        Kept(service, account, item)
    assert caught.value.code == "truncated"
    assert dict(Kept(service, account, item).parts)


def letter_of_one_part(kind: str, encoding: str) -> bytes:
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = "Einfach", "a@kunde.example", "b@kunde.example"
    text = (
        "Sehr geehrte Damen und Herren,\n"
        + "Zeile mit Umlauten äöü und Zahlen 12345.\n" * 40
        + "Grüße\n"
        + "xxxxxxxxxxxxxxxx\n"
    )
    if kind == "html":
        text = f"<html><body><p>{text}</p><b>&nbsp;&auml;</b></body></html>"
    mail.set_content(text, subtype=kind, cte=encoding)
    return mail.as_bytes(policy=SMTP)


@pytest.mark.parametrize("kind", ["plain", "html"])
@pytest.mark.parametrize("encoding", ["8bit", "quoted-printable", "base64"])
def test_a_letter_of_one_part_is_read_once_and_a_cut_one_is_noticed(
    world: ExchangeWorld, service: Service, account: Account, kind: str, encoding: str
) -> None:
    raw = letter_of_one_part(kind, encoding)
    item = world.deliver(raw)
    row = Model().run(service, account).rows[item]
    assert b"".join(Kept(service, account, row).open()) == raw
    assert [call.template for call in world.calls].count(VALUE) == 1
    for share in (0.5, 0.97):
        world.control.fault("mail_value_truncated", scope={"item": row.id}, count=1, share=share)
        with pytest.raises(errors.Unreachable) as caught:
            Kept(service, account, row)
        assert caught.value.code == "truncated"
    assert b"".join(Kept(service, account, row).open()) == raw


def test_a_mail_that_never_closes_is_a_mail_all_the_same(
    world: ExchangeWorld, service: Service, account: Account
) -> None:
    raw = b"Subject: Fax\nContent-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: text/plain\n\nGr"
    item = world.deliver(raw)
    row = Model().run(service, account).rows[item]
    assert b"".join(Kept(service, account, row).open()) == raw
    assert [call.template for call in world.calls].count(VALUE) == 1


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"nur Text, ohne eine einzige Kopfzeile\n",
        b"Subject: leer\r\n\r\n",
        b"\xff\xfe\x00\x00",
        b"Subject: \xe4\n\n\xf6",
        b"Subject: Ohne Absender\r\n\r\nWer hat das geschickt?\r\n",
        b"Subject: Scan\nContent-Type: application/pdf; name=scan.pdf\n\n%PDF-1.4\n\xff\xfe\x00",
        b"Subject: Umlaute\nContent-Type: text/plain; charset=utf-8\n\nGr\xc3\xbc\xc3\x9fe aus Kiel 12345678\n",
    ],
)
def test_odd_mails_are_kept_as_they_are(world: ExchangeWorld, service: Service, account: Account, raw: bytes) -> None:
    item = world.deliver(raw)
    row = Model().run(service, account).rows[item]
    assert b"".join(Kept(service, account, row).open()) == raw
    assert [call.template for call in world.calls].count(VALUE) == 1


def fields_of(kept: Kept) -> dict:
    return json.loads(b"".join(kept.open("message")))


def test_attachments_are_found_in_the_mime_or_fetched_raw(
    world: ExchangeWorld, service: Service, account: Account
) -> None:
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = "Anlagen", "a@example.com", "b@example.com"
    mail.set_content("Text")
    mail.add_attachment(b"\x00\x01" * 4000, maintype="application", subtype="zip", filename="eins.zip")
    # The same name twice cannot be told apart, and quoted-printable is not trusted.
    mail.add_attachment(b"AAAA" * 10, maintype="application", subtype="zip", filename="doppelt.zip")
    mail.add_attachment(b"BBBB" * 10, maintype="application", subtype="zip", filename="doppelt.zip")
    mail.add_attachment("Zeile mit ä\n" * 5, filename="notiz.txt", cte="quoted-printable")
    item = world.deliver(mail.as_bytes(policy=SMTP))
    row = Model().run(service, account).rows[item]
    kept = Kept(service, account, row)
    places = fields_of(kept)["attachments"]
    told = [(place["about"]["name"], "leaf" in place, "part" in place) for place in places]
    assert told == [
        ("eins.zip", True, False),
        ("doppelt.zip", False, True),
        ("doppelt.zip", False, True),
        ("notiz.txt", False, True),
    ]
    assert [b"".join(kept.open(place["part"])) for place in places[1:3]] == [b"AAAA" * 10, b"BBBB" * 10]


def test_fields_hold_no_bytes_and_all_that_is_declared(
    world: ExchangeWorld, service: Service, account: Account
) -> None:
    from arche.providers.microsoft365 import fields

    kept = Kept(service, account, names(Model().run(service, account))["Brief 1"])
    document = fields_of(kept)
    assert "contentBytes" not in json.dumps(document)
    assert set(fields.SELECT.split(",")) <= set(document["message"])
    assert fields.extended(document["message"])[fields.MESSAGE_ID] == document["message"]["internetMessageId"]


@pytest.mark.parametrize("code", ["ErrorCorruptData", "ErrorCannotOpenFileAttachment", "ErrorInvalidRecipients"])
@pytest.mark.parametrize("where", ["get", "value", "attachments"])
def test_faults_of_one_mail_are_that_mails(
    world: ExchangeWorld, service: Service, account: Account, code: str, where: str
) -> None:
    item = names(Model().run(service, account))["Brief 1"]
    world.control.fault("mail_item_error", scope={"item": item.id, "reads": where}, code=code, status=500)
    with pytest.raises(errors.ItemRefused) as caught:
        Kept(service, account, item)
    assert caught.value.code == code
    assert item.name not in str(caught.value)
    assert item.id not in str(caught.value)


def test_a_full_mailbox_refuses_its_items_not_the_run(world: ExchangeWorld, service: Service, account: Account) -> None:
    item = names(Model().run(service, account))["Brief 1"]
    world.control.fault("mail_over_quota", scope={"user": world.user, "template": "/users/{id}/messages/*"})
    with pytest.raises(errors.ItemRefused):
        Kept(service, account, item)
