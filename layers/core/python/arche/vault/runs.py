"""Sorted runs as one thing to ask: runs in segments, and the inline rows and packs of a manifest."""

from __future__ import annotations

import heapq
import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from arche.vault.entries import Entry, Seen, id_hash, key_of, key_of_side, side_record
from arche.vault.keys import AccountKeys
from arche.vault.packs import PackRecord
from arche.vault.segments import FIRST, Caches, RunRecord, SegmentReader, Span
from arche.vault.store import ObjectStore

_PACK = struct.Struct(">32s32sBIII")


def pack_bytes(pack: PackRecord) -> bytes:
    """Return a pack's record in a segment (77 bytes)."""
    return _PACK.pack(pack.salt, pack.name, pack.tier, pack.size, pack.footer, pack.generation)


def pack_of(data: bytes) -> PackRecord:
    """Return a pack from its record in a segment, without ids."""
    return PackRecord(*_PACK.unpack(data))


class Run(Protocol):
    """What a state asks of a run."""

    def scan(self, start: bytes, rank: int, *, history: bool) -> Iterator[Seen]:
        """Entries from key ``start`` on, sorted by (key, id, seq descending)."""
        ...

    def of_id(self, service: str, id_: str, *, history: bool) -> Iterator[Entry]:
        """All entries of one id."""
        ...

    def tag_of(self, blob_id: bytes, *, sure: bool) -> bytes | None:
        """Tag of the pack that holds the blob. Unless ``sure`` it exists, the filter is asked first."""
        ...

    def pack(self, tag: bytes) -> PackRecord | None:
        """Return a pack by its tag."""
        ...

    def records(self, section: str) -> Iterator[bytes]:
        """Return records of ``ids``, ``packs`` or ``blobs``, sorted."""
        ...


class StoredRun:
    """A run in segments."""

    def __init__(self, store: ObjectStore, keys: AccountKeys, record: RunRecord, caches: Caches) -> None:
        self.record = record
        self._segments = [SegmentReader(store, keys, segment, caches) for segment in record.segments]

    def scan(self, start: bytes, rank: int, *, history: bool) -> Iterator[Seen]:
        """See Run."""
        live = self._section("live", start, rank)
        return heapq.merge(live, self._section("history", start, rank)) if history else live

    def of_id(self, service: str, id_: str, *, history: bool) -> Iterator[Entry]:
        """See Run."""
        wanted = id_hash(service, id_)
        for side in self._having("ids", wanted):
            key = key_of_side(side)
            for section in ("live", "history") if history else ("live",):
                for segment in self._covering(section, key):
                    for entry in segment.at_key(section, key):
                        if entry.id == id_ and entry.service == service:
                            yield self._dated(entry)

    def tag_of(self, blob_id: bytes, *, sure: bool) -> bytes | None:
        """See Run."""
        for segment in self._covering("blobs", blob_id):
            if sure or segment.may_have(blob_id):
                for record in segment.having("blobs", blob_id):
                    return record[16:]
        return None

    def pack(self, tag: bytes) -> PackRecord | None:
        """See Run."""
        return next((pack_of(record) for record in self._having("packs", tag)), None)

    def records(self, section: str) -> Iterator[bytes]:
        """See Run."""
        for segment in self._segments:
            if section in segment.record.sections:
                yield from segment.records(section)

    def _section(self, section: str, start: bytes, rank: int) -> Iterator[Seen]:
        for segment in self._segments:
            span = segment.record.sections.get(section)
            if span is None or span.last < start:
                continue
            for entry in segment.entries(section, start):
                key = key_of(entry)
                if key >= start:
                    dated = self._dated(entry)
                    yield Seen(key, entry.id, -dated.seq, -rank, dated)

    def _having(self, section: str, prefix: bytes) -> Iterator[bytes]:
        for segment in self._covering(section, prefix):
            yield from segment.having(section, prefix)

    def _covering(self, section: str, value: bytes) -> Iterator[SegmentReader]:
        for segment in self._segments:
            span: Span | None = segment.record.sections.get(section)
            if span is not None and span.first <= value <= span.last:
                yield segment

    def _dated(self, entry: Entry) -> Entry:
        if entry.seq == 0:
            entry.seq = self.record.seq
        return entry


class InlineRun:
    """Entries and packs at hand: the newest run of a state."""

    def __init__(self, entries: Iterable[Entry], packs: Sequence[PackRecord]) -> None:
        self._sorted = sorted(
            ((key_of(entry), entry.id, -entry.seq, entry) for entry in entries), key=lambda line: line[:3]
        )
        self._by_id: dict[bytes, list[Entry]] = defaultdict(list)
        for _key, id_, _seq, entry in self._sorted:
            self._by_id[id_hash(entry.service, id_)].append(entry)
        self._packs = {pack.tag: pack for pack in packs}
        self._blobs = {pack.ids[at : at + 16]: pack.tag for pack in packs for at in range(0, len(pack.ids), 16)}

    def scan(self, start: bytes, rank: int, *, history: bool) -> Iterator[Seen]:
        """See Run. Inline entries are few and have no history apart."""
        del history
        for key, id_, minus_seq, entry in self._sorted:
            if key >= start:
                yield Seen(key, id_, minus_seq, -rank, entry)

    def of_id(self, service: str, id_: str, *, history: bool) -> Iterator[Entry]:
        """See Run."""
        del history
        for entry in self._by_id.get(id_hash(service, id_), ()):
            if entry.id == id_ and entry.service == service:
                yield entry

    def tag_of(self, blob_id: bytes, *, sure: bool) -> bytes | None:
        """See Run."""
        del sure
        return self._blobs.get(blob_id)

    def pack(self, tag: bytes) -> PackRecord | None:
        """See Run."""
        return self._packs.get(tag)

    def records(self, section: str) -> Iterator[bytes]:
        """See Run."""
        if section == "ids":
            yield from sorted({side_record(key) for key, _id, _seq, _entry in self._sorted})
        elif section == "packs":
            yield from sorted(map(pack_bytes, self._packs.values()))
        else:
            yield from sorted(blob_id + tag for blob_id, tag in self._blobs.items())


def newest(runs: Sequence[Run], section: str) -> Iterator[bytes]:
    """Return records of all runs, of equal ones that of the newest run."""
    streams = [_ranked(run, section, rank) for rank, run in enumerate(runs)]
    last = None
    for first, _rank, record in heapq.merge(*streams):
        if first != last:
            yield record
        last = first


def _ranked(run: Run, section: str, rank: int) -> Iterator[tuple[bytes, int, bytes]]:
    width = FIRST[section]
    for record in run.records(section):
        yield record[:width], -rank, record
