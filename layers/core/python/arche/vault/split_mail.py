"""Find base64 bodies in a mail that decode and encode again to the same bytes. See docs/format.md, "splitting".

Nothing here parses MIME: whatever a mail looks like, a body is taken out only when its re-join is proven, and
all the rest stays as it is. So a malformed mail costs bytes, never content.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import pybase64

LONGEST = 40 << 20  # a longer mail is cut as a file
_SHORTEST = 1024
_FIELD = b"\ncontent-transfer-encoding:"
_HEADER_REACH = 64 << 10
_MOST_PARTS = 2_000  # a text of dashes is no reason to look for headers for ever
_DEEPEST = 8
_NARROWEST = 4
LINE_ENDS = (b"", b"\n", b"\r\n")
_LINE_END_BYTES = b"\r\n"
_RETURN = 13
_SPACE = b" \t\r\n"
_WINDOW = 256 << 10


class Body(NamedTuple):
    """A base64 body that is proven to re-join: ``raw[start:end]``, in lines of ``width`` characters (0 = one line).

    ``line_end`` is 1 for LF, 2 for CRLF, 0 for none.
    """

    raw: bytes | bytearray
    start: int
    end: int
    width: int
    line_end: int

    def chunks(self) -> Iterator[bytes]:
        """Decode the body, some hundred KiB at a time."""
        for start, end in _windows(self.start, self.end, self.width, self.line_end):
            yield pybase64.b64decode(self.raw[start:end].translate(None, _LINE_END_BYTES), validate=True)


class Piece(NamedTuple):
    """What comes next in a mail: ``raw[start:end]``, taken as it is (``body`` None) or decoded."""

    start: int
    end: int
    body: Body | None


def split(raw: bytes | bytearray) -> Iterator[Piece]:
    """Pieces of a mail in order, covering all of it. Needs little memory besides ``raw``."""
    done = 0
    header = 0
    for _ in range(_MOST_PARTS):
        start = _encoded_body(raw, header)
        stop = raw.find(b"\n--", max(start, header, 1) - 1)
        end = len(raw) if stop < 0 else stop
        body = _proven(raw, start, _trimmed(raw, start, end)) if start >= 0 else None
        if body is not None:
            if start > done:
                yield Piece(done, start, None)
            done = body.end
            yield Piece(start, done, body)
        header = raw.find(b"\n", end + 1) + 1
        if not header:
            break
    if done < len(raw):
        yield Piece(done, len(raw), None)


def join(chunks: Iterable[bytes], width: int, line_end: int) -> Iterator[bytes]:
    """Encode the content of ``chunks`` as ``Body`` says. Streams; holds less than one chunk and a few lines."""
    end = LINE_ENDS[line_end]
    unit = 3 * width if width else 3  # this many bytes fill four lines exactly
    rest = b""
    first = True
    for chunk in chunks:
        data = rest + chunk if rest else chunk
        whole = len(data) - len(data) % unit
        rest = data[whole:]
        if whole:
            yield _lines(data[:whole], width, end, first=first)
            first = False
    if rest:
        yield _lines(rest, width, end, first=first)


def joined_length(size: int, width: int, line_end: int) -> int:
    """Length of the base64 form of ``size`` bytes."""
    characters = 4 * -(-size // 3)
    lines = (characters - 1) // width if width and characters else 0
    return characters + lines * line_end


def _lines(data: bytes, width: int, end: bytes, *, first: bool) -> bytes:
    text = pybase64.b64encode(data)
    if not width:
        return text
    lines = end.join([text[i : i + width] for i in range(0, len(text), width)])
    return lines if first else end + lines


def _encoded_body(raw: bytes | bytearray, header: int) -> int:
    """Where the body of the part that begins at ``header`` starts if it says base64, else -1.

    An attached message has its own header right behind that of its part.
    """
    for _ in range(_DEEPEST):
        reach = min(len(raw), header + _HEADER_REACH)
        dos = raw.find(b"\n\r\n", header, reach)
        unix = raw.find(b"\n\n", header, reach if dos < 0 else dos + 1)
        start = unix + 2 if unix >= 0 else dos + 3
        if unix < 0 and dos < 0:
            return -1
        fields = b"\n" + raw[header:start].lower()
        at = fields.find(_FIELD)
        if at >= 0 and fields[at + len(_FIELD) :].lstrip(b' \t\r\n"').startswith(b"base64"):
            return start
        if b"message/" not in fields:
            return -1
        header = start
    return -1


def _trimmed(raw: bytes | bytearray, start: int, end: int) -> int:
    """Where the text before ``end`` ends without white space; ``start`` if there is none."""
    while end > start and raw[end - 1] in _SPACE:
        end -= 1
    return max(start, end)


def _windows(start: int, end: int, width: int, line_end: int) -> Iterator[tuple[int, int]]:
    """Cut a body into ranges that decode by themselves: whole lines, and a multiple of four characters."""
    size = (width + line_end) * (_WINDOW // (width + line_end) // 4 * 4 or 4) if width else _WINDOW
    while start < end:
        yield start, min(end, start + size)
        start += size


def _proven(raw: bytes | bytearray, start: int, end: int) -> Body | None:
    """Return the body if decoding it and encoding it again gives the same bytes, else None."""
    if end - start < _SHORTEST:
        return None
    cut = raw.find(b"\n", start, end) - start
    width, line_end = 0, 0
    if cut >= 0:
        line_end = 2 if cut and raw[start + cut - 1] == _RETURN else 1
        width = cut - line_end + 1
        if width < _NARROWEST:
            return None
    for first, last in _windows(start, end, width, line_end):
        if not _is_regular(raw[first:last], width, line_end, last=last == end):
            return None
    return Body(raw, start, end, width, line_end)


def _is_regular(text: bytes | bytearray, width: int, line_end: int, *, last: bool) -> bool:
    """Whether a window's line ends are where the width puts them, and its characters are canonical base64."""
    plain = text
    if line_end:
        plain = text.translate(None, _LINE_END_BYTES)
        lines = (len(plain) - 1) // width if last else len(plain) // width
        end = LINE_ENDS[line_end]
        step = width + line_end
        if len(text) != len(plain) + lines * line_end:
            return False
        if any(text[width + i :: step] != end[i : i + 1] * lines for i in range(line_end)):
            return False
    try:
        data = pybase64.b64decode(plain, validate=True)
    except (binascii.Error, ValueError):
        return False
    return pybase64.b64encode(data) == plain and (last or len(data) * 4 == len(plain) * 3)
