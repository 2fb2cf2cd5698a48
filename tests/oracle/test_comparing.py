"""The oracle's own hands: what it records, and what it finds different."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from localcloud.demo.compare import Verdict
from tests.oracle.comparing import differences, unproven
from tests.oracle.expected import expected, unlisted_templates
from tests.oracle.room import Restored
from tests.oracle.tape import Tape


def read(*attachments: dict[str, Any], path: tuple[str, ...] = ("Inbox",), **properties: Any) -> dict[str, Any]:
    shown = {"id": "x", "changeKey": "c", "subject": "s"} | properties
    return {"json": shown, "path": list(path), "attachments": list(attachments), "mime": "", "size": 0}


def attached(digest: str = "d", **properties: Any) -> dict[str, Any]:
    return {"json": {"name": "a.pdf"} | properties, "digest": digest, "size": 1}


def judged(old: dict[str, Any], new: dict[str, Any], **more: Any) -> list[str]:
    verdict = Verdict()
    differences([Restored("u", "old", "new", **more)], {"old": old}, {"new": new}, verdict)
    return [one.partition(": ")[2] for one in verdict.differences]


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        (read(), read(subject="t"), "subject"),
        (read(isRead=True), read(isRead=False), "isRead"),
        (read(), read(categories=["a"]), "categories"),
        (read(attached()), read(), "attachments"),
        (read(attached()), read(attached("e")), "attachments"),
        (read(attached(contentId="1")), read(attached(contentId="2")), "attachments"),
        (read(attached(item={"subject": "a"})), read(attached(item={"subject": "b"})), "attachments"),
        (read(), read(path=("Archive",)), "folder"),
    ],
)
def test_each_difference_is_found(old: dict[str, Any], new: dict[str, Any], word: str) -> None:
    assert [one.partition(" ")[0] for one in judged(old, new)] == [word]


def test_the_same_is_the_same() -> None:
    assert judged(read(attached(), isRead=True), read(attached(), isRead=True, changeKey="d")) == []


def test_a_renamed_mail_differs_in_its_subject_alone() -> None:
    assert judged(read(), read(subject="s (restored)"), renamed=True) == []
    assert judged(read(), read(subject="t"), renamed=True) == ["subject"]
    assert judged(read(), read(subject="s (restored)", isRead=True), renamed=True) == ["isRead, subject"]


def test_properties_that_no_mail_carries_are_named() -> None:
    found = unproven({"a": read(isRead=False), "b": read(categories=[])})
    assert {"categories", "body"} <= set(found)
    assert not {"subject", "isRead"} & set(found)


def test_a_tape_hears_parts_of_a_batch() -> None:
    body = {"responses": [{"id": "1", "status": 404, "body": {"error": {}}}, {"id": "0", "status": 200, "body": {}}]}
    tape = Tape()
    transport = tape.around(httpx.MockTransport(lambda _: httpx.Response(200, json=body)))
    asked = [{"id": "0", "method": "GET", "url": "/users/u1/mailFolders/inbox?$select=id"}]
    asked.append({"id": "1", "method": "GET", "url": "/users/u2/mailboxSettings"})
    with httpx.Client(transport=transport) as client:
        url, extensions = "https://graph.microsoft.com/v1.0/$batch", {"template": "/$batch"}
        answer = client.post(url, json={"requests": asked}, extensions=extensions)
    assert answer.json() == json.loads(json.dumps(body))
    assert tape.counts() == {
        ("POST", "/$batch", 200): 1,
        ("$batch GET", "/users/{id}/mailFolders/{id}", 200): 1,
        ("$batch GET", "/users/{id}/mailboxSettings", 404): 1,
    }


def test_every_template_of_the_room_is_listed() -> None:
    assert unlisted_templates() == set()
    assert ("POST", "/$batch", 200) in expected()
    assert ("$batch GET", "/users/{id}/mailboxSettings", 429) in expected()
