"""Headers for bytes that somebody else wrote: they are saved, never shown, never sniffed, never run."""

from __future__ import annotations

import re
import unicodedata
from typing import Final
from urllib.parse import quote

_UNSAFE: Final = re.compile(r'[\\/:*?"<>|\x00-\x1f\x7f]')
_RESERVED: Final = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_LONGEST: Final = 120


def file_name(name: str, extension: str) -> str:
    """Make a name that every file system takes; never empty, never a path, never reordered by bidi characters."""
    kept = "".join(char for char in unicodedata.normalize("NFC", name) if unicodedata.category(char) not in _HIDDEN)
    kept = _UNSAFE.sub("_", kept).strip(" .")[:_LONGEST].strip(" .") or "item"
    if _RESERVED.fullmatch(kept):
        kept = f"_{kept}"
    return kept if not extension or kept.lower().endswith(extension.lower()) else f"{kept}{extension}"


#: Control characters, surrogates, private use, formatting (bidi among them), line and paragraph separators.
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def disposition(name: str) -> str:
    """Content-Disposition by RFC 6266: an ASCII name for old programs, the real one in RFC 8187 form."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9._ -]", "_", plain).strip() or "item"
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def headers(name: str) -> dict[str, str | list[str]]:
    """All headers of a download."""
    return {
        "Content-Disposition": disposition(name),
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cache-Control": "no-store",
    }
