"""Delta tokens: opaque texts that hold all of a round's state, sealed so that nobody can make one up."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import zlib
from dataclasses import asdict, dataclass, field
from typing import Any

SEAL = 9


@dataclass
class Token:
    """Where a client is in a delta.

    ``scope``: folder number, 0 for the folder tree. ``since``: changes up to it are known. ``until``: end of this
    round. ``first``: a round over everything. ``cursor``: last entry given out. ``salt``: order of a shuffled
    round. ``options``: query options of the first call. ``given``: entries given out so far.
    """

    box: str
    scope: int
    since: int = 0
    until: int = 0
    first: bool = True
    cursor: list[Any] = field(default_factory=list)
    salt: int = 0
    options: dict[str, str] = field(default_factory=dict)
    size: int = 10
    given: int = 0

    def seal(self, secret: bytes) -> str:
        """Return the text of the token."""
        body = zlib.compress(json.dumps(asdict(self), separators=(",", ":")).encode())
        return base64.urlsafe_b64encode(body + _seal(body, secret)).decode().rstrip("=")


def open_token(text: str, secret: bytes) -> Token | None:
    """Return the token of a text; None if it was not made here."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (ValueError, binascii.Error):
        return None
    body, seal = raw[:-SEAL], raw[-SEAL:]
    if len(raw) <= SEAL or _seal(body, secret) != seal:
        return None
    return Token(**json.loads(zlib.decompress(body)))


def _seal(body: bytes, secret: bytes) -> bytes:
    return hashlib.blake2b(body, key=secret[:32], digest_size=SEAL, person=b"delta").digest()
