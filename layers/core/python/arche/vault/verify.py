"""Proof that what was stored is there: every reference resolves, every frame opens, every digest equals."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import blake3

from arche.vault import layout
from arche.vault.catalog import Catalog
from arche.vault.content import Content
from arche.vault.entries import POINTS, Entry
from arche.vault.errors import Damaged, NoSuchObject
from arche.vault.keys import AccountKeys
from arche.vault.manifest import Manifest
from arche.vault.packs import TAG, PackFooter, PackRecord
from arche.vault.rows import Row
from arche.vault.seal import Kind, Opened, open_whole
from arche.vault.segments import SegmentRecord
from arche.vault.store import ObjectStore
from arche.vault.view import bare_row, catalog_of, to_row

if TYPE_CHECKING:
    from arche.vault.account import AccountVault


@dataclass
class Report:
    """What a verification saw.

    ``damage`` names objects with what is wrong, ``items`` are (service, id) of rows that cannot be given back.
    """

    seq: int
    objects: int = 0
    stored_bytes: int = 0
    blobs: int = 0
    rows: int = 0
    content_bytes: int = 0
    damage: list[str] = field(default_factory=list)
    items: list[tuple[str, str]] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether nothing is missing or altered."""
        return not self.damage and not self.items


def verify(vault: AccountVault, manifest: Manifest) -> Report:
    """Read everything that ``manifest`` refers to and check every byte of it. Goes on after damage.

    Reads each object once as a whole (name, header, frames, blob ids, padding, footer, trailer) and then each row's
    content by its recipe (size and digest). Memory: one pack, and what a view needs.
    """
    report = Report(manifest.seq)
    check = _Check(vault.store, vault.keys, report)
    check.manifest(manifest)
    for run in manifest.runs:
        for segment in run.segments:
            check.segment(segment)
    catalog = catalog_of(vault.store, vault.keys, manifest)
    content = Content(vault.store, vault.keys, catalog)
    try:
        for pack in catalog.packs():
            check.pack(pack)
        for seen in catalog.rows(b""):
            if seen.entry.service != POINTS:
                check.row(content, seen.entry.service, seen.entry.id, catalog)
    except Damaged as error:  # a damaged segment: named above, and what it lists cannot be looked at
        if not report.damage:
            report.damage.append(str(error))
    return report


def unresolved(store: ObjectStore, keys: AccountKeys, manifest: Manifest) -> Iterator[Row]:
    """Yield rows put by the commits of ``manifest.run`` up to ``manifest`` whose content does not all resolve."""
    catalog = catalog_of(store, keys, manifest)
    content = Content(store, keys, catalog)
    for entry in catalog.rows_since(manifest.first):
        if entry.service == POINTS:
            continue
        try:
            for part in to_row(entry, content).parts:
                content.require(part)
        except Damaged:
            yield bare_row(entry)


class _Check:
    """One look at each object."""

    def __init__(self, store: ObjectStore, keys: AccountKeys, report: Report) -> None:
        self._store = store
        self._keys = keys
        self._owner = keys.customer, keys.account
        self._report = report

    def manifest(self, manifest: Manifest) -> None:
        self._object(Kind.MANIFEST, layout.manifest(*self._owner, manifest.seq), manifest.digest)

    def segment(self, segment: SegmentRecord) -> None:
        self._object(Kind.SEGMENT, layout.segment(*self._owner, segment.name), segment.name, segment.size)

    def pack(self, pack: PackRecord) -> None:
        key = layout.pack(*self._owner, pack.name, pack.tier)
        found = self._object(Kind.PACK, key, pack.name, pack.size)
        if found is None:
            return
        opened, frames = found
        try:
            _require(opened.salt[:TAG] == pack.tag, f"{key}: another pack's bytes")
            for blob_id, place in PackFooter(opened, key).blobs():
                data = frames[place.frame][place.offset : place.offset + place.length]
                found_id = blake3.blake3(data, key=self._keys.blob_key).digest()
                _require(found_id == blob_id, f"{key}: blob {blob_id[:16].hex()} differs from its id")
                self._report.blobs += 1
        except Damaged as error:
            self._report.damage.append(str(error))

    def row(self, content: Content, service: str, id_: str, catalog: Catalog) -> None:
        self._report.rows += 1
        try:
            entry = _present(catalog.find(service, id_))
            for part in to_row(entry, content).parts:
                for chunk in content.read(part):
                    self._report.content_bytes += len(chunk)
        except Damaged:
            self._report.items.append((service, id_))

    def _object(self, kind: Kind, key: str, name: bytes, size: int = 0) -> tuple[Opened, list[bytes]] | None:
        try:
            data = self._store.read(key)
            self._report.objects += 1
            self._report.stored_bytes += len(data)
            _require(size in {0, len(data)}, f"{key}: {len(data)} bytes, not {size}")
            opened = open_whole(self._keys, kind, data, key)
            _require(hashlib.sha256(data).digest() == name, f"{key}: bytes differ from the object's name")
        except NoSuchObject:
            self._report.damage.append(f"{key}: missing")
        except Damaged as error:
            self._report.damage.append(str(error))
        else:
            return opened
        return None


def _require(good: bool, message: str) -> None:  # noqa: FBT001 - reads as an assertion
    if not good:
        raise Damaged(message)


def _present(entry: Entry | None) -> Entry:
    if entry is None:
        raise Damaged("a row that the side index does not know")
    return entry
