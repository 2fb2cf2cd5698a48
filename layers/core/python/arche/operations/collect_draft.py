"""The uncommitted state of one account: a vault writer, and what it changed since the last commit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from arche.providers.contract import Part
from arche.vault import AccountVault, Manifest, PartRef, Row, ServiceState


class Draft:
    """What would be committed now. After ``commit`` it goes on above the new manifest."""

    def __init__(self, vault: AccountVault, parent: Manifest | None, run: str, attempt: str) -> None:
        self._vault = vault
        self._run = run
        self._attempt = attempt
        self._begin(parent)

    def _begin(self, parent: Manifest | None) -> None:
        self.parent = parent
        self._view = self._vault.view(parent) if parent is not None else None
        self._writer = self._vault.writer(parent, self._run, self._attempt)
        self._touched: dict[tuple[str, str], Row | None] = {}
        self.bytes = 0

    @property
    def changed(self) -> bool:
        """Whether a commit now would hold anything new."""
        return self._writer.changed

    @property
    def rows(self) -> int:
        """How many rows were put or removed since the last commit."""
        return len(self._touched)

    def row(self, service: str, item: str) -> Row | None:
        """Present state of an item, this draft's changes included."""
        return self._writer.row(service, item)

    def part(self, part: Part, like: Row | None) -> PartRef:
        """Store one stream. Whatever its chunks raise comes through, and nothing refers to what was stored."""
        stored = self._writer.part(part.name, part.media, part.chunks, like)
        self.bytes += stored.size
        return stored

    def put(self, row: Row) -> None:
        """Set an item's row."""
        self._writer.put(row)
        self._touched[row.service, row.id] = row

    def gone(self, row: Row) -> None:
        """Remove an item's row."""
        self._writer.gone(row.service, row.id)
        self._touched[row.service, row.id] = None

    def living(self, service: str, scope: str) -> Iterator[Row]:
        """Rows that are in folder ``scope`` now ("" = all of the service). Rows may be removed while iterating."""
        touched = [(item, row) for (owner, item), row in self._touched.items() if owner == service]
        before = dict(touched)
        met: set[str] = set()
        for row in self._committed(service, scope):
            present = before.get(row.id, row)
            if row.id in before:
                met.add(row.id)
            if present is not None and scope in ("", present.folder):
                yield present
        for item, put in touched:
            if put is not None and item not in met and scope in ("", put.folder):
                yield put

    def folders(self, service: str) -> Iterator[Row]:
        """All folders that there are now."""
        before = {item: row for (owner, item), row in self._touched.items() if owner == service}
        if self._view is not None:
            for row in self._view.folders(service):
                present = before.pop(row.id, row)
                if present is not None:
                    yield present
        yield from (row for row in before.values() if row is not None and row.is_folder)

    def commit(
        self, kind: Literal["checkpoint", "snapshot"], services: Mapping[str, ServiceState], note: Mapping[str, Any]
    ) -> Manifest:
        """Make everything durable and visible. Raises vault.Conflict if somebody else committed meanwhile."""
        self._writer.flush()
        manifest = self._writer.commit(kind, dict(services), dict(note))
        self._begin(manifest)
        return manifest

    def _committed(self, service: str, scope: str) -> Iterator[Row]:
        if self._view is None:
            return
        if not scope:
            yield from self._view.rows(service)
            return
        after = ""
        while True:
            page = self._view.folder(service, scope, after)
            yield from page.items
            after = page.after
            if not after:
                return
