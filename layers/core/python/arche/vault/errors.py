"""Errors of the vault, sorted by the caller's next move. Messages hold labels and digests only, never content."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from arche.vault.manifest import Manifest


class VaultError(Exception):
    """Base of all errors of the vault."""


class AlreadyExists(VaultError):  # noqa: N818 - named by the caller's next move
    """A conditional create found the key taken (412). The present object is untouched."""


class NoSuchObject(VaultError):  # noqa: N818
    """The store has no object under this key."""


class Damaged(VaultError):  # noqa: N818
    """Stored bytes are missing, altered, cut short or swapped. The message names the object and the region."""


class TooNew(VaultError):  # noqa: N818
    """The object needs a newer Arche: update, then try again. Nothing was read or written."""


class Erased(VaultError):  # noqa: N818
    """The key ring says that this customer or account was erased. There is nothing to read any more."""


class NoKeys(VaultError):  # noqa: N818
    """The key ring has no entry for this customer or account."""


class Conflict(VaultError):  # noqa: N818
    """Another attempt committed first: begin again on ``manifest``, or ``Writer.rebase`` when it is maintenance."""

    def __init__(self, manifest: Manifest) -> None:
        """Keep the manifest that holds the wanted seq."""
        super().__init__(f"seq {manifest.seq} was committed by another attempt")
        self.manifest = manifest
