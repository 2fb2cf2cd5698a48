"""Every property of message and attachment in the Graph contract: compared, or not settable with its source.

This list is the comparator's own: it is written from the vendor's contract and not taken from the product, so that
the product cannot excuse itself. A test proves that it names every property of the CSDL (v1.0, August 2026) and
that whatever the product declares as lost is listed here as not settable.
"""

from __future__ import annotations

from typing import Final

COMPARED: Final = "compared"

_ID = "assigned by the server (message resource: Read-only)"
_FIXED = "kept by the server for its own bookkeeping (message resource: Read-only)"
_THREAD = "derived by Exchange from the thread the new item joins (message resource: no create parameter)"
_MEETING = (
    "a message created by POST is a plain message; eventMessage types are made by Exchange alone (no create call)"
)
_NAV_EVENT = "points at a calendar event, which is another service"

MESSAGE: Final[dict[str, str]] = {
    "id": _ID,
    "changeKey": _FIXED,
    "createdDateTime": _FIXED,
    "lastModifiedDateTime": _FIXED,
    "webLink": _ID,
    "parentFolderId": "names the folder restored into; the folder's path is compared instead",
    "conversationId": _THREAD,
    "conversationIndex": _THREAD,
    "internetMessageHeaders": "transport headers belong to the original MIME; a create takes x- headers only",
    "extensions": "open extensions are private to the app that wrote them and are not read",
    "multiValueExtendedProperties": "named properties must be asked for one by one; none is declared for mail",
    "singleValueExtendedProperties": "carrier of dates and ids; what it carries is compared by its own property",
    "bccRecipients": COMPARED,
    "body": COMPARED,
    "bodyPreview": COMPARED,
    "categories": COMPARED,
    "ccRecipients": COMPARED,
    "flag": COMPARED,
    "from": COMPARED,
    "hasAttachments": COMPARED,
    "importance": COMPARED,
    "inferenceClassification": COMPARED,
    "internetMessageId": COMPARED,
    "isDeliveryReceiptRequested": COMPARED,
    "isDraft": COMPARED,
    "isRead": COMPARED,
    "isReadReceiptRequested": COMPARED,
    "receivedDateTime": COMPARED,
    "replyTo": COMPARED,
    "sender": COMPARED,
    "sentDateTime": COMPARED,
    "subject": COMPARED,
    "toRecipients": COMPARED,
    "uniqueBody": COMPARED,
    "attachments": COMPARED,
}

_MEETING_FIELDS: Final = (
    "endDateTime",
    "isAllDay",
    "isDelegated",
    "isOutOfDate",
    "location",
    "meetingMessageType",
    "recurrence",
    "startDateTime",
    "type",
    "allowNewTimeProposals",
    "meetingRequestType",
    "previousEndDateTime",
    "previousLocation",
    "previousStartDateTime",
    "responseRequested",
    "proposedNewTime",
    "responseType",
    "canAccept",
    "sharingMessageAction",
    "sharingMessageActions",
    "suggestedCalendarName",
)

MEETING_MESSAGE: Final[dict[str, str]] = {
    **dict.fromkeys(
        _MEETING_FIELDS,
        _MEETING,
    ),
    "event": _NAV_EVENT,
}

ATTACHMENT: Final[dict[str, str]] = {
    "id": _ID,
    "lastModifiedDateTime": _FIXED,
    "size": "counts the server's own overhead; the bytes are compared instead",
    "contentLocation": "no longer supported (fileAttachment resource: Do not use)",
    "contentType": COMPARED,
    "isInline": COMPARED,
    "name": COMPARED,
    "contentBytes": COMPARED,
    "contentId": COMPARED,
    "item": COMPARED,
}

MESSAGE_COMPARED: Final = tuple(
    sorted(name for name, how in MESSAGE.items() if how == COMPARED and name != "attachments")
)
ATTACHMENT_COMPARED: Final = ("name", "contentType", "isInline", "contentId")
