"""Segments: writing sorted sections into sealed objects, and reading them block by block. See docs/format.md."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from arche.vault import layout
from arche.vault.blocks import Bounded, RangeReader
from arche.vault.entries import KEY, Entry, key_of
from arche.vault.keys import AccountKeys
from arche.vault.seal import Kind, Sealer, decode
from arche.vault.store import ObjectStore, create_named

BLOCK = 64 << 10
SEGMENT_SIZE = 16 << 20
WIDTH = {"ids": KEY, "packs": 77, "blobs": 24}
FIRST = {"ids": 8, "packs": 8, "blobs": 16}
_FILTER_CHUNK = 1 << 20
_COMES_ALONG = 256 << 10


class Span(msgspec.Struct, array_like=True):
    """A section's part in one segment: number of records, first and last key (or id hash, tag, id)."""

    count: int
    first: bytes
    last: bytes


class SegmentRecord(msgspec.Struct, array_like=True):
    """A segment as manifests know it."""

    name: bytes
    size: int
    footer: int
    sections: dict[str, Span]


class RunRecord(msgspec.Struct, array_like=True):
    """A run as manifests know it. ``seq`` is what a seq of 0 in it means; ``raw`` its bytes before compression."""

    level: int
    seq: int
    raw: int
    segments: list[SegmentRecord]


class _Block(msgspec.Struct, array_like=True):
    frame: int
    count: int
    first: bytes


class _Meta(msgspec.Struct):
    live: list[_Block] = []
    history: list[_Block] = []
    ids: list[_Block] = []
    packs: list[_Block] = []
    blobs: list[_Block] = []
    filter: list[int] = []


class RunWriter:
    """Writes one run. Feed each section in its order; segments are stored as they fill."""

    def __init__(self, store: ObjectStore, keys: AccountKeys, seq: int = 0) -> None:
        self.stored_bytes = 0
        self._store = store
        self._keys = keys
        self._seq = seq
        self._raw = 0
        self._segments: list[SegmentRecord] = []
        self._encoder = msgspec.msgpack.Encoder()
        self._begin()

    def entry(self, key: bytes, entry: Entry) -> None:
        """Add an entry (sorted; rows that still hold go to ``live``, others to ``history``)."""
        data = self._encoder.encode(entry)
        section = "live" if entry.until == 0 else "history"
        self._add(section, key, data)

    def record(self, section: str, data: bytes) -> None:
        """Add a record of fixed width to ``ids``, ``packs`` or ``blobs`` (sorted)."""
        self._add(section, data[: FIRST[section]], data)
        if section == "blobs":
            self._filtered += data[:16]

    def finish(self, level: int = 0) -> RunRecord:
        """Store the last segment and return the run."""
        if self._spans:
            self._close()
        return RunRecord(level, self._seq, self._raw, self._segments)

    def _begin(self) -> None:
        self._sealer = Sealer(self._keys, Kind.SEGMENT)
        self._pending: dict[str, list[bytes]] = {}
        self._sizes: dict[str, int] = {}
        self._blocks: dict[str, list[_Block]] = {}
        self._spans: dict[str, Span] = {}
        self._filtered = bytearray()

    def _add(self, section: str, first: bytes, data: bytes) -> None:
        pending = self._pending.get(section)
        if not pending:
            if self._sealer.size >= SEGMENT_SIZE or len(self._filtered) >= SEGMENT_SIZE // 2:
                self._close()
            pending = self._pending[section] = []
            self._sizes[section] = 0
            self._blocks.setdefault(section, []).append(_Block(0, 0, first))
        pending.append(data)
        self._sizes[section] += len(data)
        span = self._spans.get(section)
        if span is None:
            self._spans[section] = Span(1, first, first)
        else:
            span.count += 1
            span.last = first
        if self._sizes[section] >= BLOCK:
            self._flush(section)

    def _flush(self, section: str) -> None:
        records = self._pending.pop(section)
        data = b"".join(records) if section in WIDTH else _array_header(len(records)) + b"".join(records)
        block = self._blocks[section][-1]
        block.frame = self._sealer.add(data)
        block.count = len(records)
        self._raw += len(data)

    def _close(self) -> None:
        for section in [name for name, records in self._pending.items() if records]:
            self._flush(section)
        meta = dict(self._blocks) | {"filter": self._write_filter()}
        sealed = self._sealer.finish(meta)
        create_named(self._store, layout.segment(self._keys.customer, self._keys.account, sealed.name), sealed.data)
        self._segments.append(SegmentRecord(sealed.name, len(sealed.data), sealed.footer, self._spans))
        self.stored_bytes += len(sealed.data)
        self._begin()

    def _write_filter(self) -> list[int]:
        if not self._filtered:
            return []
        bits = bytearray(max(64, len(self._filtered) // 16))
        for at in range(0, len(self._filtered), 16):
            for bit in filter_bits(bytes(self._filtered[at : at + 16]), len(bits) * 8):
                bits[bit >> 3] |= 1 << (bit & 7)
        return [
            self._sealer.add(bytes(bits[at : at + _FILTER_CHUNK]), compress=False)
            for at in range(0, len(bits), _FILTER_CHUNK)
        ]


def filter_bits(blob_id: bytes, size: int) -> tuple[int, ...]:
    """Return the bits of a filter of ``size`` bits that are set for a blob (first 16 bytes of its id)."""
    start = int.from_bytes(blob_id[:8], "big")
    step = int.from_bytes(blob_id[8:16], "big") | 1
    return tuple(((start + i * step) & 0xFFFFFFFFFFFFFFFF) % size for i in range(5))


class Caches(NamedTuple):
    """Blocks in memory, shared by all segments of a state: decoded entries, and records of fixed width."""

    entries: Bounded[list[msgspec.Raw]]
    records: Bounded[bytes]

    @classmethod
    def of(cls, size: int) -> Caches:
        """Return caches of ``size`` bytes each."""
        return cls(Bounded(size), Bounded(size))


class SegmentReader:
    """One segment, opened when first needed. Blocks come from a cache shared by all segments of a state."""

    def __init__(self, store: ObjectStore, keys: AccountKeys, record: SegmentRecord, caches: Caches) -> None:
        self.record = record
        self._store = store
        self._keys = keys
        self._caches = caches
        self._opened: tuple[RangeReader, _Meta] | None = None
        self._key = layout.segment(keys.customer, keys.account, record.name)
        self._bits: bytes | None = None

    def _open(self) -> tuple[RangeReader, _Meta]:
        if self._opened is None:
            side = self.record.sections.get("ids")
            index = side.count * KEY if side else 0
            reader = RangeReader(
                self._store,
                self._keys,
                Kind.SEGMENT,
                self._key,
                footer=self.record.footer,
                size=self.record.size,
                more=index if index <= _COMES_ALONG else 0,  # a short side index lies right before the footer
            )
            self._opened = reader, decode(reader.opened.meta, _Meta, self._key)
        return self._opened

    def entries(self, section: str, start: bytes) -> Iterator[Entry]:
        """Entries of ``live`` or ``history`` from the block that may hold ``start`` on, in order."""
        reader, meta = self._open()
        blocks: list[_Block] = getattr(meta, section)
        at = max(0, bisect_left([block.first for block in blocks], start) - 1)
        step = 1
        while at < len(blocks):  # few blocks for a page, many for a long scan
            for data in reader.span([block.frame for block in blocks[at : at + step]]):
                yield from decode(data, list[Entry], self._key)
            at += step
            step = min(16, step * 2)

    def at_key(self, section: str, key: bytes) -> Iterator[Entry]:
        """Entries with exactly this key."""
        reader, meta = self._open()
        blocks: list[_Block] = getattr(meta, section)
        number = max(0, bisect_left([block.first for block in blocks], key) - 1)
        while number < len(blocks) and blocks[number].first <= key:
            block = blocks[number]
            raws = self._raws(reader, block.frame)
            at = bisect_left(raws, key, key=lambda raw: key_of(self._entry(raw)))
            while at < len(raws):
                entry = self._entry(raws[at])
                if key_of(entry) != key:
                    return
                yield entry
                at += 1
            number += 1

    def records(self, section: str) -> Iterator[bytes]:
        """All records of ``ids``, ``packs`` or ``blobs``, in order."""
        reader, meta = self._open()
        blocks: list[_Block] = getattr(meta, section)
        width = WIDTH[section]
        for data in reader.span([block.frame for block in blocks]):
            for at in range(0, len(data), width):
                yield data[at : at + width]

    def having(self, section: str, prefix: bytes) -> Iterator[bytes]:
        """Return records of ``ids``, ``packs`` or ``blobs`` that start with ``prefix`` (as long as ``first`` is)."""
        reader, meta = self._open()
        blocks: list[_Block] = getattr(meta, section)
        width = WIDTH[section]
        number = max(0, bisect_left([block.first for block in blocks], prefix) - 1)
        while number < len(blocks) and blocks[number].first <= prefix:
            data = self._bytes(reader, blocks[number].frame)
            count = len(data) // width
            at = bisect_left(range(count), prefix, key=lambda i: data[i * width : i * width + len(prefix)])
            while at < count and data[at * width : at * width + len(prefix)] == prefix:
                yield data[at * width : at * width + width]
                at += 1
            if at < count:
                return
            number += 1

    def may_have(self, blob_id: bytes) -> bool:
        """Whether the filter lets the blob pass; without a filter everything passes."""
        reader, meta = self._open()
        if not meta.filter:
            return bool(meta.blobs)
        if self._bits is None:
            self._bits = b"".join(reader.span(meta.filter))
        bits = self._bits
        return all(bits[bit >> 3] >> (bit & 7) & 1 for bit in filter_bits(blob_id, len(bits) * 8))

    def _raws(self, reader: RangeReader, frame: int) -> list[msgspec.Raw]:
        def load() -> tuple[list[msgspec.Raw], int]:
            data = reader.frame(frame)
            raws: list[msgspec.Raw] = decode(data, list[msgspec.Raw], self._key)
            return raws, len(data) + 100 * len(raws)  # a Raw weighs about that much besides its bytes

        return self._caches.entries.get((self.record.name, frame), load)

    def _bytes(self, reader: RangeReader, frame: int) -> bytes:
        def load() -> tuple[bytes, int]:
            data = reader.frame(frame)
            return data, len(data)

        return self._caches.records.get((self.record.name, frame), load)

    def _entry(self, raw: msgspec.Raw) -> Entry:
        entry: Entry = decode(raw, Entry, self._key)
        return entry


def _array_header(count: int) -> bytes:
    """Return the first bytes of a msgpack array, so that encoded entries can be joined without encoding them again."""
    if count < 16:  # noqa: PLR2004 - the msgpack forms fixarray, array 16 and array 32
        return bytes((0x90 | count,))
    return b"\xdc" + count.to_bytes(2, "big") if count < 1 << 16 else b"\xdd" + count.to_bytes(4, "big")
