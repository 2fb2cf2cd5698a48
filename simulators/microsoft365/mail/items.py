"""Messages in the store: made, changed, moved, copied, purged; every change has a number, for delta."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from simulators.microsoft365.mail import mime_build
from simulators.microsoft365.mail.content import Attached, Content, from_json
from simulators.microsoft365.mail.mime_fields import derive, detach, inner
from simulators.microsoft365.mail.mime_parse import parse, undo, words
from simulators.microsoft365.mail.schema import Box, Store

Now = Callable[[], str]
# A change of these alone leaves a mail's own MIME as it came: MIME does not carry them.
STATE = {"isRead", "flag", "categories", "inferenceClassification"}


class Items:
    """``now()`` gives the present instant as Graph writes it."""

    def __init__(self, store: Store, now: Now) -> None:
        self.store = store
        self.now = now
        self._database = store.database

    def deliver(self, box: Box, folder: int, raw: bytes, state: dict[str, Any] | None = None) -> int:
        """Put a mail into a folder as it came. ``state``: properties that MIME cannot carry. Gives its number."""
        content = derive(raw, box.guid, self.now())
        content.fields.update(state or {})
        return self.insert(box, folder, content, raw)

    def insert(self, box: Box, folder: int, content: Content, raw: bytes | None = None) -> int:
        """Put a message into a folder; its number. With ``raw`` that is its MIME, else MIME is built when asked for."""
        fields, now, change = content.fields, self.now(), self.store.next(box)
        kept = None if raw is None else self.store.keep(raw)
        cursor = self._database.execute(
            "INSERT INTO message (mailbox, folder, change, born, created, modified, received, sent, read, draft,"
            " subject, internet, raw, fields) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (box.number, folder, change, change, now, now, *_columns(fields), kept, _dump(fields)),
        )
        number = int(cursor.lastrowid or 0)
        for attached in content.attachments:
            self.attach(number, attached, raw)
        for key, value in content.extended.items():
            self._database.execute("INSERT OR REPLACE INTO extended VALUES (?, ?, ?)", (number, key, value))
        if fields["internetMessageId"] is None:
            fields["internetMessageId"] = f"<{box.guid[:8]}.{number:08X}@prod.exchange.example>"
            self._write(number, fields)
        self.count_files(number)
        return number

    def row(self, box: Box, number: int) -> sqlite3.Row | None:
        """Return a message of the mailbox; None if it is not (any more) in it."""
        row: sqlite3.Row | None = self._database.execute(
            "SELECT * FROM message WHERE message = ? AND mailbox = ?", (number, box.number)
        ).fetchone()
        return row

    def change(self, box: Box, row: sqlite3.Row, fields: dict[str, Any], altered: Iterable[str]) -> None:
        """Store changed properties. What MIME carries makes the mail's own MIME go."""
        if set(altered) - STATE:
            self.forget_mime(box, row)
        self._write(row["message"], fields)
        self.touch(box, row["message"])

    def touch(self, box: Box, number: int) -> None:
        """Give a message a new version."""
        self._database.execute(
            "UPDATE message SET change = ?, modified = ? WHERE message = ?", (self.store.next(box), self.now(), number)
        )

    def move(self, box: Box, row: sqlite3.Row, folder: int) -> None:
        """Into another folder: gone from here, new there, with another ordinary id."""
        self._database.execute(
            "INSERT INTO gone VALUES (?, ?, ?, ?)", (row["folder"], self.store.next(box), row["message"], row["moves"])
        )
        change = self.store.next(box)
        self._database.execute(
            "UPDATE message SET folder = ?, moves = moves + 1, change = ?, born = ?, modified = ? WHERE message = ?",
            (folder, change, change, self.now(), row["message"]),
        )

    def copy(self, box: Box, row: sqlite3.Row, folder: int) -> int:
        """Return a second message of the same content; its number."""
        content = Content(json.loads(row["fields"]), [], self.extended(row["message"]))
        raw = None if row["raw"] is None else self.store.bytes(row["raw"])
        number = self.insert(box, folder, content, raw)
        for one in self.attachments(row["message"]):
            values = dict(one) | {"message": number, "attachment": None}
            if one["blob"] is not None:
                values["blob"] = self.store.keep(self.store.bytes(one["blob"]))
            self._add(values)
        self.count_files(number)
        return number

    def purge(self, box: Box, row: sqlite3.Row) -> None:
        """Out of every folder, for good."""
        self._database.execute(
            "INSERT INTO gone VALUES (?, ?, ?, ?)", (row["folder"], self.store.next(box), row["message"], row["moves"])
        )
        self.store.drop(row["raw"])
        for one in self.attachments(row["message"]):
            self.store.drop(one["blob"])
        for table in ("attachment", "extended", "message", "upload"):
            self._database.execute(f"DELETE FROM {table} WHERE message = ?", (row["message"],))  # noqa: S608 - own names

    def attach(self, number: int, attached: Attached, raw: bytes | None = None) -> int:
        """Add an attachment; ``raw`` is what its span points into. Gives its number."""
        start, stop, coding = attached.span or (None, None, None)
        data = attached.data
        if attached.span is not None and raw is not None:
            size = len(undo(raw[start:stop], coding))
        else:
            size = len(data or b"") if attached.item is None else len(_dump(attached.item))
        values = {"message": number, "kind": attached.kind, "name": attached.name, "media": attached.media}
        values |= {"size": size, "inline": attached.inline, "cid": attached.cid, "location": attached.location}
        values |= {"modified": self.now(), "blob": None if data is None else self.store.keep(data)}
        values |= {"start": start, "stop": stop, "coding": coding, "attachment": None}
        return self._add(values | {"item": None if attached.item is None else _dump(attached.item)})

    def attachments(self, number: int) -> list[sqlite3.Row]:
        """Return the attachments of a message, in their order."""
        return self._database.execute(
            "SELECT * FROM attachment WHERE message = ? ORDER BY attachment", (number,)
        ).fetchall()

    def detach(self, row: sqlite3.Row) -> None:
        """Remove one attachment (a row of ``attachments``)."""
        self.store.drop(row["blob"])
        self._database.execute("DELETE FROM attachment WHERE attachment = ?", (row["attachment"],))
        self.count_files(row["message"])

    def data(self, message: sqlite3.Row, row: sqlite3.Row) -> bytes:
        """Return the bytes of an attachment; MIME for an attached mail."""
        if row["start"] is not None:
            return undo(self.store.bytes(message["raw"], row["start"], row["stop"]), row["coding"])
        if row["item"] is not None:
            return _mime(from_json(json.loads(row["item"])), f"item{row['attachment']}")
        return b"" if row["blob"] is None else self.store.bytes(row["blob"])

    def item(self, box: Box, message: sqlite3.Row, row: sqlite3.Row) -> Content:
        """Return an attached mail."""
        if row["item"] is not None:
            return from_json(json.loads(row["item"]))
        return inner(self.data(message, row), box.guid, message["received"])

    def mime(self, row: sqlite3.Row) -> bytes:
        """``$value``: the mail as it came, or MIME built from its properties."""
        if row["raw"] is not None:
            return self.store.bytes(row["raw"])
        files = [
            mime_build.File(
                one["kind"],
                one["name"],
                one["media"],
                bool(one["inline"]),
                one["cid"],
                partial(self.data, row, one),
            )
            for one in self.attachments(row["message"])
        ]
        return mime_build.build(json.loads(row["fields"]), files, self.extended(row["message"]), str(row["message"]))

    def headers(self, row: sqlite3.Row) -> list[dict[str, str]] | None:
        """``internetMessageHeaders``: those that the mail came with, or the few that its maker set."""
        if row["raw"] is None:
            own: list[dict[str, str]] | None = json.loads(row["fields"]).get("internetMessageHeaders")
            return own
        return [{"name": name, "value": words(value)} for name, value in parse(self.store.bytes(row["raw"])).headers]

    def extended(self, number: int) -> dict[str, str]:
        """Return the stored extended properties of a message."""
        rows = self._database.execute("SELECT id, value FROM extended WHERE message = ? ORDER BY id", (number,))
        return {row["id"]: row["value"] for row in rows}

    def extend(self, number: int, values: dict[str, str]) -> None:
        """Set extended properties."""
        for key, value in values.items():
            self._database.execute("INSERT OR REPLACE INTO extended VALUES (?, ?, ?)", (number, key, value))

    def forget_mime(self, box: Box, row: sqlite3.Row) -> None:
        """Keep what the mail's MIME holds as properties and bytes, and the MIME no longer."""
        if row["raw"] is None:
            return
        raw = self.store.bytes(row["raw"])
        for one in self.attachments(row["message"]):
            if one["start"] is None:
                continue
            attached = Attached(one["kind"], one["name"], one["media"], span=(one["start"], one["stop"], one["coding"]))
            detach(raw, attached, box.guid, row["received"])
            kept = None if attached.data is None else self.store.keep(attached.data)
            item = None if attached.item is None else _dump(attached.item)
            self._database.execute(
                "UPDATE attachment SET blob = ?, item = ?, start = NULL, stop = NULL, coding = NULL"
                " WHERE attachment = ?",
                (kept, item, one["attachment"]),
            )
        self._database.execute("UPDATE message SET raw = NULL WHERE message = ?", (row["message"],))
        self.store.drop(row["raw"])

    def count_files(self, number: int) -> None:
        """Bring ``hasAttachments`` up to date."""
        self._database.execute(
            "UPDATE message SET files = EXISTS"
            " (SELECT 1 FROM attachment a WHERE a.message = message.message AND NOT a.inline)"
            " WHERE message = ?",
            (number,),
        )

    def _add(self, values: dict[str, Any]) -> int:
        names = ", ".join(values)
        cursor = self._database.execute(
            f"INSERT INTO attachment ({names}) VALUES ({', '.join('?' * len(values))})",  # noqa: S608 - own names
            tuple(values.values()),
        )
        return int(cursor.lastrowid or 0)

    def _write(self, number: int, fields: dict[str, Any]) -> None:
        self._database.execute(
            "UPDATE message SET received = ?, sent = ?, read = ?, draft = ?, subject = ?, internet = ?, fields = ?"
            " WHERE message = ?",
            (*_columns(fields), _dump(fields), number),
        )


def _columns(fields: dict[str, Any]) -> tuple[Any, ...]:
    dates = (fields["receivedDateTime"], fields["sentDateTime"])
    return (*dates, fields["isRead"], fields["isDraft"], fields["subject"], fields["internetMessageId"])


def _mime(content: Content, seed: str) -> bytes:
    files = [
        mime_build.File(
            one.kind,
            one.name,
            one.media,
            one.inline,
            one.cid,
            partial(_bytes, one, seed),
        )
        for one in content.attachments
    ]
    return mime_build.build(content.fields, files, content.extended, seed)


def _bytes(one: Attached, seed: str) -> bytes:
    return _mime(from_json(one.item), f"{seed}i") if one.item else one.data or b""


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
