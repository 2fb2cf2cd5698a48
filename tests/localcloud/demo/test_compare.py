"""The comparator sees what differs and nothing else."""

import pytest

from localcloud.demo.compare import Verdict, compare
from localcloud.demo.fields import MESSAGE_COMPARED
from localcloud.demo.source import Attachment, Mail


def mail(attachments=(), **json):
    base = {
        "id": "AAk1",
        "changeKey": "c1",
        "subject": "Übergabe",
        "isRead": True,
        "categories": [],
        "receivedDateTime": "2026-03-01T08:00:00Z",
        "toRecipients": [{"emailAddress": {"name": "A", "address": "a@x.example"}}],
        "flag": {"flagStatus": "notFlagged"},
    }
    return Mail({**base, **json}, ("Inbox",), "m", 1, tuple(attachments))


def attachment(digest="d1", size=5, **json):
    return Attachment({"name": "a.pdf", "contentType": "application/pdf", "isInline": False, **json}, digest, size)


def differences(original, restored):
    verdict = Verdict()
    compare(original, restored, verdict)
    return verdict.differences


def test_equal_mails_do_not_differ():
    verdict = Verdict()
    compare(mail([attachment()]), mail([attachment()], id="AAk2", changeKey="c9"), verdict)
    assert verdict.differences == []
    assert verdict.mails == 1
    assert verdict.bytes == 5
    assert verdict.fields > len(MESSAGE_COMPARED)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("subject", "Ubergabe"),
        ("isRead", False),
        ("categories", ["Red"]),
        ("receivedDateTime", "2026-03-01T08:00:01Z"),
        ("toRecipients", [{"emailAddress": {"name": "B", "address": "a@x.example"}}]),
        ("flag", {"flagStatus": "flagged"}),
        ("isDraft", True),
    ],
)
def test_one_altered_property_is_named(name, value):
    assert differences(mail(), mail(**{name: value})) == [f"AAk1: {name}"]


def test_same_instant_in_another_form_is_equal():
    assert differences(mail(), mail(receivedDateTime="2026-03-01T08:00:00.000Z")) == []


def test_absent_and_empty_are_equal():
    assert differences(mail(categories=[], ccRecipients=None), mail()) == []


@pytest.mark.parametrize(
    "others",
    [[], [attachment("d2")], [attachment(), attachment()], [attachment(name="b.pdf")], [attachment(contentId="c")]],
)
def test_attachments_are_a_multiset_with_bytes(others):
    found = differences(mail([attachment()]), mail(others))
    assert len(found) == 1
    assert "attachments" in found[0]


def test_attached_items_compare_by_their_fields():
    one = attachment("", 0, item={"subject": "inner", "id": "1"})
    same = attachment("", 0, item={"subject": "inner", "id": "2"})
    other = attachment("", 0, item={"subject": "outer", "id": "1"})
    assert differences(mail([one]), mail([same])) == []
    assert len(differences(mail([one]), mail([other]))) == 1
