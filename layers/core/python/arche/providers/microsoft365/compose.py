"""The JSON of a create call: every settable field, dates and ids as MAPI properties, a draft only if it was one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from email import policy
from email.parser import BytesHeaderParser
from typing import Any, Final

from arche.providers.contract import Loss
from arche.providers.microsoft365 import fields

MESSAGE: Final = "#microsoft.graph.message"
ITEM: Final = "#microsoft.graph.itemAttachment"
FILE: Final = "#microsoft.graph.fileAttachment"
# A request to Graph holds about 4 MB; what an attached item carries itself leaves room for the rest of it.
_NESTED: Final = 3_000_000
_READ, _UNSENT, _HAS_ATTACHMENT = 1, 8, 16
# What a server makes for itself in any Outlook item.
_SERVER: Final = frozenset(
    {
        "id",
        "changeKey",
        "createdDateTime",
        "lastModifiedDateTime",
        "webLink",
        "parentFolderId",
        "iCalUId",
        "uid",
        "conversationId",
        "conversationIndex",
        "bodyPreview",
        "hasAttachments",
        "isDraft",
        "transactionId",
        "uniqueBody",
        "internetMessageHeaders",
        "isOrganizer",
        "onlineMeeting",
        "responseStatus",
        "seriesMasterId",
        "type",
        "occurrenceId",
    }
)


_OURS: Final = _SERVER | {"attachments"}


def create(message: Mapping[str, Any], *, mark: str = "", subject: str | None = None) -> dict[str, Any]:
    """Give the body of a create call for a message's fields as they were read."""
    body = {name: message[name] for name in fields.SETTABLE if message.get(name) is not None}
    if subject is not None:
        body["subject"] = subject
    properties = _extended(message)
    if mark:
        properties[fields.MARK] = mark
    body["singleValueExtendedProperties"] = [{"id": key, "value": value} for key, value in properties.items()]
    plain: dict[str, Any] = _plain(body)
    return plain


def attached(item: Mapping[str, Any]) -> dict[str, Any]:
    """Give an attached item's fields for a create call, with its own attachments if one request can hold them."""
    nested = [_nested(one) for one in item.get("attachments") or () if _carried(one)]
    made = _bare(item)
    if nested and len(json.dumps(nested)) <= _NESTED:
        made["attachments"] = nested
    return made


def _nested(about: Mapping[str, Any]) -> dict[str, Any]:
    if about["@odata.type"] == ITEM:
        wish = {name: about[name] for name in ("name", "isInline") if about.get(name) is not None}
        return {"@odata.type": ITEM, **wish, "item": attached(about["item"])}
    wish = {name: about[name] for name in fields.ATTACHMENT_COMPARED if about.get(name) is not None}
    return {"@odata.type": FILE, **wish, "contentBytes": about["contentBytes"]}


def _carried(about: Mapping[str, Any]) -> bool:
    """Whether an attachment of an attached item came with its content."""
    return bool(about.get("contentBytes") is not None or isinstance(about.get("item"), Mapping))


def _loses_nested(item: Mapping[str, Any]) -> bool:
    """Whether an attached item goes back with less than all of its own attachments."""
    listed = item.get("attachments") or ()
    if bool(item.get("hasAttachments")) and not listed:
        return True
    given = attached(item).get("attachments", ())
    return len(given) < len(listed) or any(_loses_nested(one["item"]) for one in listed if one.get("item"))


def _bare(item: Mapping[str, Any]) -> dict[str, Any]:
    kind = str(item.get("@odata.type") or MESSAGE)
    if kind.startswith("#microsoft.graph.eventMessage") or kind.endswith(("calendarSharingMessage", ".message")):
        return {"@odata.type": MESSAGE, **create(item)}
    kept = {k: v for k, v in item.items() if k not in _OURS and v is not None and not k.startswith("@odata.")}
    return {"@odata.type": kind, **_plain(kept)}


def losses(message: Mapping[str, Any], attachments: list[dict[str, Any]], head: bytes) -> tuple[Loss, ...]:
    """Name what this mail loses on its way back. ``head``: the first bytes of its MIME."""
    found = [Loss(*pair) for pair in fields.ALWAYS_LOST]
    headers = BytesHeaderParser(policy=policy.compat32).parsebytes(head)
    kind = headers.get_content_type()
    if kind in {"multipart/signed", "multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime"}:
        found.append(
            Loss("signature", "a signed or encrypted mail comes back as fields; its proof is in the stored MIME")
        )
    elif headers.get("DKIM-Signature"):
        found.append(Loss("signature", "the sender's DKIM signature covers the original MIME alone"))
    if message.get("internetMessageHeaders"):
        found.append(Loss("internetMessageHeaders", fields.MESSAGE["internetMessageHeaders"].lost))
    found.extend(
        Loss(name, field.lost) for name, field in fields.MEETING_MESSAGE.items() if message.get(name) not in (None, [])
    )
    for place in attachments:
        if "item" in place and _loses_nested(place["item"]):
            found.append(Loss("attachments", "some attachments of an attached item are in the stored MIME alone"))
        elif not place.keys() & {"item", "leaf", "part"}:
            found.append(Loss("attachments", "a link to a file in the cloud: Graph v1.0 does not tell where it leads"))
    return tuple(found)


def _extended(message: Mapping[str, Any]) -> dict[str, str]:
    kept = fields.extended(message)
    found = {
        fields.RECEIVED: message.get("receivedDateTime"),
        fields.SENT: message.get("sentDateTime"),
        fields.MESSAGE_ID: message.get("internetMessageId"),
        fields.REPLY_TO_ID: kept.get(fields.REPLY_TO_ID),
    }
    if not message.get("isDraft"):
        # Without this property, or with bit 8 set, Exchange makes a draft for ever (notes on the wire, section 0).
        flags = int(kept.get(fields.MESSAGE_FLAGS) or 0) & ~(_READ | _UNSENT | _HAS_ATTACHMENT)
        found[fields.MESSAGE_FLAGS] = str(flags | (_READ if message.get("isRead") else 0))
    return {key: str(value) for key, value in found.items() if value}


def _plain(value: Any) -> Any:
    """Take annotations and nulls out, at every depth; types of derived values stay."""
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items() if v is not None and ("@odata." not in k or k == "@odata.type")}
    return [_plain(one) for one in value] if isinstance(value, list) else value
