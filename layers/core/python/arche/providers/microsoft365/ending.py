"""Whether a mail of one part holds the end of the text that its fields tell of.

A multipart tells by its closing boundary that it is whole; a plain letter has nothing of the kind. A proxy or server
that cuts it short and announces the shorter length goes unnoticed unless its end is compared with the fields.
"""

from __future__ import annotations

import base64
import binascii
import quopri
import re
from collections.abc import Mapping
from typing import Any, Final

from arche.providers.microsoft365.mime import Buffer, Leaf

_TAGS: Final = re.compile(r"<[^>]*>|&#?\w+;")
_RAW_TAGS: Final = re.compile(rb"<[^>]*>|&#?\w+;")
_OTHER: Final = re.compile(r"[^A-Za-z0-9]+")
_RAW_OTHER: Final = re.compile(rb"[^A-Za-z0-9]+")
_LONGEST: Final = 1 << 20
_TAIL: Final = 16
_ENOUGH: Final = 8


def lacks_end(message: Mapping[str, Any], data: Buffer, leaf: Leaf) -> bool:
    """Whether the leaf holds fewer letters and digits than the body's text, or not the last ones of it.

    False where that cannot be told. Only ASCII is compared, so that no charset is needed. A text that another form
    hides costs one more read, no more.
    """
    body = message.get("body") or {}
    text = str(body.get("content") or "")
    if leaf.end - leaf.start > _LONGEST or len(text) > _LONGEST:
        return False
    if body.get("contentType") == "html":
        text = _TAGS.sub(" ", text)
    told = _OTHER.sub("", text)
    if len(told) < _ENOUGH:
        return False
    # Without an empty line there is no body by the letter of the rules; servers take the whole for one.
    start = leaf.start if leaf.start < leaf.end else 0
    raw = _plain(bytes(data[start : leaf.end]), leaf)
    if leaf.type == "text/html":
        raw = _RAW_TAGS.sub(b" ", raw)
    there = _RAW_OTHER.sub(b"", raw)
    return len(there) < len(told) or told[-_TAIL:].encode("ascii") not in there


def _plain(raw: bytes, leaf: Leaf) -> bytes:
    if leaf.encoding == "quoted-printable":
        return quopri.decodestring(raw)
    if leaf.encoding == "base64":
        joined = raw.translate(None, b" \t\r\n")
        try:
            return base64.b64decode(joined[: len(joined) // 4 * 4])
        except binascii.Error:
            return raw
    return raw
