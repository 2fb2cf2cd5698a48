"""What the contract suite needs of a room's test module, and what a faithful caller makes of a room's answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from arche.providers.contract import Account, Change, Gone, Item, Listed, Listing, Mark, Service
from arche.providers.http import Call
from arche.providers.platform import Platform


class World(Protocol):
    """One account at the vendor, with some items in some folders, and the ways to reach and disturb it."""

    platform: Platform
    service_name: str
    calls: list[Call]

    def open(self, token: str = "") -> Service:
        """Open the room with a good token, or with the given one."""
        ...

    def account(self) -> Account: ...
    def add(self, name: str, folder: str) -> str:
        """Make a new item; gives its id."""
        ...

    def add_folder(self, name: str) -> str: ...
    def change(self, item: str) -> None: ...
    def purge(self, item: str) -> None: ...
    def live(self) -> set[str]:
        """Ids of all live items (folders not among them)."""
        ...

    def content(self, item: str) -> bytes:
        """The bytes of part "" as the vendor has them."""
        ...

    def throttle(self, after: str | None) -> None:
        """Answer the next call with 429."""
        ...

    def disconnect(self) -> None:
        """Break the connection at the next call."""
        ...

    def cut(self) -> None:
        """Cut the next content short."""
        ...

    def forbid(self) -> None:
        """Answer the next call with 403."""
        ...

    def refuse(self, item: str) -> None:
        """Never give this item."""
        ...

    def expire(self) -> None:
        """Let every cursor given so far die."""
        ...

    def notified(self) -> int:
        """How many people the vendor told of something."""
        ...


@dataclass
class Model:
    """What a faithful caller makes of changes: the live rows, by id. The reference for arche.operations."""

    rows: dict[str, Item] = field(default_factory=dict)
    open: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    cursor: str | None = None

    def take(self, change: Change) -> None:
        match change:
            case Item():
                self.rows[change.id] = change
                for seen in self.open.values():
                    seen.add(change.id)
            case Gone():
                row = self.rows.get(change.id)
                if row is not None and (row.folder == change.folder or not change.folder):
                    del self.rows[change.id]
            case Listing():
                self.open[change.scope, change.kind] = set()
            case Listed():
                seen = self.open.pop((change.scope, change.kind))
                for row in list(self.rows.values()):
                    if _within(row, change) and row.id not in seen:
                        del self.rows[row.id]
            case Mark():
                self.cursor = change.cursor

    def copy(self) -> Model:
        return Model(dict(self.rows), {scope: set(seen) for scope, seen in self.open.items()}, self.cursor)

    def run(self, service: Service, account: Account) -> Model:
        for change in service.changes(account, self.cursor):
            self.take(change)
        return self

    def items(self) -> set[str]:
        return {row.id for row in self.rows.values() if not row.is_folder}

    def state(self) -> dict[str, tuple]:
        return {key: (row.kind, row.folder, row.name, row.version) for key, row in self.rows.items()}


def _within(row: Item, listed: Listed) -> bool:
    if listed.kind:
        return row.kind == listed.kind
    return not listed.scope or (row.folder == listed.scope and not row.is_folder)


class Kept:
    """The stored parts of one item, as the vault would hand them to a restore."""

    def __init__(self, service: Service, account: Account, item: Item) -> None:
        self._parts = {part.name: b"".join(part.chunks) for part in service.read(account, item)}

    @property
    def parts(self) -> list[tuple[str, int]]:
        return [(name, len(data)) for name, data in self._parts.items()]

    def open(self, name: str = "", offset: int = 0) -> Iterator[bytes]:
        data = self._parts[name][offset:]
        return (data[spot : spot + 1000] for spot in range(0, len(data), 1000))


def any_date() -> datetime:
    """Any date: folders carry none that counts."""
    return datetime(2026, 1, 1, tzinfo=UTC)
