"""What open listings have listed: keyed 64-bit hashes of ids, so that a file of them tells nobody anything.

250,000 ids take about 25 MB in memory and 2 MB as a spool object. Two ids of one mailbox share a hash with a chance
below one in a million even at ten million items; the harm would be one vanished item kept until the next listing.
"""

from __future__ import annotations

import hashlib
import sys
from array import array
from collections.abc import Iterable


class Seen:
    """Ids listed in one scope. What came after the last ``mark`` is left out of ``dump``."""

    def __init__(self, salt: bytes, hashes: Iterable[int] = ()) -> None:
        self._salt = salt
        self._hashes = set(hashes)
        self._fresh: set[int] = set()

    def __contains__(self, item: str) -> bool:
        return self._hash(item) in self._hashes

    def add(self, item: str) -> None:
        """Note that an id was listed."""
        hashed = self._hash(item)
        if hashed not in self._hashes:
            self._hashes.add(hashed)
            self._fresh.add(hashed)

    def mark(self) -> None:
        """Everything listed so far lies before the cursor."""
        self._fresh.clear()

    def dump(self) -> bytes:
        """Hashes of what was listed before the last mark, 8 bytes each, little-endian."""
        return _little(array("Q", (hashed for hashed in self._hashes if hashed not in self._fresh))).tobytes()

    @classmethod
    def load(cls, salt: bytes, data: bytes) -> Seen:
        """Inverse of ``dump``. Raises ValueError if the length is no multiple of 8."""
        words = array("Q")
        words.frombytes(data)
        return cls(salt, _little(words))

    def _hash(self, item: str) -> int:
        return int.from_bytes(hashlib.blake2b(item.encode(), key=self._salt, digest_size=8).digest(), "little")


def _little(words: array[int]) -> array[int]:
    if sys.byteorder == "big":
        words.byteswap()
    return words
