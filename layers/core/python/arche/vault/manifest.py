"""Manifests: one commit each, complete in themselves together with their runs. See docs/format.md, "Manifests"."""

from __future__ import annotations

import hashlib
from typing import Any, Literal

import msgspec

from arche.vault.entries import Entry
from arche.vault.errors import Damaged, TooNew
from arche.vault.keys import AccountKeys
from arche.vault.packs import PackRecord
from arche.vault.rows import ServiceState
from arche.vault.seal import READER, Kind, SealedObject, Sealer, decode, open_whole, padded
from arche.vault.segments import RunRecord

CommitKind = Literal["checkpoint", "snapshot"]
MAINTENANCE = frozenset({"prune", "compact", "sweep", "erase", "base"})
BASE_EVERY = 1000


class Manifest(msgspec.Struct, kw_only=True, rename={"stored_bytes": "stored"}):
    """A commit. ``digest`` (SHA-256 of the stored object) is what the next manifest's ``parent`` names.

    ``kind`` is ``snapshot`` for a restore point, ``checkpoint`` for an unfinished run. ``created`` is in
    milliseconds since 1970 UTC, ``stored_bytes`` counts all objects that this commit wrote. The fields below
    ``note`` are the vault's own.
    """

    seq: int
    parent: bytes
    kind: str
    run: str
    attempt: str
    created: int
    services: dict[str, ServiceState]
    note: dict[str, Any] = {}
    stored_bytes: int = 0
    v: int = 1
    least: int = READER
    epoch: int = 0
    base: bool = False
    first: int = 0
    token: bytes = b""
    runs: list[RunRecord] = []
    rows: list[Entry] = []
    packs: list[PackRecord] = []
    retired: list[str] = []
    abandoned: list[str] = []
    digest: bytes = b""

    @property
    def is_restore_point(self) -> bool:
        """Whether this is a state that may be shown and restored."""
        return self.kind == "snapshot"


def encode(manifest: Manifest) -> bytes:
    """Return the wire form: a map of all fields but the digest, which is the digest of what is made of it."""
    wire = {"stored" if name == "stored_bytes" else name: value for name, value in _fields(manifest).items()}
    del wire["digest"]
    return msgspec.msgpack.encode(wire)


def seal(keys: AccountKeys, manifest: Manifest) -> SealedObject:
    """Seal a manifest, its own size counted in ``stored_bytes``. Sets ``stored_bytes`` and ``digest``."""
    others = manifest.stored_bytes
    trial = _sealed(keys, manifest)
    size = padded(len(trial.data) + 64)  # room for the number to grow
    manifest.stored_bytes = others + size
    sealed = _sealed(keys, manifest, size)
    manifest.stored_bytes = others + len(sealed.data)
    manifest.digest = sealed.name
    return sealed


def unseal(keys: AccountKeys, data: bytes, seq: int, where: str) -> Manifest:
    """Open and check a manifest. Raises Damaged or TooNew."""
    _opened, frames = open_whole(keys, Kind.MANIFEST, data, where)
    if len(frames) != 1:
        raise Damaged(f"{where}: {len(frames)} frames")
    manifest: Manifest = decode(frames[0], Manifest, where)
    if manifest.seq != seq:
        raise Damaged(f"{where}: holds seq {manifest.seq}")
    if manifest.least > READER:
        raise TooNew(f"{where}: the chain needs reader {manifest.least}")
    manifest.digest = hashlib.sha256(data).digest()
    return manifest


def _sealed(keys: AccountKeys, manifest: Manifest, target: int = 0) -> SealedObject:
    sealer = Sealer(keys, Kind.MANIFEST)
    sealer.add(encode(manifest))
    return sealer.finish(target=target)


def _fields(manifest: Manifest) -> dict[str, Any]:
    return {name: getattr(manifest, name) for name in manifest.__struct_fields__}
