"""Where the attachments stand in a MIME message, without building it in memory.

``leaves`` walks a seekable buffer (bytes or mmap) and gives the position of every leaf part. It decodes nothing but
headers; ``decoded`` streams a leaf's bytes. Only base64 leaves are ever trusted to carry an attachment byte for byte.
"""

from __future__ import annotations

import base64
import binascii
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage, Message
from email.parser import BytesHeaderParser
from typing import Final

Buffer = bytes | mmap.mmap

_HEADER_LIMIT: Final = 1 << 20
_DEPTH: Final = 30
_LEAVES: Final = 10_000
_BLOCK: Final = 1 << 19


@dataclass(frozen=True, slots=True)
class Leaf:
    """One leaf part. Names and ids as decoded from its headers; ``start`` and ``end`` bound its encoded body."""

    name: str
    content_id: str
    type: str
    encoding: str
    start: int
    end: int


def leaves(data: Buffer) -> list[Leaf]:
    """Give all leaf parts in order. A broken structure gives what can be told apart; it never raises."""
    found: list[Leaf] = []
    _walk(data, 0, len(data), 0, found)
    return found


def letter(data: Buffer) -> Leaf | None:
    """Give the only part of a text that is no multipart; None for anything else."""
    found: list[Leaf] = []
    _walk(data, 0, len(data), _DEPTH, found)
    return found[0] if found[0].type.startswith("text/") else None


def is_closed(data: Buffer) -> bool:
    """Whether the outermost multipart ends with its closing boundary (anything else counts as closed)."""
    body = _body(data, 0, len(data))
    headers = BytesHeaderParser(policy=policy.compat32).parsebytes(bytes(data[: min(body, _HEADER_LIMIT)]))
    boundary = _boundary(headers)
    return data.rfind(b"--" + boundary + b"--", body) >= 0 if boundary else len(data) > 0


def _boundary(headers: Message) -> bytes:
    """Give the boundary of a multipart; nothing for another type, or for a boundary that breaks the rules."""
    boundary = headers.get_boundary() if headers.get_content_maintype() == "multipart" else None
    return boundary.encode("ascii") if boundary and boundary.isascii() else b""


def _walk(data: Buffer, start: int, end: int, depth: int, found: list[Leaf]) -> None:
    body = _body(data, start, end)
    # compat32 gives up on nothing; the modern policy is asked only for what it decodes better.
    raw = bytes(data[start : min(body, start + _HEADER_LIMIT)])
    headers = BytesHeaderParser(policy=policy.compat32).parsebytes(raw)
    boundary = _boundary(headers)
    if boundary and depth < _DEPTH:
        for first, last in _parts(data, body, end, boundary):
            if len(found) >= _LEAVES:
                return
            _walk(data, first, last, depth + 1, found)
        return
    content_id = str(headers.get("Content-ID") or "").strip().strip("<>")
    encoding = str(headers.get("Content-Transfer-Encoding") or "7bit").strip().lower()
    found.append(Leaf(_name(raw), content_id, headers.get_content_type(), encoding, body, end))


def _name(raw: bytes) -> str:
    try:
        modern = BytesHeaderParser(EmailMessage, policy=policy.default).parsebytes(raw)
        return str(modern.get_filename() or "")
    except (ValueError, LookupError, AttributeError, IndexError, TypeError):
        return ""  # a header that the parser trips over: no match is made, and the bytes are fetched apart


def _body(data: Buffer, start: int, end: int) -> int:
    """Find where the headers end: after the first empty line."""
    if data[start : start + 1] == b"\n":
        return start + 1
    if data[start : start + 2] == b"\r\n":
        return start + 2
    crlf, lf = data.find(b"\r\n\r\n", start, end), data.find(b"\n\n", start, end)
    ends = [spot + width for spot, width in ((crlf, 4), (lf, 2)) if spot >= 0]
    return min(ends, default=end)


def _parts(data: Buffer, start: int, end: int, boundary: bytes) -> Iterator[tuple[int, int]]:
    """Give the bounds of the parts between the boundary's lines."""
    mark = b"--" + boundary
    opened = -1
    spot = start
    while True:
        spot = data.find(mark, spot, end)
        if spot < 0:
            break
        line_start = spot == start or data[spot - 1 : spot] == b"\n"
        after = spot + len(mark)
        closing = data[after : after + 2] == b"--"
        line_end = data.find(b"\n", after, end)
        rest = bytes(data[after + (2 if closing else 0) : line_end if line_end >= 0 else end]).strip(b" \t\r\n")
        if not line_start or rest:
            spot = after
            continue
        if opened >= 0:
            yield opened, _before_line_break(data, opened, spot)
        if closing or line_end < 0:
            return
        opened = spot = line_end + 1
    if opened >= 0:
        yield opened, end


def _before_line_break(data: Buffer, start: int, spot: int) -> int:
    if spot - 2 >= start and data[spot - 2 : spot] == b"\r\n":
        return spot - 2
    return spot - 1 if spot - 1 >= start else spot


def size(data: Buffer, leaf: Leaf) -> int | None:
    """Give the decoded size of a base64 leaf; None if it is not sound base64."""
    if leaf.encoding != "base64":
        return None
    total = 0
    try:
        for block in decoded(data, leaf):
            total += len(block)
    except ValueError:
        return None
    return total


def decoded(data: Buffer, leaf: Leaf) -> Iterator[bytes]:
    """Stream the decoded bytes of a base64 leaf. Raises ValueError for what is not base64."""
    rest = b""
    for spot in range(leaf.start, leaf.end, _BLOCK):
        text = rest + bytes(data[spot : min(spot + _BLOCK, leaf.end)]).translate(None, b" \t\r\n")
        cut = len(text) - len(text) % 4 if spot + _BLOCK < leaf.end else len(text)
        rest = text[cut:]
        if cut % 4:
            raise ValueError("not sound base64")
        try:
            yield base64.b64decode(text[:cut], validate=True)
        except binascii.Error as error:
            raise ValueError("not sound base64") from error
