"""Content-defined chunking of streams. See docs/format.md, "splitting"."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from pyfastcdc import FastCDC

WHOLE = 64 << 10  # a shorter stream is one blob
_KIB = 1 << 10
_GIB = 1 << 30
_CLASSES = (  # (from this announced size, minimum, average, maximum)
    (0, 16 * _KIB, 64 * _KIB, 256 * _KIB),
    (_GIB, 64 * _KIB, 256 * _KIB, 1024 * _KIB),
    (16 * _GIB, 256 * _KIB, 1024 * _KIB, 4096 * _KIB),
)


Chunk = bytes | bytearray | memoryview


def size_class(size: int) -> int:
    """Return the size class of a stream that the source announces with ``size`` bytes (0 = unknown)."""
    return max(n for n, line in enumerate(_CLASSES) if size >= line[0])


def cut(chunks: Iterable[Chunk], size_class: int) -> Iterator[bytes]:
    """Cut a stream into blobs. Memory: one chunk and twice the longest blob."""
    source: Iterator[Chunk] = iter(chunks)
    head = bytearray()
    before = 0
    for chunk in source:
        head += memoryview(chunk)[: WHOLE - len(head)]  # the chunk may be a whole mail: no second copy of it
        if len(head) >= WHOLE:
            source = chain((head, memoryview(chunk)[len(head) - before :]), source)
            break
        before = len(head)
    else:
        if head:
            yield bytes(head)
        return
    for piece in _chunker(size_class).cut_stream(_Stream(source)):
        yield bytes(piece.data)


def _chunker(size_class: int) -> FastCDC:
    _from, minimum, average, maximum = _CLASSES[size_class]
    return FastCDC(average, min_size=minimum, max_size=maximum, normalized_chunking=2, seed=0)


class _Stream:
    """An iterator of chunks as the raw stream that the chunker reads from."""

    def __init__(self, chunks: Iterator[Chunk]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer as far as the chunk at hand goes; 0 at the end."""
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = memoryview(chunk)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count
