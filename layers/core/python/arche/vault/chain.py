"""The chain of one account: its manifests are its commits. See docs/format.md, "Chain"."""

from __future__ import annotations

from collections import deque

from arche.vault import layout
from arche.vault.errors import AlreadyExists, Conflict, Damaged, NoSuchObject
from arche.vault.keys import AccountKeys
from arche.vault.manifest import Manifest, seal, unseal
from arche.vault.store import ObjectStore


class Chain:
    """Reads and extends the chain."""

    def __init__(self, store: ObjectStore, keys: AccountKeys) -> None:
        self._store = store
        self._keys = keys

    def read(self, seq: int) -> Manifest:
        """Return the manifest ``seq``. Raises NoSuchObject, Damaged, TooNew."""
        key = layout.manifest(self._keys.customer, self._keys.account, seq)
        return unseal(self._keys, self._store.read(key), seq, key)

    def head(self, hint: int = 0) -> Manifest | None:
        """Return the newest manifest, forward from ``hint``; lists only when that is 0 or names nothing."""
        found: Manifest | None = None
        if hint > 0:
            try:
                found = self.read(hint)
            except NoSuchObject:
                found = None  # a remembered head is a cache: this store may be a copy of an older time
        if found is None:
            prefix = layout.manifests(self._keys.customer, self._keys.account)
            newest = deque(self._store.list(prefix), maxlen=1)
            if not newest:
                return None
            found = self.read(int(newest[0].removeprefix(prefix)))
        while True:
            try:
                following = self.read(found.seq + 1)
            except NoSuchObject:
                return found
            require_link(found, following)
            found = following

    def publish(self, manifest: Manifest) -> Manifest:
        """Commit: create the manifest. An own earlier try that succeeded unheard counts. Raises Conflict."""
        sealed = seal(self._keys, manifest)
        key = layout.manifest(self._keys.customer, self._keys.account, manifest.seq)
        try:
            self._store.create(key, sealed.data)
        except AlreadyExists:
            present = self.read(manifest.seq)
            if present.token != manifest.token:
                raise Conflict(present) from None
            return present
        return manifest


def require_link(parent: Manifest, child: Manifest) -> None:
    """Raise Damaged unless ``child`` was made on ``parent``."""
    if child.parent != parent.digest:
        raise Damaged(f"chain broken: seq {child.seq} was not made on this seq {parent.seq}")
