"""Reading content: blobs by id, and streams by recipe, with few reads and bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import blake3

from arche.vault import layout, recipes, split_mail
from arche.vault.blocks import Bounded, RangeReader
from arche.vault.catalog import Catalog
from arche.vault.errors import Damaged
from arche.vault.keys import AccountKeys
from arche.vault.packs import TAG, PackFooter, PackRecord, Place
from arche.vault.recipes import EncodedBody, Link, Recipe
from arche.vault.rows import PartRef
from arche.vault.seal import Kind
from arche.vault.store import ObjectStore

_FRAMES = 12 << 20
_BLOBS_IN_FOOTERS = 60_000
_AHEAD = 64  # links looked at for one read
_SPAN = 2 << 20
_ID = 16


class Content:
    """All blobs of an account that ``catalog`` knows."""

    def __init__(self, store: ObjectStore, keys: AccountKeys, catalog: Catalog) -> None:
        self._store = store
        self._keys = keys
        self._catalog = catalog
        self._footers: Bounded[tuple[RangeReader, PackFooter]] = Bounded(_BLOBS_IN_FOOTERS)
        self._frames: Bounded[bytes] = Bounded(_FRAMES)

    def blob(self, blob_id: bytes, hint: bytes = b"") -> bytes:
        """One blob by the first 16 bytes of its id. Raises Damaged when it is nowhere."""
        pack, place = self._find(blob_id, hint)
        self._load(pack, [place.frame])
        return self._cut(pack, place)

    def recipe(self, part: PartRef) -> Recipe:
        """Return the recipe of a part."""
        return recipes.decode(self.blob(part.recipe[:_ID], part.recipe[_ID:]))

    def read(self, part: PartRef, offset: int = 0) -> Iterator[bytes]:
        """Content of a part from ``offset``. From 0 the whole is checked at the end: Damaged when it differs."""
        recipe = self.recipe(part)
        if recipe.size != part.size:
            raise Damaged("recipe and row disagree on the size")
        digest = blake3.blake3(key=self._keys.digest_key)
        size = 0
        for chunk in self._pieces(recipe, part.recipe[_ID:], offset):
            size += len(chunk)
            if offset == 0:
                digest.update(chunk)
            yield chunk
        if offset == 0 and (digest.digest() != recipe.digest or recipe.digest[:_ID] != part.digest):
            raise Damaged("content differs from its digest")
        if size != max(0, recipe.size - offset):
            raise Damaged("content is not as long as its recipe says")

    def require(self, part: PartRef) -> None:
        """Raise Damaged unless every blob of a part is in a pack that is there. Reads recipes and footers only."""
        recipe = self.recipe(part)
        for packed in self.leaves(recipe, part.recipe[_ID:]):
            for link in recipes.links(packed):
                if self._find(link.id, part.recipe[_ID:])[1].length != link.length:
                    raise Damaged("blob is not as long as its recipe says")

    def leaves(self, recipe: Recipe, hint: bytes = b"") -> Iterator[bytes]:
        """All packed lists of a recipe, in order; bodies of a mail after its envelope."""
        yield recipe.links
        for child in recipe.children:
            yield self.blob(child.id, hint)
        for piece in recipe.pieces or ():
            if isinstance(piece, EncodedBody):
                yield piece.links

    def stream(self, links: Iterable[Link], hint: bytes = b"") -> Iterator[bytes]:
        """Return the blobs of a list, in order. Neighbouring frames are fetched together."""
        source = iter(links)
        while batch := list(islice(source, _AHEAD)):
            found = [self._find(link.id, hint) for link in batch]
            for at, (link, (pack, place)) in enumerate(zip(batch, found, strict=True)):
                if (pack.name, place.frame) not in self._frames:
                    self._load(pack, _neighbours(pack, place, found[at:]))
                data = self._cut(pack, place)
                if len(data) != link.length:
                    raise Damaged("blob is not as long as its recipe says")
                yield data

    def _pieces(self, recipe: Recipe, hint: bytes, offset: int) -> Iterator[bytes]:
        if recipe.pieces is not None:
            yield from self._mail(recipe, hint, offset)
        elif recipe.children:
            for child in recipe.children:
                if offset >= child.length:
                    offset -= child.length
                    continue
                yield from self._list(self.blob(child.id, hint), hint, offset)
                offset = 0
        else:
            yield from self._list(recipe.links, hint, offset)

    def _list(self, packed: bytes, hint: bytes, offset: int) -> Iterator[bytes]:
        wanted = recipes.links(packed)
        first: list[Link] = []
        for link in wanted:
            if offset < link.length:
                first = [link]
                break
            offset -= link.length
        yield from _skip(self.stream(first, hint), offset)
        yield from self.stream(wanted, hint)

    def _mail(self, recipe: Recipe, hint: bytes, offset: int) -> Iterator[bytes]:
        at = 0  # in the envelope
        for piece in recipe.pieces or ():
            if isinstance(piece, int):
                length = piece
            else:
                length = split_mail.joined_length(recipes.size_of(piece.links), piece.width, piece.line_end)
            if offset < length:
                if isinstance(piece, int):
                    yield from _first(self._list(recipe.links, hint, at + offset), piece - offset)
                else:
                    decoded = self.stream(recipes.links(piece.links), hint)
                    yield from _skip(split_mail.join(decoded, piece.width, piece.line_end), offset)
                offset = length
            offset -= length
            at += piece if isinstance(piece, int) else 0

    def _find(self, blob_id: bytes, hint: bytes) -> tuple[PackRecord, Place]:
        if hint:
            pack = self._catalog.pack(hint)
            place = self._footer(pack)[1].find(blob_id) if pack else None
            if pack and place:
                return pack, place
        tag = self._catalog.tag_of(blob_id)
        pack = self._catalog.pack(tag) if tag else None
        place = self._footer(pack)[1].find(blob_id) if pack else None
        if pack is None or place is None:
            raise Damaged(f"blob {blob_id.hex()} is in no pack")
        return pack, place

    def _footer(self, pack: PackRecord) -> tuple[RangeReader, PackFooter]:
        def load() -> tuple[tuple[RangeReader, PackFooter], int]:
            key = layout.pack(self._keys.customer, self._keys.account, pack.name, pack.tier)
            reader = RangeReader(self._store, self._keys, Kind.PACK, key, footer=pack.footer, size=pack.size)
            if reader.opened.salt[:TAG] != pack.tag:
                raise Damaged(f"{key}: another pack's bytes")
            footer = PackFooter(reader.opened, key)
            return (reader, footer), len(footer)

        return self._footers.get(pack.name, load)

    def _load(self, pack: PackRecord, frames: list[int]) -> None:
        missing = [frame for frame in frames if (pack.name, frame) not in self._frames]
        if missing:
            reader = self._footer(pack)[0]
            for frame, data in zip(missing, reader.span(missing), strict=True):
                self._frames.put((pack.name, frame), data, len(data))

    def _cut(self, pack: PackRecord, place: Place) -> bytes:
        def load() -> tuple[bytes, int]:
            data = self._footer(pack)[0].frame(place.frame)
            return data, len(data)

        frame = self._frames.get((pack.name, place.frame), load)
        return frame[place.offset : place.offset + place.length]


def _neighbours(pack: PackRecord, place: Place, found: list[tuple[PackRecord, Place]]) -> list[int]:
    """Return the frame that is needed now, and those right behind it that will be needed next, up to 2 MiB."""
    later = {other.frame for where, other in found if where.name == pack.name}
    frames = [place.frame]
    size = place.length
    while frames[-1] + 1 in later and size < _SPAN:
        frames.append(frames[-1] + 1)
        size += 256 << 10
    return frames


def _skip(chunks: Iterator[bytes], offset: int) -> Iterator[bytes]:
    for chunk in chunks:
        if offset >= len(chunk):
            offset -= len(chunk)
        else:
            yield chunk[offset:] if offset else chunk
            offset = 0


def _first(chunks: Iterator[bytes], length: int) -> Iterator[bytes]:
    for chunk in chunks:
        if length <= 0:
            return
        yield chunk[:length]
        length -= len(chunk)
