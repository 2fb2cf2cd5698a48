"""One run's changes to one account, and its commits. See docs/format.md, "Write order"."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from arche.vault import commit
from arche.vault.chain import Chain
from arche.vault.content import Content
from arche.vault.entries import POINTS, Entry, from_row
from arche.vault.errors import Conflict, TooNew, VaultError
from arche.vault.intake import Intake, Media
from arche.vault.keys import AccountKeys
from arche.vault.manifest import BASE_EVERY, MAINTENANCE, CommitKind, Manifest
from arche.vault.packs import TAG, PackRecord
from arche.vault.pending import Pending
from arche.vault.rows import PartRef, Row, ServiceState
from arche.vault.seal import READER
from arche.vault.segments import RunRecord
from arche.vault.store import ObjectStore
from arche.vault.view import blob_of_properties, catalog_of, to_row

_SPILL = 12 << 20  # memory that pending rows may take before they go to a segment
_LONG_PROPERTIES = 16 << 10


class Writer:
    """Collects rows and content on top of ``parent`` and commits them. Use one per run and account.

    After a commit it goes on from the new manifest. Nothing is visible before ``commit`` returns; whatever
    happens before that, the account is as it was. Memory is bounded: rows spill to segments, content to packs.
    """

    def __init__(self, store: ObjectStore, keys: AccountKeys, parent: Manifest | None, run: str, attempt: str) -> None:
        if parent and parent.least > READER:
            raise TooNew("the chain needs a newer writer")
        self._store = store
        self._keys = keys
        self._run = run
        self._attempt = attempt
        self._chain = Chain(store, keys)
        self._pending = Pending()
        self._spills: list[RunRecord] = []
        self._packs: list[PackRecord] = []
        self._written = 0
        self._tried: set[bytes] = set()
        self._last_try = (b"", b"")
        self._uncertain = False
        self._last_found: tuple[tuple[str, str] | None, Entry | None] = None, None
        self._encoder = msgspec.msgpack.Encoder()
        self._stand_on(parent)
        self._intake = Intake(store, keys, self._catalog, self._content)
        if parent:
            self._intake.remember(parent.packs)

    @property
    def parent(self) -> Manifest | None:
        """The manifest that the next commit will be made on."""
        return self._parent

    @property
    def changed(self) -> bool:
        """Whether any row differs from the parent's state. If not, a commit says nothing new but the cursors."""
        return bool(self._pending) or bool(self._spills)

    def row(self, service: str, id_: str) -> Row | None:
        """Return the row of one id: the parent's state plus what this writer changed."""
        key = service, id_
        entry = self._pending.now(key) if key in self._pending else self._found(key)
        return None if entry is None else self._row(entry)

    def part(self, name: str, media: Media, chunks: Iterable[bytes], like: Row | None = None, size: int = 0) -> PartRef:
        """Store one stream and return what a row refers to it by.

        ``like`` is the item's earlier row, whose blobs are looked up first (equal content returns its part).
        ``size`` is the length that the source announces, 0 if unknown. Memory: mails up to 40 MiB are held
        whole, files never.
        """
        self._require_certain()
        return self._intake.part(name, media, chunks, like, size)

    def put(self, row: Row) -> None:
        """Note the row's new state. A row equal to the present one is no change. Raises ValueError for a bad row."""
        if not row.kind or not row.service or row.service == POINTS:
            raise ValueError("a row needs a kind and a service of its own")
        self._require_certain()
        key = row.service, row.id
        before = self._before(key)
        if before is not None and self._row(before) == row:
            self._pending.drop(key)
            return
        properties: object = row.properties
        data = self._encoder.encode(properties)
        if len(data) > _LONG_PROPERTIES:
            data = self._encoder.encode(self._intake.own(data))
        self._set(key, before, from_row(row, msgspec.Raw(data)))

    def gone(self, service: str, id_: str) -> None:
        """Note that an item or folder is no more. Unknown ids are no change."""
        self._require_certain()
        key = service, id_
        before = self._before(key)
        if before is None:
            self._pending.drop(key)
            return
        self._set(key, before, None)

    def flush(self) -> None:
        """On return all content taken so far is durable. A cursor may be kept only after that."""
        self._intake.packs.flush()
        self._take_packs()

    def commit(
        self, kind: CommitKind, services: Mapping[str, ServiceState], note: Mapping[str, Any] | None = None
    ) -> Manifest:
        """Make everything so far the account's new state, in one step.

        ``services`` replaces the states of the services in it; the others stay. Raises Conflict when another
        writer committed first: nothing of this writer is visible then, begin again on ``Conflict.manifest``.
        A reply that got lost on the way is found out and counts as success. After any other error nobody knows
        whether the commit happened: only ``commit`` may be called then, or the writer given up.
        """
        self.flush()
        while True:
            states = dict(self._parent.services if self._parent else {}) | dict(services)
            manifest = self._draft(kind, states, dict(note or {}))
            content = commit.Content(self._pending, self._packs, self._spills)
            commit.lay_out(self._store, self._keys, self._parent, manifest, content)
            manifest.stored_bytes += self._written + self._intake.packs.stored_bytes
            self._tried.add(manifest.token)
            self._uncertain = True
            try:
                done = self._chain.publish(manifest)
            except Conflict as conflict:
                if conflict.manifest.token not in self._tried:
                    self._uncertain = False
                    raise
                # An earlier try of ours arrived after all, with the same rows but another state: go on upon it.
                self._committed(conflict.manifest)
                continue
            self._committed(done)
            return done

    def rebase(self, manifest: Manifest) -> None:
        """Go on upon a maintenance commit that took our seq. Raises Conflict when that is not possible."""
        ours = self._parent.digest if self._parent else b""
        usable = manifest.kind in MAINTENANCE and manifest.parent == ours and self._run not in manifest.abandoned
        if not usable or manifest.retired:
            raise Conflict(manifest)
        self._stand_on(manifest)
        self._intake.stand_on(self._catalog, self._content)

    def _require_certain(self) -> None:
        if self._uncertain:
            raise VaultError("the last commit's outcome is unknown: repeat it, or begin again on the head")

    def _take_packs(self) -> None:
        packs = self._intake.packs.take()
        self._packs += packs
        self._catalog.learn(packs)

    def _row(self, entry: Entry) -> Row:
        reference = blob_of_properties(entry)
        if reference and self._catalog.pack(reference[-TAG:]) is None:
            self.flush()  # it is in the pack that is still open
        return to_row(entry, self._content)

    def _before(self, key: tuple[str, str]) -> Entry | None:
        """Return the state below the pending changes: parent and spilled runs."""
        if key in self._pending:
            mark = self._pending.before(key)
            return None if mark is None else self._found(key)
        return self._found(key)

    def _found(self, key: tuple[str, str]) -> Entry | None:
        """Look below the pending changes; callers ask for a row right before they put it."""
        if self._last_found[0] != key:
            self._last_found = key, self._catalog.find(*key)
        return self._last_found[1]

    def _set(self, key: tuple[str, str], before: Entry | None, now: Entry | None) -> None:
        self._pending.set(key, before, now)
        if self._pending.weight > _SPILL:
            self._spill()

    def _spill(self) -> None:
        """Move pending rows and the index of stored packs into a run of their own (visible with the commit)."""
        self._take_packs()
        record, written = commit.spill(self._store, self._keys, self._pending, self._packs, self._next)
        self._written += written
        self._spills.append(record)
        self._last_found = None, None
        self._catalog.add(record)
        self._pending.clear()
        self._packs = []

    @property
    def _next(self) -> int:
        return self._parent.seq + 1 if self._parent else 1

    def _stand_on(self, parent: Manifest | None) -> None:
        self._parent = parent
        self._last_found = None, None
        self._catalog = catalog_of(self._store, self._keys, parent)
        self._content = Content(self._store, self._keys, self._catalog)
        self._catalog.learn(self._packs)
        for spill in self._spills:
            spill.seq = self._next
            self._catalog.add(spill)

    def _draft(self, kind: CommitKind, states: dict[str, ServiceState], note: dict[str, Any]) -> Manifest:
        """Return a manifest without rows. Repeating a call that changed nothing keeps its token: the same commit."""
        said = self._encoder.encode([kind, states, note])
        if self._last_try[1] != said:
            self._last_try = secrets.token_bytes(16), said
        return Manifest(
            seq=self._next,
            parent=self._parent.digest if self._parent else b"",
            kind=kind,
            run=self._run,
            attempt=self._attempt,
            created=time.time_ns() // 1_000_000,
            services=states,
            note=note,
            epoch=self._parent.epoch if self._parent else 0,
            base=self._next % BASE_EVERY == 0,
            first=self._parent.first if self._parent and self._parent.run == self._run else self._next,
            token=self._last_try[0],
        )

    def _committed(self, manifest: Manifest) -> None:
        self._pending.clear()
        self._packs = []
        self._spills = []
        self._written = 0
        self._intake.packs.stored_bytes = 0
        self._tried.clear()
        self._last_try = (b"", b"")
        self._uncertain = False
        self._stand_on(manifest)
        self._intake.stand_on(self._catalog, self._content)
