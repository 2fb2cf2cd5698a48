"""The storage engine: a chain of commits per account, in two object stores. Format: docs/format.md.

It knows bytes and keys; no cloud, no platform, nothing else of ours.
"""

from arche.vault.account import AccountVault
from arche.vault.errors import (
    AlreadyExists,
    Conflict,
    Damaged,
    Erased,
    NoKeys,
    NoSuchObject,
    TooNew,
    VaultError,
)
from arche.vault.keys import AccountKeys, KeyRing, LocalWrapper, Wrapper
from arche.vault.manifest import Manifest
from arche.vault.rows import Page, PartRef, Row, ServiceState
from arche.vault.store import DirectoryStore, MemoryStore, ObjectStore
from arche.vault.view import View
from arche.vault.writer import Writer

__all__ = [
    "AccountKeys",
    "AccountVault",
    "AlreadyExists",
    "Conflict",
    "Damaged",
    "DirectoryStore",
    "Erased",
    "KeyRing",
    "LocalWrapper",
    "Manifest",
    "MemoryStore",
    "NoKeys",
    "NoSuchObject",
    "ObjectStore",
    "Page",
    "PartRef",
    "Row",
    "ServiceState",
    "TooNew",
    "VaultError",
    "View",
    "Wrapper",
    "Writer",
]
