"""Catalog entries, their keys, and the rule that makes a state of them. See docs/format.md, "Catalog entries"."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple

import msgspec

from arche.vault.rows import PartRef, Row

POINTS = "#points"
FOLDER, ITEM = 0, 1
KEY = 29
ID_HASH = 8
_PLACE = 21  # key without the id's hash
_LAST = 2**63 - 1
_NOTHING = msgspec.Raw(b"\x80")


class Entry(msgspec.Struct, array_like=True):
    """One event: a row from ``seq`` on, or (``kind`` "") the end of the row at this key. 14 fields, in this order."""

    seq: int
    until: int
    group: int
    service: str
    folder: str
    date: int
    id: str
    kind: str
    name: str = ""
    version: str = ""
    size: int = 0
    properties: msgspec.Raw = _NOTHING
    parts: list[PartRef] = []
    problem: str = ""


class Seen(NamedTuple):
    """An entry on its way through a scan. ``rank`` is higher for newer runs."""

    key: bytes
    id: str
    minus_seq: int
    minus_rank: int
    entry: Entry


@lru_cache(maxsize=64)
def _service_hash(service: str) -> bytes:
    return hashlib.sha256(_utf8(service)).digest()[:4]


@lru_cache(maxsize=4096)
def _folder_hash(folder: str) -> bytes:
    return hashlib.sha256(_utf8(folder)).digest()[:8]


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def id_hash(service: str, id_: str) -> bytes:
    """8 bytes that stand for (service, id) in keys and in the side index."""
    return hashlib.sha256(_utf8(service) + b"\0" + _utf8(id_)).digest()[:ID_HASH]


def place(service: str, group: int, folder: str) -> bytes:
    """Return the part of a key that all entries of a folder (or all folders of a service) share: 13 bytes."""
    return _service_hash(service) + bytes((group,)) + _folder_hash("" if group == FOLDER else folder)


def key_of(entry: Entry) -> bytes:
    """Return the 29 bytes by which entries are sorted."""
    date = (_LAST - entry.date).to_bytes(8, "big")
    return place(entry.service, entry.group, entry.folder) + date + id_hash(entry.service, entry.id)


def side_record(key: bytes) -> bytes:
    """Return the side index's record for a key."""
    return key[_PLACE:] + key[:_PLACE]


def key_of_side(record: bytes) -> bytes:
    """Return the key of a side index's record."""
    return record[ID_HASH:] + record[:ID_HASH]


def from_row(row: Row, properties: msgspec.Raw) -> Entry:
    """Return a fresh entry (seq 0). ``properties`` is the encoded map or a reference to it."""
    group = FOLDER if row.is_folder else ITEM
    return Entry(
        0, 0, group, row.service, row.folder, row.date, row.id, row.kind,
        row.name, row.version, row.size, properties, list(row.parts), row.problem,
    )  # fmt: skip


def end_mark(entry: Entry) -> Entry:
    """Return the entry that ends ``entry``'s row (seq 0)."""
    return Entry(0, 0, entry.group, entry.service, entry.folder, entry.date, entry.id, "")


def is_row(entry: Entry, seq: int) -> bool:
    """Whether the entry, being the highest one of its key up to ``seq``, is a row of the state ``seq``."""
    return entry.kind != "" and (entry.until == 0 or entry.until > seq)


def merged(streams: Iterable[Iterator[Seen]]) -> Iterator[Seen]:
    """All entries of sorted streams in order; the newest event of each (key, id) comes first."""
    streams = list(streams)
    if len(streams) == 1:
        return streams[0]
    return heapq.merge(*streams)


def state_of(stream: Iterator[Seen], seq: int) -> Iterator[Seen]:
    """Return the rows of the state ``seq`` from entries in order."""
    for _key, events in groupby(stream, lambda seen: (seen.key, seen.id)):
        for seen in events:
            if -seen.minus_seq <= seq:
                if is_row(seen.entry, seq):
                    yield seen
                break
