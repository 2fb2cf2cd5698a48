"""MAPI properties behind ``singleValueExtendedProperties``: their ids, those that mirror a Graph property, values."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from simulators.microsoft365.graph import GraphError

READ, UNSENT, FILES, FROM_ME = 0x01, 0x08, 0x10, 0x20
TAG = re.compile(
    r"(Integer|SystemTime|String|Boolean|Binary|Long|Double|CLSID|Short)\s+0x([0-9a-f]{1,4})", re.IGNORECASE
)
NAMED = re.compile(
    r"(Integer|SystemTime|String|Boolean|Binary|Long|Double|CLSID|Short)\s+\{([0-9a-f-]{36})\}\s+(Name|Id)\s+(\S.*)",
    re.IGNORECASE,
)
KINDS = ("Integer", "SystemTime", "String", "Boolean", "Binary", "Long", "Double", "CLSID", "Short")
TYPES = {name.lower(): name for name in KINDS}


def canonical(text: str) -> str:
    """Return the id as Exchange answers it: ``Integer 0x0E07`` comes back as ``Integer 0xe07``. Raises GraphError."""
    if tag := TAG.fullmatch(text.strip()):
        return f"{TYPES[tag[1].lower()]} 0x{int(tag[2], 16):x}"
    if named := NAMED.fullmatch(text.strip()):
        return f"{TYPES[named[1].lower()]} {{{named[2].lower()}}} {named[3].capitalize()} {named[4]}"
    raise GraphError(400, "ErrorInvalidArgument", f"Property ID '{text}' is malformed.")


def posted(body: Any) -> dict[str, str]:
    """Return the properties of a request, by canonical id. Raises GraphError 400 for a wrong form."""
    if body is None:
        return {}
    if not isinstance(body, list):
        raise GraphError(400, "RequestBodyRead", "A collection was expected for 'singleValueExtendedProperties'.")
    found: dict[str, str] = {}
    for one in body:
        if not isinstance(one, dict) or not isinstance(one.get("id"), str) or not isinstance(one.get("value"), str):
            raise GraphError(400, "RequestBodyRead", "An extended property has an 'id' and a 'value', both strings.")
        if extra := {name for name in one if "@" not in name} - {"id", "value"}:
            raise GraphError(400, "RequestBodyRead", f"The property '{min(extra)}' does not exist.")
        found[canonical(one["id"])] = one["value"]
    return found


def integer(value: str) -> int:
    """Return the value of an Integer property."""
    try:
        return int(value)
    except ValueError:
        raise GraphError(400, "ErrorPropertyValidationFailure", "An Integer property needs a number.") from None


def instant(value: str) -> str:
    """Return the value of a SystemTime property, to the second. An instant without a zone is UTC."""
    try:
        found = datetime.fromisoformat(re.sub(r"(\.\d{1,6})\d*", r"\1", value))
    except ValueError:
        raise GraphError(400, "ErrorPropertyValidationFailure", "A SystemTime property needs an ISO time.") from None
    zoned = found if found.tzinfo else found.replace(tzinfo=UTC)
    return zoned.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def flags(fields: Mapping[str, Any], *, files: bool) -> int:
    """MSGFLAG_* of a message."""
    return (READ if fields["isRead"] else 0) | (UNSENT if fields["isDraft"] else 0) | (FILES if files else 0)


def computed(
    fields: Mapping[str, Any], *, files: bool, headers: Callable[[], str | None]
) -> Mapping[str, Callable[[], str | None]]:
    """Return the properties that mirror something else, by canonical id."""
    return {
        "Integer 0xe07": lambda: str(flags(fields, files=files)),
        "SystemTime 0xe06": lambda: fields["receivedDateTime"],
        "SystemTime 0x39": lambda: fields["sentDateTime"],
        "String 0x1035": lambda: fields["internetMessageId"],
        "String 0x37": lambda: fields["subject"],
        "String 0x1a": lambda: _class(fields),
        "Integer 0x17": lambda: str({"low": 0, "normal": 1, "high": 2}[fields["importance"]]),
        "String 0x7d": headers,
    }


def _class(fields: Mapping[str, Any]) -> str:
    kind = str(fields.get("meetingMessageType", ""))
    if not kind:
        return "IPM.Note"
    return {"meetingRequest": "IPM.Schedule.Meeting.Request", "meetingCancelled": "IPM.Schedule.Meeting.Canceled"}.get(
        kind, "IPM.Schedule.Meeting.Resp"
    )
