"""Taking content in: split, deduplicate, pack, and write the recipe. See docs/format.md, "splitting"."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Literal

import blake3

from arche.vault import recipes, split_file, split_mail
from arche.vault.catalog import Catalog
from arche.vault.content import Content
from arche.vault.errors import Damaged
from arche.vault.keys import AccountKeys
from arche.vault.packs import PackRecord, PackWriter
from arche.vault.recipes import LEAF, EncodedBody, Link, Recipe
from arche.vault.rows import PartRef, Row
from arche.vault.split_file import Chunk
from arche.vault.store import ObjectStore

Media = Literal["mail", "file"]
_ID = 16
_ASK_FROM = 4 << 10  # a smaller blob is not worth a look into the index
_REMEMBERED = 40_000
_LIKE = 131_072  # blobs of an earlier version that are kept in memory


class Intake:
    """Content of one writer. What it references is in the parent's state or in its own packs."""

    def __init__(self, store: ObjectStore, keys: AccountKeys, catalog: Catalog, content: Content) -> None:
        self.packs = PackWriter(store, keys)
        self._keys = keys
        self._catalog = catalog
        self._content = content
        self._young: set[bytes] = set()
        self._old: set[bytes] = set()
        self._like: frozenset[bytes] = frozenset()

    def remember(self, packs: Iterable[PackRecord]) -> None:
        """Know the blobs of these packs without asking the index."""
        for pack in packs:
            self._young.update(pack.ids[at : at + _ID] for at in range(0, len(pack.ids), _ID))

    def stand_on(self, catalog: Catalog, content: Content) -> None:
        """Go on with another state as parent."""
        self._catalog = catalog
        self._content = content

    def part(self, name: str, media: Media, chunks: Iterable[bytes], like: Row | None, size: int = 0) -> PartRef:
        """Store one stream. ``size`` is what the source announces (0 = unknown). Returns the old part if equal."""
        before = next((part for part in like.parts if part.name == name), None) if like else None
        source = iter(chunks)
        if media == "mail":
            raw, rest = _gather(source, split_mail.LONGEST)
            if rest is None:
                return self._mail(name, raw, before)
            whole: Iterator[Chunk] = chain((raw,), rest)
            return self._file(name, whole, before, max(size, len(raw)))
        raw, rest = _gather(source, split_file.WHOLE - 1)
        if rest is None:
            return self._small(name, raw, before)
        return self._file(name, chain((raw,), rest), before, size)

    def blob(self, data: bytes, *, text: bool = False, ask: bool = True) -> tuple[bytes, bytes]:
        """Store a blob unless it is known. Returns the first 16 bytes of its id, and a tag ("" when known)."""
        whole = blake3.blake3(data, key=self._keys.blob_key).digest()
        short = whole[:_ID]
        if self._known(short, len(data), ask=ask):
            return short, b""
        tag = self.packs.add(whole, data, text=text)
        self._young.add(short)
        if len(self._young) > _REMEMBERED:
            self._old, self._young = self._young, set()
        return short, tag

    def own(self, data: bytes) -> bytes:
        """Store a blob that is wanted in the open pack, and return its 24-byte reference."""
        whole = blake3.blake3(data, key=self._keys.blob_key).digest()
        return whole[:_ID] + self.packs.add(whole, data, text=True)

    def _known(self, short: bytes, size: int, *, ask: bool) -> bool:
        if short in self._young or short in self._like:
            return True
        if short in self._old or (ask and size >= _ASK_FROM and self._catalog.knows(short)):
            self._young.add(short)
            return True
        return False

    def _small(self, name: str, raw: bytes | bytearray, before: PartRef | None) -> PartRef:
        digest = self._digest(raw)
        if before and before.digest == digest[:_ID]:
            return before
        packed = b"".join(self._links(split_file.cut((raw,), 0)))
        return self._done(name, recipes.flat(len(raw), digest, 0, packed), len(raw), digest)

    def _mail(self, name: str, raw: bytes | bytearray, before: PartRef | None) -> PartRef:
        digest = self._digest(raw)
        if before and before.digest == digest[:_ID]:
            return before
        pieces: list[int | EncodedBody] = []
        envelope: list[memoryview] = []
        view = memoryview(raw)
        for piece in split_mail.split(raw):
            if piece.body is None:
                pieces.append(piece.end - piece.start)
                envelope.append(view[piece.start : piece.end])
            else:
                packed = b"".join(self._links(split_file.cut(piece.body.chunks(), 0)))
                pieces.append(EncodedBody(packed, piece.body.width, piece.body.line_end))
        links = b"".join(self._links(split_file.cut(envelope, 0), text=True))
        return self._done(name, recipes.mail(len(raw), digest, links, pieces), len(raw), digest)

    def _file(self, name: str, chunks: Iterator[Chunk], before: PartRef | None, announced: int) -> PartRef:
        size_class, self._like = self._earlier(before, announced)
        counted = _Counted(chunks, self._keys.digest_key)
        children: list[Link] = []
        leaf: list[bytes] = []
        try:
            for link in self._links(split_file.cut(counted, size_class)):
                leaf.append(link)
                if len(leaf) == LEAF:
                    children.append(self._leaf(leaf))
                    leaf = []
        finally:
            self._like = frozenset()
        digest = counted.digest()
        if before and before.digest == digest[:_ID]:
            return before
        if children:
            if leaf:
                children.append(self._leaf(leaf))
            recipe = recipes.tree(counted.size, digest, size_class, children)
        else:
            recipe = recipes.flat(counted.size, digest, size_class, b"".join(leaf))
        return self._done(name, recipe, counted.size, digest)

    def _links(self, blobs: Iterator[bytes], *, text: bool = False) -> Iterator[bytes]:
        for data in blobs:
            short, _tag = self.blob(data, text=text, ask=not text)
            yield recipes.pack_link(short, len(data))

    def _leaf(self, records: list[bytes]) -> Link:
        packed = b"".join(records)
        short, _tag = self.blob(packed, text=True)
        return Link(short, recipes.size_of(packed))

    def _done(self, name: str, recipe: bytes, size: int, digest: bytes) -> PartRef:
        return PartRef(name, self.own(recipe), size, digest[:_ID])

    def _digest(self, raw: bytes | bytearray) -> bytes:
        return blake3.blake3(raw, key=self._keys.digest_key).digest()

    def _earlier(self, before: PartRef | None, announced: int) -> tuple[int, frozenset[bytes]]:
        """Size class and blobs of an earlier version. A damaged one is no reason not to store a good one now."""
        try:
            if before is not None:
                recipe = self._content.recipe(before)
                known = frozenset(islice(self._old_ids(recipe, before.recipe[_ID:]), _LIKE))
                if recipe.pieces is None:
                    return recipe.size_class, known
                return split_file.size_class(announced), known
        except Damaged:
            pass
        return split_file.size_class(announced), frozenset()

    def _old_ids(self, recipe: Recipe, hint: bytes) -> Iterator[bytes]:
        for packed in self._content.leaves(recipe, hint):
            for link in recipes.links(packed):
                yield link.id


class _Counted:
    """Chunks on their way, counted and digested."""

    def __init__(self, chunks: Iterator[Chunk], key: bytes) -> None:
        self.size = 0
        self._chunks = chunks
        self._hash = blake3.blake3(key=key)

    def __iter__(self) -> Iterator[Chunk]:
        for chunk in self._chunks:
            self.size += len(chunk)
            self._hash.update(chunk)
            yield chunk

    def digest(self) -> bytes:
        """Keyed digest of all chunks so far."""
        return self._hash.digest()


def _gather(chunks: Iterator[bytes], longest: int) -> tuple[bytes | bytearray, Iterator[bytes] | None]:
    """Up to ``longest`` bytes, held once; when the stream is longer, what was read so far and the rest of it."""
    first = next(chunks, b"")
    second = next(chunks, None)
    buffer: bytes | bytearray = first if second is None else bytearray(first)
    while second is not None and len(buffer) <= longest:
        buffer += second
        second = next(chunks, None)
    if len(buffer) <= longest:
        return buffer, None
    return buffer, chunks if second is None else chain((second,), chunks)
