"""The cursor of a mailbox: the folder tree's delta link and one link per folder, as one opaque text."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from dataclasses import dataclass, field
from typing import Any, Final

from arche.providers.errors import CursorExpired

_FORM: Final = 1


@dataclass(slots=True)
class Spot:
    """How far one folder is read.

    ``link`` "" means: not begun. ``listing``: a full listing of the folder is under way. Between two rounds the link is
    a deltaLink, within one a nextLink.
    """

    parent: str
    link: str = ""
    listing: bool = False


@dataclass(slots=True)
class Place:
    """How far a mailbox is read.

    ``root`` is the id of msgfolderroot, ``tree`` the delta link of the folder tree. ``known`` maps folder ids to
    well-known names. ``gone`` holds folders that the tree has lost and that are not yet told as gone.
    """

    root: str = ""
    tree: str = ""
    known: dict[str, str] = field(default_factory=dict)
    folders: dict[str, Spot] = field(default_factory=dict)
    gone: dict[str, str] = field(default_factory=dict)


def write(place: Place) -> str:
    """Write a place as text. Links of one mailbox are alike, so compression pays."""
    folders = {name: [spot.parent, spot.link, int(spot.listing)] for name, spot in place.folders.items()}
    content = [_FORM, place.root, place.tree, place.known, folders, place.gone]
    packed = zlib.compress(json.dumps(content, separators=(",", ":")).encode(), 6)
    return base64.b85encode(packed).decode("ascii")


def read(text: str) -> Place:
    """Read a cursor. Raises CursorExpired for one that this version did not write."""
    try:
        content: Any = json.loads(zlib.decompress(base64.b85decode(text)))
        form, root, tree, known, folders, gone = content
        if form != _FORM:
            raise CursorExpired("the cursor is of another form", code="cursor_form")
        spots = {name: Spot(parent, link, bool(listing)) for name, (parent, link, listing) in folders.items()}
    except (ValueError, TypeError, AttributeError, zlib.error, binascii.Error):
        raise CursorExpired("the cursor cannot be read", code="cursor_form") from None
    return Place(root, tree, known, spots, gone)
