"""Memory of a worker: of the accounts that run side by side only a few may hold much of it at a time.

An account that gathers rows and content holds up to some 60 MB until its next commit (a pack, pending rows, their
encoded forms), a large mail twice its size while it is split. Most accounts of a run never come near either.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from arche.model.deadline import Deadline
from arche.operations.collect_reads import SliceOver

HEAVY_ACCOUNTS = 2
HEAVY_BYTES = 1 << 20
HEAVY_ROWS = 500
LARGE_BYTES = 4 << 20


class Gate:
    """Shared by the accounts of one worker."""

    def __init__(self, heavy: int = HEAVY_ACCOUNTS) -> None:
        self._heavy = threading.BoundedSemaphore(heavy)
        self._large = threading.Lock()
        self._count = threading.Lock()
        self._waiting = 0

    @property
    def crowded(self) -> bool:
        """Whether somebody waits to become heavy: who is should commit soon."""
        return self._waiting > 0

    def enter(self, deadline: Deadline) -> bool:
        """Wait to become heavy; False when the time ran out first (the caller stops soon by itself)."""
        if self._heavy.acquire(blocking=False):
            return True
        with self._count:
            self._waiting += 1
        try:
            while not deadline.soon:
                if self._heavy.acquire(timeout=0.5):
                    return True
            return False
        finally:
            with self._count:
                self._waiting -= 1

    def leave(self) -> None:
        """No longer be heavy."""
        self._heavy.release()

    @contextmanager
    def part(self, chunks: Iterator[bytes], deadline: Deadline) -> Iterator[Iterator[bytes]]:
        """Let one part through; from `LARGE_BYTES` on only one at a time. Raises SliceOver in the chunks."""
        held: list[bool] = []

        def through() -> Iterator[bytes]:
            size = 0
            for chunk in chunks:
                size += len(chunk)
                if size > LARGE_BYTES and not held:
                    while not self._large.acquire(timeout=0.5):
                        if deadline.over:
                            raise SliceOver
                    held.append(True)
                yield chunk

        try:
            yield through()
        finally:
            if held:
                self._large.release()
