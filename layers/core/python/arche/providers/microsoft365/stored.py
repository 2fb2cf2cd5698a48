"""A stored mail seen from a restore: its fields, and each attachment's bytes wherever they were kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Self

from arche.providers.contract import Content
from arche.providers.errors import ItemRefused
from arche.providers.microsoft365 import mime
from arche.providers.microsoft365.messages import FIELDS_PART
from arche.providers.microsoft365.spool import Spool


class Stored:
    """Opens the stored parts lazily: the MIME is read only when an attachment's bytes are in it."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._stack = ExitStack()
        self._mime: tuple[mime.Buffer, list[mime.Leaf]] | None = None
        try:
            document: dict[str, Any] = json.loads(b"".join(content.open(FIELDS_PART)))
        except (KeyError, ValueError):
            raise ItemRefused("the backup of this mail holds no fields", code="no_fields") from None
        self.message: dict[str, Any] = document["message"]
        self.attachments: list[dict[str, Any]] = document["attachments"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def size(self, place: dict[str, Any]) -> int:
        """Give the size of a file attachment's bytes."""
        if "part" in place:
            return dict(self._content.parts)[place["part"]]
        data, leaf = self._leaf(place)
        found = mime.size(data, leaf)
        if found is None:
            raise ItemRefused("an attachment cannot be read from the stored MIME", code="attachment_unreadable")
        return found

    def open(self, place: dict[str, Any]) -> Iterator[bytes]:
        """Stream a file attachment's bytes."""
        if "part" in place:
            return self._content.open(place["part"])
        return mime.decoded(*self._leaf(place))

    def head(self, limit: int = 1 << 16) -> bytes:
        """Give the first bytes of the MIME, for its headers."""
        found = b""
        for chunk in self._content.open(""):
            found += chunk
            if len(found) >= limit:
                break
        return found[:limit]

    def _leaf(self, place: dict[str, Any]) -> tuple[mime.Buffer, mime.Leaf]:
        if self._mime is None:
            spool = self._stack.enter_context(Spool())
            spool.fill(self._content.open(""))
            data = self._stack.enter_context(spool.buffer())
            self._mime = data, mime.leaves(data)
        data, leaves = self._mime
        if place["leaf"] >= len(leaves):
            raise ItemRefused("an attachment is not where the backup says", code="attachment_unreadable")
        return data, leaves[place["leaf"]]
