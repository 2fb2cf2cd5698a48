"""Ids of Exchange: the ordinary ones change when an item moves, the immutable ones do not. Case matters in both."""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["message", "folder", "attachment"]
# The first bytes give the look of the real ones: AAMk for an item, AAkA for an immutable id, AQMk for a folder.
_PREFIX: dict[tuple[Kind, bool], bytes] = {
    ("message", False): b"\x00\x03\x24\x00",
    ("message", True): b"\x00\x09\x00\x2e",
}
_PREFIX |= {("attachment", False): b"\x00\x03\x24\x01", ("attachment", True): b"\x00\x09\x00\x2f"}
_PREFIX |= {("folder", False): b"\x01\x03\x24\x00"}
_KINDS = {prefix: key for key, prefix in _PREFIX.items()}
_BODY = struct.Struct(">QIQ")
_SEAL = 10
_GUID = 36
FORMATS = {"restId": False, "ewsId": False, "entryId": False, "restImmutableEntryId": True, "immutableEntryId": True}


@dataclass(frozen=True)
class Address:
    """What an id says. ``moves``: how often the item had moved when an ordinary id was given out."""

    kind: Kind
    guid: str
    number: int
    moves: int = 0
    attachment: int = 0
    immutable: bool = False


class Ids:
    """Makes and reads ids; sealed with a secret, so that nobody can guess or alter one."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def folder(self, guid: str, number: int) -> str:
        """Return a folder's only id, constant and the same in both forms."""
        return self.text(Address("folder", guid, number))

    def message(self, guid: str, number: int, moves: int, *, immutable: bool) -> str:
        """Return a message's id in one of the two forms."""
        return self.text(Address("message", guid, number, 0 if immutable else moves, 0, immutable))

    def attachment(self, guid: str, number: int, moves: int, attachment: int, *, immutable: bool) -> str:
        """Return an attachment's id in one of the two forms; the ordinary one changes with its message's."""
        return self.text(Address("attachment", guid, number, 0 if immutable else moves, attachment, immutable))

    def text(self, address: Address) -> str:
        """Return the id as Graph writes it."""
        head = _PREFIX[address.kind, address.immutable] + address.guid.encode()
        body = _BODY.pack(address.number, address.moves, address.attachment)
        # Numbers that follow each other must not show as such.
        mask = hashlib.blake2b(self._secret, digest_size=len(body)).digest()
        hidden = bytes(a ^ b for a, b in zip(body, mask, strict=True))
        return base64.urlsafe_b64encode(head + hidden + self._sealed(head + hidden)).decode()

    def read(self, text: str) -> Address | None:
        """Return what an id says; None if it was not made here."""
        try:
            raw = base64.urlsafe_b64decode(text.encode("ascii"))
        except (ValueError, binascii.Error):
            return None
        kind = _KINDS.get(raw[:4])
        if kind is None or len(raw) != 4 + _GUID + _BODY.size + _SEAL or base64.urlsafe_b64encode(raw).decode() != text:
            return None
        if self._sealed(raw[:-_SEAL]) != raw[-_SEAL:]:
            return None
        mask = hashlib.blake2b(self._secret, digest_size=_BODY.size).digest()
        body = bytes(a ^ b for a, b in zip(raw[4 + _GUID : -_SEAL], mask, strict=True))
        number, moves, attachment = _BODY.unpack(body)
        return Address(kind[0], raw[4 : 4 + _GUID].decode("ascii", "replace"), number, moves, attachment, kind[1])

    def _sealed(self, body: bytes) -> bytes:
        return hashlib.blake2b(body, key=self._secret[:32], digest_size=_SEAL).digest()


def change_key(guid: str, change: int) -> str:
    """Return the version of an item; another one after every change."""
    seed = hashlib.blake2b(guid.encode(), digest_size=8).digest()
    return base64.b64encode(b"\x09\x00\x00\x00\x16\x00\x00\x00" + seed + change.to_bytes(8, "big")).decode()


def in_format(text: str, form: str) -> str:
    """Return an id in an older alphabet of Exchange's (``ewsId``, ``entryId`` ...); a rest form stays as it is."""
    return text if form.startswith("rest") else text.replace("-", "+").replace("_", "/")


def from_format(text: str, form: str) -> str:
    """Return the inverse of ``in_format``."""
    return text if form.startswith("rest") else text.replace("+", "-").replace("/", "_")


def conversation(guid: str, topic: Sequence[str]) -> tuple[str, str]:
    """Conversation id and base64 conversation index for what names a thread."""
    digest = hashlib.blake2b("\0".join(topic).encode("utf-8", "replace"), digest_size=16).digest()
    name = b"\x00\x04\x24\x00" + guid.encode() + b"\x00\x10\x00" + digest
    return base64.urlsafe_b64encode(name).decode(), base64.b64encode(b"\x01" + digest[:5] + digest).decode()
