"""Ids of items in addresses. Vendors' ids may hold any character; a path segment may not.

An id of plain characters stands as it is; any other as ``~`` and its URL-safe base64. No vendor's plain id begins
with ``~``, so both ways are unambiguous.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final
from urllib.parse import unquote

from arche.operations.refusals import NotFound

_PLAIN: Final = re.compile(r"[A-Za-z0-9_=-][A-Za-z0-9._=-]{0,700}")


def to_ref(item: str) -> str:
    """Id for addresses; "" stays ""."""
    if not item or _PLAIN.fullmatch(item):
        return item
    return "~" + base64.urlsafe_b64encode(item.encode()).decode().rstrip("=")


def from_ref(ref: str) -> str:
    """Inverse of ``to_ref``. Raises NotFound for what no list ever gave."""
    # A gateway may hand on a path as it came or decoded; an id for addresses never holds a percent sign of its own.
    ref = unquote(ref)
    if not ref.startswith("~"):
        if ref and not _PLAIN.fullmatch(ref):
            raise NotFound
        return ref
    body = ref[1:]
    try:
        item = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise NotFound from None
    if to_ref(item) != ref:
        raise NotFound
    return item
