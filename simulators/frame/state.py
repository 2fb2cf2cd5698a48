"""What a platform keeps between two starts: SQLite files in the state directory."""

from __future__ import annotations

import sqlite3
from pathlib import Path


class State:
    """The state directory. One SQLite file per platform; the frame commits after each call and each action."""

    def __init__(self, folder: Path, *, fresh: bool = False) -> None:
        """Open or make ``folder``. ``fresh`` forgets what the databases and the call log hold; the CA stays."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        if fresh:
            for old in (*folder.glob("*.sqlite*"), *folder.glob("calls.jsonl")):
                old.unlink()
        self._open: dict[str, sqlite3.Connection] = {}
        self.database("frame").execute("CREATE TABLE IF NOT EXISTS kept (key TEXT PRIMARY KEY, value TEXT)")

    def database(self, name: str) -> sqlite3.Connection:
        """Return the SQLite file of that name, opened once. Only the simulators' own thread uses it once they run.

        Never commit and never await between two writes that belong together: the frame commits when the call
        is done and rolls back when the platform raised.
        """
        if name not in self._open:
            connection = sqlite3.connect(self.folder / f"{name}.sqlite", check_same_thread=False)
            connection.row_factory = sqlite3.Row
            # The operating system keeps the pages when the process is killed; a power cut may cost the world.
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=OFF")
            self._open[name] = connection
        return self._open[name]

    def keep(self, key: str, value: str | None = None) -> str | None:
        """Store ``value`` under ``key``, or read it when ``value`` is None."""
        database = self.database("frame")
        if value is None:
            row = database.execute("SELECT value FROM kept WHERE key = ?", (key,)).fetchone()
            return None if row is None else str(row["value"])
        database.execute("INSERT OR REPLACE INTO kept VALUES (?, ?)", (key, value))
        return value

    def commit(self) -> None:
        """Make everything written so far lasting."""
        for connection in self._open.values():
            if connection.in_transaction:
                connection.commit()

    def rollback(self) -> None:
        """Forget what was written since the last commit."""
        for connection in self._open.values():
            if connection.in_transaction:
                connection.rollback()

    def close(self) -> None:
        """Commit and close the files."""
        self.commit()
        for connection in self._open.values():
            connection.close()
        self._open.clear()
