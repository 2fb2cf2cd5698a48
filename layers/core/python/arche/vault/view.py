"""Reading an account as it was at one commit."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from arche.vault.catalog import NOWHERE, Catalog
from arche.vault.content import Content
from arche.vault.entries import FOLDER, ITEM, KEY, Entry, place
from arche.vault.errors import Damaged
from arche.vault.keys import AccountKeys
from arche.vault.manifest import Manifest
from arche.vault.packs import PackRecord
from arche.vault.rows import Page, PartRef, Row
from arche.vault.runs import InlineRun
from arche.vault.seal import decode
from arche.vault.store import ObjectStore

_ID = 16
_PLACE = 13


def blob_of_properties(entry: Entry) -> bytes:
    """Return the reference to the blob that holds the properties, b"" when they are in the entry itself."""
    properties = msgspec.msgpack.decode(entry.properties)
    return properties if isinstance(properties, bytes) else b""


def to_row(entry: Entry, content: Content) -> Row:
    """Return a row from its entry; properties that were too long for the catalog are fetched."""
    properties: Mapping[str, Any] | bytes = msgspec.msgpack.decode(entry.properties)
    if isinstance(properties, bytes):
        data = content.blob(properties[:_ID], properties[_ID:])
        properties = decode(data, dict[str, Any], "properties")
    if not isinstance(properties, dict):
        raise Damaged("properties are no map")
    return Row(
        entry.service, entry.id, entry.kind, entry.folder, entry.name, entry.version, entry.date, entry.size,
        properties, tuple(entry.parts), entry.problem,
    )  # fmt: skip


def bare_row(entry: Entry) -> Row:
    """Return a row without properties and parts, for reports on what is damaged."""
    return Row(
        entry.service, entry.id, entry.kind, entry.folder, entry.name, entry.version, entry.date, entry.size,
        problem=entry.problem,
    )  # fmt: skip


def catalog_of(store: ObjectStore, keys: AccountKeys, manifest: Manifest | None) -> Catalog:
    """Return the catalog that a manifest describes; an empty one for None."""
    if manifest is None:
        return Catalog(store, keys, [])
    return Catalog(store, keys, manifest.runs, InlineRun(manifest.rows, manifest.packs))


class View:
    """The rows and content of one account at ``manifest``.

    ``through`` is a later manifest whose runs are used to read the state of ``manifest`` (None: its own).
    Raises Damaged wherever stored bytes are not what they should be.
    """

    def __init__(
        self, store: ObjectStore, keys: AccountKeys, manifest: Manifest, through: Manifest | None = None
    ) -> None:
        self.manifest = manifest
        source = through or manifest
        self._seq = NOWHERE if source.seq == manifest.seq else manifest.seq
        self._catalog = catalog_of(store, keys, source)
        self._content = Content(store, keys, self._catalog)

    def row(self, service: str, id_: str) -> Row | None:
        """Return the row of one id, None if it did not exist then."""
        entry = self._catalog.find(service, id_, self._seq)
        return None if entry is None else to_row(entry, self._content)

    def folder(self, service: str, folder: str, after: str = "", limit: int = 200) -> Page[Row]:
        """Items (not sub-folders) of a folder, newest first. ``after`` is the cursor of the page before.

        Raises ValueError for a cursor of another folder or one that is none.
        """
        prefix = place(service, ITEM, folder)
        start, last_id = (prefix, "") if not after else _read_cursor(after, prefix)
        rows: list[Row] = []
        end: tuple[bytes, str] = (b"", "")
        for seen in self._catalog.rows(start, self._seq):
            if not seen.key.startswith(prefix):
                break
            if after and seen.key == start and seen.id <= last_id:
                continue
            if len(rows) == limit:
                return Page(tuple(rows), _cursor(*end))
            rows.append(to_row(seen.entry, self._content))
            end = seen.key, seen.id
        return Page(tuple(rows))

    def folders(self, service: str) -> Iterator[Row]:
        """All folders of a service, at any depth, in no promised order."""
        return self._range(place(service, FOLDER, ""))

    def rows(self, service: str) -> Iterator[Row]:
        """All rows of a service, folders first, streaming. Items of a folder come together, newest first."""
        return self._range(place(service, FOLDER, "")[:4])

    def services(self) -> list[str]:
        """Names of all services that the manifest knows."""
        return sorted(self.manifest.services)

    def read(self, part: PartRef, offset: int = 0) -> Iterator[bytes]:
        """Content of a part from ``offset`` (bytes). From 0 its digest is checked at the end."""
        return self._content.read(part, offset)

    def packs(self) -> Iterator[PackRecord]:
        """All packs that the state knows, without their ids."""
        return self._catalog.packs()

    def _range(self, prefix: bytes) -> Iterator[Row]:
        for seen in self._catalog.rows(prefix, self._seq):
            if not seen.key.startswith(prefix):
                return
            yield to_row(seen.entry, self._content)


def _cursor(key: bytes, id_: str) -> str:
    return base64.urlsafe_b64encode(key + id_.encode("utf-8", "surrogatepass")).decode().rstrip("=")


def _read_cursor(text: str, prefix: bytes) -> tuple[bytes, str]:
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        key, id_ = data[:KEY], data[KEY:].decode("utf-8", "surrogatepass")
    except (binascii.Error, ValueError):
        raise ValueError("not a cursor of this listing") from None
    if len(key) != KEY or key[:_PLACE] != prefix:
        raise ValueError("not a cursor of this listing")
    return key, id_
