"""What a message is made of, apart from the place where it lies: its Graph properties and its attachments."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from simulators.microsoft365.mail import text
from simulators.microsoft365.mail.ids import conversation

Kind = Literal["file", "item", "reference"]
MESSAGE = "#microsoft.graph.message"


@dataclass
class Attached:
    """One attachment. Its bytes are ``data``, or a range of the message's MIME under a transfer encoding.

    ``item``: an attached message as ``Content.as_json`` gives it.
    """

    kind: Kind
    name: str | None
    media: str | None
    inline: bool = False
    cid: str | None = None
    location: str | None = None
    data: bytes | None = None
    span: tuple[int, int, str] | None = None
    item: dict[str, Any] | None = None


@dataclass
class Content:
    """``fields``: Graph properties by name, with ``isRead``, ``isDraft``, both dates; ``@odata.type`` for a subtype.

    ``extended``: extended properties by canonical id, beside those that mirror a Graph property.
    """

    fields: dict[str, Any]
    attachments: list[Attached] = field(default_factory=list)
    extended: dict[str, str] = field(default_factory=dict)


def moment(instant: datetime) -> str:
    """Return a point in time as Graph writes it, to the second. Years that ISO cannot hold become the nearest one."""
    try:
        return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")
    except (OverflowError, ValueError):
        return "1601-01-01T00:00:00Z"


def blank(now: str) -> dict[str, Any]:
    """Return the fields of a message that says nothing: a draft of now."""
    return {
        "categories": [],
        "receivedDateTime": now,
        "sentDateTime": now,
        "internetMessageId": None,
        "subject": None,
        "importance": "normal",
        "isDeliveryReceiptRequested": False,
        "isReadReceiptRequested": False,
        "isRead": True,
        "isDraft": True,
        "inferenceClassification": "focused",
        "body": {"contentType": "text", "content": ""},
        "sender": None,
        "from": None,
        "toRecipients": [],
        "ccRecipients": [],
        "bccRecipients": [],
        "replyTo": [],
        "flag": {"flagStatus": "notFlagged"},
    }


def complete(fields: dict[str, Any], guid: str, thread: str | None = None) -> None:
    """Fill what Exchange derives: preview and conversation. ``thread`` names the thread, else the subject does."""
    fields["bodyPreview"] = text.preview(fields["body"])
    topic = (fields["subject"] or "")[:1000].strip()
    while True:
        head, colon, rest = topic.partition(":")
        if not colon or head.strip().lower() not in {"re", "aw", "fw", "fwd", "wg", "antw"}:
            break
        topic = rest.strip()
    identity, index = conversation(guid, (thread or topic.lower(),))
    fields.setdefault("conversationId", identity)
    fields.setdefault("conversationIndex", index)


def person(name: str | None, address: str | None) -> dict[str, Any]:
    """Return a ``recipient``; the address stands in for a name that is missing."""
    return {"emailAddress": {"name": name or address or "", "address": address or ""}}


def as_json(content: Content) -> dict[str, Any]:
    """Return a message as an attached item keeps it."""
    return {
        "fields": content.fields,
        "extended": content.extended,
        "attachments": [
            {"kind": a.kind, "name": a.name, "media": a.media, "inline": a.inline, "cid": a.cid, "location": a.location}
            | {"data": None if a.data is None else base64.b64encode(a.data).decode(), "item": a.item}
            for a in content.attachments
        ],
    }


def from_json(item: dict[str, Any]) -> Content:
    """Return the inverse of ``as_json``."""
    return Content(
        item["fields"],
        [
            Attached(**(one | {"data": None if one["data"] is None else base64.b64decode(one["data"])}))
            for one in item["attachments"]
        ],
        item["extended"],
    )
