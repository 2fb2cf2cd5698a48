"""Where objects lie: four operations, and two stores that need no cloud. The third one is ``arche.aws.s3``.

Keys are ASCII texts with ``/`` between their parts. Every store promises: a create is atomic, durable when it
returns and never replaces anything; what was created is seen by the next read and list.
"""

from __future__ import annotations

import os
import secrets
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from arche.vault.errors import AlreadyExists, NoSuchObject

_FRESH = ".new"  # unfinished files; no key starts with a dot


class ObjectStore(Protocol):
    """Create once, read ranges, list in key order. Nothing is ever replaced or deleted through it."""

    def create(self, key: str, data: bytes) -> None:
        """Create the object. Raises AlreadyExists if the key is taken. A 409 is retried inside."""
        ...

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """Bytes from ``start``, at most ``length`` (None = to the end). Raises NoSuchObject."""
        ...

    def tail(self, key: str, length: int) -> tuple[bytes, int]:
        """Return the last ``length`` bytes (all if it is shorter) and the object's size. Raises NoSuchObject."""
        ...

    def list(self, prefix: str, after: str = "") -> Iterator[str]:
        """Keys that start with ``prefix`` and are greater than ``after``, in the order of their bytes."""
        ...


def create_named(store: ObjectStore, key: str, data: bytes) -> None:
    """Create an object whose key is the digest of its bytes: if it is there, an earlier try of ours succeeded."""
    try:
        store.create(key, data)
    except AlreadyExists:
        return


class MemoryStore:
    """Objects in a dictionary, for tests and simulations."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def create(self, key: str, data: bytes) -> None:
        """See ObjectStore."""
        if key in self.objects:
            raise AlreadyExists(key)
        self.objects[key] = bytes(data)

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """See ObjectStore."""
        data = self._get(key)
        return data[start:] if length is None else data[start : start + length]

    def tail(self, key: str, length: int) -> tuple[bytes, int]:
        """See ObjectStore."""
        data = self._get(key)
        return data[max(0, len(data) - length) :], len(data)

    def list(self, prefix: str, after: str = "") -> Iterator[str]:
        """See ObjectStore."""
        keys = sorted(key for key in self.objects if key.startswith(prefix))
        yield from keys[bisect_right(keys, after) :]

    def _get(self, key: str) -> bytes:
        try:
            return self.objects[key]
        except KeyError:
            raise NoSuchObject(key) from None


class DirectoryStore:
    """Objects as files below a directory; a key is a relative path. Files and directories are synced."""

    def __init__(self, path: str | Path) -> None:
        self._root = Path(path)

    def create(self, key: str, data: bytes) -> None:
        """See ObjectStore. Written aside, synced, then linked: a link never replaces a file."""
        target = self._path(key)
        self._make(target.parent)
        self._make(self._root / _FRESH)
        fresh = self._root / _FRESH / secrets.token_hex(16)
        try:
            with fresh.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(fresh, target)
            except FileExistsError:
                raise AlreadyExists(key) from None
        finally:
            fresh.unlink(missing_ok=True)
        _sync_directory(target.parent)

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """See ObjectStore."""
        try:
            with self._path(key).open("rb") as file:
                file.seek(start)
                return file.read(-1 if length is None else length)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise NoSuchObject(key) from None

    def tail(self, key: str, length: int) -> tuple[bytes, int]:
        """See ObjectStore."""
        try:
            with self._path(key).open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - length))
                return file.read(length), size
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise NoSuchObject(key) from None

    def list(self, prefix: str, after: str = "") -> Iterator[str]:
        """See ObjectStore."""
        folder = prefix.rpartition("/")[0]
        start = self._path(folder) if folder else self._root
        for key in _walk(start, f"{folder}/" if folder else ""):
            if key.startswith(prefix) and key > after:
                yield key

    def _path(self, key: str) -> Path:
        parts = key.split("/")
        if any(part in {"", ".", ".."} or part.startswith(".") or "\\" in part for part in parts):
            raise ValueError("not an object key")
        return self._root.joinpath(*parts)

    def _make(self, directory: Path) -> None:
        """Create missing directories and sync each parent, so that a crash loses none of them."""
        if directory.is_dir():
            return
        if directory != directory.parent:
            self._make(directory.parent)
        directory.mkdir(exist_ok=True)
        _sync_directory(directory.parent)


def _walk(directory: Path, prefix: str) -> Iterator[str]:
    """All files below, in the order of their keys: ``A-1/x`` comes after ``A-1-2`` because ``-`` < ``/``."""
    try:
        entries = [(e.name + "/" if e.is_dir() else e.name, e) for e in os.scandir(directory)]
    except (FileNotFoundError, NotADirectoryError):
        return
    for name, entry in sorted(entries, key=lambda pair: pair[0]):
        if name.startswith("."):
            continue
        if name.endswith("/"):
            yield from _walk(Path(entry.path), prefix + name)
        else:
            yield prefix + name


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
