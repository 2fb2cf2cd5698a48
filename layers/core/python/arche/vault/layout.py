"""Names of objects. See docs/format.md, "Repository format"."""

from __future__ import annotations

import re

_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,31}")


def require_label(text: str) -> str:
    """Return ``text`` if it may stand in an object key, else raise ValueError."""
    if not _LABEL.fullmatch(text):
        raise ValueError("not a label")
    return text


def pack(customer: str, account: str, name: bytes, tier: int = 0) -> str:
    """Key of a pack; ``name`` is the SHA-256 of the object, ``tier`` 0 or 1."""
    return f"p{tier}/{customer}/{account}/{name.hex()}"


def segment(customer: str, account: str, name: bytes) -> str:
    """Key of a segment; ``name`` is the SHA-256 of the object."""
    return f"s/{customer}/{account}/{name.hex()}"


def manifests(customer: str, account: str) -> str:
    """Prefix of an account's manifests."""
    return f"m/{customer}/{account}/"


def manifest(customer: str, account: str, seq: int) -> str:
    """Key of a manifest."""
    return f"m/{customer}/{account}/{seq:010d}"


def customer_key(customer: str, generation: int) -> str:
    """Key of a customer key's generation in the keys store."""
    return f"k/{customer}/c/{generation:06d}"


def account_key(customer: str, account: str, generation: int) -> str:
    """Key of an account key's generation in the keys store."""
    return f"k/{customer}/a/{account}/{generation:06d}"
