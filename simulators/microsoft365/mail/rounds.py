"""What a delta round consists of: everything at first, later what changed and what is gone, in order of change."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from simulators.microsoft365.mail import odata
from simulators.microsoft365.mail.tokens import Token

Entry = tuple[list[Any], dict[str, Any]]
# The cursor of a round that has begun and given nothing out yet.
BEFORE = ""


class Rounds(Protocol):
    """Entries after a token's cursor, each with the cursor that stands behind it."""

    def entries(self, token: Token) -> Iterator[Entry]:
        """Return the entries of the round from the cursor on."""
        ...

    def all_removed(self, token: Token) -> list[dict[str, Any]]:
        """Everything that is there, as if it were gone."""
        ...

    def gone(self, number: int, moves: int) -> dict[str, Any]:
        """Return the entry for a removed item."""
        ...


class MessageRounds:
    """Rounds over one folder's messages. ``show`` and ``removed`` give a message's JSON and a gone one's id."""

    def __init__(
        self,
        database: sqlite3.Connection,
        show: Callable[[sqlite3.Row], dict[str, Any]],
        removed: Callable[[int, int], str],
    ) -> None:
        self._database = database
        self._show = show
        self._removed = removed

    def entries(self, token: Token) -> Iterator[Entry]:
        """Return the entries of the round from the cursor on."""
        return self._everything(token) if token.first else self._changes(token)

    def all_removed(self, token: Token) -> list[dict[str, Any]]:
        """Every message of the folder, as if it were gone."""
        rows = self._database.execute("SELECT message, moves FROM message WHERE folder = ?", (token.scope,))
        return [self.gone(row["message"], row["moves"]) for row in rows]

    def gone(self, number: int, moves: int) -> dict[str, Any]:
        """Return the entry for a removed message. A move out of the folder looks no different from a deletion."""
        kind = {"@odata.type": "#microsoft.graph.message"}
        return kind | {"id": self._removed(number, moves), "@removed": {"reason": "deleted"}}

    def _everything(self, token: Token) -> Iterator[Entry]:
        if token.options.get("changeType", "created") != "created":
            return
        condition = odata.where(token.options.get("$filter"))
        begun = bool(token.cursor) and token.cursor[0] != BEFORE
        if "$orderby" in token.options or "$filter" in token.options:
            received, number = token.cursor if begun else ("9999", 0)
            rows = self._database.execute(
                f"SELECT * FROM message WHERE folder = ? AND {condition.sql}"  # noqa: S608 - built from a closed set of words
                " AND (received < ? OR (received = ? AND message < ?)) ORDER BY received DESC, message DESC LIMIT ?",
                (token.scope, *condition.values, received, received, number, token.size + 2 if not token.salt else -1),
            )
            for row in rows.fetchall():
                yield [row["received"], row["message"]], self._show(row)
            return
        rows = self._database.execute(
            "SELECT * FROM message WHERE folder = ? AND message > ? ORDER BY message LIMIT ?",
            (token.scope, token.cursor[0] if begun else 0, token.size + 2 if not token.salt else -1),
        )
        for row in rows.fetchall():
            yield [row["message"]], self._show(row)

    def _changes(self, token: Token) -> Iterator[Entry]:
        kind = token.options.get("changeType")
        since = token.cursor[0] if token.cursor and token.cursor[0] != BEFORE else token.since
        condition = odata.where(token.options.get("$filter"))
        born = {"created": f" AND born > {token.since:d}", "updated": f" AND born <= {token.since:d}"}.get(
            kind or "", ""
        )
        limit = -1 if token.salt else token.size + 2
        live, gone = [], []
        if kind != "deleted":
            live = self._database.execute(
                f"SELECT * FROM message WHERE folder = ? AND change > ? AND change <= ?{born} AND {condition.sql}"  # noqa: S608
                " ORDER BY change LIMIT ?",
                (token.scope, since, token.until, *condition.values, limit),
            ).fetchall()
        if kind in {None, "deleted"}:
            gone = self._database.execute(
                "SELECT * FROM gone WHERE folder = ? AND change > ? AND change <= ? ORDER BY change LIMIT ?",
                (token.scope, since, token.until, limit),
            ).fetchall()
        for row in sorted([*live, *gone], key=lambda row: int(row["change"])):
            there = "fields" in row.keys()  # noqa: SIM118 - a row's own test is for values
            yield [row["change"]], self._show(row) if there else self.gone(row["message"], row["moves"])


class FolderRounds:
    """Rounds over a mailbox's folder tree, whose ``rows`` are the folders that are there."""

    def __init__(
        self,
        database: sqlite3.Connection,
        box: int,
        rows: list[sqlite3.Row],
        show: Callable[[sqlite3.Row], dict[str, Any]],
        removed: Callable[[int, int], str],
    ) -> None:
        self._database = database
        self._box = box
        self._rows = rows
        self._show = show
        self._removed = removed

    def entries(self, token: Token) -> Iterator[Entry]:
        """Return the entries of the round from the cursor on."""
        after = token.cursor[0] if token.cursor and token.cursor[0] != BEFORE else token.since
        pairs: list[tuple[int, dict[str, Any]]] = [
            (row["change"], {"row": row}) for row in self._rows if after < row["change"] <= token.until
        ]
        if not token.first:
            gone = self._database.execute(
                "SELECT * FROM gone_folder WHERE mailbox = ? AND change > ? AND change <= ?",
                (self._box, after, token.until),
            )
            pairs += [(row["change"], self.gone(row["folder"], 0)) for row in gone]
        for change, entry in sorted(pairs, key=lambda pair: pair[0]):
            yield [change], self._show(entry["row"]) if "row" in entry else entry

    def all_removed(self, token: Token) -> list[dict[str, Any]]:
        """Every folder of the user's own, as if it were gone."""
        own = (row for row in self._rows if not row["known"] and row["change"] <= token.until)
        return [self.gone(row["folder"], 0) for row in own]

    def gone(self, number: int, moves: int) -> dict[str, Any]:
        """Return the entry for a removed folder."""
        return {"id": self._removed(number, moves), "@removed": {"reason": "deleted"}}
