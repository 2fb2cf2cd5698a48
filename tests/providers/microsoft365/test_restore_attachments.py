"""Giving attachments back: any size, in their order, cut off anywhere, attached mails and inline pictures."""

from __future__ import annotations

import base64
import random
from email.message import EmailMessage
from email.policy import SMTP

import pytest

from arche.providers import errors
from arche.providers.contract import Account, Into, Item, Service
from arche.providers.microsoft365 import fields
from tests.providers.contract_world import Kept, Model
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


@pytest.mark.parametrize("size", [0, 1, 2_900_000, 3_000_000, 3_145_728, 3_932_160, 3_932_161])
def test_attachments_of_any_size(
    world: ExchangeWorld, service: Service, account: Account, target: str, size: int
) -> None:
    data = random.Random(size).randbytes(size)
    row, content = kept(service, account, world.deliver(letter("Groß", "Text", ("groß & schön.bin", data))))
    outcome = service.write(account, row, content, Into(target))
    assert files(world, outcome.new_id) == {"groß & schön.bin": data}
    assert service.write(account, row, content, Into(target, "skip", mark="R-2/1")).action == "skipped"
    assert service.verify(account, row, content, outcome.new_id) == ()
    uploads = [call for call in world.calls if call.template == UPLOAD]
    assert len(uploads) == (-(-size // 3_932_160) if size >= 3 * 1024 * 1024 else 0)
    assert {call.host for call in uploads} <= {"outlook.office.com"}


def test_many_attachments_keep_their_order(
    world: ExchangeWorld, service: Service, account: Account, target: str
) -> None:
    chance = random.Random(5)
    many = [
        (f"{number}.bin", chance.randbytes(size))
        for number, size in enumerate((10, 1_500_000, 1_500_000, 3_200_000, 5))
    ]
    row, content = kept(service, account, world.deliver(letter("Viele", "Text", *many)))
    outcome = service.write(account, row, content, Into(target))
    assert list(files(world, outcome.new_id).items()) == many
    assert service.verify(account, row, content, outcome.new_id) == ()


def test_a_lost_upload_session_is_made_good_by_the_next_try(
    world: ExchangeWorld, service: Service, account: Account, target: str
) -> None:
    row, content = kept(service, account, world.deliver(letter("Riesig", "Text", ("r.bin", b"x" * 5_000_000))))
    world.control.fault("mail_upload_lost", count=1)
    before = world.live()
    with pytest.raises((errors.ItemRefused, errors.Unreachable)):
        service.write(account, row, content, Into(target, mark="R-1"))
    outcome = service.write(account, row, content, Into(target, mark="R-1", again=True))
    assert files(world, outcome.new_id) == {"r.bin": b"x" * 5_000_000}
    assert len(world.live() - before) == 1


def test_a_new_mail_that_is_late_is_completed_by_the_next_try(
    world: ExchangeWorld, service: Service, account: Account, target: str
) -> None:
    row, content = kept(service, account, world.deliver(letter("Spät", "Text", ("g.bin", b"y" * 4_000_000))))
    world.fault("mail_late", "*", count=1)
    with pytest.raises(errors.Unreachable) as caught:
        service.write(account, row, content, Into(target, "keep_both", mark="R-1"))
    assert caught.value.code == "not_yet"
    before = world.live()
    outcome = service.write(account, row, content, Into(target, "keep_both", mark="R-1", again=True))
    assert outcome.action == "existing"
    assert world.live() == before
    assert service.verify(account, row, content, outcome.new_id) == ()


def test_uploads_cut_off_anywhere_are_completed(
    world: ExchangeWorld, service: Service, account: Account, target: str
) -> None:
    chance = random.Random(3)
    many = [(f"{number}.bin", chance.randbytes(3_200_000)) for number in range(3)]
    row, content = kept(service, account, world.deliver(letter("Drei", "Text", *many)))
    before = world.live()
    for after in (0, 1, 1):
        world.control.fault("status_error", scope={"host": "outlook.office.com"}, count=1, after=after, status=500)
        with pytest.raises(errors.Unreachable):
            service.write(account, row, content, Into(target, "skip", mark="R-1", again=True))
        world.control.clear()
    outcome = service.write(account, row, content, Into(target, "skip", mark="R-1", again=True))
    assert list(files(world, outcome.new_id).items()) == many
    assert len(world.live() - before) == 1
    assert service.verify(account, row, content, outcome.new_id) == ()


def test_an_attachment_that_the_vendor_refuses_leaves_no_half_mail(
    world: ExchangeWorld, service: Service, account: Account, target: str
) -> None:
    row, content = kept(service, account, world.deliver(letter("Zu groß", "Text", ("g.bin", b"z" * 4_000_000))))
    before = world.live()
    world.control.act("mail_message_limit", tenant=DOMAIN, megabytes=2)
    try:
        with pytest.raises(errors.ItemRefused):
            service.write(account, row, content, Into(target, "replace"))
    finally:
        world.control.act("mail_message_limit", tenant=DOMAIN, megabytes=35)
    assert world.live() == before


def test_attached_mails_come_back_by_their_fields(
    world: ExchangeWorld, service: Service, account: Account, target: str
) -> None:
    inner = EmailMessage()
    inner["Subject"], inner["From"], inner["To"] = "Innen", "a@example.com", "b@example.com"
    inner["Date"], inner["Message-ID"] = "Mon, 03 Mar 2025 09:00:00 +0000", "<inner@example.com>"
    inner.set_content("innerer Text")
    outer = EmailMessage()
    outer["Subject"], outer["From"], outer["Message-ID"] = "Außen", "a@example.com", "<outer@example.com>"
    outer.set_content("äußerer Text")
    outer.add_attachment(inner)
    row, content = kept(service, account, world.deliver(outer.as_bytes(policy=SMTP)))
    outcome = service.write(account, row, content, Into(target))
    assert service.verify(account, row, content, outcome.new_id) == ()
    assert service.write(account, row, content, Into(target, "skip", mark="R-2/1")).action == "skipped"
    (one,) = world.get(f"/messages/{outcome.new_id}/attachments").json()["value"]
    assert one["@odata.type"] == "#microsoft.graph.itemAttachment"


@pytest.mark.parametrize(("size", "comes_back"), [(0, True), (70_000, True), (2_600_000, False)])
def test_what_an_attached_mail_carries_comes_back_or_is_named(
    world: ExchangeWorld, service: Service, account: Account, target: str, *, size: int, comes_back: bool
) -> None:
    data = random.Random(size).randbytes(size)
    outer = EmailMessage()
    outer["Subject"], outer["From"], outer["To"] = "Fwd", "a@kunde.example", "b@kunde.example"
    outer.set_content("siehe Anlage")
    inner = EmailMessage(policy=SMTP)
    inner["Subject"], inner["From"], inner["To"] = "Innen", "c@kunde.example", "a@kunde.example"
    inner.set_content("innen")
    inner.add_attachment(data, maintype="application", subtype="pdf", filename="Tief.pdf")
    outer.add_attachment(inner)
    row, content = kept(service, account, world.deliver(outer.as_bytes(policy=SMTP)))
    outcome = service.write(account, row, content, Into(target))
    listed = world.get(f"/messages/{outcome.new_id}/attachments").json()["value"]
    path = f"/messages/{outcome.new_id}/attachments/{listed[0]['id']}"
    item = world.get(path, **{"$expand": "microsoft.graph.itemAttachment/item"}).json()["item"]
    found = {one["name"]: base64.b64decode(one["contentBytes"]) for one in item.get("attachments", ())}
    assert found == ({"Tief.pdf": data} if comes_back else {})
    assert service.verify(account, row, content, outcome.new_id) == ()
    assert any(loss.field == "attachments" for loss in outcome.losses) is not comes_back


def test_inline_pictures_keep_their_place(
    world: ExchangeWorld, service: Service, account: Account, target: str
) -> None:
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["Message-ID"] = "Bild", "a@example.com", "<bild@example.com>"
    mail.set_content("Text")
    mail.add_alternative('<p><img src="cid:logo@x"></p>', subtype="html")
    mail.get_payload()[1].add_related(
        b"\x89PNG" * 50, "image", "png", cid="<logo@x>", filename="logo.png", disposition="inline"
    )
    row, content = kept(service, account, world.deliver(mail.as_bytes(policy=SMTP)))
    outcome = service.write(account, row, content, Into(target))
    (one,) = world.get(f"/messages/{outcome.new_id}/attachments").json()["value"]
    assert (one["contentId"], one["isInline"], one["contentType"]) == ("logo@x", True, "image/png")
    assert service.verify(account, row, content, outcome.new_id) == ()
