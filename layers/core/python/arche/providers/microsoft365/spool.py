"""Bytes laid aside while a mail is read or written: in memory while few, in a file of no name when many."""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final, Self

from arche.providers.microsoft365.mime import Buffer

_IN_MEMORY: Final = 1 << 20


class Spool:
    """A place to write chunks to and to look at them as one buffer afterwards."""

    def __init__(self) -> None:
        # Outlives this call on purpose: ``with Spool()`` closes it.
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def fill(self, chunks: Iterable[bytes]) -> None:
        """Write all chunks."""
        for chunk in chunks:
            self._file.write(chunk)

    def tee(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Write chunks while they pass."""
        for chunk in chunks:
            self._file.write(chunk)
            yield chunk

    @contextmanager
    def buffer(self) -> Iterator[Buffer]:
        """Look at everything written so far."""
        size = self._file.seek(0, 2)
        if size <= _IN_MEMORY:
            self._file.seek(0)
            yield self._file.read()
            return
        self._file.flush()
        with mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield data
