"""Folders of a mailbox: well-known ones, the tree, search folders, and their change numbers."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from simulators.microsoft365.graph import GraphError
from simulators.microsoft365.mail.items import Items
from simulators.microsoft365.mail.schema import Box

ROOT = "msgfolderroot"
BIN = "deleteditems"
RECOVERABLE = "recoverableitemsdeletions"
# name, display name, hidden; all below msgfolderroot. As Exchange makes them for a mailbox in English.
KNOWN = (
    ("inbox", "Inbox", False),
    ("drafts", "Drafts", False),
    ("sentitems", "Sent Items", False),
    ("deleteditems", "Deleted Items", False),
    ("archive", "Archive", False),
    ("junkemail", "Junk Email", False),
    ("outbox", "Outbox", False),
    ("conversationhistory", "Conversation History", False),
    ("clutter", "Clutter", True),
    ("scheduled", "Scheduled", True),
    ("syncissues", "Sync Issues", True),
)
BELOW_SYNC = (("conflicts", "Conflicts"), ("localfailures", "Local Failures"), ("serverfailures", "Server Failures"))
# Outside of the visible tree: reached by name alone.
OUTSIDE = ((RECOVERABLE, "Deletions"), ("recoverableitemspurges", "Purges"), ("recoverableitemsversions", "Versions"))
NAMES = {ROOT, "searchfolders", *(one[0] for one in (*KNOWN, *BELOW_SYNC, *OUTSIDE))}
NAME_LIMIT = 255


class Folders:
    """The folder tree of every mailbox."""

    def __init__(self, items: Items) -> None:
        self._items = items
        self._store = items.store
        self._database = items.store.database

    def furnish(self, box: Box) -> None:
        """Make what every new mailbox has."""
        store = self._add(box, None, "Root", None, hidden=True)
        root = self._add(box, store, "Top of Information Store", ROOT)
        made = {known: self._add(box, root, name, known, hidden=hidden) for known, name, hidden in KNOWN}
        for known, name in BELOW_SYNC:
            self._add(box, made["syncissues"], name, known, hidden=True)
        for known, name in OUTSIDE:
            self._add(box, store, name, known, hidden=True)
        self._add(box, store, "Finder", "searchfolders", hidden=True)
        search = {"filterQuery": "isRead eq false", "sources": [made["inbox"]], "nested": True}
        self._add(box, root, "Unread Mail", None, search=search)

    def find(self, box: Box, key: int | str) -> sqlite3.Row | None:
        """Return a folder by its number or well-known name."""
        column = "folder" if isinstance(key, int) else "known"
        row: sqlite3.Row | None = self._database.execute(
            f"SELECT * FROM folder WHERE mailbox = ? AND {column} = ?",  # noqa: S608 - one of two own names
            (box.number, key),
        ).fetchone()
        return row

    def known(self, box: Box, name: str) -> sqlite3.Row:
        """Return a well-known folder."""
        row = self.find(box, name)
        if row is None:
            raise LookupError(f"the mailbox has no folder {name}")
        return row

    def children(self, parent: int, *, hidden: bool = True) -> list[sqlite3.Row]:
        """Return the folders in a folder, oldest first."""
        condition = "" if hidden else " AND NOT hidden"
        return self._database.execute(
            f"SELECT * FROM folder WHERE parent = ?{condition} ORDER BY folder",  # noqa: S608 - own words
            (parent,),
        ).fetchall()

    def tree(self, box: Box) -> list[sqlite3.Row]:
        """All folders below msgfolderroot, oldest first."""
        return self._database.execute(
            "WITH RECURSIVE tree (id) AS (SELECT folder FROM folder WHERE mailbox = ? AND known = ?"
            " UNION ALL SELECT f.folder FROM folder f JOIN tree ON f.parent = tree.id)"
            " SELECT f.* FROM folder f JOIN tree ON f.folder = tree.id WHERE f.known IS NOT ? ORDER BY f.folder",
            (box.number, ROOT, ROOT),
        ).fetchall()

    def inside(self, folder: int) -> list[int]:
        """Return the numbers of a folder and of all below it."""
        rows = self._database.execute(
            "WITH RECURSIVE tree (id) AS (VALUES (?)"
            " UNION ALL SELECT f.folder FROM folder f JOIN tree ON f.parent = tree.id) SELECT id FROM tree",
            (folder,),
        )
        return [row["id"] for row in rows]

    def counts(self, folder: sqlite3.Row) -> tuple[int, int, int]:
        """Child folders, messages, unread messages."""
        sources, number = [folder["folder"]], folder["folder"]
        unread_only = ""
        if folder["search"]:
            sources, unread_only = json.loads(folder["search"])["sources"], " AND read = 0"
        marks = ", ".join("?" * len(sources))
        count = self._database.execute
        return (
            count("SELECT count(*) FROM folder WHERE parent = ? AND NOT hidden", (number,)).fetchone()[0],
            count(f"SELECT count(*) FROM message WHERE folder IN ({marks}){unread_only}", sources).fetchone()[0],  # noqa: S608
            count(f"SELECT count(*) FROM message WHERE folder IN ({marks}) AND read = 0", sources).fetchone()[0],  # noqa: S608
        )

    def add(self, box: Box, parent: sqlite3.Row, name: str, *, hidden: bool = False) -> sqlite3.Row:
        """Make a folder. Raises GraphError 409 if the parent has one of that name, 400 for a name that cannot be."""
        self._free(parent["folder"], name)
        number = self._add(box, parent["folder"], name, None, hidden=hidden)
        return self._database.execute("SELECT * FROM folder WHERE folder = ?", (number,)).fetchone()  # type: ignore[no-any-return]

    def rename(self, box: Box, folder: sqlite3.Row, name: str) -> None:
        """Give a folder another name. Raises GraphError as ``add``, and for a well-known folder."""
        self._own(folder)
        if name != folder["name"]:
            self._free(folder["parent"], name, folder["folder"])
        self._touch(box, folder["folder"], "name", name)

    def move(self, box: Box, folder: sqlite3.Row, parent: sqlite3.Row) -> None:
        """Put a folder, with all in it, into another one. Raises GraphError if that cannot be."""
        self._own(folder)
        if parent["folder"] in self.inside(folder["folder"]):
            raise GraphError(400, "ErrorMoveCopyFailed", "The folder cannot be moved into itself.")
        self._free(parent["folder"], folder["name"], folder["folder"])
        self._touch(box, folder["folder"], "parent", parent["folder"])

    def delete(self, box: Box, folder: sqlite3.Row) -> None:
        """Into Deleted Items; from there for good, its messages into the recoverable ones. Raises GraphError."""
        self._own(folder)
        waste = self.known(box, BIN)
        if folder["folder"] in self.inside(waste["folder"]):
            self.remove(box, folder, self.known(box, RECOVERABLE)["folder"])
            return
        number, name = 0, folder["name"]
        while self._taken(waste["folder"], name):
            number += 1
            name = f"{folder['name']}{number}"
        if name != folder["name"]:
            self._touch(box, folder["folder"], "name", name)
        self._touch(box, folder["folder"], "parent", waste["folder"])

    def erase(self, box: Box, folder: sqlite3.Row) -> None:
        """Return a folder and all in it, for good and not into a bin. Raises GraphError for a well-known one."""
        self._own(folder)
        self.remove(box, folder)

    def remove(self, box: Box, folder: sqlite3.Row, rescue: int | None = None) -> None:
        """Take a folder and all below it away; messages go to the folder ``rescue``, or for good."""
        for number in reversed(self.inside(folder["folder"])):
            for row in self._database.execute("SELECT * FROM message WHERE folder = ?", (number,)).fetchall():
                if rescue is None:
                    self._items.purge(box, row)
                else:
                    self._items.move(box, row, rescue)
            self._database.execute("DELETE FROM folder WHERE folder = ?", (number,))
            self._database.execute(
                "INSERT INTO gone_folder VALUES (?, ?, ?)", (box.number, self._store.next(box), number)
            )

    def _add(
        self,
        box: Box,
        parent: int | None,
        name: str,
        known: str | None,
        *,
        hidden: bool = False,
        search: dict[str, Any] | None = None,
    ) -> int:
        change = self._store.next(box)
        cursor = self._database.execute(
            "INSERT INTO folder (mailbox, parent, name, known, hidden, search, change, born)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (box.number, parent, name, known, hidden, json.dumps(search) if search else None, change, change),
        )
        return int(cursor.lastrowid or 0)

    def _touch(self, box: Box, folder: int, column: str, value: Any) -> None:
        self._database.execute(
            f"UPDATE folder SET {column} = ?, change = ? WHERE folder = ?",  # noqa: S608 - own names
            (value, self._store.next(box), folder),
        )

    def _own(self, folder: sqlite3.Row) -> None:
        if folder["known"] or folder["search"] or folder["parent"] is None:
            raise GraphError(400, "ErrorDeleteDistinguishedFolder", "Distinguished folders cannot be changed.")

    def _taken(self, parent: int, name: str, but: int = 0) -> bool:
        wanted = name.casefold()
        return any(row["name"].casefold() == wanted and row["folder"] != but for row in self.children(parent))

    def _free(self, parent: int, name: str, but: int = 0) -> None:
        if not name.strip() or len(name) > NAME_LIMIT:
            raise GraphError(400, "ErrorInvalidFolderName", "A folder needs a name of at most 255 characters.")
        if self._taken(parent, name, but):
            raise GraphError(409, "ErrorFolderExists", "A folder with the specified name already exists.")
