"""Mail of a world directory: ``mail/<Folder>/<Sub>/*.eml|*.mbox``, bytes kept as they are."""

from __future__ import annotations

import json
import logging
import mmap
import re
import sqlite3
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from simulators.microsoft365.graph import GraphError
from simulators.microsoft365.mail.entrance import Exchange
from simulators.microsoft365.mail.folders import NAME_LIMIT, ROOT
from simulators.microsoft365.mail.json_in import checked
from simulators.microsoft365.mail.schema import Box

LOG = logging.getLogger(__name__)
# A line of the text may begin with From too: a real one has a date, or a header or nothing comes after it.
FROM = re.compile(rb"(?:\A|(?<=\n))From (?:[^\r\n]*\b\d{4}[^\r\n]*\r?\n|[^\r\n]*\r?\n(?=[!-9;-~]+:|\r?\n|\Z))")
KNOWN = {
    "inbox": "inbox",
    "posteingang": "inbox",
    "sent items": "sentitems",
    "sent": "sentitems",
    "gesendete elemente": "sentitems",
    "gesendet": "sentitems",
    "deleted items": "deleteditems",
    "trash": "deleteditems",
    "gelöschte elemente": "deleteditems",
    "papierkorb": "deleteditems",
    "drafts": "drafts",
    "entwürfe": "drafts",
    "archive": "archive",
    "archiv": "archive",
    "junk email": "junkemail",
    "junk e-mail": "junkemail",
    "junk": "junkemail",
    "spam": "junkemail",
    "outbox": "outbox",
    "postausgang": "outbox",
    "conversation history": "conversationhistory",
}
DEPTH_LIMIT = 300
# 150 MB, the most that an administrator can allow, with the overhead of base64.
MAIL_LIMIT = 205 * 1024 * 1024
READ_ALREADY = {"sentitems", "drafts", "outbox"}
# What a JSON file beside a mail may set: MIME does not carry it.
STATE = {
    "isRead",
    "isDraft",
    "flag",
    "categories",
    "importance",
    "inferenceClassification",
    "receivedDateTime",
    "sentDateTime",
}


def load(exchange: Exchange, box: Box, folder: Path) -> int:
    """Read a person's mail; how many came in. What cannot be read is named in the log and left out."""
    if not folder.is_dir():
        return 0
    root = exchange.folders.known(box, ROOT)
    return _folder(exchange, box, folder, root)


def _folder(exchange: Exchange, box: Box, path: Path, place: sqlite3.Row, depth: int = 0) -> int:
    count, top = 0, depth == 0
    if depth > DEPTH_LIMIT:
        _skip(path, "too deep")
        return 0
    for entry in _sorted(path):
        if entry.is_symlink():
            # A link could lead out of the world.
            _skip(entry, "a link")
        elif entry.is_dir():
            child = _place(exchange, box, place, entry.name, top=top)
            count += _folder(exchange, box, entry, child, depth + 1)
        elif entry.suffix.lower() in {".eml", ".mbox"}:
            target = exchange.folders.known(box, "inbox") if top else place
            count += _file(exchange, box, entry, target)
    return count


def _sorted(path: Path) -> list[Path]:
    try:
        return sorted(path.iterdir(), key=lambda entry: unicodedata.normalize("NFC", entry.name))
    except OSError as error:
        _skip(path, type(error).__name__)
        return []


def _place(exchange: Exchange, box: Box, parent: sqlite3.Row, shown: str, *, top: bool) -> sqlite3.Row:
    # A name that is no UTF-8 on disk, or that a Mac took apart, becomes one that JSON can hold.
    name = unicodedata.normalize("NFC", shown.encode("utf-8", "replace").decode()).strip()[:NAME_LIMIT] or "_"
    if top and name.casefold() in KNOWN:
        return exchange.folders.known(box, KNOWN[name.casefold()])
    for child in exchange.folders.children(parent["folder"]):
        if child["name"].casefold() == name.casefold() and not child["search"]:
            return child
    return exchange.folders.add(box, parent, name)


def _file(exchange: Exchange, box: Box, path: Path, place: sqlite3.Row) -> int:
    states, count = _states(path), 0
    for number, raw in enumerate(_mails(path)):
        if len(raw) > MAIL_LIMIT:
            _skip(path, f"mail {number + 1} is larger than Exchange takes")
            continue
        count += 1
        default: dict[str, Any] = {}
        if place["known"] in READ_ALREADY:
            default["isRead"] = True
        if place["known"] == "drafts":
            default["isDraft"] = True
        exchange.items.deliver(box, place["folder"], raw, default | (states[number] if number < len(states) else {}))
    return count


def _mails(path: Path) -> Iterator[bytes]:
    try:
        if path.suffix.lower() == ".mbox" and path.stat().st_size:
            with path.open("rb") as source, mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as data:
                yield from _split(data)
        elif path.suffix.lower() == ".eml":
            yield path.read_bytes()
    except OSError as error:
        _skip(path, type(error).__name__)


def _split(data: mmap.mmap) -> Iterator[bytes]:
    """Return the mails of an mbox, byte for byte: without the From line and the empty line before the next one.

    Lines that begin with ``>From`` stay as they are: who wrote the file did not say whether they were quoted.
    """
    spans = [match.span() for match in FROM.finditer(data)]
    spans = [(start, stop) for start, stop in spans if start == 0 or _empty_before(data, start)]
    if not spans:
        yield data[:]
        return
    ends = [start for start, _ in spans[1:]] + [len(data)]
    for (_, begin), end in zip(spans, ends, strict=True):
        mail = data[begin:end]
        for gap in (b"\r\n\r\n", b"\n\n"):
            if mail.endswith(gap):
                mail = mail[: -len(gap) // 2]
                break
        yield mail


def _empty_before(data: mmap.mmap, at: int) -> bool:
    return data[max(0, at - 3) : at].endswith((b"\n\n", b"\n\r\n"))


def _states(path: Path) -> list[dict[str, Any]]:
    """Return what ``<file>.json`` says: an object for a mail, a list of objects for an mbox."""
    beside = path.with_name(path.name + ".json")
    if not beside.is_file():
        return []
    try:
        found = json.loads(beside.read_text())
    except (OSError, ValueError) as error:
        _skip(beside, type(error).__name__)
        return []
    entries = found if isinstance(found, list) else [found]
    return [_state(beside, one) for one in entries]


def _state(beside: Path, said: Any) -> dict[str, Any]:
    try:
        values = checked(said if isinstance(said, dict) else {}, "message", ())
    except GraphError as error:
        _skip(beside, error.message)
        return {}
    return {key: value for key, value in values.items() if key in STATE and value is not None}


def _skip(path: Path, reason: str) -> None:
    LOG.warning("left out %s: %s", path.as_posix().encode("utf-8", "replace").decode(), reason)
