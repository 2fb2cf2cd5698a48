"""Mail folders on the wire."""

from __future__ import annotations

import sqlite3
from typing import Any

from simulators.microsoft365.graph import GraphError, Reply
from simulators.microsoft365.mail import odata
from simulators.microsoft365.mail.entrance import Exchange, Visit
from simulators.microsoft365.mail.folders import ROOT
from simulators.microsoft365.mail.json_in import checked, unreadable

U = "/users/{user}"
FOLDER = f"{U}/mailFolders/{{folder}}"


def install(exchange: Exchange) -> None:
    """Answer for folders."""
    exchange.route("GET", f"{U}/mailFolders", _top, content=False)
    exchange.route("POST", f"{U}/mailFolders", _create_top)
    exchange.route("GET", FOLDER, _get, content=False)
    exchange.route("PATCH", FOLDER, _change)
    exchange.route("DELETE", FOLDER, _delete)
    exchange.route("GET", f"{FOLDER}/childFolders", _children, content=False)
    exchange.route("POST", f"{FOLDER}/childFolders", _create)
    exchange.route("POST", f"{FOLDER}/move", _move)
    exchange.route("POST", f"{FOLDER}/permanentDelete", _purge)


def _top(visit: Visit) -> Reply:
    return _listed(visit, visit.exchange.folders.known(visit.box, ROOT), "mailFolders")


def _children(visit: Visit) -> Reply:
    folder = visit.folder()
    identity = visit.exchange.ids.folder(visit.box.guid, folder["folder"])
    return _listed(visit, folder, f"mailFolders('{identity}')/childFolders")


def _listed(visit: Visit, parent: sqlite3.Row, path: str) -> Reply:
    call = visit.call
    odata.refuse(call, "$select", "$top", "$skip", "$count", "$filter")
    names = odata.select(call, "mailFolder", "mailSearchFolder")
    size, skip = odata.page(call)
    hidden = call.query.get("includeHiddenFolders", "false").lower() == "true"
    rows = visit.exchange.folders.children(parent["folder"], hidden=hidden)
    rows = _filtered(rows, call.query.get("$filter"))
    body: dict[str, Any] = {"@odata.context": visit.context(path)}
    if call.query.get("$count", "").lower() == "true":
        body["@odata.count"] = len(rows)
    body["value"] = [visit.folder_json(row, names) for row in rows[skip : skip + size]]
    if len(rows) > skip + size:
        body["@odata.nextLink"] = link(visit, {"$skip": str(skip + size), "$top": str(size)})
    return Reply(body)


def _filtered(rows: list[sqlite3.Row], text: str | None) -> list[sqlite3.Row]:
    if text is None:
        return rows
    name, _, value = text.partition(" eq ")
    if name.strip().lower() != "displayname" or not (value.strip().startswith("'") and value.strip().endswith("'")):
        raise GraphError(400, "ErrorInvalidUrlQueryFilter", f"The $filter '{text}' is not supported.")
    wanted = value.strip()[1:-1].replace("''", "'").casefold()
    return [row for row in rows if row["name"].casefold() == wanted]


def link(visit: Visit, values: dict[str, str]) -> str:
    """Return a link to the same resource with other query options."""
    from urllib.parse import urlencode  # noqa: PLC0415 - one use

    return f"{visit.call.base}{visit.call.path.split('?')[0]}?" + urlencode(visit.call.query | values)


def _get(visit: Visit) -> Reply:
    odata.refuse(visit.call, "$select", "$expand")
    odata.expand(visit.call)
    names = odata.select(visit.call, "mailFolder", "mailSearchFolder")
    return Reply({"@odata.context": visit.context("mailFolders/$entity")} | visit.folder_json(visit.folder(), names))


def _create_top(visit: Visit) -> Reply:
    return _created(visit, visit.exchange.folders.known(visit.box, ROOT))


def _create(visit: Visit) -> Reply:
    return _created(visit, visit.folder())


def _created(visit: Visit, parent: sqlite3.Row) -> Reply:
    body = visit.call.json()
    if "mailSearchFolder" in str(body.get("@odata.type", "")):
        raise GraphError(403, "ErrorAccessDenied", "Search folders cannot be made here.")
    values = checked(body, "mailFolder", {"singleValueExtendedProperties", "multiValueExtendedProperties"})
    if parent["search"]:
        raise GraphError(400, "ErrorInvalidParentFolderId", "A search folder holds no folders.")
    name = values.get("displayName")
    if not isinstance(name, str):
        raise unreadable("A folder needs a displayName.")
    row = visit.exchange.folders.add(visit.box, parent, name, hidden=bool(values.get("isHidden")))
    return Reply({"@odata.context": visit.context("mailFolders/$entity")} | visit.folder_json(row), 201)


def _change(visit: Visit) -> Reply:
    folder, body = visit.folder(), visit.call.json()
    values = checked(body, "mailFolder", {"singleValueExtendedProperties"})
    if "isHidden" in values and bool(values["isHidden"]) != bool(folder["hidden"]):
        raise GraphError(400, "ErrorInvalidPropertySet", "Property 'isHidden' can be set at creation only.")
    if isinstance(values.get("displayName"), str):
        visit.exchange.folders.rename(visit.box, folder, values["displayName"])
    return Reply({"@odata.context": visit.context("mailFolders/$entity")} | visit.folder_json(_again(visit, folder)))


def _delete(visit: Visit) -> Reply:
    visit.exchange.folders.delete(visit.box, visit.folder())
    return Reply(status=204)


def _purge(visit: Visit) -> Reply:
    visit.exchange.folders.erase(visit.box, visit.folder())
    return Reply(status=204)


def _move(visit: Visit) -> Reply:
    folder, target = visit.folder(), destination(visit)
    visit.exchange.folders.move(visit.box, folder, target)
    return Reply(
        {"@odata.context": visit.context("mailFolders/$entity")} | visit.folder_json(_again(visit, folder)), 201
    )


def _again(visit: Visit, folder: sqlite3.Row) -> sqlite3.Row:
    found = visit.exchange.folders.find(visit.box, folder["folder"])
    assert found is not None
    return found


def destination(visit: Visit) -> sqlite3.Row:
    """Return the folder that a move or copy names. Raises GraphError."""
    body = visit.call.json()
    key = next((value for name, value in body.items() if name.lower() == "destinationid"), None)
    if not isinstance(key, str) or set(map(str.lower, body)) - {"destinationid"}:
        raise GraphError(400, "BadRequest", "A move or copy needs a destinationId and nothing else.")
    folder = visit.folder_named(key)
    if folder["search"]:
        raise GraphError(400, "ErrorMoveCopyFailed", "A search folder holds no items of its own.")
    return folder
