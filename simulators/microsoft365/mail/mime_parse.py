"""Takes MIME apart by byte ranges: no part is copied, nothing raises, whatever the bytes are."""

from __future__ import annotations

import base64
import binascii
import codecs
import email.header
import email.message
import quopri
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

DEPTH_LIMIT = 30
PART_LIMIT = 2000
# Longer headers are cut before they are decoded: the decoders take time that grows with the square.
HEADER_LIMIT = 32 * 1024
HEADER = re.compile(rb"([!-9;-~]{1,200})[ \t]*:(.*)", re.DOTALL)
ENCODED = re.compile(r"=\?[^?\s]+\?[bq]\?[^?]*\?=", re.IGNORECASE)
CODINGS = {"base64", "quoted-printable"}


@dataclass
class Part:
    """One entity. ``start`` and ``stop`` bound its body, ``whole`` is where its header begins."""

    headers: list[tuple[str, bytes]]
    whole: int
    start: int
    stop: int
    media: str = "text/plain"
    parameters: dict[str, str] = field(default_factory=dict)
    disposition: str = ""
    filename: str = ""
    children: list[Part] = field(default_factory=list)

    def raw(self, name: str) -> bytes | None:
        """Return the first header of that name as it stands, unfolded; None if there is none."""
        lower = name.lower()
        return next((value for key, value in self.headers if key.lower() == lower), None)

    def text(self, name: str) -> str | None:
        """Return the first header of that name, decoded."""
        value = self.raw(name)
        return None if value is None else words(value)

    @property
    def coding(self) -> str:
        """The transfer encoding, if it is one that must be undone."""
        found = (self.raw("Content-Transfer-Encoding") or b"").decode("ascii", "replace").strip().lower()
        return found if found in CODINGS else ""

    @property
    def cid(self) -> str | None:
        """The content id without its brackets."""
        found = (self.text("Content-ID") or "").strip().removeprefix("<").removesuffix(">").strip()
        return found or None

    def walk(self) -> Iterator[Part]:
        """Return return this part and everything in it."""
        yield self
        for child in self.children:
            yield from child.walk()


def parse(raw: bytes, start: int = 0, stop: int | None = None) -> Part:
    """Take a message apart. Bytes without any header are one text body."""
    return _Parser(raw).part(start, len(raw) if stop is None else stop, 0)


class _Parser:
    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._parts = 0

    def part(self, whole: int, stop: int, depth: int, default: str = "text/plain") -> Part:
        self._parts += 1
        headers, body = _headers(self._raw, whole, stop)
        part = Part(headers, whole, body, stop, default)
        _describe(part, default)
        if depth < DEPTH_LIMIT and self._parts < PART_LIMIT and part.media.startswith("multipart/"):
            boundary = part.parameters.get("boundary", "")
            inner = "message/rfc822" if part.media == "multipart/digest" else "text/plain"
            if boundary:
                ranges = list(_ranges(self._raw, boundary.encode("utf-8", "surrogateescape"), body, stop))
                part.children = [self.part(a, b, depth + 1, inner) for a, b in ranges[:PART_LIMIT]]
        return part


def _headers(raw: bytes, start: int, stop: int) -> tuple[list[tuple[str, bytes]], int]:
    names: list[str] = []
    values: list[list[bytes]] = []
    at = start
    while at < stop:
        end = raw.find(b"\n", at, stop)
        line = raw[at : stop if end < 0 else end + 1]
        text = line.rstrip(b"\r\n")
        if not text:
            return _joined(names, values), at + len(line)
        if text[:1] in b" \t" and names:
            values[-1].append(text.strip())
        elif match := HEADER.fullmatch(text):
            names.append(match[1].decode("ascii"))
            values.append([match[2].strip()])
        elif not (at == start and text.startswith((b"From ", b">From "))):
            # Not a header: the body begins here without an empty line.
            return _joined(names, values), at
        at += len(line)
    return _joined(names, values), stop


def _joined(names: list[str], values: list[list[bytes]]) -> list[tuple[str, bytes]]:
    return [(name, b" ".join(lines)) for name, lines in zip(names, values, strict=True)]


def _describe(part: Part, default: str) -> None:
    value = part.raw("Content-Type")
    if value is not None:
        part.media, part.parameters = _parameters(words_raw(value), default)
    value = part.raw("Content-Disposition")
    named: dict[str, str] = {}
    if value is not None:
        part.disposition, named = _parameters(words_raw(value), "")
    name = named.get("filename") or part.parameters.get("name") or ""
    part.filename = clean(words(name.encode("utf-8", "surrogateescape")))


def _parameters(value: str, default: str) -> tuple[str, dict[str, str]]:
    holder = email.message.Message()
    found: dict[str, str] = {}
    kind = value.split(";", 1)[0].strip().lower()
    if ";" in value:
        try:
            holder["Content-Type"] = value
            for name, content in (holder.get_params() or [])[1:]:
                # RFC 2231 values come as (charset, language, text).
                text = (
                    content
                    if isinstance(content, str)
                    else _charset(content[2].encode("latin-1", "replace"), content[0])
                )
                found.setdefault(name.lower(), text)
        except (ValueError, LookupError, TypeError, IndexError):
            found = {}
    return (kind if re.fullmatch(r"[!-~]+/[!-~]+|[a-z-]+", kind) else default), found


def _ranges(raw: bytes, boundary: bytes, start: int, stop: int) -> Iterator[tuple[int, int]]:
    mark = b"--" + boundary
    opened = -1
    at = start
    while True:
        hit = raw.find(mark, at, stop)
        if hit < 0:
            break
        at = hit + len(mark)
        if hit > start and raw[hit - 1 : hit] != b"\n":
            continue
        end = raw.find(b"\n", at, stop)
        rest = raw[at : stop if end < 0 else end].strip()
        if rest not in (b"", b"--"):
            continue
        if opened >= 0:
            yield opened, max(opened, hit - (2 if raw[hit - 2 : hit] == b"\r\n" else 1))
        if rest == b"--":
            return
        opened = at = stop if end < 0 else end + 1
    if 0 <= opened < stop:
        yield opened, stop


def decoded(raw: bytes, part: Part) -> bytes:
    """Return the body of a part without its transfer encoding."""
    return undo(raw[part.start : part.stop], part.coding)


def undo(body: bytes, coding: str | None) -> bytes:
    """Take a transfer encoding off. What is broken in it is left out, never refused."""
    if coding == "quoted-printable":
        return quopri.decodestring(body)
    if coding == "base64":
        try:
            return base64.b64decode(body)
        except (ValueError, binascii.Error):
            kept = re.sub(rb"[^A-Za-z0-9+/]", b"", body)
            kept = kept[: len(kept) - (len(kept) % 4 == 1)]
            return base64.b64decode(kept + b"=" * (-len(kept) % 4))
    return body


def string(raw: bytes, part: Part) -> str:
    """Return the body of a text part as text."""
    return _charset(decoded(raw, part), part.parameters.get("charset"))


def _charset(data: bytes, charset: str | None) -> str:
    try:
        return clean(data.decode(codecs.lookup(charset or "utf-8").name))
    except (LookupError, ValueError, UnicodeError):
        pass
    try:
        return clean(data.decode("utf-8"))
    except UnicodeDecodeError:
        return clean(data.decode("cp1252", "replace"))


def words(value: bytes) -> str:
    """Return a header's text: RFC 2047 words decoded, 8-bit text guessed, control characters gone."""
    text = words_raw(value)
    if "=?" in text and ENCODED.search(text):
        try:
            pieces = email.header.decode_header(text)
        except (ValueError, email.errors.HeaderParseError):
            return clean(text)
        plain = "".join(_charset(part, charset) if isinstance(part, bytes) else part for part, charset in pieces)
        text = plain or text
    return clean(text)


def words_raw(value: bytes) -> str:
    """Return a header's text before RFC 2047."""
    value = value[:HEADER_LIMIT]
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("cp1252", "replace")


def clean(text: str) -> str:
    """Without what JSON or a header cannot hold: lone surrogates, NUL."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "")
