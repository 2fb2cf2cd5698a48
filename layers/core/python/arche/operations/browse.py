"""Browsing a vault as of any time: folders, pages of items, one item, its bytes.

Every look needs the switch "sees content" and a browse lease of its own customer, with which the content function
asks `grant` for rights narrowed to that customer.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from arche.model.tenancy import Member
from arche.model.work import Lease, Run, Task, iso
from arche.operations import accounts as accounts_of
from arche.operations import points
from arche.operations.front_ports import ContentPorts, Vaults
from arche.operations.members import customer_of
from arche.operations.refusals import Conflict, Invalid, NotFound
from arche.vault import AccountVault, Manifest, Page, PartRef, Row, View
from arche.vault.errors import Damaged, Erased, NoKeys, NoSuchObject

WINDOW: Final = timedelta(minutes=15)
FOLDERS: Final = 5000
#: Largest part that is answered at once: a Lambda's answer holds 6 MB, and base64 makes 4 MiB of it.
INLINE: Final = 4 * 1024 * 1024
_BYTES: Final = "application/octet-stream"
_MAIN: Final = {("exchange", "mail"): (".eml", "message/rfc822")}


@dataclass(frozen=True, slots=True)
class Shelf:
    """One account as of one restore point, open for reading."""

    customer: str
    account: str
    manifest: Manifest
    view: View
    vaults: Vaults

    def folders(self, service: str) -> list[Row]:
        """Give the folder tree as a flat list; each row names its parent. At most ``FOLDERS``."""
        self._require(service)
        with _readable():
            return list(islice(self.view.folders(service), FOLDERS))

    def page(self, service: str, folder: str, after: str, limit: int) -> Page[Row]:
        """Read a page of a folder's items, newest first. Raises NotFound for an unknown folder."""
        self._require(service)
        with _readable():
            if folder and self.view.row(service, folder) is None:
                raise NotFound
            try:
                return self.view.folder(service, folder, after, limit)
            except ValueError:
                raise Invalid(
                    "The cursor is damaged. Ask for the first page again, without a cursor.", code="cursor_invalid"
                ) from None

    def row(self, service: str, item: str) -> Row:
        """One item. Raises NotFound."""
        self._require(service)
        with _readable():
            row = self.view.row(service, item)
        if row is None:
            raise NotFound
        return row

    def part(self, row: Row, name: str) -> PartRef:
        """One stored stream of an item ("" = the main content). Raises NotFound."""
        for part in row.parts:
            if part.name == name:
                return part
        raise NotFound

    def read(self, part: PartRef) -> Iterator[bytes]:
        """Give the bytes of a part; the digest is verified at the end."""
        return self.view.read(part)

    def _require(self, service: str) -> None:
        if service not in self.manifest.services:
            raise NotFound


@dataclass(frozen=True, slots=True)
class Download:
    """One part on its way out: its bytes if it is small, else ``offer``, which stores it and answers an address.

    ``offer`` takes the Content-Disposition that the address is to send. ``name`` is what the source calls the item.
    """

    name: str
    extension: str
    media: str
    body: bytes = b""
    offer: Callable[[str], str] | None = None


def download(shelf: Shelf, row: Row, name: str) -> Download:
    """Get a part ("" = the main content) out of the vault. Raises NotFound, Conflict if it is damaged."""
    part = shelf.part(row, name)
    extension, media = _MAIN.get((row.service, row.kind), ("", _BYTES)) if not name else (".bin", _BYTES)
    with _readable():
        if part.size <= INLINE:
            return Download(row.name, extension, media, body=b"".join(shelf.read(part)))

    def offer(disposition: str) -> str:
        key = f"{shelf.customer}/{shelf.account}/{secrets.token_hex(16)}"
        with _readable():
            return shelf.vaults.exports.offer(key, shelf.read(part), media=media, disposition=disposition)

    return Download(row.name, extension, media, offer=offer)


def shelf(ports: ContentPorts, member: Member, customer: str, account: str, *, at: str, now: datetime) -> Shelf:
    """Open an account as of ``at`` (see ``points.seq_at``). Raises NotAllowed, NotFound, Invalid."""
    customer_of(ports.tenancy, member, customer, "content")
    listing = accounts_of.one(ports.accounts, customer, account)
    seq = points.seq_at(ports.accounts, customer, account, at)
    vaults = ports.open(lease(ports, member, customer, listing.connection, account=account, now=now))
    with _readable():
        vault = vaults.vault(account)
        known = ports.accounts.head(customer, account)
        manifest, head = _points(vault, seq, known.seq if known else 0)
        return Shelf(customer, account, manifest, vault.view(manifest, head), vaults)


def lease(ports: ContentPorts, member: Member, customer: str, connection: str, *, account: str, now: datetime) -> Lease:
    """Give the member's browse lease for this account in this quarter of an hour, written if it is the first look."""
    window = int(now.timestamp() // WINDOW.total_seconds())
    mark = hashlib.sha256(f"{member.sub}/{customer}/{account}/{window}".encode()).hexdigest()[:24]
    held = Lease(
        id=f"browse-{mark}",
        run=f"browse-{mark}",
        customer=customer,
        connection=connection,
        purpose="browse",
        expires=int((now + 2 * WINDOW).timestamp()),
        tasks={account: Task(account)} if account else {},
    )
    ports.work.open_run(Run(id=held.run, kind="browse", started=iso(now), customer=customer, state="open", leases=1))
    ports.work.open_lease(held)
    return held


def _points(vault: AccountVault, seq: int, hint: int) -> tuple[Manifest, Manifest]:
    """Give the wanted restore point (0 = the newest) and the head, through whose runs it is read."""
    head = vault.head(hint)
    if head is None:
        raise _nothing_yet()
    if seq:
        manifest = head if seq == head.seq else vault.manifest(seq)
    else:
        manifest = head if head.is_restore_point else next(vault.points(head), head)
    if not manifest.is_restore_point:
        # A checkpoint roots the packs of an unfinished run; it never was a restore point.
        raise NotFound if seq else _nothing_yet()
    return manifest, head


@contextmanager
def _readable() -> Iterator[None]:
    """Refusals instead of the vault's errors."""
    try:
        yield
    except NoKeys:
        raise _nothing_yet() from None
    except (NoSuchObject, Erased):
        raise NotFound from None
    except Damaged:
        raise Conflict(
            "Stored bytes of this restore point are damaged. Choose another one, and tell the operator.", code="damaged"
        ) from None


def _nothing_yet() -> Invalid:
    return Invalid("Nothing is backed up yet. Start a backup now and wait for its job.", code="no_restore_point")
