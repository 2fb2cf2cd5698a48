"""Messages on the wire."""

from __future__ import annotations

import base64
import binascii
import json
import re
import sqlite3
from typing import Any

from simulators.microsoft365.graph import GraphError, Reply
from simulators.microsoft365.mail import extended, json_in, odata
from simulators.microsoft365.mail.content import Content
from simulators.microsoft365.mail.entrance import Exchange, Visit
from simulators.microsoft365.mail.folders import BIN, RECOVERABLE
from simulators.microsoft365.mail.mime_fields import derive, detach
from simulators.microsoft365.mail.routes_folders import FOLDER, U, destination, link

MESSAGE = f"{U}/messages/{{message}}"
IN_FOLDER = f"{FOLDER}/messages/{{message}}"
KINDS = ("eventMessage", "eventMessageRequest", "eventMessageResponse")
LIST_OPTIONS = ("$select", "$expand", "$filter", "$orderby", "$top", "$skip", "$count")


def install(exchange: Exchange) -> None:
    """Answer for messages."""
    exchange.route("GET", f"{U}/messages", _list, content=False)
    exchange.route("POST", f"{U}/messages", _create)
    exchange.route("GET", f"{FOLDER}/messages", _list, content=False)
    exchange.route("POST", f"{FOLDER}/messages", _create)
    for template in (MESSAGE, IN_FOLDER):
        exchange.route("GET", template, _get, content=False)
        exchange.route("PATCH", template, _change)
        exchange.route("DELETE", template, _delete)
        exchange.route("GET", f"{template}/$value", _value)
        exchange.route("POST", f"{template}/move", _move)
        exchange.route("POST", f"{template}/copy", _copy)
        exchange.route("POST", f"{template}/permanentDelete", _purge)


def shown(visit: Visit, row: sqlite3.Row, names: list[str] | None, expands: dict[str, odata.Expand]) -> dict[str, Any]:
    """Return a message as this request wants it."""
    entity = visit.exchange.render.message(
        visit.box, row, immutable=visit.immutable, names=names, expands=expands, body=body_type(visit)
    )
    if visit.basic:
        for name in ("body", "bodyPreview", "uniqueBody", "attachments", "singleValueExtendedProperties"):
            entity.pop(name, None)
    return entity


def body_type(visit: Visit) -> str | None:
    """Return what ``Prefer: outlook.body-content-type`` asks for. Raises GraphError for another word than the two."""
    wanted = visit.call.preference("outlook.body-content-type")
    if wanted is not None and wanted.lower() not in {"text", "html"}:
        raise GraphError(400, "ErrorInvalidRequest", "The body content type is text or html.")
    return wanted.lower() if wanted else None


def _list(visit: Visit) -> Reply:
    call = visit.call
    odata.refuse(call, *LIST_OPTIONS)
    names = odata.select(call, "message", *KINDS)
    expands = odata.expand(call, "attachments", "singleValueExtendedProperties")
    condition = odata.where(call.query.get("$filter"))
    order = odata.order(call.query.get("$orderby"), condition)
    size, skip = odata.page(call)
    place, value, path = "mailbox = ?", visit.box.number, "messages"
    if "folder" in call.parts:
        folder = visit.folder()
        if folder["search"]:
            return _searched(visit, folder, names, expands)
        place, value = "folder = ?", folder["folder"]
        path = f"mailFolders('{visit.exchange.ids.folder(visit.box.guid, value)}')/messages"
    database = visit.exchange.store.database
    rows = database.execute(
        f"SELECT * FROM message WHERE {place} AND {condition.sql} ORDER BY {order} LIMIT ? OFFSET ?",  # noqa: S608 - built from a closed set of words
        (value, *condition.values, size + 1, skip),
    ).fetchall()
    body: dict[str, Any] = {"@odata.context": visit.context(path)}
    if call.query.get("$count", "").lower() == "true":
        body["@odata.count"] = database.execute(
            f"SELECT count(*) FROM message WHERE {place} AND {condition.sql}",  # noqa: S608 - as above
            (value, *condition.values),
        ).fetchone()[0]
    body["value"] = [shown(visit, row, names, expands) for row in rows[:size]]
    if len(rows) > size:
        body["@odata.nextLink"] = link(visit, {"$skip": str(skip + size), "$top": str(size)})
    return Reply(body)


def _searched(visit: Visit, folder: sqlite3.Row, names: list[str] | None, expands: dict[str, odata.Expand]) -> Reply:
    sources = json.loads(folder["search"])["sources"]
    marks = ", ".join("?" * len(sources))
    rows = visit.exchange.store.database.execute(
        f"SELECT * FROM message WHERE folder IN ({marks}) AND read = 0 ORDER BY received DESC LIMIT ?",  # noqa: S608
        (*sources, odata.PAGE_LIMIT),
    ).fetchall()
    return Reply(
        {"@odata.context": visit.context("messages"), "value": [shown(visit, row, names, expands) for row in rows]}
    )


def _get(visit: Visit) -> Reply:
    odata.refuse(visit.call, "$select", "$expand")
    names = odata.select(visit.call, "message", *KINDS)
    expands = odata.expand(visit.call, "attachments", "singleValueExtendedProperties")
    return Reply(_entity(visit, visit.message(), names, expands))


def _entity(
    visit: Visit, row: sqlite3.Row, names: list[str] | None = None, expands: dict[str, odata.Expand] | None = None
) -> dict[str, Any]:
    return {"@odata.context": visit.context("messages/$entity")} | shown(visit, row, names, expands or {})


def _value(visit: Visit) -> Reply:
    row = visit.message("value")
    mime, facts = visit.exchange.items.mime(row), visit.facts(row)
    if row["raw"] is None and visit.strike("mail_value_drift", **facts):
        stamp = visit.call.log.request_id
        mime = f"X-MS-Exchange-Organization-Network-Message-Id: {stamp}\r\n".encode() + mime
    if fault := visit.strike("mail_value_truncated", **facts):
        mime = mime[: int(len(mime) * float(fault.parameters["share"]))]
    if fault := visit.strike("mail_value_corrupt", **facts):
        count, middle = int(fault.parameters["bytes"]), len(mime) // 2
        mime = (
            mime[:middle]
            + visit.exchange.cloud.simulation.chance.fresh("corrupt").randbytes(count)
            + mime[middle + count :]
        )
    return Reply(mime, media="text/plain")


def _create(visit: Visit) -> Reply:
    exchange, call = visit.exchange, visit.call
    folder = visit.folder() if "folder" in call.parts else exchange.folders.known(visit.box, "drafts")
    if folder["search"]:
        raise GraphError(400, "ErrorInvalidParentFolderId", "A search folder holds no items of its own.")
    media = call.headers.get("content-type", "").split(";")[0].strip().lower()
    if fault := visit.strike("mail_refuse_new", folder=folder["name"]):
        raise GraphError(int(fault.parameters["status"]), str(fault.parameters["code"]), "The item was refused.")
    if media == "text/plain":
        content = _from_mime(visit)
    elif media == "application/json":
        content = json_in.create(call.json(), visit.box.guid, exchange.items.now())
    else:
        raise GraphError(
            415, "UnsupportedMediaType", "A message comes as application/json, or as text/plain in base64."
        )
    number = exchange.items.insert(visit.box, folder["folder"], content)
    if fault := visit.strike("mail_late"):
        exchange.late[number] = int(fault.parameters["calls"])
    row = exchange.items.row(visit.box, number)
    assert row is not None
    reply = Reply(_entity(visit, row), 201)
    reply.headers["Location"] = f"{call.base}/users/{visit.box.user}/messages('{reply.body['id']}')"  # type: ignore[call-overload,index]
    return reply


def _from_mime(visit: Visit) -> Content:
    """Return a draft, for ever: Exchange takes a posted MIME apart and keeps no copy of it."""
    text = re.sub(rb"\s+", b"", visit.call.body)
    try:
        mime = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        mime = b""
    if not mime:
        raise GraphError(
            400, "ErrorMimeContentInvalidBase64String", "The base64 string supplied for the MIME content is invalid."
        )
    now = visit.exchange.items.now()
    content = derive(mime, visit.box.guid, now)
    content.fields |= {"isDraft": True, "isRead": True, "receivedDateTime": now, "sentDateTime": now}
    for attached in content.attachments:
        detach(mime, attached, visit.box.guid, now)
    return content


def _change(visit: Visit) -> Reply:
    row, body, items = visit.message(), visit.call.json(), visit.exchange.items
    if (match := visit.call.headers.get("if-match")) is not None and match not in {"*", _etag(visit, row)}:
        raise GraphError(412, "ErrorIrresolvableConflict", "The change key passed in the request does not match.")
    fields = json.loads(row["fields"])
    altered = json_in.change(fields, body, visit.box.guid)
    values = extended.posted(body.get("singleValueExtendedProperties"))
    # What was fixed when the message was made (MSGFLAG_UNSENT above all) stays as it was, without a word.
    items.extend(row["message"], {key: value for key, value in values.items() if key not in _FIXED})
    items.change(visit.box, row, fields, altered)
    return Reply(_entity(visit, _again(visit, row)))


_FIXED = {"Integer 0xe07", "SystemTime 0xe06", "SystemTime 0x39", "String 0x1035"}


def _etag(visit: Visit, row: sqlite3.Row) -> str:
    return str(shown(visit, row, ["id"], {})["@odata.etag"])


def _again(visit: Visit, row: sqlite3.Row) -> sqlite3.Row:
    found = visit.exchange.items.row(visit.box, row["message"])
    assert found is not None
    return found


def _delete(visit: Visit) -> Reply:
    row, folders = visit.message(), visit.exchange.folders
    waste = folders.known(visit.box, BIN)
    recoverable = folders.known(visit.box, RECOVERABLE)
    if row["folder"] == recoverable["folder"]:
        visit.exchange.items.purge(visit.box, row)
    else:
        inside = row["folder"] in folders.inside(waste["folder"])
        visit.exchange.items.move(visit.box, row, (recoverable if inside else waste)["folder"])
    return Reply(status=204)


def _purge(visit: Visit) -> Reply:
    visit.exchange.items.purge(visit.box, visit.message())
    return Reply(status=204)


def _move(visit: Visit) -> Reply:
    row, target = visit.message(), destination(visit)
    visit.exchange.items.move(visit.box, row, target["folder"])
    return Reply(_entity(visit, _again(visit, row)), 201)


def _copy(visit: Visit) -> Reply:
    row, target = visit.message(), destination(visit)
    number = visit.exchange.items.copy(visit.box, row, target["folder"])
    made = visit.exchange.items.row(visit.box, number)
    assert made is not None
    return Reply(_entity(visit, made), 201)
