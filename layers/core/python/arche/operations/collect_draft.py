"""The uncommitted state of one account: a vault writer, and what it changed since the last commit."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from arche.providers.contract import Part
from arche.vault import AccountVault, Manifest, PartRef, Row, ServiceState

#: Where a touched row is now: its folder and whether it is one; None when it is gone.
_Place = tuple[str, bool] | None


def note(totals: Mapping[str, Mapping[str, int]], parent: Manifest | None) -> dict[str, Any]:
    """Note of a commit above ``parent``: per service ``items`` and ``base``, and the chain's bytes before it."""
    return {"services": {name: dict(numbers) for name, numbers in totals.items()}, "stored_before": stored(parent)}


def stored(manifest: Manifest | None) -> int:
    """Bytes of all objects that the chain wrote up to ``manifest``."""
    return int(manifest.note.get("stored_before", 0)) + manifest.stored_bytes if manifest is not None else 0


def totals_of(manifest: Manifest) -> dict[str, dict[str, int]]:
    """Per service the numbers ``items`` and ``base`` of a commit's note."""
    found: dict[str, dict[str, int]] = manifest.note.get("services", {})
    return found


class Draft:
    """What would be committed now. After ``commit`` it goes on above the new manifest."""

    def __init__(self, vault: AccountVault, parent: Manifest | None, run: str, attempt: str) -> None:
        self._vault = vault
        self._writer = vault.writer(parent, run, attempt)
        self._stand_on(parent)

    def _stand_on(self, parent: Manifest | None) -> None:
        self.parent = parent
        self._view = self._vault.view(parent) if parent is not None else None
        self._touched: dict[tuple[str, str], _Place] = {}
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

    def part(self, part: Part, like: Row | None, size: int = 0) -> PartRef:
        """Store one stream. Whatever its chunks raise comes through, and nothing refers to what was stored."""
        stored = self._writer.part(part.name, part.media, part.chunks, like, size)
        self.bytes += stored.size
        return stored

    def put(self, row: Row) -> None:
        """Set an item's row."""
        self._writer.put(row)
        self._touched[row.service, row.id] = sys.intern(row.folder), row.is_folder

    def gone(self, row: Row) -> None:
        """Remove an item's row."""
        self._writer.gone(row.service, row.id)
        self._touched[row.service, row.id] = None

    def living(self, service: str, scope: str) -> Iterator[Row]:
        """Rows that are in folder ``scope`` now ("" = all of the service). Rows may be removed while iterating."""
        touched = {item: at for (owner, item), at in self._touched.items() if owner == service}
        met: set[str] = set()
        for row in self._committed(service, scope):
            if row.id in touched:
                met.add(row.id)
                yield from self._there(service, row.id, touched[row.id], scope)
            else:
                yield row
        for item, at in touched.items():
            if item not in met:
                yield from self._there(service, item, at, scope)

    def folders(self, service: str) -> Iterator[Row]:
        """All folders that there are now."""
        touched = {item: at for (owner, item), at in self._touched.items() if owner == service}
        if self._view is not None:
            for row in self._view.folders(service):
                if row.id not in touched:
                    yield row
        for item, at in touched.items():
            if at is not None and at[1]:
                yield from self._there(service, item, at, "")

    def _there(self, service: str, item: str, at: _Place, scope: str) -> Iterator[Row]:
        if at is not None and scope in ("", at[0]):
            row = self.row(service, item)
            if row is not None:
                yield row

    def commit(self, services: Mapping[str, ServiceState], totals: Mapping[str, Mapping[str, int]]) -> Manifest:
        """Commit a checkpoint: everything is durable and visible. Raises vault.Conflict if somebody else was first."""
        manifest = self._writer.commit("checkpoint", dict(services), note(totals, self.parent))
        self._stand_on(manifest)
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
