"""The customer's hands on mail: what people and administrators do outside of any backup."""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Callable
from typing import Any

from simulators.microsoft365.graph import GraphError
from simulators.microsoft365.mail import text
from simulators.microsoft365.mail.content import complete
from simulators.microsoft365.mail.entrance import Exchange
from simulators.microsoft365.mail.folders import NAMES
from simulators.microsoft365.mail.schema import Box
from simulators.microsoft365.mail.seed_bulk import fill


def install(exchange: Exchange) -> None:
    """Make the actions known. ``user`` is an address or a user id, folders are ids, well-known names or paths."""
    at = _Hands(exchange)
    action = exchange.cloud.action
    action("mail_deliver", "a mail arrives: raw (text) or base64 of its bytes; gives its immutable id", at.deliver)
    action(
        "mail_edit", "change properties of a mail, fixed ones too (isRead, flag, categories, subject, body)", at.edit
    )
    action("mail_move", "move a mail into another folder", at.move)
    action("mail_purge", "take mails (ids) or all mails of a folder away for good, not into a bin", at.purge)
    action("mail_empty", "purge every mail of a mailbox, recoverable ones too", at.empty)
    action("mail_folder_add", "make a folder below another one; gives its id", at.add_folder)
    action("mail_folder_rename", "rename a folder", at.rename_folder)
    action("mail_folder_move", "move a folder into another one", at.move_folder)
    action("mail_folder_delete", "delete a folder; purge=true takes it and all in it away for good", at.delete_folder)
    action("mail_fill", "put count small mails into a folder, quickly", at.fill)
    action(
        "mail_notifications",
        "how many messages left mailboxes for other people (must stay 0 in restores)",
        at.notifications,
    )
    action("mail_message_limit", "the tenant's message size limit in MB (default 35, at most 150)", at.message_limit)
    action("mail_forget_deltas", "delta tokens given out so far are no longer known", at.forget_deltas)


class _Hands:
    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._items = exchange.items
        self._folders = exchange.folders
        self._store = exchange.store

    def deliver(
        self,
        user: str,
        raw: str = "",
        base64_: str = "",
        folder: str = "inbox",
        state: dict[str, Any] | None = None,
    ) -> str:
        box = self._store.box_of(user)
        data = base64.b64decode(base64_, validate=True) if base64_ else raw.encode()
        number = self._items.deliver(box, self._folder(box, folder)["folder"], data, state)
        return self._id(box, number)

    def edit(self, user: str, id: str, properties: dict[str, Any]) -> None:  # noqa: A002 - the name on the wire
        box, row = self._found(user, id)
        fields = json.loads(row["fields"])
        if unknown := set(properties) - set(fields):
            raise ValueError(f"a message has no {', '.join(sorted(unknown))} that can be set")
        fields.update(properties)
        if "body" in properties:
            fields["body"] = text.body(properties["body"]["content"], properties["body"]["contentType"])
        if {"subject", "body"} & set(properties):
            complete(fields, box.guid)
        self._items.change(box, row, fields, properties)

    def move(self, user: str, id: str, folder: str) -> None:  # noqa: A002 - the name on the wire
        box, row = self._found(user, id)
        self._items.move(box, row, self._folder(box, folder)["folder"])

    def purge(self, user: str, ids: list[str] | None = None, folder: str | None = None) -> int:
        box = self._store.box_of(user)
        rows = [self._found(user, one)[1] for one in ids or ()]
        if folder is not None:
            place = self._folder(box, folder)["folder"]
            rows += self._store.database.execute("SELECT * FROM message WHERE folder = ?", (place,)).fetchall()
        for row in rows:
            self._items.purge(box, row)
        return len(rows)

    def empty(self, user: str) -> int:
        box = self._store.box_of(user)
        rows = self._store.database.execute("SELECT * FROM message WHERE mailbox = ?", (box.number,)).fetchall()
        for row in rows:
            self._items.purge(box, row)
        return len(rows)

    def add_folder(self, user: str, name: str, parent: str = "msgfolderroot", *, hidden: bool = False) -> str:
        box = self._store.box_of(user)
        made = _said(lambda: self._folders.add(box, self._folder(box, parent), name, hidden=hidden))
        return self._exchange.ids.folder(box.guid, made["folder"])

    def rename_folder(self, user: str, folder: str, name: str) -> None:
        box = self._store.box_of(user)
        _said(lambda: self._folders.rename(box, self._folder(box, folder), name))

    def move_folder(self, user: str, folder: str, parent: str) -> None:
        box = self._store.box_of(user)
        _said(lambda: self._folders.move(box, self._folder(box, folder), self._folder(box, parent)))

    def delete_folder(self, user: str, folder: str, *, purge: bool = False) -> None:
        box = self._store.box_of(user)
        place = self._folder(box, folder)
        if purge:
            _said(lambda: self._folders.erase(box, place))
        else:
            _said(lambda: self._folders.delete(box, place))

    def fill(self, user: str, count: int, folder: str = "inbox", size: int = 400) -> int:
        box = self._store.box_of(user)
        fill(self._exchange, box, self._folder(box, folder)["folder"], count, size)
        return count

    def notifications(self, user: str | None = None) -> int:
        if user is not None:
            box = self._store.box_of(user)
            query, values = "SELECT notified FROM mailbox WHERE mailbox = ?", (box.number,)
            return int(self._store.database.execute(query, values).fetchone()[0])
        return int(self._store.database.execute("SELECT coalesce(sum(notified), 0) FROM mailbox").fetchone()[0])

    def message_limit(self, tenant: str, megabytes: int) -> None:
        if not 1 <= megabytes <= 150:  # noqa: PLR2004 - Exchange Online's own bounds
            raise ValueError("the limit lies between 1 and 150 MB")
        self._store.setting(self._exchange.cloud.directory.tenant(tenant).id, "message_limit", str(megabytes))

    def forget_deltas(self, user: str) -> None:
        box = self._store.box_of(user)
        self._store.database.execute(
            "UPDATE mailbox SET floor = ? WHERE mailbox = ?", (self._store.next(box), box.number)
        )

    def _folder(self, box: Box, key: str) -> sqlite3.Row:
        found: sqlite3.Row | None = None
        if key.lower() in NAMES:
            found = self._folders.find(box, key.lower())
        elif (address := self._exchange.ids.read(key)) is not None and address.guid == box.guid:
            found = self._folders.find(box, address.number)
        else:
            found = self._folders.known(box, "msgfolderroot")
            for name in key.strip("/").split("/"):
                found = next((one for one in self._folders.children(found["folder"]) if one["name"] == name), None)
                if found is None:
                    break
        if found is None:
            raise LookupError(f"no folder {key}")
        return found

    def _found(self, user: str, key: str) -> tuple[Box, sqlite3.Row]:
        box, address = self._store.box_of(user), self._exchange.ids.read(key)
        row = self._items.row(box, address.number) if address and address.guid == box.guid else None
        if row is None:
            raise LookupError("the mailbox has no such mail")
        return box, row

    def _id(self, box: Box, number: int) -> str:
        return self._exchange.ids.message(box.guid, number, 0, immutable=True)


def _said(run: Callable[[], Any]) -> Any:
    try:
        return run()
    except GraphError as error:
        raise ValueError(error.message) from error
