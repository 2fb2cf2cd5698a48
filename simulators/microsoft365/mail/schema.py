"""Where mail lives: one SQLite database, so that a mailbox of 250,000 messages needs little memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

SCHEMA = """
CREATE TABLE IF NOT EXISTS mailbox (
    mailbox INTEGER PRIMARY KEY, tenant TEXT NOT NULL, user TEXT NOT NULL, address TEXT NOT NULL, guid TEXT NOT NULL,
    change INTEGER NOT NULL DEFAULT 0, notified INTEGER NOT NULL DEFAULT 0, floor INTEGER NOT NULL DEFAULT 0,
    sealed INTEGER NOT NULL DEFAULT 0, UNIQUE (tenant, user)
);
CREATE TABLE IF NOT EXISTS folder (
    folder INTEGER PRIMARY KEY AUTOINCREMENT, mailbox INTEGER NOT NULL, parent INTEGER, name TEXT NOT NULL, known TEXT,
    hidden INTEGER NOT NULL DEFAULT 0, search TEXT, change INTEGER NOT NULL, born INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS folder_mailbox ON folder (mailbox, change);
CREATE INDEX IF NOT EXISTS folder_parent ON folder (parent);
CREATE TABLE IF NOT EXISTS message (
    message INTEGER PRIMARY KEY AUTOINCREMENT, mailbox INTEGER NOT NULL, folder INTEGER NOT NULL,
    moves INTEGER NOT NULL DEFAULT 0, change INTEGER NOT NULL, born INTEGER NOT NULL,
    created TEXT NOT NULL, modified TEXT NOT NULL, received TEXT NOT NULL, sent TEXT NOT NULL,
    read INTEGER NOT NULL, draft INTEGER NOT NULL, files INTEGER NOT NULL DEFAULT 0,
    subject TEXT, internet TEXT, raw INTEGER, fields TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS message_folder ON message (folder, message);
CREATE INDEX IF NOT EXISTS message_change ON message (folder, change);
CREATE INDEX IF NOT EXISTS message_received ON message (folder, received);
CREATE INDEX IF NOT EXISTS message_unread ON message (folder) WHERE read = 0;
CREATE INDEX IF NOT EXISTS message_internet ON message (mailbox, internet);
CREATE TABLE IF NOT EXISTS blob (blob INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS attachment (
    attachment INTEGER PRIMARY KEY AUTOINCREMENT, message INTEGER NOT NULL, kind TEXT NOT NULL, name TEXT, media TEXT,
    size INTEGER NOT NULL, inline INTEGER NOT NULL, cid TEXT, location TEXT, modified TEXT NOT NULL,
    blob INTEGER, start INTEGER, stop INTEGER, coding TEXT, item TEXT
);
CREATE INDEX IF NOT EXISTS attachment_message ON attachment (message);
CREATE TABLE IF NOT EXISTS extended (
    message INTEGER NOT NULL, id TEXT NOT NULL, value TEXT, PRIMARY KEY (message, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS gone (
    folder INTEGER NOT NULL, change INTEGER NOT NULL, message INTEGER NOT NULL, moves INTEGER NOT NULL,
    PRIMARY KEY (folder, change)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS gone_folder (
    mailbox INTEGER NOT NULL, change INTEGER NOT NULL, folder INTEGER NOT NULL, PRIMARY KEY (mailbox, change)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS upload (
    token TEXT PRIMARY KEY, mailbox INTEGER NOT NULL, message INTEGER NOT NULL, app TEXT NOT NULL, item TEXT NOT NULL,
    immutable INTEGER NOT NULL, size INTEGER NOT NULL, received INTEGER NOT NULL DEFAULT 0, expires REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS piece (
    token TEXT NOT NULL, start INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (token, start)
);
CREATE TABLE IF NOT EXISTS setting (tenant TEXT NOT NULL, name TEXT NOT NULL, value TEXT, PRIMARY KEY (tenant, name));
"""


@dataclass(frozen=True)
class Box:
    """One mailbox. ``guid`` is Exchange's own; ``number`` the key in the database; ``user`` the directory's id."""

    number: int
    tenant: str
    user: str
    address: str
    guid: str


class Store:
    """The tables, and the three things everything needs: mailboxes, change numbers, blobs."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self.database = database
        self.unseal: Callable[[Box], None] | None = None
        database.executescript(SCHEMA)

    def add_box(self, tenant: str, user: str, address: str, guid: str, *, sealed: bool = False) -> Box:
        """Make an empty mailbox without folders. ``sealed``: what is in it is made by ``unseal`` when it is opened."""
        cursor = self.database.execute(
            "INSERT INTO mailbox (tenant, user, address, guid, sealed) VALUES (?, ?, ?, ?, ?)",
            (tenant, user, address, guid, sealed),
        )
        return Box(int(cursor.lastrowid or 0), tenant, user, address, guid)

    def box(self, tenant: str, user: str) -> Box | None:
        """Return the mailbox of a user; None if there is none."""
        row = self.database.execute("SELECT * FROM mailbox WHERE tenant = ? AND user = ?", (tenant, user)).fetchone()
        return None if row is None else self._opened(row)

    def box_of(self, who: str) -> Box:
        """Return the newest mailbox with this address or user id, in any tenant. Raises LookupError."""
        row = self.database.execute(
            "SELECT * FROM mailbox WHERE address = ? OR user = ? ORDER BY mailbox DESC LIMIT 1",
            (who.lower(), who.lower()),
        ).fetchone()
        if row is None:
            raise LookupError(f"no mailbox of {who}")
        return self._opened(row)

    def box_numbered(self, number: int) -> Box:
        """Return the mailbox with that key."""
        return _box(self.database.execute("SELECT * FROM mailbox WHERE mailbox = ?", (number,)).fetchone())

    def _opened(self, row: sqlite3.Row) -> Box:
        box = _box(row)
        if row["sealed"] and self.unseal is not None:
            self.database.execute("UPDATE mailbox SET sealed = 0 WHERE mailbox = ?", (box.number,))
            self.unseal(box)
        return box

    def next(self, box: Box) -> int:
        """Return a new change number of the mailbox."""
        row = self.database.execute(
            "UPDATE mailbox SET change = change + 1 WHERE mailbox = ? RETURNING change", (box.number,)
        ).fetchone()
        return int(row["change"])

    def change(self, box: Box) -> int:
        """Return the number of the mailbox's last change."""
        row = self.database.execute("SELECT change FROM mailbox WHERE mailbox = ?", (box.number,)).fetchone()
        return int(row["change"])

    def floor(self, box: Box) -> int:
        """Delta tokens of before this change number are forgotten."""
        row = self.database.execute("SELECT floor FROM mailbox WHERE mailbox = ?", (box.number,)).fetchone()
        return int(row["floor"])

    def notify(self, box: Box, recipients: int) -> None:
        """Count messages that left the mailbox for other people."""
        self.database.execute("UPDATE mailbox SET notified = notified + ? WHERE mailbox = ?", (recipients, box.number))

    def keep(self, data: bytes) -> int:
        """Store bytes; gives their key."""
        return int(self.database.execute("INSERT INTO blob (data) VALUES (?)", (data,)).lastrowid or 0)

    def bytes(self, blob: int, start: int = 0, stop: int | None = None) -> bytes:
        """Return stored bytes, or a range of them."""
        if start == 0 and stop is None:
            return bytes(self.database.execute("SELECT data FROM blob WHERE blob = ?", (blob,)).fetchone()[0])
        with self.database.blobopen("blob", "data", blob, readonly=True) as source:
            source.seek(start)
            return bytes(source.read(len(source) - start if stop is None else stop - start))

    def drop(self, blob: int | None) -> None:
        """Forget stored bytes."""
        if blob is not None:
            self.database.execute("DELETE FROM blob WHERE blob = ?", (blob,))

    def setting(self, tenant: str, name: str, value: str | None = None) -> str | None:
        """Return a tenant's setting; stores ``value`` unless it is None."""
        if value is not None:
            self.database.execute("INSERT OR REPLACE INTO setting VALUES (?, ?, ?)", (tenant, name, value))
            return value
        row = self.database.execute(
            "SELECT value FROM setting WHERE tenant = ? AND name = ?", (tenant, name)
        ).fetchone()
        return None if row is None else str(row["value"])


def _box(row: sqlite3.Row) -> Box:
    return Box(row["mailbox"], row["tenant"], row["user"], row["address"], row["guid"])
