"""Recipes: how the content of one stored stream is put together from blobs. See docs/format.md."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from arche.vault.errors import Damaged

_LINK = struct.Struct(">16sI")
_CHILD = struct.Struct(">16sQ")
_FLAT, _TREE, _MAIL = 1, 2, 3
_BODY = 1
LEAF = 4096  # links in one child list


class Link(NamedTuple):
    """One blob of a list: the first 16 bytes of its id, and its length."""

    id: bytes
    length: int


class EncodedBody(NamedTuple):
    """A base64 body of a mail: blobs of the decoded content, characters per line, line end (0 none, 1 LF, 2 CRLF)."""

    links: bytes
    width: int
    line_end: int


class Recipe(NamedTuple):
    """A recipe as read. ``links`` is a packed list; ``children`` is used by trees and ``pieces`` by mails only."""

    size: int
    digest: bytes
    size_class: int = 0
    links: bytes = b""
    children: tuple[Link, ...] = ()
    pieces: tuple[int | EncodedBody, ...] | None = None


def pack_link(blob_id: bytes, length: int) -> bytes:
    """One record of a list; ``blob_id`` may be the whole id."""
    return _LINK.pack(blob_id[:16], length)


def links(packed: bytes) -> Iterator[Link]:
    """Return the records of a list."""
    return map(Link._make, _LINK.iter_unpack(packed))


def size_of(packed: bytes) -> int:
    """Content bytes that a list covers."""
    return sum(length for _id, length in _LINK.iter_unpack(packed))


def flat(size: int, digest: bytes, size_class: int, packed: bytes) -> bytes:
    """Recipe of a stream of at most LEAF blobs."""
    return msgspec.msgpack.encode([_FLAT, size, digest, size_class, packed])


def tree(size: int, digest: bytes, size_class: int, children: list[Link]) -> bytes:
    """Recipe of a long stream: each child is a blob that is itself a list."""
    packed = b"".join(_CHILD.pack(child.id[:16], child.length) for child in children)
    return msgspec.msgpack.encode([_TREE, size, digest, size_class, packed])


def mail(size: int, digest: bytes, envelope: bytes, pieces: list[int | EncodedBody]) -> bytes:
    """Recipe of a mail: bytes of the envelope (a list) and encoded bodies in turn."""
    wire = [p if isinstance(p, int) else [_BODY, p.width, p.line_end, p.links] for p in pieces]
    return msgspec.msgpack.encode([_MAIL, size, digest, envelope, wire])


def decode(data: bytes) -> Recipe:
    """Read a recipe. Raises Damaged when it is none of the known forms."""
    try:
        wire: list[Any] = msgspec.msgpack.decode(data, type=list[Any])
        match wire:
            case [1, int(size), bytes(digest), int(size_class), bytes(packed), *_]:
                return Recipe(size, digest, size_class, packed)
            case [2, int(size), bytes(digest), int(size_class), bytes(packed), *_]:
                return Recipe(size, digest, size_class, children=tuple(map(Link._make, _CHILD.iter_unpack(packed))))
            case [3, int(size), bytes(digest), bytes(packed), list(pieces), *_]:
                return Recipe(size, digest, 0, packed, pieces=tuple(_piece(p) for p in pieces))
            case _:
                raise Damaged("recipe of an unknown form")
    except (msgspec.MsgspecError, UnicodeDecodeError, struct.error) as error:
        raise Damaged("recipe cannot be read") from error


def _piece(wire: Any) -> int | EncodedBody:
    match wire:
        case int(count):
            return count
        case [1, int(width), int(line_end), bytes(packed), *_] if line_end in {0, 1, 2}:
            return EncodedBody(packed, width, line_end)
        case _:
            raise Damaged("recipe of an unknown form")
