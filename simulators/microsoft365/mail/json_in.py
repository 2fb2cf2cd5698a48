"""Checks what a client posts: the contract's names and types, and what Exchange lets a client set."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from simulators.microsoft365 import facts
from simulators.microsoft365.graph import GraphError
from simulators.microsoft365.mail import extended, text
from simulators.microsoft365.mail.content import MESSAGE, Attached, Content, as_json, blank, complete, moment

# Read-only on every message: what a client sends for them has no effect (message resource type; OfficeDev/
# Office-365-SDK-for-Java issue 3 for the dates and isDraft).
IGNORED = {"id", "changeKey", "createdDateTime", "lastModifiedDateTime", "parentFolderId", "webLink", "bodyPreview"}
IGNORED |= {"hasAttachments", "conversationId", "conversationIndex", "receivedDateTime", "sentDateTime", "isDraft"}
IGNORED |= {"uniqueBody"}
# Settable while the message is a draft only (message: update).
DRAFT_ONLY = {"subject", "body", "toRecipients", "ccRecipients", "bccRecipients", "replyTo", "internetMessageId"}
DRAFT_ONLY |= {"sender", "from"}
KINDS = {"fileAttachment": "file", "itemAttachment": "item", "referenceAttachment": "reference"}
PEOPLE = {"toRecipients", "ccRecipients", "bccRecipients", "replyTo"}
HEADER_LIMIT = 5
NEST_LIMIT = 20


def unreadable(what: str) -> GraphError:
    """Return the refusal of a body that does not fit the contract."""
    return GraphError(400, "RequestBodyRead", what)


def create(body: Mapping[str, Any], guid: str, now: str, depth: int = 0) -> Content:
    """Return a new message from JSON. A draft, unless ``Integer 0x0E07`` comes without bit 8 (MSGFLAG_UNSENT)."""
    kind = str(body.get("@odata.type", MESSAGE))
    if kind != MESSAGE:
        raise GraphError(400, "ErrorInvalidRequest", f"A message of type {kind.lstrip('#')} cannot be created.")
    values = checked(body, "message", {"attachments", "singleValueExtendedProperties"})
    fields = blank(now)
    fields.update({name: value for name, value in values.items() if name not in IGNORED and value is not None})
    _settle(fields)
    properties = extended.posted(body.get("singleValueExtendedProperties"))
    flags = properties.pop("Integer 0xe07", None)
    if flags is not None:
        number = extended.integer(flags)
        fields["isDraft"] = bool(number & extended.UNSENT)
        fields["isRead"] = values["isRead"] if values.get("isRead") is not None else bool(number & extended.READ)
    if (delivered := properties.pop("SystemTime 0xe06", None)) is not None:
        fields["receivedDateTime"] = extended.instant(delivered)
    if (submitted := properties.pop("SystemTime 0x39", None)) is not None:
        fields["sentDateTime"] = extended.instant(submitted)
    if (identity := properties.pop("String 0x1035", None)) is not None:
        fields["internetMessageId"] = identity
    complete(fields, guid, properties.get("String 0x1042"))
    return Content(fields, [attachment(one, guid, now, depth) for one in _list(body, "attachments")], properties)


def change(fields: dict[str, Any], body: Mapping[str, Any], guid: str) -> set[str]:
    """Apply a PATCH; names of the properties that changed. Raises GraphError for what may not be set any more."""
    values = checked(body, "message", {"singleValueExtendedProperties", "multiValueExtendedProperties"})
    values = {name: value for name, value in values.items() if name not in IGNORED}
    if not fields["isDraft"] and (refused := DRAFT_ONLY & set(values)):
        name = min(refused)
        raise GraphError(400, "ErrorInvalidPropertySet", f"Property '{name}' is read-only and cannot be set.")
    if "internetMessageHeaders" in values:
        raise GraphError(400, "ErrorInvalidPropertySet", "Property 'internetMessageHeaders' is read-only.")
    before = dict(fields)
    fields.update({name: blank("")[name] if value is None else value for name, value in values.items()})
    _settle(fields)
    altered = {name for name in values if before.get(name) != fields[name]}
    if altered & {"subject", "body"}:
        complete(fields, guid)
    return altered


def _settle(fields: dict[str, Any]) -> None:
    stored = fields["body"]
    content = stored.get("content") or ""
    fields["body"] = text.body(content, stored.get("contentType") or "text")
    if fields["from"] is None and fields["sender"] is not None:
        fields["from"] = fields["sender"]
    if fields["sender"] is None:
        fields["sender"] = fields["from"]
    for name in ("from", "sender"):
        if fields[name] is not None:
            fields[name] = _person(fields[name])
    for name in PEOPLE:
        fields[name] = [_person(one) for one in fields[name]]
    headers = fields.get("internetMessageHeaders") or []
    if len(headers) > HEADER_LIMIT or any(not one.get("name", "").lower().startswith("x-") for one in headers):
        raise GraphError(
            400, "InvalidInternetMessageHeader", "Custom internet message headers begin with 'x-' or 'X-'."
        )
    flag = {name: value for name, value in fields["flag"].items() if value is not None}
    fields["flag"] = {"flagStatus": "notFlagged"} | flag


def _person(one: Mapping[str, Any]) -> dict[str, Any]:
    said = one.get("emailAddress") or {}
    address = said.get("address") or ""
    return {"emailAddress": {"name": said.get("name") or address, "address": address}}


def attachment(body: Any, guid: str, now: str, depth: int = 0) -> Attached:
    """One attachment from JSON. Raises GraphError if its type is missing or its bytes are no base64."""
    if not isinstance(body, dict):
        raise unreadable("An attachment must be an object.")
    declared = str(body.get("@odata.type", ""))
    name = declared.removeprefix("#").removeprefix("microsoft.graph.")
    if name not in KINDS:
        # The declared type of the collection is abstract.
        raise unreadable(
            "Cannot create an abstract class: an entry of 'microsoft.graph.attachment' came without its own type."
        )
    values = checked(body, name, {"item"})
    shared: dict[str, Any] = {"inline": bool(values.get("isInline")), "media": values.get("contentType")}
    if KINDS[name] == "item":
        item = body.get("item")
        if not isinstance(item, dict) or depth >= NEST_LIMIT:
            raise GraphError(400, "ErrorInvalidRequest", "An item attachment needs an item, not too deep in others.")
        return Attached("item", values.get("name"), item=as_json(create(item, guid, now, depth + 1)), **shared)
    if KINDS[name] == "reference":
        return Attached("reference", values.get("name"), **shared)
    data = base64.b64decode(values.get("contentBytes") or "")
    if values.get("name") is None:
        raise GraphError(400, "ErrorInvalidProperty", "Required property 'Name' is missing.")
    cid, location = values.get("contentId"), values.get("contentLocation")
    return Attached("file", values["name"], cid=cid, location=location, data=data, **shared)


def checked(body: Mapping[str, Any], kind: str, navigation: Iterable[str]) -> dict[str, Any]:
    """Return the structural properties in ``body``, each of the contract's type, enum members in their own spelling."""
    known = facts.properties(kind)
    found: dict[str, Any] = {}
    for name, value in body.items():
        if "@" in name or name in navigation:
            continue
        if name not in known:
            raise unreadable(
                f"The property '{name}' does not exist on type 'microsoft.graph.{kind}'. Make sure to only use "
                "property names that are defined by the type or mark the type as open type."
            )
        found[name] = _value(value, known[name], name)
    return found


def _value(value: Any, kind: str, name: str) -> Any:
    if value is None:
        if kind.endswith("[]"):
            raise unreadable(f"A null value was found for the collection property '{name}'.")
        return None
    if kind.endswith("[]"):
        if not isinstance(value, list):
            raise unreadable(f"A collection was expected for the property '{name}'.")
        return [_value(one, kind[:-2], name) for one in value]
    if kind.startswith("Edm."):
        return _primitive(value, kind, name)
    if (members := _members(kind)) is not None:
        member = next((one for one in members if isinstance(value, str) and one.lower() == value.lower()), None)
        if member is None:
            raise unreadable(f"Requested value was not found for the property '{name}' of type '{kind}'.")
        return member
    if not isinstance(value, dict):
        raise unreadable(f"An object was expected for the property '{name}'.")
    return checked(value, kind, ())


def _members(kind: str) -> list[str] | None:
    try:
        return facts.members(kind)
    except KeyError:
        return None


def _primitive(value: Any, kind: str, name: str) -> Any:
    problem = unreadable(f"Cannot convert the literal of the property '{name}' to the expected type '{kind}'.")
    number: Any = {"Edm.Int32": int, "Edm.Int64": int, "Edm.Double": (int, float)}.get(kind)
    if kind == "Edm.Boolean" or number is not None:
        fits = isinstance(value, bool) if number is None else isinstance(value, number) and not isinstance(value, bool)
        if not fits:
            raise problem
        return value
    if not isinstance(value, str):
        raise problem
    try:
        if kind == "Edm.Binary":
            base64.b64decode(value, validate=True)
        if kind == "Edm.DateTimeOffset":
            return moment(parse_instant(value))
    except (ValueError, binascii.Error):
        raise problem from None
    return value


def parse_instant(value: str) -> datetime:
    """Return an instant as clients write it, with up to seven decimals. Raises ValueError without a zone."""
    found = datetime.fromisoformat(re.sub(r"(\.\d{1,6})\d*", r"\1", value))
    if found.tzinfo is None:
        raise ValueError("no zone")
    return found.astimezone(UTC)


def _list(body: Mapping[str, Any], name: str) -> list[Any]:
    found = body.get(name)
    if found is not None and not isinstance(found, list):
        raise unreadable(f"A collection was expected for the property '{name}'.")
    return list(found or [])
