"""The meeting fields of a mail that carries an invitation, a reply or a cancellation (RFC 5545, RFC 5546)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

LINE = re.compile(r"([A-Z-]+)((?:;[^:\"]*(?:\"[^\"]*\"[^:\"]*)*)*):(.*)", re.IGNORECASE)
DAYS = {"MO": "monday", "TU": "tuesday", "WE": "wednesday", "TH": "thursday", "FR": "friday"}
DAYS |= {"SA": "saturday", "SU": "sunday"}
REPLIES = {
    "ACCEPTED": ("meetingAccepted", "accepted"),
    # The contract's own spelling of this member lacks a t.
    "TENTATIVE": ("meetingTenativelyAccepted", "tentativelyAccepted"),
    "DECLINED": ("meetingDeclined", "declined"),
}


def fields(calendar: str, method: str) -> dict[str, Any]:
    """Return what to add to a message's fields; nothing if the calendar holds no event that asks for anything."""
    found = _read(calendar)
    method = (method or found.get("METHOD", ("", ""))[1]).strip().upper()
    if method not in {"REQUEST", "CANCEL", "REPLY"} or "DTSTART" not in found:
        return {}
    start, whole_day = _moment(*found["DTSTART"])
    if start is None:
        return {}
    end, _ = _moment(*found.get("DTEND", ("", "")))
    end = end or start + (timedelta(days=1) if whole_day else timedelta())
    place = _text(found.get("LOCATION", ("", ""))[1])
    common: dict[str, Any] = {
        "isOutOfDate": False,
        "isAllDay": whole_day,
        "isDelegated": False,
        "type": "seriesMaster" if "RRULE" in found else "singleInstance",
        "startDateTime": _zoned(start),
        "endDateTime": _zoned(end),
        "location": {"displayName": place, "locationType": "default", "uniqueIdType": "unknown"} if place else None,
        "recurrence": _recurrence(found["RRULE"][1], start) if "RRULE" in found else None,
    }
    if method == "REQUEST":
        return common | {
            "@odata.type": "#microsoft.graph.eventMessageRequest",
            "meetingMessageType": "meetingRequest",
            "meetingRequestType": "newMeetingRequest",
            "responseRequested": "RSVP=TRUE" in found.get("ATTENDEE", ("", ""))[0].upper(),
            "allowNewTimeProposals": True,
            "previousLocation": None,
            "previousStartDateTime": None,
            "previousEndDateTime": None,
        }
    if method == "REPLY":
        status = re.search(r"PARTSTAT=([A-Z]+)", found.get("ATTENDEE", ("", ""))[0].upper())
        kind, answer = REPLIES.get(status[1] if status else "", REPLIES["ACCEPTED"])
        return common | {
            "@odata.type": "#microsoft.graph.eventMessageResponse",
            "meetingMessageType": kind,
            "responseType": answer,
            "proposedNewTime": None,
        }
    return common | {"@odata.type": "#microsoft.graph.eventMessage", "meetingMessageType": "meetingCancelled"}


def _read(calendar: str) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    inside = 0
    for line in re.sub(r"\r?\n[ \t]", "", calendar).splitlines():
        match = LINE.fullmatch(line.strip())
        if not match:
            continue
        name, parameters, value = match[1].upper(), match[2], match[3]
        if name in {"BEGIN", "END"} and value.strip().upper() in {"VTIMEZONE", "VALARM"}:
            inside += 1 if name == "BEGIN" else -1
        elif inside <= 0:
            found.setdefault(name, (parameters, value))
    return found


def _moment(parameters: str, value: str) -> tuple[datetime | None, bool]:
    match = re.fullmatch(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(Z?))?", value.strip())
    if not match:
        return None, False
    try:
        numbers = [int(number) for number in match.groups()[:6] if number]
        instant = datetime(*numbers, tzinfo=_zone(parameters))  # type: ignore[misc,arg-type]
    except ValueError:
        return None, False
    if match[7]:
        instant = instant.replace(tzinfo=UTC)
    return instant.astimezone(UTC), match[4] is None


def _zone(parameters: str) -> ZoneInfo | Any:
    named = re.search(r"TZID=\"?([^;:\"]+)", parameters, re.IGNORECASE)
    if not named:
        return UTC
    try:
        return ZoneInfo({"W. Europe Standard Time": "Europe/Berlin"}.get(named[1], named[1]))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def _zoned(instant: datetime) -> dict[str, str]:
    return {"dateTime": instant.strftime("%Y-%m-%dT%H:%M:%S.0000000"), "timeZone": "UTC"}


def _text(value: str) -> str:
    return re.sub(r"\\([,;\\])", r"\1", value.replace("\\n", "\n").replace("\\N", "\n")).strip()


def _recurrence(rule: str, start: datetime) -> dict[str, Any] | None:
    parts = dict(part.split("=", 1) for part in rule.upper().split(";") if "=" in part)
    kind = {"DAILY": "daily", "WEEKLY": "weekly", "MONTHLY": "absoluteMonthly", "YEARLY": "absoluteYearly"}
    if parts.get("FREQ") not in kind:
        return None
    interval = parts.get("INTERVAL", "1")
    pattern: dict[str, Any] = {"type": kind[parts["FREQ"]], "interval": int(interval) if interval.isdigit() else 1}
    if parts["FREQ"] == "WEEKLY":
        default = list(DAYS)[start.weekday()]
        pattern["daysOfWeek"] = [DAYS[day] for day in parts.get("BYDAY", default).split(",") if day in DAYS]
    span: dict[str, Any] = {"type": "noEnd", "startDate": start.date().isoformat(), "recurrenceTimeZone": "UTC"}
    if parts.get("COUNT", "").isdigit():
        span |= {"type": "numbered", "numberOfOccurrences": min(int(parts["COUNT"]), 999)}
    until, _ = _moment("", parts.get("UNTIL", ""))
    if until is not None:
        span |= {"type": "endDate", "endDate": until.date().isoformat()}
    return {"pattern": pattern, "range": span}
