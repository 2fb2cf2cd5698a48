"""Faults of mailboxes and items, and that the state outlives the process."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulators.clients import https, tenant
from tests.simulators.microsoft365_mail.post import ANNA, BERT, IMMUTABLE, Post, postbox, u

NOTE = b"From: a@b.example\r\nSubject: Fehlerhaft\r\n\r\n" + b"x" * 2000


@pytest.mark.parametrize(
    ("switch", "wanted"),
    [
        ("mail_not_enabled", (404, "MailboxNotEnabledForRESTAPI")),
        ("mail_over_quota", (507, "ErrorQuotaExceeded")),
        ("mail_access_policy", (403, "ErrorAccessDenied")),
    ],
)
def test_a_mailbox_that_answers_nothing(post: Post, switch: str, wanted: tuple[int, str]) -> None:
    post.control.fault(switch, scope={"address": ANNA})
    for path in ("/messages", "/mailFolders", "/mailFolders/inbox/messages/delta"):
        assert post.code(post.get(path)) == wanted
    assert Post(post.at, BERT).get("/messages").status_code == 200


def test_an_item_that_always_fails(post: Post) -> None:
    good, bad = post.deliver(NOTE.replace(b"Fehlerhaft", b"Gut")), post.deliver(NOTE)
    for code, status in (("ErrorCorruptData", 500), ("ErrorItemNotFound", 404), ("ErrorInvalidRecipients", 400)):
        fault = post.control.fault("mail_item_error", scope={"item": bad}, code=code, status=status)
        for path in (f"/messages/{u(bad)}", f"/messages/{u(bad)}/$value", f"/messages/{u(bad)}/attachments"):
            assert post.code(post.get(path)) == (status, code)
        assert post.get(f"/messages/{u(good)}/$value").status_code == 200
        assert len(post.all("/mailFolders/inbox/messages/delta")) == 2
        post.control.clear(fault)
    post.control.fault("mail_item_error", scope={"subject": "Fehl*", "reads": "value"})
    assert post.get(f"/messages/{u(bad)}/$value").status_code == 500
    assert post.get(f"/messages/{u(bad)}").status_code == 200


def test_bytes_that_do_not_come_as_they_are(post: Post) -> None:
    path = f"/messages/{u(post.deliver(NOTE))}/$value"
    post.control.fault("mail_value_truncated", count=1, share=0.25)
    short = post.get(path)
    assert short.content == NOTE[: len(NOTE) // 4]
    assert int(short.headers["content-length"]) == len(short.content)
    post.control.fault("mail_value_corrupt", count=1)
    wrong = post.get(path).content
    assert len(wrong) == len(NOTE)
    assert wrong != NOTE
    assert post.get(path).content == NOTE
    made = post.made("/messages", {"subject": "x"})
    built = f"/messages/{u(made['id'])}/$value"
    assert post.get(built).content == post.get(built).content
    post.control.fault("mail_value_drift")
    assert post.get(built).content != post.get(built).content
    assert post.get(path).content == NOTE


def test_a_new_item_may_not_be_there_at_once_and_may_be_refused(post: Post) -> None:
    post.control.fault("mail_late", count=1, calls=2)
    made = post.made("/messages", {"subject": "x"})
    path = f"/messages/{u(made['id'])}"
    assert [post.get(path).status_code for _ in range(3)] == [404, 404, 200]
    post.control.fault("mail_refuse_new", scope={"folder": "Archive"})
    assert post.code(post.post("/mailFolders/archive/messages", {})) == (400, "ErrorInvalidRecipients")
    assert post.post("/mailFolders/inbox/messages", {}).status_code == 201


def test_licence_and_permissions(shared: Post, tmp_path: Path) -> None:
    added = shared.control.act("user_add", tenant="moewe.example", local="ohne", name="Ohne", licensed=False)
    assert added
    other = Post(shared.at, "ohne@moewe.example")
    assert other.code(other.get("/messages")) == (404, "MailboxNotEnabledForRESTAPI")
    assert shared.code(Post(shared.at, "nobody@moewe.example").get("/messages"))[0] == 404
    settings = shared.json("/settings/exchange")
    assert settings["primaryMailboxId"].startswith("MBX:")
    with postbox(tmp_path / "basic", tmp_path / "world", roles=("Mail.ReadBasic.All",)) as basic:
        found = basic.deliver(NOTE)
        [listed] = basic.all("/mailFolders/inbox/messages/delta")
        assert listed["subject"] == "Fehlerhaft"
        assert "body" not in listed
        assert "bodyPreview" not in listed
        assert "body" not in basic.json(f"/messages/{u(found)}")
        assert basic.code(basic.get(f"/messages/{u(found)}/$value")) == (403, "ErrorAccessDenied")
        assert basic.code(basic.get(f"/messages/{u(found)}/attachments")) == (403, "ErrorAccessDenied")
        assert basic.code(basic.post("/messages", {})) == (403, "ErrorAccessDenied")
        assert basic.code(basic.ask("DELETE", f"/messages/{u(found)}")) == (403, "ErrorAccessDenied")


def test_everything_outlives_a_restart(tmp_path: Path) -> None:
    with postbox(tmp_path / "state", tmp_path / "world") as post:
        found = post.deliver(NOTE)
        entries, link = post.round("/mailFolders/inbox/messages/delta", **IMMUTABLE)
        assert len(entries) == 1
        folders = post.all("/mailFolders?$top=100")
        identity = (post.at.app, post.at.secret, post.at.id)
    with tenant(tmp_path / "state", ("Mail.ReadWrite",), world=tmp_path / "world") as at, https(at.sim):
        at.app, at.secret, at.id = identity
        again = Post(at, ANNA)
        assert again.all("/mailFolders?$top=100") == folders
        assert again.get(f"/messages/{u(found)}/$value").content == NOTE
        later = again.deliver(NOTE)
        assert [one["id"] for one in again.round(link, **IMMUTABLE)[0]] == [later]
