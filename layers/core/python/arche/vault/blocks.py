"""Reading sealed objects by range, with bounded memory: the tail once, then single frames or spans of them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

from arche.vault.errors import Damaged, NoSuchObject
from arche.vault.seal import HEADER, TRAILER, KeySource, Kind, Opened, footer_length
from arche.vault.store import ObjectStore

V = TypeVar("V")
_TAIL = 64 << 10
_SPAN = 1 << 20


class Bounded(Generic[V]):
    """A cache of at most ``limit`` weight; the least recently used goes first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._weight = 0
        self._items: OrderedDict[object, tuple[V, int]] = OrderedDict()

    def get(self, key: object, make: Callable[[], tuple[V, int]]) -> V:
        """Return the cached value, or a new one from ``make`` (value, weight)."""
        found = self._items.get(key)
        if found is not None:
            self._items.move_to_end(key)
            return found[0]
        value, weight = make()
        self.put(key, value, weight)
        return value

    def put(self, key: object, value: V, weight: int) -> None:
        """Keep a value; older ones go to make room."""
        if key in self._items:
            return
        self._items[key] = (value, weight)
        self._weight += weight
        while self._weight > self._limit and len(self._items) > 1:
            _key, (_value, gone) = self._items.popitem(last=False)
            self._weight -= gone

    def __contains__(self, key: object) -> bool:
        return key in self._items


class RangeReader:
    """One sealed object, opened by its tail."""

    def __init__(
        self,
        store: ObjectStore,
        keys: KeySource,
        kind: Kind,
        key: str,
        *,
        footer: int = 0,
        size: int = 0,
        more: int = 0,
    ) -> None:
        """``footer`` and ``size`` are what the referring object says of it (0 = unknown). Raises Damaged.

        ``more`` bytes before the footer are read with it and kept.
        """
        self._store = store
        self.key = key
        tail, found = self._tail(max(_TAIL, footer + TRAILER + more))
        if size and found != size:
            raise Damaged(f"{key}: {found} bytes, not {size}")
        needed = footer_length(tail, key) + TRAILER
        if needed > len(tail):
            tail, found = self._tail(needed)
        self.opened = Opened(keys, kind, tail, found, key)
        keep = kind == Kind.SEGMENT or len(tail) == found  # a segment is asked again and again
        self._kept = tail if keep else b""
        self._kept_at = found - len(self._kept)

    def frame(self, number: int) -> bytes:
        """Return data of one frame."""
        return next(self.span([number]))

    def span(self, numbers: Sequence[int]) -> Iterator[bytes]:
        """Return data of several frames in the given order; neighbours are fetched with one read of at most 1 MiB."""
        at = 0
        while at < len(numbers):
            end = at + 1
            start = self._offset(numbers[at])
            while (
                end < len(numbers)
                and numbers[end] == numbers[end - 1] + 1
                and self._offset(numbers[end] + 1) - start <= _SPAN
            ):
                end += 1
            data = self._read(start, self._offset(numbers[end - 1] + 1) - start)
            for number in numbers[at:end]:
                first = self._offset(number) - start
                yield self.opened.frame(number, data[first : first + self.opened.frames[number].stored])
            at = end

    def _offset(self, number: int) -> int:
        try:
            return self.opened.offsets[number]
        except IndexError:
            raise Damaged(f"{self.key}: no frame {number}") from None

    def _read(self, start: int, length: int) -> bytes:
        if start >= self._kept_at:
            return self._kept[start - self._kept_at : start - self._kept_at + length]
        try:
            return self._store.read(self.key, start, length)
        except NoSuchObject:
            raise Damaged(f"{self.key}: missing") from None

    def _tail(self, length: int) -> tuple[bytes, int]:
        try:
            tail, size = self._store.tail(self.key, length)
        except NoSuchObject:
            raise Damaged(f"{self.key}: missing") from None
        if size < HEADER + TRAILER:
            raise Damaged(f"{self.key}: cut short")
        return tail, size
