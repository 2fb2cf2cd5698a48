"""Give rows of a view back as EML files or as one MBOX stream, with nothing else running. Names are made safe."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from arche.vault.rows import PartRef, Row
from arche.vault.view import View

_LONGEST = 120  # bytes of a name; file systems allow 255, and a suffix must fit
_FORBIDDEN = frozenset('<>:"/\\|?*')
_RESERVED = frozenset(
    {"con", "prn", "aux", "nul", *(f"com{n}" for n in range(10)), *(f"lpt{n}" for n in range(10))}
)  # Windows devices, with or without extension
_DEEPEST = 40


def safe_name(name: str, fallback: str = "unnamed") -> str:
    """Return ``name`` as a file name that is one on every system: no separators, controls, devices or tricks."""
    text = unicodedata.normalize("NFC", name)
    text = "".join("_" if ch in _FORBIDDEN or unicodedata.category(ch)[0] == "C" else ch for ch in text)
    data = text.encode("utf-8", "replace")[:_LONGEST]
    text = data.decode("utf-8", "ignore").strip(" .")
    if text.split(".", 1)[0].strip().lower() in _RESERVED:
        text = f"_{text}"
    return text or fallback


def folder_paths(folders: Iterable[Row]) -> dict[str, str]:
    """Return a safe relative path for each folder id. Loops and lost parents end at the root; no two are the same."""
    rows = {row.id: row for row in sorted(folders, key=lambda row: row.id)}
    paths: dict[str, str] = {}
    taken: set[str] = set()

    def place(row: Row, above: tuple[str, ...]) -> str:
        if row.id not in paths:
            parent = rows.get(row.folder)
            looped = len(above) >= _DEEPEST or row.folder in above
            start = "" if parent is None or looped else place(parent, (*above, row.id))
            name = safe_name(row.name, "folder")
            paths[row.id] = _unused(f"{start}/{name}" if start else name, taken)
        return paths[row.id]

    for row in rows.values():
        place(row, (row.id,))
    return paths


def content(view: View, row: Row, part: PartRef | None = None) -> Iterator[bytes]:
    """Return the bytes of a part (default: the main one), or nothing when the row has none."""
    wanted = part or next((p for p in row.parts if not p.name), None)
    return iter(()) if wanted is None else view.read(wanted)


def write_files(view: View, service: str, target: Path) -> Iterator[tuple[Row, PartRef, Path]]:
    """Write every part of every row below ``target`` (must exist): mails as ``.eml``, empty folders too.

    Yields what was written. Never replaces a file. Times of files are those of the rows.
    """
    paths = folder_paths(view.folders(service))
    for path in paths.values():
        (target / path).mkdir(parents=True, exist_ok=True)
    taken: set[str] = set()
    for row in view.rows(service):
        for part in row.parts:
            stem = safe_name(row.name, "item")
            if part.name:
                stem = f"{stem}.{safe_name(part.name, 'part')}"
            suffix = ".eml" if row.kind == "mail" and not part.name else ""
            folder = paths.get(row.folder, "")
            written = target / _unused(f"{folder}/{stem}" if folder else stem, taken, suffix)
            with written.open("xb") as file:
                for chunk in view.read(part):
                    file.write(chunk)
            os.utime(written, (row.date / 1000, row.date / 1000))
            yield row, part, written


def write_mbox(view: View, rows: Iterable[Row], target: BinaryIO) -> int:
    """Write the main parts of ``rows`` as an mboxrd stream and return how many there were.

    Lines that look like a separator get one ``>``, as mboxrd does, so that reading it gives the same bytes; only a
    line end that is missing at the end of a mail cannot be told from one that is there.
    """
    count = 0
    for row in rows:
        if not any(not part.name for part in row.parts):
            continue
        stamp = datetime.fromtimestamp(row.date / 1000, UTC).strftime("%a %b %d %H:%M:%S %Y")
        target.write(f"From MAILER-DAEMON {stamp}\n".encode())
        last = b"\n"
        for line in _lines(content(view, row)):
            target.write(b">" + line if line.lstrip(b">").startswith(b"From ") else line)
            last = line
        target.write(b"\n" if last.endswith(b"\n") else b"\n\n")
        count += 1
    return count


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line + b"\n"
    if rest:
        yield rest


def _unused(name: str, taken: set[str], suffix: str = "") -> str:
    """Return a name that differs from all before it also where case or accents do not count."""
    number = 1
    while True:
        found = f"{name}{suffix}" if number == 1 else f"{name} ({number}){suffix}"
        folded = unicodedata.normalize("NFKC", found).casefold()
        if folded not in taken:
            taken.add(folded)
            return found
        number += 1
