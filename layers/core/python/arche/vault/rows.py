"""What the vault hands out and takes in: rows, parts, pages and service states. Data only, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")


class PartRef(msgspec.Struct, frozen=True, array_like=True):
    """One stored stream of a row.

    ``name`` is "" for the main content. ``recipe`` (24 bytes) is opaque: only ``View.read`` looks into it.
    ``size`` is in bytes. ``digest`` (16 bytes) is keyed with the account: equal digests mean equal content
    within one account and say nothing across accounts.
    """

    name: str
    recipe: bytes
    size: int
    digest: bytes


class Row(msgspec.Struct, frozen=True):
    """One item or folder of a service at one time.

    ``kind`` is ``folder`` for a container, else the service's own word; it is never empty. ``folder`` is the
    parent folder's id ("" for a root). ``date`` is in milliseconds since 1970 UTC and sorts rows within a
    folder. ``properties`` is JSON-serialisable. ``problem`` is "" unless the item could not be read: then
    ``parts`` are those of its last good version, or none.
    """

    service: str
    id: str
    kind: str
    folder: str
    name: str
    version: str
    date: int
    size: int = 0
    properties: Mapping[str, Any] = {}
    parts: tuple[PartRef, ...] = ()
    problem: str = ""

    @property
    def is_folder(self) -> bool:
        """Whether this is a container."""
        return self.kind == "folder"


class Page(msgspec.Struct, Generic[T], frozen=True):
    """A page of a listing. ``after`` is the opaque cursor of the next page, "" when this is the last one."""

    items: tuple[T, ...]
    after: str = ""


class ServiceState(msgspec.Struct, array_like=True):
    """What a manifest says of one service.

    ``cursor`` is the room's opaque text ("" = none). ``as_of`` is the instant the listing was true, in
    milliseconds since 1970 UTC. ``complete`` is False while a first pass is still under way. ``counts`` are
    the six numbers of the one formula. ``listings`` belongs to the caller (open full listings of a run that
    goes on in another process). ``problems`` maps the id of each item that failed to the reason. ``flags``
    are the caller's marks, such as ``quarantined``.
    """

    cursor: str = ""
    as_of: int = 0
    complete: bool = False
    counts: dict[str, int] = {}
    listings: dict[str, Any] = {}
    problems: dict[str, str] = {}
    flags: list[str] = []
