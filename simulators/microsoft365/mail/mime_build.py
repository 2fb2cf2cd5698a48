"""From properties to MIME: what ``$value`` shows for a message that has no MIME of its own."""

from __future__ import annotations

import base64
import email.charset
import email.header
import email.utils
import hashlib
import quopri
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from simulators.microsoft365.mail import text

LINE = 76
LISTS = (("To", "toRecipients"), ("CC", "ccRecipients"), ("BCC", "bccRecipients"), ("Reply-To", "replyTo"))
_UTF8 = email.charset.Charset("utf-8")
_UTF8.header_encoding = email.charset.BASE64
_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*")


@dataclass(frozen=True)
class File:
    """One attachment to be written. ``data`` is called when its turn comes; for an item it gives MIME."""

    kind: str
    name: str | None
    media: str | None
    inline: bool
    cid: str | None
    data: Callable[[], bytes]


def build(fields: dict[str, Any], files: Iterable[File], extended: dict[str, str], seed: str) -> bytes:
    """Return the MIME of a message. The same properties give the same bytes; ``seed`` names its boundaries."""
    files = list(files)
    boundary = _Boundaries(seed)
    body = _body(fields["body"], boundary)
    inline = [file for file in files if file.inline and file.kind == "file"]
    if inline:
        body = _multipart("related", [body, *map(_file, inline)], boundary.next())
    others = [file for file in files if file not in inline]
    if others:
        body = _multipart("mixed", [body, *map(_file, others)], boundary.next())
    return b"".join(f"{name}: {value}\r\n".encode() for name, value in _headers(fields, extended)) + body


class _Boundaries:
    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._count = 0

    def next(self) -> str:
        self._count += 1
        digest = hashlib.blake2b(f"{self._seed}{self._count}".encode(), digest_size=12).hexdigest()
        return f"_{self._count:03}_{digest}_"


def _headers(fields: dict[str, Any], extended: dict[str, str]) -> Iterable[tuple[str, str]]:
    yield from _addresses(fields)
    if fields["subject"] is not None:
        yield "Subject", _words(fields["subject"])
        yield "Thread-Topic", _words(fields["subject"])
    yield "Thread-Index", str(fields["conversationIndex"])
    yield "Date", email.utils.format_datetime(datetime.fromisoformat(fields["sentDateTime"]).astimezone(UTC))
    if fields["internetMessageId"]:
        yield "Message-ID", _line(fields["internetMessageId"])
    for name, key in (("In-Reply-To", "String 0x1042"), ("References", "String 0x1039")):
        if extended.get(key):
            yield name, _line(extended[key])
    for header in fields.get("internetMessageHeaders") or ():
        yield _line(header["name"]), _words(header["value"])
    if fields["isDraft"]:
        yield "X-Unsent", "1"
    yield "MIME-Version", "1.0"


def _addresses(fields: dict[str, Any]) -> Iterable[tuple[str, str]]:
    for name, key in (("From", "from"), ("Sender", "sender")):
        if fields[key] and not (name == "Sender" and fields["sender"] == fields["from"]):
            yield name, _people([fields[key]])
    for name, key in LISTS:
        if fields[key]:
            yield name, _people(fields[key])
    if fields["importance"] != "normal":
        yield "Importance", fields["importance"]
    author = fields["from"] or fields["sender"]
    if author and fields["isReadReceiptRequested"]:
        yield "Disposition-Notification-To", _people([author])
    if author and fields["isDeliveryReceiptRequested"]:
        yield "Return-Receipt-To", _people([author])


def _body(stored: dict[str, str], boundary: _Boundaries) -> bytes:
    if stored["contentType"] == "text":
        return _leaf("text/plain", stored["content"])
    parts = [_leaf("text/plain", text.plain(stored["content"], "html")), _leaf("text/html", stored["content"])]
    return _multipart("alternative", parts, boundary.next())


def _leaf(media: str, content: str) -> bytes:
    encoded = quopri.encodestring(content.replace("\r\n", "\n").encode()).replace(b"\n", b"\r\n")
    head = f'Content-Type: {media}; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n'
    return head.encode() + encoded


def _multipart(kind: str, parts: list[bytes], boundary: str) -> bytes:
    mark = f"--{boundary}".encode()
    head = f'Content-Type: multipart/{kind}; boundary="{boundary}"\r\n\r\n'.encode()
    return head + b"".join(mark + b"\r\n" + part + b"\r\n" for part in parts) + mark + b"--\r\n"


def _file(file: File) -> bytes:
    name = _parameter("filename", file.name or "")
    disposition = "inline" if file.inline else "attachment"
    if file.kind == "item":
        head = f"Content-Type: message/rfc822\r\nContent-Disposition: {disposition}; {name}\r\n\r\n"
        return head.encode() + file.data()
    media = file.media if file.media and re.fullmatch(r"[!-~]+/[!-~]+", file.media) else "application/octet-stream"
    lines = [
        f"Content-Type: {media}; {_parameter('name', file.name or '')}",
        f"Content-Disposition: {disposition}; {name}",
    ]
    if file.cid:
        lines.append(f"Content-ID: <{_line(file.cid)}>")
    lines.append("Content-Transfer-Encoding: base64")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + wrapped(file.data())


def wrapped(data: bytes, width: int = LINE, end: bytes = b"\r\n") -> bytes:
    """Base64 in lines of ``width`` characters."""
    encoded = base64.b64encode(data)
    return b"".join(encoded[at : at + width] + end for at in range(0, len(encoded), width))


def _parameter(name: str, value: str) -> str:
    value = _line(value)
    if value.isascii():
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'{name}="{escaped}"'
    return f"{name}*=utf-8''{quote(value, safe='')}"


def _people(people: list[dict[str, Any]]) -> str:
    shown = []
    for one in people:
        name, address = _line(one["emailAddress"].get("name") or ""), _line(one["emailAddress"].get("address") or "")
        if not name or name == address:
            shown.append(f"<{address}>")
        elif _ATOM.fullmatch(name):
            shown.append(f"{name} <{address}>")
        elif name.isascii():
            escaped = name.replace("\\", "\\\\").replace('"', '\\"')
            shown.append(f'"{escaped}" <{address}>')
        else:
            shown.append(f"{_words(name)} <{address}>")
    return ",\r\n\t".join(shown)


def _words(value: str) -> str:
    value = _line(value)
    if value.isascii() and "=?" not in value:
        return value
    return email.header.Header(value, _UTF8, maxlinelen=LINE).encode(linesep="\r\n")


def _line(value: str) -> str:
    """Without line ends: a property must not become a header of its own."""
    return re.sub(r"[\r\n\0]+", " ", value)
