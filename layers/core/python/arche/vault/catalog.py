"""The state of an account at a seq: all runs asked together, newest first. See docs/format.md, "The state of T"."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from arche.vault.entries import Entry, Seen, is_row, merged, state_of
from arche.vault.keys import AccountKeys
from arche.vault.packs import PackRecord
from arche.vault.runs import InlineRun, Run, StoredRun, newest, pack_of
from arche.vault.segments import Caches, RunRecord
from arche.vault.store import ObjectStore

_CACHE = 8 << 20
_GONE = bytes(8)
NOWHERE = 2**62  # a seq above all: what is not committed yet


class Catalog:
    """Runs (oldest first), read as of ``seq``. ``whole`` says that no entry is newer than ``seq``."""

    def __init__(
        self,
        store: ObjectStore,
        keys: AccountKeys,
        runs: Sequence[RunRecord],
        inline: InlineRun | None = None,
        caches: Caches | None = None,
    ) -> None:
        self._store = store
        self._keys = keys
        self._caches = caches or Caches.of(_CACHE)
        self.stored = [StoredRun(store, keys, record, self._caches) for record in runs]
        self._inline = [inline] if inline else []
        self._fresh: list[StoredRun] = []
        self._learned: dict[bytes, PackRecord] = {}

    @property
    def runs(self) -> list[Run]:
        """All runs, oldest first."""
        return [*self.stored, *self._inline, *self._fresh]

    def add(self, record: RunRecord) -> StoredRun:
        """Put a run that is not committed yet on top."""
        run = StoredRun(self._store, self._keys, record, self._caches)
        self._fresh.append(run)
        return run

    def learn(self, packs: Iterable[PackRecord]) -> None:
        """Know packs that are stored, but in no run and no manifest yet."""
        self._learned.update((pack.tag, pack) for pack in packs)

    def find(self, service: str, id_: str, seq: int = NOWHERE) -> Entry | None:
        """Return the entry of one id at ``seq``, None if there is no such row then."""
        history = seq < NOWHERE
        for run in reversed(self.runs):
            events = [entry for entry in run.of_id(service, id_, history=history) if entry.seq <= seq]
            if events:
                last = max(events, key=lambda entry: (entry.seq, entry.kind != ""))
                return last if is_row(last, seq) else None
        return None

    def rows_since(self, first: int) -> Iterator[Entry]:
        """Rows of the newest state that commits from ``first`` on have put. Older runs are not read."""
        recent: list[Run] = [run for run in self.stored if run.record.seq >= first]
        streams = [run.scan(b"", rank, history=False) for rank, run in enumerate([*recent, *self._inline])]
        for seen in state_of(merged(streams), NOWHERE):
            if seen.entry.seq >= first:
                yield seen.entry

    def rows(self, start: bytes, seq: int = NOWHERE) -> Iterator[Seen]:
        """Rows of the state ``seq`` from key ``start`` on, in order of keys."""
        history = seq < NOWHERE
        streams = [run.scan(start, rank, history=history) for rank, run in enumerate(self.runs)]
        return state_of(merged(streams), seq)

    def tag_of(self, blob_id: bytes) -> bytes | None:
        """Tag of the pack that holds a blob (first 16 bytes of its id)."""
        return self._tag(blob_id, sure=True)

    def knows(self, blob_id: bytes) -> bool:
        """Whether a blob is stored. Cheap for those that are not."""
        return self._tag(blob_id, sure=False) is not None

    def pack(self, tag: bytes) -> PackRecord | None:
        """Return a pack by its tag; None if it is unknown or retired."""
        if tag in self._learned:
            return self._learned[tag]
        for run in reversed(self.runs):
            pack = run.pack(tag)
            if pack is not None:
                return pack if pack.size else None
        return None

    def packs(self) -> Iterator[PackRecord]:
        """All packs that are not retired, without their ids."""
        for record in newest(self.runs, "packs"):
            pack = pack_of(record)
            if pack.size:
                yield pack

    def _tag(self, blob_id: bytes, *, sure: bool) -> bytes | None:
        for run in reversed(self.runs):
            tag = run.tag_of(blob_id, sure=sure)
            if tag is not None:
                return None if tag == _GONE else tag
        return None
