"""What every room promises. Each promise is a test of the contract suite (tests/providers/contract_suite.py).

A room is lazy and streaming, holds no state between calls, never sleeps and never retries: it raises one of
the seven errors and the caller decides. Cursors are opaque texts that only the room reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

AccountKind = Literal["person", "shared", "room", "equipment", "site", "team", "drive", "org"]
Conflict = Literal["skip", "rename", "keep_both", "replace"]


@dataclass(frozen=True, slots=True)
class Account:
    """One owner of data at the provider. ``id`` is the immutable provider id, never an address."""

    id: str
    kind: AccountKind
    name: str
    address: str
    active: bool = True
    services: tuple[str, ...] = ()
    properties: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Item:
    """One item or folder, as data only. ``kind`` is ``folder`` or the service's own word (mail, event, file).

    ``folder`` is the id of the parent folder ("" for a root). ``version`` changes whenever the content may
    have changed (etag, changeKey, rev). ``date`` sorts items within a folder. ``properties`` is the vendor's
    JSON that a restore needs, JSON-serialisable. A folder has no content and is never read.
    """

    id: str
    kind: str
    folder: str
    name: str
    version: str
    date: datetime
    size: int = 0
    properties: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_folder(self) -> bool:
        """Whether this is a container without content of its own."""
        return self.kind == "folder"


@dataclass(frozen=True, slots=True)
class Gone:
    """The item is no longer in ``folder``. Means nothing if it is known to live in another folder by now."""

    id: str
    folder: str


@dataclass(frozen=True, slots=True)
class Listing:
    """From here to ``Listed(scope)`` the whole of ``scope`` is listed: a folder id, or "" for everything.

    What is live in the scope but was not listed has vanished, proven by the listing. A room sends it
    whenever it does not continue from a live delta cursor (first pass of a folder, expired token).
    With ``kind`` the listing is of items of that kind alone: ``Listing("", kind="folder")`` lists the folder tree.
    A folder's scope holds its items, not its subfolders and what is in them.

    A cursor of a Mark between Listing and Listed goes on with the listing: the next call lists the rest and sends
    Listed, without Listing. A second Listing of the same scope starts it anew: what the first one listed is void.
    A folder that is gone is sent as an empty listing of its items and then its own Gone.
    """

    scope: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Listed:
    """End of a full listing of ``scope`` (and ``kind``, as the Listing said)."""

    scope: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """Everything before it is covered by ``cursor``. May come anywhere, also between Listing and Listed."""

    cursor: str


Change = Item | Gone | Listing | Listed | Mark


@dataclass(frozen=True, slots=True)
class Part:
    """One stream of an item. ``name`` is "" for the main content, else the room's own word (``attachment:ID``).

    ``media`` tells the vault how to split: ``mail`` (MIME) or ``file``.
    """

    name: str
    media: Literal["mail", "file"]
    chunks: Iterator[bytes]


class Content(Protocol):
    """What a restore hands to ``write``: the stored parts of one item."""

    @property
    def parts(self) -> Sequence[tuple[str, int]]:
        """Names and sizes in bytes of the stored parts."""
        ...

    def open(self, name: str = "", offset: int = 0) -> Iterator[bytes]:
        """Stream a part from ``offset``. Raises KeyError for an unknown part."""
        ...


def _nobody(_id: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Into:
    """Where a restore writes: the target folder's id at the provider, and what to do on a conflict.

    ``mark`` is a short text ``job/item`` that a room keeps with the written item where the platform has a place for it:
    what another item of the same job wrote is never taken for this one. ``again`` says that an earlier try may have
    written the item before it was cut off: the room then looks for its own work first (by ``mark``, else by what makes
    the item recognisable) and answers ``existing``. ``known`` tells whether an id is that of another item of the
    restore point: such a one is itself, however alike, and never stands for this item.
    """

    folder: str
    conflict: Conflict = "skip"
    mark: str = ""
    again: bool = False
    known: Callable[[str], bool] = field(default=_nobody, compare=False)


@dataclass(frozen=True, slots=True)
class Loss:
    """One property or feature that could not be given back, named for the report."""

    field: str
    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened to one item of a restore. ``new_id`` is "" when nothing was written."""

    action: Literal["written", "skipped", "renamed", "replaced", "existing"]
    new_id: str
    losses: tuple[Loss, ...] = ()


class Service(Protocol):
    """One kind of data of a platform, bound to one connection (exchange, onedrive, gmail, files ...)."""

    def accounts(self) -> Iterator[Account]:
        """All accounts that have this service. Raises CredentialRejected, Forbidden, Throttled, Unreachable."""
        ...

    def changes(self, account: Account, since: str | None) -> Iterator[Change]:
        """Stream the changes after the cursor ``since``; None lists everything. Replay is idempotent.

        A folder comes before the first item in it. Ends when the source has nothing more at this moment;
        the last Change is a Mark. Raises CursorExpired when ``since`` is dead as a whole.
        """
        ...

    def find(self, account: Account, ids: Iterable[str]) -> Iterator[Item | Gone]:
        """Give the present state of single items (retry of failed ones). Gone only if the source proves it.

        The Gone of this call has ``folder`` "": the item is in no folder. An item that the source refuses to show
        is left out; the others are told all the same.
        """
        ...

    def read(self, account: Account, item: Item, offset: int = 0) -> Iterator[Part]:
        """Stream the item's parts in order; ``offset`` skips bytes of the first one.

        Pins the item's version: raises ItemChanged when the source has another one, ItemRefused when the
        source will not give it.
        """
        ...

    def folder(self, account: Account, path: Sequence[Item], into: str) -> str:
        """Make sure that the folders ``path`` (outermost first) exist below folder id ``into`` ("" = root).

        Returns the provider's id of the innermost. Well-known folders are resolved, never created.
        """
        ...

    def write(self, account: Account, item: Item, content: Content, into: Into) -> Outcome:
        """Give one item back. Notifies nobody. Writes first and deletes after. Raises ItemRefused."""
        ...

    def verify(self, account: Account, item: Item, content: Content, new_id: str) -> tuple[Loss, ...]:
        """Read the written item again and name every declared field that differs (empty = faithful)."""
        ...
