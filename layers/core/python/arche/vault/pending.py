"""Changes of a writer that are in memory: for each id what it was before, and what it is now."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from arche.vault.entries import Entry, end_mark, key_of

_COST = 400  # bytes of memory beside the encoded entry: key, tuple, slot of the dictionary


class Pending:
    """A small map (service, id) -> change. Compact: entries are kept encoded."""

    def __init__(self) -> None:
        self.weight = 0
        self._changes: dict[tuple[str, str], tuple[bytes, bytes]] = {}
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(Entry)

    def __len__(self) -> int:
        return len(self._changes)

    def __contains__(self, key: tuple[str, str]) -> bool:
        return key in self._changes

    def now(self, key: tuple[str, str]) -> Entry | None:
        """Return what the id is now; None when it is gone. Raises KeyError when this writer has not touched it."""
        _before, now = self._changes[key]
        return self._decoder.decode(now) if now else None

    def before(self, key: tuple[str, str]) -> Entry | None:
        """Return what the id was before this writer's pending changes. Raises KeyError as above."""
        before, _now = self._changes[key]
        return self._decoder.decode(before) if before else None

    def set(self, key: tuple[str, str], before: Entry | None, now: Entry | None) -> None:
        """Note a change."""
        self.drop(key)
        earlier = self._encoder.encode(end_mark(before)) if before else b""
        later = self._encoder.encode(now) if now else b""
        self._changes[key] = earlier, later
        self.weight += len(earlier) + len(later) + len(key[1]) + _COST

    def drop(self, key: tuple[str, str]) -> None:
        """Forget a change: all is as before."""
        found = self._changes.pop(key, None)
        if found:
            self.weight -= len(found[0]) + len(found[1]) + len(key[1]) + _COST

    def entries(self, seq: int) -> Iterator[Entry]:
        """Return the entries that say it all, with ``seq``: new rows, and end marks where a row was."""
        for earlier, later in self._changes.values():
            now = self._decoder.decode(later) if later else None
            if earlier:
                mark = self._decoder.decode(earlier)
                mark.seq = seq
                if now is None or key_of(now) != key_of(mark):
                    yield mark
            if now is not None:
                now.seq = seq
                yield now

    def clear(self) -> None:
        """Forget everything: it is in a run or committed."""
        self._changes.clear()
        self.weight = 0
