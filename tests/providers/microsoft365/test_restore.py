"""Giving mail back: each field, never a draft, large attachments, cut restores, hostile names."""

from __future__ import annotations

import json
from email.message import EmailMessage
from email.policy import SMTP

import pytest

from arche.providers import errors
from arche.providers.contract import Account, Into, Item, Service
from arche.providers.microsoft365 import fields
from tests.providers.contract_world import Kept, Model, any_date
from tests.providers.microsoft365.conftest import DOMAIN
from tests.providers.microsoft365.world import ExchangeWorld, letter

CREATE = "/users/{id}/mailFolders/{id}/messages"
SESSION = "/users/{id}/messages/{id}/attachments/createUploadSession"
UPLOAD = "/AttachmentSessions/{id}"


@pytest.fixture
def world(mailbox: ExchangeWorld) -> ExchangeWorld:
    return mailbox


@pytest.fixture
def service(world: ExchangeWorld) -> Service:
    return world.open()


@pytest.fixture
def account(world: ExchangeWorld) -> Account:
    return Account(world.user, "person", "", "")


@pytest.fixture
def target(world: ExchangeWorld) -> str:
    return world.add_folder("Ziel")


def kept(service: Service, account: Account, item: str) -> tuple[Item, Kept]:
    row = Model().run(service, account).rows[item]
    return row, Kept(service, account, row)


def fetched(world: ExchangeWorld, item: str) -> dict:
    answer = world.get(f"/messages/{item}", **{"$select": fields.SELECT})
    assert answer.status_code == 200, answer.text
    return answer.json()


def files(world: ExchangeWorld, item: str) -> dict[str, bytes]:
    listed = world.get(f"/messages/{item}/attachments").json()["value"]
    return {one["name"]: world.get(f"/messages/{item}/attachments/{one['id']}/$value").content for one in listed}


STATES = [
    {"isRead": True},
    {"isRead": False},
    {"categories": ["Wichtig", "Blaue Kategorie"], "importance": "high"},
    {"importance": "low", "inferenceClassification": "other"},
    {
        "flag": {
            "flagStatus": "complete",
            "completedDateTime": {"dateTime": "2025-03-04T00:00:00.0000000", "timeZone": "UTC"},
        }
    },
    {"flag": {"flagStatus": "flagged"}},
    {"receivedDateTime": "2019-12-31T23:59:59Z", "sentDateTime": "2019-12-31T23:59:58Z"},
    {"isReadReceiptRequested": True, "isDeliveryReceiptRequested": True},
    {"isDraft": True},
    {"subject": "", "categories": []},
    {"internetMessageId": "<it's 'quoted'&%#@example.com>"},
]


@pytest.mark.parametrize("state", STATES, ids=",".join)
def test_every_state_comes_back(
    world: ExchangeWorld, service: Service, account: Account, target: str, state: dict
) -> None:
    item = world.deliver(letter("Zustand", "Text", ("a.pdf", b"%PDF")), state=state)
    row, content = kept(service, account, item)
    before = fetched(world, item)
    told = world.notified()
    outcome = service.write(account, row, content, Into(target))
    after = fetched(world, outcome.new_id)
    for name in fields.COMPARED:
        assert after.get(name) == before.get(name), name
    assert service.verify(account, row, content, outcome.new_id) == ()
    assert after["isDraft"] is state.get("isDraft", False)
    assert world.notified() == told


def test_no_mime_is_ever_posted(world: ExchangeWorld, service: Service, account: Account, target: str) -> None:
    row, content = kept(service, account, world.deliver(letter("x")))
    mark = world.control.mark()
    service.write(account, row, content, Into(target))
    posted = [call for call in world.control.calls(since=mark) if call["method"] == "POST"]
    assert [call["template"] for call in posted] == [CREATE]


@pytest.mark.parametrize("when", ["after", "before"])
def test_a_restore_cut_off_at_the_create_call_writes_once(
    world: ExchangeWorld, service: Service, account: Account, target: str, when: str
) -> None:
    row, content = kept(service, account, world.deliver(letter("Abriss")))
    before = world.live()
    world.fault("connection_reset", CREATE, count=1, when=when) if when == "before" else world.control.fault(
        "connection_reset", scope={"template": CREATE, "method": "POST"}, count=1, when="after"
    )
    with pytest.raises(errors.Unreachable):
        service.write(account, row, content, Into(target, "keep_both", mark="R-1"))
    service.write(account, row, content, Into(target, "keep_both", mark="R-1", again=True))
    assert len(world.live() - before) == 1


def test_another_restores_mark_is_not_ours(
    world: ExchangeWorld, service: Service, account: Account, target: str
) -> None:
    row, content = kept(service, account, world.deliver(letter("x")))
    first = service.write(account, row, content, Into(target, mark="R-1"))
    second = service.write(account, row, content, Into(target, "keep_both", mark="R-2", again=True))
    assert second.action == "written"
    assert second.new_id != first.new_id
    assert service.write(account, row, content, Into(target, "skip", mark="R-3", again=True)).action == "skipped"


def test_a_refused_mail_is_refused_alone_and_replaces_nothing(
    world: ExchangeWorld, service: Service, account: Account
) -> None:
    row, content = kept(service, account, world.deliver(letter("x")))
    world.fault("mail_refuse_new", CREATE)
    before = world.live()
    with pytest.raises(errors.ItemRefused) as caught:
        service.write(account, row, content, Into(row.folder, "replace"))
    assert caught.value.code == "ErrorInvalidRecipients"
    assert world.live() == before


def test_a_target_that_went_away_is_told(world: ExchangeWorld, service: Service, account: Account, target: str) -> None:
    row, content = kept(service, account, world.deliver(letter("x")))
    world.control.act("mail_folder_delete", user=world.user, folder=target, purge=True)
    with pytest.raises(errors.ItemRefused):
        service.write(account, row, content, Into(target, "keep_both"))


def test_losses_are_named(world: ExchangeWorld, service: Service, account: Account, target: str) -> None:
    signed = EmailMessage()
    signed["Subject"], signed["From"], signed["Message-ID"] = "Signiert", "a@example.com", "<s@example.com>"
    signed["DKIM-Signature"] = "v=1; a=rsa-sha256; d=example.com; b=xyz"
    signed.set_content("Text")
    row, content = kept(service, account, world.deliver(signed.as_bytes(policy=SMTP)))
    outcome = service.write(account, row, content, Into(target))
    assert {loss.field for loss in outcome.losses} == {"mime", "signature", "internetMessageHeaders"}
    smime = b"From: a@example.com\r\nMessage-ID: <p@x>\r\nContent-Type: application/pkcs7-mime; name=a.p7m\r\n\r\nx"
    row, content = kept(service, account, world.deliver(smime))
    losses = service.write(account, row, content, Into(target)).losses
    assert "signed or encrypted" in next(loss.reason for loss in losses if loss.field == "signature")


def test_an_invitation_comes_back_as_a_mail_and_invites_nobody(
    world: ExchangeWorld, service: Service, account: Account, target: str
) -> None:
    calendar = (
        "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:1@example.com\r\n"
        "DTSTART:20250310T090000Z\r\nDTEND:20250310T100000Z\r\nORGANIZER:mailto:a@example.com\r\n"
        "ATTENDEE:mailto:b@example.com\r\nSUMMARY:Treffen\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = "Treffen", "a@example.com", "b@example.com"
    mail["Message-ID"] = "<treffen@example.com>"
    mail.set_content("Kommt bitte")
    mail.add_alternative(calendar, subtype="calendar", params={"method": "REQUEST"})
    row, content = kept(service, account, world.deliver(mail.as_bytes(policy=SMTP)))
    told = world.notified()
    outcome = service.write(account, row, content, Into(target))
    assert world.notified() == told
    stored = json.loads(b"".join(content.open("message")))["message"]
    if str(stored.get("@odata.type", "")).startswith("#microsoft.graph.eventMessage"):
        assert {loss.field for loss in outcome.losses} & set(fields.MEETING_MESSAGE)


def test_names_collide_only_by_id_date_and_subject(
    world: ExchangeWorld, service: Service, account: Account, target: str
) -> None:
    same = {"internetMessageId": "<same@x>", "sentDateTime": "2025-01-01T00:00:00Z"}
    row, content = kept(service, account, world.deliver(letter("Eins"), state=same))
    world.deliver(letter("Zwei"), target, state=same)
    world.deliver(letter("Eins"), target, state=same | {"sentDateTime": "2025-01-01T00:00:01Z"})
    world.deliver(letter("Eins"), target, state=same | {"internetMessageId": "<other@x>"})
    assert service.write(account, row, content, Into(target)).action == "written"
    assert service.write(account, row, content, Into(target)).action == "skipped"


def twin(text: str) -> bytes:
    return (
        b"From: a@kunde.example\r\nTo: b@kunde.example\r\nSubject: Zwilling\r\nMessage-ID: <twin@kunde.example>\r\n"
        b"Date: Mon, 03 Mar 2025 09:00:00 +0000\r\nContent-Type: text/plain\r\n\r\n" + text.encode() + b"\r\n"
    )


@pytest.mark.parametrize("texts", [("eins", "zwei", "drei"), ("gleich", "gleich", "gleich")])
def test_twins_of_one_message_id_all_come_back(
    world: ExchangeWorld, service: Service, account: Account, target: str, texts: tuple[str, ...]
) -> None:
    stored = [kept(service, account, item) for item in [world.deliver(twin(text)) for text in texts]]
    for row, _content in stored:
        world.purge(row.id)
    written = []
    for number, (row, content) in enumerate(stored):
        outcome = service.write(account, row, content, Into(target, "skip", mark=f"R-1/{number}"))
        assert outcome.action == "written"
        written.append(fetched(world, outcome.new_id)["body"]["content"].strip())
    assert written == list(texts)
    # A rerun finds each by its own mark; a later restore finds each by what it holds.
    for number, (row, content) in enumerate(stored):
        again = Into(target, "skip", mark=f"R-1/{number}", again=True)
        assert service.write(account, row, content, again).action == "existing"
        assert service.write(account, row, content, Into(target, "skip", mark=f"R-2/{number}")).action == "skipped"
    assert len(world.live()) == len(texts)


def test_a_copy_that_is_an_item_of_its_own_stands_for_no_other(
    world: ExchangeWorld, service: Service, account: Account
) -> None:
    one, other = (world.deliver(twin("gleich")) for _ in range(2))
    row, content = kept(service, account, one)
    world.purge(one)
    assert service.write(account, row, content, Into(row.folder, "skip", mark="R-1/1")).action == "skipped"
    into = Into(row.folder, "skip", mark="R-1/1", known=lambda found: found == other)
    assert service.write(account, row, content, into).action == "written"
    assert service.write(account, row, content, into).action == "skipped"
    assert len(world.live()) == 2


def test_a_mail_that_was_changed_since_is_still_the_same_one(
    world: ExchangeWorld, service: Service, account: Account
) -> None:
    row, content = kept(service, account, world.deliver(letter("Geändert"), state={"isDraft": True}))
    world.edit(row.id, body={"contentType": "text", "content": "anders"}, isRead=True)
    assert service.write(account, row, content, Into(row.folder, "skip", mark="R-1/1")).action == "skipped"


@pytest.mark.parametrize("raw", [b"Subject: O'Hara's \"Brief\" & 100%\n\nText", b"", b"nur Text"])
def test_mails_without_an_id_are_recognised_too(
    world: ExchangeWorld, service: Service, account: Account, target: str, raw: bytes
) -> None:
    row, content = kept(service, account, world.deliver(raw))
    outcome = service.write(account, row, content, Into(target, mark="R-1"))
    assert outcome.action == "written"
    assert service.verify(account, row, content, outcome.new_id) == ()
    again = service.write(account, row, content, Into(target, mark="R-1", again=True))
    assert (again.action, again.new_id) == ("existing", outcome.new_id)


def test_well_known_folders_are_resolved_and_others_made(
    world: ExchangeWorld, service: Service, account: Account
) -> None:
    world.add_folder("Unter", "inbox")
    rows = {row.name: row for row in Model().run(service, account).rows.values()}
    assert service.folder(account, [rows["Inbox"]], "") == rows["Inbox"].id
    assert service.folder(account, [rows["Inbox"], rows["Unter"]], "") == rows["Unter"].id
    bins = next(row for row in rows.values() if row.properties.get("wellKnown") == "recoverableitemsdeletions")
    assert service.folder(account, [bins], "") == rows["Deleted Items"].id
    target = world.add_folder("Wiederherstellung")
    inside = service.folder(account, [rows["Inbox"], rows["Unter"]], target)
    again = {row.id: row for row in Model().run(service, account).rows.values()}
    assert again[inside].name == "Unter"
    assert again[again[inside].folder].name == "Inbox"
    assert again[again[inside].folder].folder == target
    assert service.folder(account, [], target) == target


def test_another_account_takes_the_mail(
    world: ExchangeWorld, cloud, reader, service: Service, account: Account
) -> None:
    other = ExchangeWorld(cloud, *reader)
    try:
        row, content = kept(service, account, world.deliver(letter("Für die Nachfolge", "x", ("a.pdf", b"%PDF"))))
        there = Account(other.user, "person", "", "")
        folder = service.folder(there, [Item("f", "folder", "", "Von Änne", "1", row.date)], "")
        outcome = service.write(there, row, content, Into(folder))
        assert service.verify(there, row, content, outcome.new_id) == ()
        assert outcome.new_id in other.live()
    finally:
        other.close()


def test_a_backup_without_fields_is_refused(service: Service, account: Account, target: str) -> None:
    class Bare:
        parts = (("", 3),)

        def open(self, name: str = "", offset: int = 0):
            if name:
                raise KeyError(name)
            return iter([b"abc"[offset:]])

    item = Item("i", "mail", "f", "x", "1", any_date())
    with pytest.raises(errors.ItemRefused) as caught:
        service.write(account, item, Bare(), Into(target))
    assert caught.value.code == "no_fields"


@pytest.mark.parametrize(
    "change", [{"subject": "anders"}, {"isRead": True}, {"categories": ["x"]}, {"importance": "high"}]
)
def test_verify_names_the_field(
    world: ExchangeWorld, service: Service, account: Account, target: str, change: dict
) -> None:
    row, content = kept(service, account, world.deliver(letter("x"), state={"isRead": False}))
    outcome = service.write(account, row, content, Into(target))
    world.edit(outcome.new_id, **change)
    assert [loss.field for loss in service.verify(account, row, content, outcome.new_id)] == list(change)
    world.purge(outcome.new_id)
    with pytest.raises(errors.ItemRefused) as caught:
        service.verify(account, row, content, outcome.new_id)
    assert caught.value.code == "vanished"


def test_a_made_up_mailbox_comes_back_whole(world: ExchangeWorld, service: Service, target: str, cloud) -> None:
    there = next(one for one in service.accounts() if one.address == f"zeynep.oeztuerk@{DOMAIN}")
    folder = service.folder(there, [Item("f", "folder", "", "Probe", "1", any_date())], "")
    rows = [row for row in Model().run(service, there).rows.values() if not row.is_folder]
    for row in rows[::9]:
        content = Kept(service, there, row)
        outcome = service.write(there, row, content, Into(folder, "keep_both"))
        assert service.verify(there, row, content, outcome.new_id) == ()
