"""Writing packs and reading their footers. See docs/format.md, "Packs"."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from typing import NamedTuple

import msgspec
import zstandard

from arche.vault import layout
from arche.vault.keys import AccountKeys
from arche.vault.seal import Kind, Opened, SealedObject, Sealer, decode
from arche.vault.store import ObjectStore, create_named

PACK_SIZE = 16 << 20
FRAME_SIZE = 256 << 10
TAG = 8
_PROBE_FROM = 4 << 10
_PROBE = 4 << 10
TEXT, BINARY, DENSE = 0, 1, 2  # DENSE: compression gains nothing


class PackRecord(msgspec.Struct, array_like=True, frozen=True):
    """A pack as manifests know it: enough to find it and to derive its key without opening it.

    ``tier`` is 0 or 1 (``p0``, ``p1``), ``footer`` the footer's stored length, ``generation`` that of its key.
    ``ids``: 16 bytes of each of its blobs, in file order (manifests only). ``size`` 0 says that it is retired.
    """

    salt: bytes
    name: bytes
    tier: int
    size: int
    footer: int
    generation: int
    ids: bytes = b""

    @property
    def tag(self) -> bytes:
        """Name of the pack within the account: 8 bytes."""
        return self.salt[:TAG]


class Place(NamedTuple):
    """Where a blob lies in a pack."""

    frame: int
    offset: int
    length: int


class PackWriter:
    """Collects blobs into frames and frames into packs; a full pack is stored at once."""

    def __init__(self, store: ObjectStore, keys: AccountKeys) -> None:
        self.stored_bytes = 0
        self._store = store
        self._keys = keys
        self._probe = zstandard.ZstdCompressor(level=1)
        self._done: list[PackRecord] = []
        self._sealed: SealedObject | None = None  # closed, but not known to be stored
        self._begin()

    def add(self, blob_id: bytes, data: bytes, *, text: bool = False) -> bytes:
        """Take a blob (whole id) and return the tag of the pack that will hold it."""
        if self._sealed is not None or self._sealer.size + sum(self._sizes) >= PACK_SIZE:
            self.flush()
        group = TEXT if text else self._group(data)
        if self._sizes[group] and self._sizes[group] + len(data) > FRAME_SIZE:
            self._close_frame(group)
        self._open[group].append((blob_id, data))
        self._sizes[group] += len(data)
        return self._sealer.salt[:TAG]

    def flush(self) -> None:
        """Close and store the open pack; on return everything added so far is durable."""
        for group in (TEXT, BINARY, DENSE):
            if self._open[group]:
                self._close_frame(group)
        if not self._ids:
            return
        if self._sealed is None:
            self._sealed = self._sealer.finish([b"".join(self._ids), self._lengths, self._counts])
        sealed = self._sealed
        create_named(self._store, layout.pack(self._keys.customer, self._keys.account, sealed.name), sealed.data)
        short = b"".join(blob_id[:16] for blob_id in self._ids)
        self._done.append(
            PackRecord(
                self._sealer.salt, sealed.name, 0, len(sealed.data), sealed.footer, self._sealer.generation, short
            )
        )
        self.stored_bytes += len(sealed.data)
        self._begin()

    def take(self) -> list[PackRecord]:
        """Packs stored since the last call."""
        done, self._done = self._done, []
        return done

    def _begin(self) -> None:
        self._sealer = Sealer(self._keys, Kind.PACK)
        self._sealed = None
        self._ids: list[bytes] = []
        self._lengths: list[int] = []
        self._counts: list[int] = []
        self._open: list[list[tuple[bytes, bytes]]] = [[], [], []]
        self._sizes = [0, 0, 0]

    def _close_frame(self, group: int) -> None:
        blobs = self._open[group]
        self._sealer.add(b"".join(data for _id, data in blobs), compress=group != DENSE)
        self._ids += [blob_id for blob_id, _data in blobs]
        self._lengths += [len(data) for _id, data in blobs]
        self._counts.append(len(blobs))
        self._open[group] = []
        self._sizes[group] = 0

    def _group(self, data: bytes) -> int:
        """Probe the middle of a larger blob: photographs and archives are not worth compressing."""
        if len(data) < _PROBE_FROM:
            return BINARY
        middle = len(data) // 2
        sample = data[max(0, middle - _PROBE // 2) : middle + _PROBE // 2]
        return BINARY if len(self._probe.compress(sample)) < len(sample) * 0.97 else DENSE


class PackFooter:
    """The blob table of one pack."""

    def __init__(self, opened: Opened, where: str) -> None:
        self.opened = opened
        self._ids, self.lengths, counts = decode(opened.meta, tuple[bytes, list[int], list[int]], where)
        self._until = list(accumulate(counts))
        self._starts = list(accumulate(self.lengths, initial=0))
        self._number = {self._ids[at : at + 16]: at // 32 for at in range(0, len(self._ids), 32)}

    def __len__(self) -> int:
        return len(self.lengths)

    def find(self, blob_id: bytes) -> Place | None:
        """Return the place of a blob by the first 16 bytes of its id."""
        number = self._number.get(blob_id)
        return None if number is None else self._place(number)

    def blobs(self) -> Iterator[tuple[bytes, Place]]:
        """All blobs with their whole ids, in file order."""
        for number in range(len(self.lengths)):
            yield self._ids[32 * number : 32 * number + 32], self._place(number)

    def _place(self, number: int) -> Place:
        frame = bisect_right(self._until, number)
        first = self._until[frame - 1] if frame else 0
        return Place(frame, self._starts[number] - self._starts[first], self.lengths[number])
