"""Laying out a commit: what rides inline, what goes into a run, which runs are merged on the way."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from arche.vault.entries import ITEM, POINTS, Entry, key_of, side_record
from arche.vault.keys import AccountKeys
from arche.vault.manifest import Manifest
from arche.vault.merge import merge, plan
from arche.vault.packs import PackRecord
from arche.vault.pending import Pending
from arche.vault.runs import InlineRun, Run, StoredRun, pack_bytes
from arche.vault.segments import Caches, RunRecord, RunWriter
from arche.vault.store import ObjectStore

INLINE = 64 << 10  # raw bytes of rows and blob ids that ride in a manifest
_CACHE = 1 << 20
_ID = 16


class Content(NamedTuple):
    """What a writer has to say: changes in memory, packs stored since the last run, runs spilled before."""

    pending: Pending
    packs: list[PackRecord]
    spills: list[RunRecord]


def spill(
    store: ObjectStore, keys: AccountKeys, pending: Pending, packs: list[PackRecord], seq: int
) -> tuple[RunRecord, int]:
    """Write pending rows and packs as a run whose entries say seq 0. Returns it and the bytes written."""
    out = RunWriter(store, keys, seq)
    encoded = msgspec.msgpack.Encoder()
    ordered = sorted((key_of(entry), entry.id, encoded.encode(entry)) for entry in pending.entries(0))
    decoder = msgspec.msgpack.Decoder(Entry)
    for key, _id, data in ordered:
        out.entry(key, decoder.decode(data))
    for record in sorted(map(pack_bytes, packs)):
        out.record("packs", record)
    for record in sorted(_blob_records(packs)):
        out.record("blobs", record)
    for record in sorted({side_record(key) for key, _id, _data in ordered}):
        out.record("ids", record)
    return out.finish(), out.stored_bytes


def lay_out(
    store: ObjectStore, keys: AccountKeys, parent: Manifest | None, manifest: Manifest, content: Content
) -> None:
    """Fill in rows, packs and runs of ``manifest``. Segments that this needs are stored on return."""
    carried = list(parent.rows) if parent else []
    fresh = list(content.pending.entries(manifest.seq))
    if manifest.is_restore_point:
        fresh.append(_point(manifest))
    packs = list(parent.packs) if parent else []
    runs = list(parent.runs) if parent else []
    raw = len(msgspec.msgpack.encode([carried, fresh])) + sum(len(pack.ids) for pack in [*packs, *content.packs])
    if raw <= INLINE and not content.spills:
        manifest.rows, manifest.packs, manifest.runs = [*carried, *fresh], [*packs, *content.packs], runs
        return
    first, level = plan(runs, raw + sum(run.raw for run in content.spills))
    caches = Caches.of(_CACHE)
    taken: list[Run] = [StoredRun(store, keys, run, caches) for run in runs[first:]]
    taken.append(InlineRun(carried, packs))
    taken += [StoredRun(store, keys, run, caches) for run in content.spills]
    taken.append(InlineRun(fresh, content.packs))
    out = RunWriter(store, keys, manifest.seq)
    merge(taken, out, bottom=first == 0)
    manifest.runs = [*runs[:first], out.finish(level)]
    manifest.stored_bytes += out.stored_bytes


def _point(manifest: Manifest) -> Entry:
    """Return the vault's own row of a restore point."""
    states = {name: [state.as_of, state.complete, state.counts] for name, state in manifest.services.items()}
    properties = msgspec.Raw(
        msgspec.msgpack.encode({"run": manifest.run, "created": manifest.created, "services": states})
    )
    return Entry(
        manifest.seq, 0, ITEM, POINTS, "", manifest.seq, f"{manifest.seq:010d}", manifest.kind, properties=properties
    )  # sorted by seq, not by a clock


def _blob_records(packs: list[PackRecord]) -> set[bytes]:
    return {pack.ids[at : at + _ID] + pack.tag for pack in packs for at in range(0, len(pack.ids), _ID)}
