"""The vault of one account: the door to its chain, its views and its writers."""

from __future__ import annotations

from collections.abc import Iterator

from arche.vault import layout
from arche.vault.chain import Chain
from arche.vault.entries import ITEM, POINTS, place
from arche.vault.keys import AccountKeys
from arche.vault.manifest import Manifest
from arche.vault.rows import Row
from arche.vault.store import ObjectStore
from arche.vault.verify import unresolved
from arche.vault.view import View, catalog_of
from arche.vault.writer import Writer


class AccountVault:
    """One account in one store. Cheap to make: it reads nothing until asked."""

    def __init__(self, store: ObjectStore, keys: AccountKeys, customer: str, account: str) -> None:
        if keys.context != f"{layout.require_label(customer)}/{layout.require_label(account)}":
            raise ValueError("these keys belong to another account")
        self._store = store
        self._keys = keys
        self._chain = Chain(store, keys)
        self._known = 0

    @property
    def store(self) -> ObjectStore:
        """Where the objects are."""
        return self._store

    @property
    def keys(self) -> AccountKeys:
        """The account's keys."""
        return self._keys

    def head(self, hint: int = 0) -> Manifest | None:
        """Return the newest manifest, None for an account without commits.

        ``hint`` is a remembered seq: from there it goes forward with GETs and lists nothing. So it does from a
        head that this object has seen before.
        """
        head = self._chain.head(hint or self._known)
        self._known = head.seq if head else 0
        return head

    def manifest(self, seq: int) -> Manifest:
        """Return the manifest ``seq``. Raises NoSuchObject, Damaged, TooNew."""
        return self._chain.read(seq)

    def points(self, head: Manifest | None = None) -> Iterator[Manifest]:
        """Restore points, newest first, read one by one as they are asked for."""
        head = head or self.head()
        prefix = place(POINTS, ITEM, "")
        for seen in catalog_of(self._store, self._keys, head).rows(prefix):
            if not seen.key.startswith(prefix):
                return
            seq = int(seen.id)
            yield head if head and seq == head.seq else self._chain.read(seq)

    def unresolved(self, manifest: Manifest) -> Iterator[Row]:
        """Rows put by the commits of ``manifest.run`` up to ``manifest`` whose content does not all resolve."""
        return unresolved(self._store, self._keys, manifest)

    def view(self, manifest: Manifest, through: Manifest | None = None) -> View:
        """Return the account as it was at ``manifest``, read through the runs of ``through`` (None: its own)."""
        return View(self._store, self._keys, manifest, through)

    def writer(self, parent: Manifest | None, run: str, attempt: str) -> Writer:
        """Return a writer on top of ``parent``, which must be the head (else its commit ends in Conflict)."""
        return Writer(self._store, self._keys, parent, run, attempt)
