"""From MIME to the properties that Graph shows: what Exchange does when a mail is delivered."""

from __future__ import annotations

import base64
import binascii
import contextlib
import email.utils
import hashlib
from datetime import UTC
from typing import Any

from simulators.microsoft365.mail import mime_meeting, text
from simulators.microsoft365.mail.content import Attached, Content, as_json, blank, complete, moment, person
from simulators.microsoft365.mail.mime_parse import Part, clean, parse, string, undo, words, words_raw

ADDRESS_LIMIT = 500
NEST_LIMIT = 20
# Newer Pythons refuse a whole list for one bad address unless told not to.
_LENIENT: dict[str, Any] = {"strict": False} if getattr(email.utils, "supports_strict_parsing", False) else {}
IMPORTANCE = {"high": "high", "low": "low", "urgent": "high", "non-urgent": "low", "1": "high", "2": "high"}
IMPORTANCE |= {"4": "low", "5": "low"}
BULK = {"bulk", "list", "junk"}


def derive(raw: bytes, guid: str, now: str, start: int = 0, stop: int | None = None) -> Content:
    """Return the content of a mail. Never raises: what cannot be read is left out. ``now`` stands in for missing dates.

    The mail counts as sent, received and unread unless it says otherwise (``X-Unsent``, mbox ``Status``).
    """
    root = parse(raw, start, stop)
    chosen = _Bodies(raw)
    chosen.take(root, "mixed")
    fields = _headers(root, now)
    fields["body"] = text.body(*chosen.body())
    attachments = [_attached(raw, part, related=related) for part, related in chosen.rest]
    if chosen.calendar is not None:
        fields |= mime_meeting.fields(string(raw, chosen.calendar), chosen.calendar.parameters.get("method", ""))
    if fields["internetMessageId"] is None:
        # The transport gives every mail an id that came without one.
        digest = hashlib.blake2b(raw[start:stop], digest_size=16).hexdigest()
        fields["internetMessageId"] = f"<{digest}@prod.exchange.example>"
    references = (root.text("References") or root.text("In-Reply-To") or "").split()
    complete(fields, guid, references[0] if references else fields["internetMessageId"])
    extended = {}
    if (reply := root.text("In-Reply-To")) is not None:
        extended["String 0x1042"] = reply
    if (line := root.text("References")) is not None:
        extended["String 0x1039"] = line
    return Content(fields, attachments, extended)


class _Bodies:
    """Chooses the body (HTML before text), sets the invitation apart, leaves the rest as attachments."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._html: Part | None = None
        self._text: Part | None = None
        self.calendar: Part | None = None
        self.rest: list[tuple[Part, bool]] = []

    def body(self) -> tuple[str, str]:
        if self._html is not None:
            return string(self._raw, self._html), "html"
        if self._text is not None:
            return string(self._raw, self._text), "text"
        return "", "text"

    def take(self, part: Part, inside: str) -> None:
        if part.children:
            kind = part.media.removeprefix("multipart/")
            for number, child in enumerate(part.children):
                # Only the first child of a related or signed part may be the body; the others serve it.
                self.take(child, "resource" if kind in {"related", "signed"} and number else kind)
            return
        free = part.disposition != "attachment" and not (part.filename and inside == "mixed")
        if free and inside != "resource":
            if part.media == "text/html" and self._html is None:
                self._html = part
                return
            if part.media == "text/plain" and self._text is None and (self._html is None or inside == "alternative"):
                self._text = part
                return
        if part.media == "text/calendar" and self.calendar is None and (free or part.parameters.get("method")):
            self.calendar = part
            if inside == "alternative":
                return
        if inside == "alternative" and part.media in {"text/plain", "text/html", "text/enriched", "text/rtf"}:
            return
        if part.start < part.stop or part.filename or part.media.startswith("message/"):
            self.rest.append((part, inside == "resource"))


def _attached(raw: bytes, part: Part, *, related: bool) -> Attached:
    inline = part.disposition == "inline" or (related and part.cid is not None and part.disposition != "attachment")
    name = part.filename or None
    if part.media == "message/rfc822":
        subject = parse(raw, part.start, part.stop).text("Subject")
        return Attached("item", name or subject or "Untitled", None, inline, span=(part.start, part.stop, part.coding))
    if part.media == "message/external-body":
        return Attached("reference", name or part.parameters.get("url", "link"), None, inline)
    return Attached(
        "file",
        name or _unnamed(part),
        part.media,
        inline,
        part.cid,
        part.text("Content-Location"),
        span=(part.start, part.stop, part.coding),
    )


def _unnamed(part: Part) -> str:
    if part.media == "text/calendar":
        return "meeting.ics"
    ending = {"text/plain": "txt", "text/html": "htm", "image/jpeg": "jpg"}.get(part.media, part.media.split("/")[-1])
    return f"{(part.cid or 'ATT00001').split('@')[0]}.{ending}"


def _headers(root: Part, now: str) -> dict[str, Any]:
    fields = blank(now)
    status = (root.text("Status") or "") + (root.text("X-Status") or "")
    sender, author = _people(root, "Sender"), _people(root, "From")
    fields |= {
        "subject": root.text("Subject"),
        "internetMessageId": (root.text("Message-ID") or "").strip() or None,
        "importance": _importance(root),
        "from": next(iter(author), None),
        "sender": next(iter(sender or author), None),
        "toRecipients": _people(root, "To"),
        "ccRecipients": _people(root, "Cc"),
        "bccRecipients": _people(root, "Bcc"),
        "replyTo": _people(root, "Reply-To"),
        "isReadReceiptRequested": root.raw("Disposition-Notification-To") is not None,
        "isDeliveryReceiptRequested": root.raw("Return-Receipt-To") is not None,
        "isDraft": (root.text("X-Unsent") or "").strip() == "1",
        "isRead": "R" in status,
        "flag": {"flagStatus": "flagged" if "F" in status else "notFlagged"},
    }
    if root.raw("List-Unsubscribe") or (root.text("Precedence") or "").strip().lower() in BULK:
        fields["inferenceClassification"] = "other"
    trace = root.text("Received")
    received = _date(trace.rsplit(";", 1)[-1]) if trace and ";" in trace else None
    sent = _date(root.text("Date"))
    fields["receivedDateTime"] = received or sent or now
    fields["sentDateTime"] = sent or received or now
    index = root.raw("Thread-Index")
    if index:
        with contextlib.suppress(ValueError, binascii.Error):
            fields["conversationIndex"] = base64.b64encode(base64.b64decode(index, validate=True)).decode()
    return fields


def _importance(root: Part) -> str:
    for name in ("Importance", "X-Priority", "X-MSMail-Priority", "Priority"):
        if (value := root.text(name)) is not None:
            return IMPORTANCE.get((value.split() or [""])[0].strip(",;").lower(), "normal")
    return "normal"


def _people(root: Part, name: str) -> list[dict[str, Any]]:
    value = root.raw(name)
    if value is None:
        return []
    found = []
    # Encoded words are decoded after the split: a decoded comma must not split a name.
    for shown, address in email.utils.getaddresses([words_raw(value)], **_LENIENT)[:ADDRESS_LIMIT]:
        plain, spoken = clean(address).strip(), words(shown.encode("utf-8", "replace")).strip()
        if plain or spoken:
            found.append(person(spoken, plain))
    return found


def _date(value: str | None) -> str | None:
    if value is None:
        return None
    try:
        parsed = email.utils.parsedate_to_datetime(value.strip())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment(parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC))


def detach(raw: bytes, attached: Attached, guid: str, now: str, depth: int = 0) -> None:
    """Take an attachment out of its mail's MIME: bytes for a file, properties for an attached mail.

    A mail that lies very deep in others becomes a file.
    """
    if attached.span is None:
        return
    start, stop, coding = attached.span
    attached.span = None
    body = undo(raw[start:stop], coding)
    if attached.kind == "item" and depth >= NEST_LIMIT:
        attached.kind, attached.media = "file", "message/rfc822"
    if attached.kind == "item":
        attached.item = as_json(inner(body, guid, now, depth + 1))
    elif attached.kind == "file":
        attached.data = body


def inner(raw: bytes, guid: str, now: str, depth: int = 0) -> Content:
    """Return an attached mail, with everything in it taken out of the MIME. It counts as read."""
    content = derive(raw, guid, now)
    content.fields["isRead"] = True
    for attached in content.attachments:
        detach(raw, attached, guid, now, depth)
    return content
