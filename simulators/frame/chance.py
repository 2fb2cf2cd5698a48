"""Seeded randomness: the same seed gives the same ids and the same orders."""

from __future__ import annotations

import hashlib
import random
import uuid


class Chance:
    """Independent streams by name, all from one seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._streams: dict[str, random.Random] = {}

    def stream(self, *names: str) -> random.Random:
        """Return the running stream of that name: each draw changes what the next one gives."""
        key = "\0".join(names)
        if key not in self._streams:
            self._streams[key] = self.fresh(*names)
        return self._streams[key]

    def fresh(self, *names: str) -> random.Random:
        """Return a new stream that always starts at the same place for the same names."""
        return random.Random(self.digest(*names))  # noqa: S311 - repeatable on purpose

    def digest(self, *names: str) -> bytes:
        """32 bytes that depend on the seed and the names alone."""
        text = "\0".join((str(self.seed), *names))
        return hashlib.sha256(text.encode()).digest()

    def guid(self, *names: str) -> str:
        """Return a version 4 looking GUID that depends on the seed and the names alone."""
        return str(uuid.UUID(bytes=self.digest("guid", *names)[:16], version=4))
