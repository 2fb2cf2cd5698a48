"""Every request to a mailbox comes through here: whose it is, whether it may, how many at once, which faults strike."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from simulators.frame.faults import Fault
from simulators.microsoft365.cloud import Cloud
from simulators.microsoft365.graph import GraphCall, GraphError, Reply
from simulators.microsoft365.mail.folders import NAMES, Folders
from simulators.microsoft365.mail.ids import Address, Ids
from simulators.microsoft365.mail.items import Items
from simulators.microsoft365.mail.render import Render
from simulators.microsoft365.mail.schema import Box, Store
from simulators.microsoft365.mail.throttle import Throttle
from simulators.microsoft365.mail.weather import limits

# The whole request, base64 and JSON included.
REQUEST_LIMIT = 4 * 1024 * 1024


@dataclass
class Exchange:
    """All that the handlers work with."""

    cloud: Cloud
    store: Store
    ids: Ids
    items: Items
    folders: Folders
    render: Render
    throttle: Throttle
    late: dict[int, int]

    def route(
        self,
        method: str,
        template: str,
        run: Callable[[Visit], Reply],
        *,
        permissions: str | None = None,
        content: bool = True,
    ) -> None:
        """Answer ``method`` on ``template``, whose brace ``{user}`` names the mailbox.

        ``content``: the app must be allowed to read more than the basics of mail.
        """
        self.cloud.route(method, template, _Entrance(self, run, content=content).answer, permissions=permissions)


@dataclass
class Visit:
    """One request that has come in. ``immutable``: it asked for immutable ids. ``basic``: it may not see content."""

    exchange: Exchange
    call: GraphCall
    box: Box
    immutable: bool
    basic: bool = False

    def strike(self, switch: str, **more: str) -> Fault | None:
        """Return the fault of that name that strikes this request, if any."""
        shown = {"user": self.box.user, "address": self.box.address}
        return self.exchange.cloud.simulation.faults.strike(switch, self.call.log, **(shown | more))

    def folder(self, name: str = "folder") -> sqlite3.Row:
        """Return the folder at a brace, by id or well-known name. Raises GraphError 404 or 400."""
        return self.folder_named(self.call.parts[name])

    def folder_named(self, key: str) -> sqlite3.Row:
        """Return the folder of an id or well-known name. Raises GraphError 404 or 400."""
        if key.lower() in NAMES:
            found = self.exchange.folders.find(self.box, key.lower())
        else:
            found = self.exchange.folders.find(self.box, self._address(key, "folder").number)
        if found is None:
            raise missing_folder()
        return found

    def message(self, on: str = "get") -> sqlite3.Row:
        """Return the message at the brace, in either form of id. Raises GraphError. ``on``: what will be read of it."""
        found = self.message_of(self.call.parts["message"])
        if "folder" in self.call.parts and found["folder"] != self.folder()["folder"]:
            raise missing()
        left = self.exchange.late.get(found["message"], 0)
        if left:
            self.exchange.late[found["message"]] = left - 1
            raise missing()
        if self.call.method == "GET" and (fault := self.strike("mail_item_error", reads=on, **self.facts(found))):
            code = str(fault.parameters["code"])
            raise GraphError(int(fault.parameters["status"]), code, "The item could not be read.")
        return found

    def message_of(self, key: str) -> sqlite3.Row:
        """Return a message by its id. Raises GraphError 404 for one that is gone or an ordinary id out of date."""
        address = self._address(key, "message")
        found = self.exchange.items.row(self.box, address.number)
        if found is None or not (address.immutable or address.moves == found["moves"]):
            raise missing()
        return found

    def attachment(self, message: sqlite3.Row) -> sqlite3.Row:
        """Return the attachment at the brace. Raises GraphError."""
        address = self._address(self.call.parts["attachment"], "attachment")
        if address.number == message["message"] and (address.immutable or address.moves == message["moves"]):
            for row in self.exchange.items.attachments(message["message"]):
                if row["attachment"] == address.attachment:
                    return row
        raise missing()

    def facts(self, row: sqlite3.Row) -> dict[str, str]:
        """Return what the scope of a fault may ask about a message."""
        found = self.exchange.folders.find(self.box, row["folder"])
        item = self.exchange.render.message_id(self.box, row, immutable=True)
        return {"item": item, "subject": row["subject"] or "", "folder": found["name"] if found else ""}

    def folder_json(self, row: sqlite3.Row, names: list[str] | None = None) -> dict[str, Any]:
        """Return a folder on the wire."""
        return self.exchange.render.folder(self.box, row, names)

    def context(self, path: str) -> str:
        """Return an ``@odata.context``."""
        return f"{self.call.base}/$metadata#users('{self.box.user}')/{path}"

    def _address(self, key: str, kind: str) -> Address:
        found = self.exchange.ids.read(key)
        if found is None or found.kind != kind:
            raise GraphError(400, "ErrorInvalidIdMalformed", "Id is malformed.")
        if found.guid != self.box.guid:
            raise GraphError(400, "ErrorInvalidMailboxItemId", "Item doesn't belong to the targeted mailbox.")
        return found


class _Entrance:
    def __init__(self, exchange: Exchange, run: Callable[[Visit], Reply], *, content: bool) -> None:
        self._exchange = exchange
        self._run = run
        self._content = content

    def answer(self, call: GraphCall) -> Awaitable[Reply]:
        return self._answer(call)

    async def _answer(self, call: GraphCall) -> Reply:
        visit = self._visit(call)
        exchange, faults = self._exchange, self._exchange.cloud.simulation.faults
        size = len(call.body) if call.method in {"POST", "PATCH", "PUT"} else 0
        per_app = bool(faults.strike("mail_concurrency_per_app", call.log))
        place = exchange.throttle.enter(
            call.app, visit.box.number, size, whole_app=per_app, limits=limits(faults, call.log)
        )
        try:
            slow = visit.strike("mail_slow")
            # Even a quick call lets the others come in, so that five at a time meet each other.
            await asyncio.sleep(float(slow.parameters["seconds"]) if slow else 0)
            if len(call.body) > REQUEST_LIMIT:
                raise GraphError(413, "RequestEntityTooLarge", "The request is larger than 4 MB.")
            reply = self._run(visit)
        finally:
            exchange.throttle.leave(place)
        if call.preference("IdType"):
            reply.headers.setdefault("Preference-Applied", 'IdType="ImmutableId"')
        return reply

    def _visit(self, call: GraphCall) -> Visit:
        exchange = self._exchange
        user = exchange.cloud.directory.user(call.tenant, call.parts["user"])
        box = exchange.store.box(user.tenant, user.id)
        if box is None or not user.has_mailbox:
            raise not_enabled()
        # Labels of the log carry no names.
        call.log.labels["mailbox"] = user.id
        asked = call.preference("IdType")
        visit = Visit(exchange, call, box, asked is not None and asked.lower() == "immutableid", _basic(call))
        if visit.strike("mail_not_enabled"):
            raise not_enabled()
        if visit.strike("mail_access_policy"):
            raise denied()
        if fault := visit.strike("mail_over_quota"):
            raise GraphError(int(fault.parameters["status"]), "ErrorQuotaExceeded", "The mailbox is over its quota.")
        if visit.basic and self._content:
            raise denied()
        return visit


def _basic(call: GraphCall) -> bool:
    mail = {role for role in call.roles if role.startswith("Mail.")}
    return bool(mail) and mail <= {"Mail.ReadBasic.All", "Mail.ReadBasic"}


def missing() -> GraphError:
    """Return the answer for an item that is not there."""
    return GraphError(404, "ErrorItemNotFound", "The specified object was not found in the store.")


def missing_folder() -> GraphError:
    """Return the answer for a folder that is not there."""
    return GraphError(
        404,
        "ErrorItemNotFound",
        "The specified object was not found in the store., The process failed to get the correct properties.",
    )


def denied() -> GraphError:
    """Return the answer of an application access policy, and for content without the right to it."""
    return GraphError(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")


def not_enabled() -> GraphError:
    """Return the answer for a user without a mailbox in the cloud."""
    return GraphError(
        404,
        "MailboxNotEnabledForRESTAPI",
        "The mailbox is either inactive, soft-deleted, or is hosted on-premise.",
    )
