"""Merging runs. Keeps every version; only says the same in fewer runs. See docs/format.md, "Runs"."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from itertools import groupby

import msgspec

from arche.vault.entries import Seen, merged
from arche.vault.runs import Run, newest, pack_of
from arche.vault.segments import RunRecord, RunWriter

_BASE = 512 << 10
_FANOUT = 8
_LEVELS = 12
MERGE_LIMIT = 256 << 20  # raw bytes that a writer's own commit merges at most; more is left to compaction


def plan(runs: Sequence[RunRecord], fresh: int) -> tuple[int, int]:
    """Which runs to merge with ``fresh`` raw bytes of new ones: index of the oldest to take, and the new level."""
    for level in range(_LEVELS + 1):
        first = _first(runs, level)
        total = fresh + sum(run.raw for run in runs[first:])
        if total > _BASE * _FANOUT**level:
            continue
        taken = level
        while first < len(runs) and total > MERGE_LIMIT:  # too much: a level gets one run more, until compaction
            taken = runs[first].level
            first = _first(runs, taken - 1)
            total = fresh + sum(run.raw for run in runs[first:])
        return first, taken
    return len(runs), _LEVELS


def _first(runs: Sequence[RunRecord], level: int) -> int:
    """Index of the oldest run of ``level`` or below. Levels never grow from old to new."""
    return next((i for i, run in enumerate(runs) if run.level <= level), len(runs))


def merge(runs: Sequence[Run], out: RunWriter, *, bottom: bool) -> None:
    """Write ``runs`` (oldest first, all seqs known) as one. ``bottom``: no older run exists besides."""
    _entries([run.scan(b"", rank, history=True) for rank, run in enumerate(runs)], out, bottom=bottom)
    for section in ("packs", "blobs"):
        for record in newest(runs, section):
            if not (bottom and _is_removal(section, record)):
                out.record(section, record)
    last = b""
    for record in heapq.merge(*(run.records("ids") for run in runs)):  # last, so that a segment's tail has them
        if record != last:
            out.record("ids", record)
        last = record


def _entries(streams: list[Iterator[Seen]], out: RunWriter, *, bottom: bool) -> None:
    for _key, events in groupby(merged(streams), lambda seen: (seen.key, seen.id)):
        successor = 0
        for key, _id, _seq, _rank, entry in events:
            if entry.seq == successor:
                continue  # the newer run has said it again
            if bottom and entry.kind == "":
                successor = entry.seq
                continue
            ended = entry
            if successor and (entry.until == 0 or entry.until > successor):
                ended = msgspec.structs.replace(entry, until=successor)
            out.entry(key, ended)
            successor = entry.seq


def _is_removal(section: str, record: bytes) -> bool:
    return pack_of(record).size == 0 if section == "packs" else record[16:] == bytes(8)
