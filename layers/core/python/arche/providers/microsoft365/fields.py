"""Every property of a mail and its attachments in the Graph contract: given back and compared, or why it cannot be.

The list is complete against the CSDL (tests/providers/microsoft365/test_fields.py) and printed in
docs/providers/microsoft365.md. Sources: "message resource" and "attachment resource" are the pages of these names in
the vendor's v1.0 reference; "restore by JSON" is section 2.4 of the project's notes on the wire.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Field:
    """One property. ``how`` says how it is given back; empty, with the reason in ``lost``, when it cannot be."""

    how: str = ""
    lost: str = ""

    @property
    def compared(self) -> bool:
        """Whether a restore gives it back and ``verify`` compares it."""
        return bool(self.how)


@dataclass(frozen=True, slots=True)
class Extended:
    """A MAPI property that Graph takes at create time in ``singleValueExtendedProperties``."""

    id: str
    carries: str


MESSAGE_FLAGS: Final = "Integer 0x0E07"
RECEIVED: Final = "SystemTime 0x0E06"
SENT: Final = "SystemTime 0x0039"
MESSAGE_ID: Final = "String 0x1035"
REPLY_TO_ID: Final = "String 0x1042"
# Ours: names the restore that wrote the item, so that a rerun finds its own work. Named properties are invisible to
# people; the GUID is PS_PUBLIC_STRINGS, the set for properties of applications (MS-OXPROPS 1.3.2).
MARK: Final = "String {00020329-0000-0000-C000-000000000046} Name ArcheRestore"

EXTENDED: Final = (
    Extended(MESSAGE_FLAGS, "sent or draft, read or unread (bit 8, unsent, is taken off unless it is a draft)"),
    Extended(RECEIVED, "receivedDateTime"),
    Extended(SENT, "sentDateTime"),
    Extended(MESSAGE_ID, "internetMessageId"),
    Extended(REPLY_TO_ID, "the In-Reply-To header"),
)

_SET = "set in the create call"
_SERVER = "made by Exchange (message resource: read-only)"
_MEETING = "a create call makes a plain message; meeting messages are made by Exchange alone (eventMessage resource)"

MESSAGE: Final[Mapping[str, Field]] = {
    "attachments": Field(how="created with their bytes, in their order"),
    "bccRecipients": Field(how=_SET),
    "body": Field(how=_SET),
    "bodyPreview": Field(how="made by Exchange from the same body"),
    "categories": Field(how=_SET),
    "ccRecipients": Field(how=_SET),
    "changeKey": Field(lost=_SERVER),
    "conversationId": Field(lost="made by Exchange from the thread the item joins (message resource)"),
    "conversationIndex": Field(lost="made by Exchange from the thread the item joins (message resource)"),
    "createdDateTime": Field(lost=_SERVER),
    "extensions": Field(lost="open extensions are listed to the app that made them alone and are not read"),
    "flag": Field(how=_SET),
    "from": Field(how=_SET),
    "hasAttachments": Field(how="made by Exchange from the same attachments"),
    "id": Field(lost=_SERVER),
    "importance": Field(how=_SET),
    "inferenceClassification": Field(how=_SET),
    "internetMessageHeaders": Field(lost="a create call takes x- headers alone; all headers are kept in the MIME"),
    "internetMessageId": Field(how=f"{MESSAGE_ID} in the create call"),
    "isDeliveryReceiptRequested": Field(how=_SET),
    "isDraft": Field(how=f"{MESSAGE_FLAGS} in the create call"),
    "isRead": Field(how=_SET),
    "isReadReceiptRequested": Field(how=_SET),
    "lastModifiedDateTime": Field(lost=_SERVER),
    "multiValueExtendedProperties": Field(lost="must be asked for one by one; none carries what a mail shows"),
    "parentFolderId": Field(lost="names the folder restored into; the folder's path is given back instead"),
    "receivedDateTime": Field(how=f"{RECEIVED} in the create call"),
    "replyTo": Field(how=_SET),
    "sender": Field(how=_SET),
    "sentDateTime": Field(how=f"{SENT} in the create call"),
    "singleValueExtendedProperties": Field(lost="must be asked for one by one; those of the table below are"),
    "subject": Field(how=_SET),
    "toRecipients": Field(how=_SET),
    "uniqueBody": Field(how="made by Exchange from the same body"),
    "webLink": Field(lost=_SERVER),
}

MEETING_MESSAGE: Final[Mapping[str, Field]] = dict.fromkeys(
    (
        "allowNewTimeProposals",
        "canAccept",
        "endDateTime",
        "event",
        "isAllDay",
        "isDelegated",
        "isOutOfDate",
        "location",
        "meetingMessageType",
        "meetingRequestType",
        "previousEndDateTime",
        "previousLocation",
        "previousStartDateTime",
        "proposedNewTime",
        "recurrence",
        "responseRequested",
        "responseType",
        "sharingMessageAction",
        "sharingMessageActions",
        "startDateTime",
        "suggestedCalendarName",
        "type",
    ),
    Field(lost=_MEETING),
)

ATTACHMENT: Final[Mapping[str, Field]] = {
    "contentBytes": Field(how="the bytes, inline below 3 MB, else by upload session"),
    "contentId": Field(how=_SET),
    "contentLocation": Field(lost="not supported any more (fileAttachment resource)"),
    "contentType": Field(how=_SET),
    "id": Field(lost="made by Exchange (attachment resource: read-only)"),
    "isInline": Field(how=_SET),
    "item": Field(how="created from the attached item's own fields"),
    "lastModifiedDateTime": Field(lost="made by Exchange (attachment resource: read-only)"),
    "name": Field(how=_SET),
    "size": Field(lost="counts Exchange's own overhead; the bytes themselves are compared"),
}

SETTABLE: Final = tuple(sorted(name for name, field in MESSAGE.items() if field.how == _SET))
# uniqueBody comes only when asked for and is cut from the body by the server: comparing the body compares it.
COMPARED: Final = tuple(
    sorted(name for name, field in MESSAGE.items() if field.compared and name not in {"attachments", "uniqueBody"})
)
ATTACHMENT_COMPARED: Final = ("contentId", "contentType", "isInline", "name")

SELECT: Final = ",".join(
    sorted(
        set(COMPARED)
        | {"id", "changeKey", "internetMessageHeaders", "conversationId", "conversationIndex"}
        | {"createdDateTime", "lastModifiedDateTime", "parentFolderId"}
    )
)
EXPAND_EXTENDED: Final = (
    "singleValueExtendedProperties($filter="
    + " or ".join(f"id eq '{x.id}'" for x in (*EXTENDED, Extended(MARK, "")))
    + ")"
)

# What no restore of a mail can give back, whatever the mail: (field, reason).
ALWAYS_LOST: Final = (
    ("mime", "Graph makes a message from fields; the original MIME stays in the backup and in the export"),
)


def extended(message: Mapping[str, Any]) -> dict[str, str]:
    """Give the extended properties of a message as {id: value}, ids as in this file whatever case Graph answers in."""
    names = {x.id.lower(): x.id for x in (*EXTENDED, Extended(MARK, ""))}
    found: dict[str, str] = {}
    for entry in message.get("singleValueExtendedProperties") or ():
        name = _padded(str(entry.get("id", "")))
        found[names.get(name.lower(), name)] = str(entry.get("value", ""))
    return found


def _padded(text: str) -> str:
    # Exchange answers tags without leading zeros: "Integer 0xe07" for "Integer 0x0E07".
    kind, mark, tag = text.lower().partition(" 0x")
    return f"{kind} 0x{tag.rjust(4, '0')}" if mark else text
