"""Attachments on the wire."""

from __future__ import annotations

import sqlite3
from typing import Any

from simulators.microsoft365.graph import GraphError, Reply
from simulators.microsoft365.mail import json_in, odata
from simulators.microsoft365.mail.entrance import Exchange, Visit
from simulators.microsoft365.mail.routes_messages import IN_FOLDER, MESSAGE

MEGABYTE = 1024 * 1024
# Exchange Online's default; an administrator can raise it to 150 MB.
MESSAGE_LIMIT = 35
ITEM = "microsoft.graph.itemattachment/item"
LIST_KEY = "/users/{id}/messages/{id}/attachments"


def install(exchange: Exchange) -> None:
    """Answer for attachments."""
    for template in (MESSAGE, IN_FOLDER):
        path = f"{template}/attachments"
        # Microsoft's list has the collection alone; single attachments need the same.
        exchange.route("GET", path, _list, permissions=LIST_KEY)
        exchange.route("POST", path, _create, permissions=LIST_KEY)
        exchange.route("GET", f"{path}/{{attachment}}", _get, permissions=LIST_KEY)
        exchange.route("DELETE", f"{path}/{{attachment}}", _delete, permissions="/users/{id}/messages/{id}")
        exchange.route("GET", f"{path}/{{attachment}}/$value", _value, permissions=LIST_KEY)


def _list(visit: Visit) -> Reply:
    odata.refuse(visit.call, "$select", "$expand", "$top", "$skip", "$count")
    names, item = _shape(visit)
    row = visit.message("attachments")
    size, skip = odata.page(visit.call, odata.PAGE_LIMIT)
    rows = visit.exchange.items.attachments(row["message"])[skip : skip + size]
    return Reply(
        {
            "@odata.context": visit.context("messages/attachments"),
            "value": [_shown(visit, row, one, names, item=item) for one in rows],
        }
    )


def _get(visit: Visit) -> Reply:
    odata.refuse(visit.call, "$select", "$expand")
    names, item = _shape(visit)
    row = visit.message("attachments")
    entity = _shown(visit, row, visit.attachment(row), names, item=item)
    return Reply({"@odata.context": visit.context("messages/attachments/$entity")} | entity)


def _shape(visit: Visit) -> tuple[list[str] | None, bool]:
    expands = odata.expand(visit.call, ITEM, "item")
    return odata.select(visit.call, "attachment"), bool(expands)


def _shown(
    visit: Visit, message: sqlite3.Row, row: sqlite3.Row, names: list[str] | None = None, *, item: bool = False
) -> dict[str, Any]:
    return visit.exchange.render.attachment(visit.box, message, row, immutable=visit.immutable, names=names, item=item)


def _value(visit: Visit) -> Reply:
    message = visit.message("attachments")
    row = visit.attachment(message)
    if row["kind"] == "reference":
        raise GraphError(405, "ErrorInvalidRequest", "A reference attachment has no content of its own.")
    media = "message/rfc822" if row["kind"] == "item" else row["media"] or "application/octet-stream"
    return Reply(
        visit.exchange.items.data(message, row), media=media if media.isascii() else "application/octet-stream"
    )


def _create(visit: Visit) -> Reply:
    message, items = visit.message(), visit.exchange.items
    attached = json_in.attachment(visit.call.json(), visit.box.guid, items.now())
    if len(attached.data or b"") >= 3 * MEGABYTE:
        raise too_large()
    fits(visit.exchange, visit.box.tenant, message, len(attached.data or b""))
    items.forget_mime(visit.box, message)
    number = items.attach(message["message"], attached)
    items.count_files(message["message"])
    items.touch(visit.box, message["message"])
    row = next(one for one in items.attachments(message["message"]) if one["attachment"] == number)
    return Reply({"@odata.context": visit.context("messages/attachments/$entity")} | _shown(visit, message, row), 201)


def _delete(visit: Visit) -> Reply:
    message, items = visit.message(), visit.exchange.items
    row = visit.attachment(message)
    items.forget_mime(visit.box, message)
    items.detach(next(one for one in items.attachments(message["message"]) if one["attachment"] == row["attachment"]))
    items.touch(visit.box, message["message"])
    return Reply(status=204)


def fits(exchange: Exchange, tenant: str, message: sqlite3.Row, more: int) -> None:
    """Whether a message may grow by ``more`` bytes. Raises GraphError 413 over the tenant's limit."""
    limit = int(exchange.store.setting(tenant, "message_limit") or MESSAGE_LIMIT) * MEGABYTE
    if sum(row["size"] for row in exchange.items.attachments(message["message"])) + more > limit:
        raise too_large()


def too_large() -> GraphError:
    """Return the answer for what is over a size limit."""
    return GraphError(413, "ErrorMessageSizeExceeded", "The message exceeds the maximum supported size.")
