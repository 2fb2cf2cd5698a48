"""The rest of a mailbox on the wire: ids in other forms, the mailbox's own id, and the ways that notify people."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from simulators.microsoft365.graph import GraphError, Reply
from simulators.microsoft365.mail import json_in
from simulators.microsoft365.mail.content import Attached, Content
from simulators.microsoft365.mail.entrance import Exchange, Visit
from simulators.microsoft365.mail.ids import FORMATS, from_format, in_format
from simulators.microsoft365.mail.json_in import unreadable
from simulators.microsoft365.mail.routes_folders import U
from simulators.microsoft365.mail.routes_messages import MESSAGE
from simulators.microsoft365.mail.schema import Box

TRANSLATE_LIMIT = 1000


def install(exchange: Exchange) -> None:
    """Answer for them."""
    exchange.route("POST", f"{U}/translateExchangeIds", _translate, content=False)
    exchange.route("GET", f"{U}/settings/exchange", _settings, permissions="/users/{id}/settings", content=False)
    exchange.route("POST", f"{U}/sendMail", _send_mail, permissions="/users/{id}/messages/{id}/send")
    exchange.route("POST", f"{MESSAGE}/send", _send)


def _settings(visit: Visit) -> Reply:
    identity = f"MBX:{visit.box.guid}@{visit.box.tenant}"
    return Reply({"@odata.context": visit.context("settings/exchange/$entity"), "primaryMailboxId": identity})


def _translate(visit: Visit) -> Reply:
    body = visit.call.json()
    ids, source, target = body.get("inputIds"), body.get("sourceIdType", "restId"), body.get("targetIdType")
    if not isinstance(ids, list) or not all(isinstance(one, str) for one in ids):
        raise unreadable("inputIds must be a collection of strings.")
    if source not in FORMATS or target not in FORMATS:
        raise unreadable("sourceIdType and targetIdType must be exchangeIdFormat values.")
    if len(ids) > TRANSLATE_LIMIT:
        raise GraphError(400, "ErrorInvalidArgument", f"At most {TRANSLATE_LIMIT} ids can be translated at once.")
    context = f"{visit.call.base}/$metadata#Collection(microsoft.graph.convertIdResult)"
    return Reply({"@odata.context": context, "value": [_translated(visit, one, source, target) for one in ids]})


def _translated(visit: Visit, text: str, source: str, target: str) -> dict[str, Any]:
    address = visit.exchange.ids.read(from_format(text, source))
    ours = address is not None and address.guid == visit.box.guid and address.immutable == FORMATS[source]
    row = (
        visit.exchange.items.row(visit.box, address.number) if ours and address and address.kind == "message" else None
    )
    if row is None or address is None or not (address.immutable or address.moves == row["moves"]):
        details = {"code": "ErrorInvalidIdMalformed", "message": "The id cannot be translated."}
        return {"sourceId": text, "errorDetails": details}
    found = visit.exchange.render.message_id(visit.box, row, immutable=FORMATS[target])
    return {"sourceId": text, "targetId": in_format(found, target)}


def _send_mail(visit: Visit) -> Reply:
    body = {name.lower(): value for name, value in visit.call.json().items()}
    message = body.get("message")
    if not isinstance(message, dict):
        raise unreadable("A message is needed.")
    content = json_in.create(message, visit.box.guid, visit.exchange.items.now())
    _post(visit, content)
    if body.get("savetosentitems", True):
        sent = visit.exchange.folders.known(visit.box, "sentitems")
        content.fields["isDraft"] = False
        visit.exchange.items.insert(visit.box, sent["folder"], content)
    return Reply(status=202)


def _send(visit: Visit) -> Reply:
    row, items = visit.message(), visit.exchange.items
    if not row["draft"]:
        raise GraphError(400, "ErrorInvalidRequest", "Only a draft can be sent.")
    fields = json.loads(row["fields"])
    attached = [Attached("file", one["name"], one["media"], data=_bytes(visit, row, one)) for one in _files(visit, row)]
    _post(visit, Content(fields, attached))
    now = items.now()
    fields |= {"isDraft": False, "sentDateTime": now, "receivedDateTime": now}
    items.change(visit.box, row, fields, ["isDraft"])
    items.move(visit.box, row, visit.exchange.folders.known(visit.box, "sentitems")["folder"])
    return Reply(status=202)


def _files(visit: Visit, row: sqlite3.Row) -> list[sqlite3.Row]:
    return [one for one in visit.exchange.items.attachments(row["message"]) if one["kind"] == "file"]


def _bytes(visit: Visit, row: sqlite3.Row, one: sqlite3.Row) -> bytes:
    return visit.exchange.items.data(row, one)


def _post(visit: Visit, content: Content) -> None:
    """Bring a message to its recipients, and count that it notified them."""
    exchange, fields = visit.exchange, content.fields
    people = [one["emailAddress"] for key in ("toRecipients", "ccRecipients", "bccRecipients") for one in fields[key]]
    if not people:
        raise GraphError(400, "ErrorInvalidRecipients", "At least one recipient is not valid.")
    exchange.store.notify(visit.box, len(people))
    now = exchange.items.now()
    for one in people:
        box = _box(exchange, visit.box.tenant, one["address"])
        if box is not None:
            fresh = fields | {"isDraft": False, "isRead": False, "receivedDateTime": now, "sentDateTime": now}
            fresh |= {"bccRecipients": []}
            inbox = exchange.folders.known(box, "inbox")
            exchange.items.insert(box, inbox["folder"], Content(fresh, content.attachments, content.extended))


def _box(exchange: Exchange, tenant: str, address: str) -> Box | None:
    user = exchange.cloud.directory.find(tenant, address)
    return None if user is None else exchange.store.box(tenant, user.id)
