"""A second reader of the vault, written from docs/format.md alone. It imports nothing of the product.

It reads whole objects and keeps whole indexes in memory: simple instead of fast, so that it can be checked against the
page line by line. The demo proves the vault's copy with it, the tests open the golden files.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import blake3
import msgspec
import pybase64
import zstandard
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

HEADER: Final = 80
TRAILER: Final = 88
TAG: Final = 16
FOOTER_COUNTER: Final = 2**64 - 1
KINDS: Final = {1: "pack", 2: "segment", 3: "manifest", 4: "account-key"}
PACK, SEGMENT, MANIFEST, ACCOUNT_KEY = 1, 2, 3, 4
POINTS: Final = "#points"
Unwrap = Callable[[bytes, Mapping[str, str]], bytes]


class FormatError(Exception):
    """The bytes are not what the page promises."""


class Objects(Protocol):
    """One of the two stores."""

    def get(self, key: str) -> bytes | None:
        """Return the whole object, None if there is none."""
        ...

    def keys(self, prefix: str) -> list[str]:
        """All keys with this prefix, in key order."""
        ...


@dataclass(frozen=True)
class Folder:
    """A store copied to a directory."""

    root: Path

    def get(self, key: str) -> bytes | None:
        """Read the file of that name."""
        path = self.root / key
        return path.read_bytes() if path.is_file() else None

    def keys(self, prefix: str) -> list[str]:
        """All files below, as keys."""
        found = (p.relative_to(self.root).as_posix() for p in self.root.rglob("*") if p.is_file())
        return sorted(key for key in found if key.startswith(prefix))


def local_unwrap(secret: bytes) -> Unwrap:
    """Stand in for KMS outside AWS: page, section "Keys, encryption and MAC"."""
    key = _hkdf(secret, None, b"arche/1/local-wrapper", 32)

    def unwrap(wrapped: bytes, context: Mapping[str, str]) -> bytes:
        aad = json.dumps(dict(context), sort_keys=True, separators=(",", ":")).encode()
        return AESGCM(key).decrypt(wrapped[:12], wrapped[12:], aad)

    return unwrap


def _hkdf(ikm: bytes, salt: bytes | None, info: bytes, length: int) -> bytes:
    return HKDF(SHA256(), length, salt, info).derive(ikm)


def _expect(*, true: bool, what: str) -> None:
    if not true:
        raise FormatError(what)


@dataclass(frozen=True)
class Sealed:
    """An opened sealed object: its frames' plain data and its meta."""

    frames: list[bytes]
    meta: Any
    digest: bytes


def open_sealed(data: bytes, kind: int, owner: tuple[str, str], keys: Mapping[int, bytes]) -> Sealed:
    """Open and check a whole sealed object, padding included. ``keys`` are the sealing keys by generation."""
    _expect(true=len(data) >= HEADER + TRAILER + 2 * TAG, what="object too short")
    header, trailer = data[:HEADER], data[-TRAILER:]
    _expect(true=header[:4] == b"ARCH" and trailer[-4:] == b"arch", what="magic")
    _expect(true=trailer[:HEADER] == header, what="header and trailer differ")
    _expect(true=header[4] == 1 and header[5] <= 1, what="needs a newer reader")
    _expect(true=header[6] == kind, what="another kind of object")
    _expect(true=header[12:16] == bytes(4), what="unknown feature bits")
    generation = int.from_bytes(header[8:12], "big")
    _expect(true=generation in keys, what="unknown key generation")
    info = f"arche/1/{KINDS[kind]}/{owner[0]}/{owner[1]}".encode()
    derived = _hkdf(keys[generation], header[16:48], info, 64)
    _expect(true=hmac.compare_digest(derived[32:], header[48:80]), what="foreign key or moved object")
    cipher, bound = AESGCM(derived[:32]), hashlib.sha256(header).digest()

    def decrypt(counter: int, sealed: bytes) -> bytes:
        count = counter.to_bytes(8, "big")
        return cipher.decrypt(bytes(4) + count, sealed, bound + bytes([kind]) + count)

    footer_length = int.from_bytes(trailer[HEADER : HEADER + 4], "big")
    footer_at = len(data) - TRAILER - footer_length
    table, meta = msgspec.msgpack.decode(_inflate(decrypt(FOOTER_COUNTER, data[footer_at : footer_at + footer_length])))
    frames, at = [], HEADER
    for number, (stored, raw, codec) in enumerate(entry[:3] for entry in table):
        plain = decrypt(number, data[at : at + stored])
        plain = _inflate(plain) if codec == 1 else plain
        _expect(true=codec in (0, 1) and len(plain) == raw, what="frame length")
        frames.append(plain)
        at += stored
    if at != footer_at:
        _expect(true=not any(decrypt(len(table), data[at:footer_at])), what="padding")
    return Sealed(frames, meta, hashlib.sha256(data).digest())


def _inflate(data: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompressobj().decompress(data)


@dataclass(frozen=True)
class Entry:
    """One catalog entry with its key."""

    key: bytes
    seq: int
    until: int
    group: int
    service: str
    folder: str
    date: int
    id: str
    kind: str
    name: str
    version: str
    size: int
    properties: Any
    parts: list[list[Any]]
    problem: str


def _entry(values: list[Any], run_seq: int) -> Entry:
    seq, until, group, service, folder, date, ident = values[:7]
    at = "" if group == 0 else folder
    key = (
        _h(service)[:4]
        + bytes([group])
        + _h(at)[:8]
        + (2**63 - 1 - date).to_bytes(8, "big")
        + hashlib.sha256(service.encode() + b"\0" + ident.encode()).digest()[:8]
    )
    return Entry(key, seq or run_seq, until, group, service, folder, date, ident, *values[7:14])


def _h(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


@dataclass
class Account:
    """One account of a repository, opened with its keys."""

    vault: Objects
    customer: str
    label: str
    keys: dict[int, bytes]
    secret: bytes

    @classmethod
    def open(cls, vault: Objects, ring: Objects, unwrap: Unwrap, customer: str, label: str) -> Account:
        """Unwrap the customer's keys and open the account's."""
        customer_keys: dict[int, bytes] = {}
        for generation, data in _generations(ring, f"k/{customer}/c/"):
            wrapped = msgspec.msgpack.decode(data)
            _expect(true="erased" not in wrapped, what="this customer is erased")
            context = {"customer": customer, "purpose": "vault"}
            customer_keys[generation] = unwrap(wrapped["wrapped"], context)
        keys, secret = {}, b""
        for generation, data in _generations(ring, f"k/{customer}/a/{label}/"):
            _expect(true=data[:1] == b"A", what="this account is erased")
            plain = open_sealed(data, ACCOUNT_KEY, (customer, label), customer_keys).frames[0]
            keys[generation], secret = plain[:32], plain[32:64]
        _expect(true=bool(keys), what="no key ring entry for this account")
        return cls(vault, customer, label, keys, secret)

    def seqs(self) -> list[int]:
        """Every commit that the store lists."""
        return [int(key.rsplit("/", 1)[1]) for key in self.vault.keys(f"m/{self.customer}/{self.label}/")]

    def manifest(self, seq: int) -> dict[str, Any]:
        """One commit, checked."""
        data = self._object(f"m/{self.customer}/{self.label}/{seq:010d}")
        sealed = open_sealed(data, MANIFEST, (self.customer, self.label), self.keys)
        manifest: dict[str, Any] = msgspec.msgpack.decode(sealed.frames[0])
        _expect(
            true=manifest["seq"] == seq and manifest["least"] <= 1, what="manifest of another seq or a newer writer"
        )
        return {**manifest, "digest": sealed.digest}

    def check_chain(self) -> int:
        """Follow every parent from the first commit to the last; returns how many there are."""
        before = b""
        for seq in self.seqs():
            manifest = self.manifest(seq)
            _expect(true=manifest["parent"] == before or seq == min(self.seqs()), what=f"parent of {seq}")
            before = manifest["digest"]
        return len(self.seqs())

    def state(self, seq: int | None = None) -> State:
        """Return the account as of a commit (default: the last one)."""
        manifest = self.manifest(self.seqs()[-1] if seq is None else seq)
        return State(self, manifest)

    def _object(self, key: str) -> bytes:
        data = self.vault.get(key)
        _expect(true=data is not None, what=f"missing object {key}")
        assert data is not None
        return data

    def sealed(self, prefix: str, name: bytes, kind: int) -> Sealed:
        """Open an object that is named by its digest."""
        sealed = open_sealed(
            self._object(f"{prefix}/{self.customer}/{self.label}/{name.hex()}"),
            kind,
            (self.customer, self.label),
            self.keys,
        )
        _expect(true=sealed.digest == name, what="object is not what its name says")
        return sealed

    def pack(self, tier: int, name: bytes) -> dict[bytes, bytes]:
        """All blobs of a pack by the first 16 bytes of their ids, each checked against its id."""
        sealed = self.sealed(f"p{tier}", name, PACK)
        ids, lengths, counts = sealed.meta[:3]
        blobs, number = {}, 0
        key = _hkdf(self.secret, None, b"arche/1/blob-id", 32)
        for data, count in zip(sealed.frames, counts, strict=True):
            at = 0
            for _ in range(count):
                blob = data[at : at + lengths[number]]
                ident = ids[32 * number : 32 * number + 32]
                _expect(true=blake3.blake3(blob, key=key).digest() == ident, what="blob differs from its id")
                blobs[ident[:16]] = blob
                at, number = at + lengths[number], number + 1
            _expect(true=at == len(data), what="frame holds more than its blobs")
        return blobs


def _generations(ring: Objects, prefix: str) -> Iterator[tuple[int, bytes]]:
    generation = 1
    while (data := ring.get(f"{prefix}{generation:06d}")) is not None:
        yield generation, data
        generation += 1


class State:
    """Rows, packs and blobs of one account as of one commit."""

    def __init__(self, account: Account, manifest: dict[str, Any]) -> None:
        self.account, self.manifest = account, manifest
        self._packs: dict[bytes, tuple[int, bytes]] = {}
        self._blobs: dict[bytes, bytes] = {}
        self._open: dict[bytes, dict[bytes, bytes]] = {}
        self._rank: dict[tuple[bytes, str], tuple[int, int]] = {}
        self._best: dict[tuple[bytes, str], Entry] = {}
        for age, (_, run_seq, _, segments, *_) in enumerate(manifest["runs"]):
            for name, *_rest in segments:
                self._segment(account.sealed("s", name, SEGMENT), age, run_seq)
        for values in manifest["rows"]:
            self._take(_entry(values, manifest["seq"]), len(manifest["runs"]))
        for salt, name, tier, _, _, _, ids, *_ in manifest["packs"]:
            tag = salt[:8]
            self._packs[tag] = (tier, name)
            self._blobs.update((ids[at : at + 16], tag) for at in range(0, len(ids), 16))

    def rows(self) -> list[Entry]:
        """Rows of this state, without the vault's own points."""
        seq = self.manifest["seq"]
        live = (e for e in self._best.values() if e.kind and (e.until == 0 or e.until > seq))
        return sorted((e for e in live if e.service != POINTS), key=lambda e: e.key)

    def points(self) -> list[int]:
        """Seqs of the restore points."""
        return sorted(int(e.id) for e in self._best.values() if e.service == POINTS and e.kind)

    def properties(self, entry: Entry) -> dict[str, Any]:
        """Return the row's property map."""
        if isinstance(entry.properties, bytes):
            return dict(msgspec.msgpack.decode(self._blob(entry.properties[:16], entry.properties[16:24])))
        return dict(entry.properties or {})

    def part(self, entry: Entry, name: str = "") -> bytes:
        """Return the content of one part, size and digest checked."""
        for part, recipe, size, digest, *_ in entry.parts:
            if part == name:
                data = self._content(recipe[:16], recipe[16:24])
                key = _hkdf(self.account.secret, None, b"arche/1/digest", 32)
                whole = blake3.blake3(data, key=key).digest()
                _expect(true=len(data) == size and whole[:16] == digest, what="content differs from its digest")
                return data
        raise KeyError(name)

    def _content(self, ident: bytes, tag: bytes) -> bytes:
        recipe = msgspec.msgpack.decode(self._blob(ident, tag))
        form, size, digest = recipe[:3]
        if form == 1:
            data = self._list(recipe[4], tag)
        elif form == 2:  # noqa: PLR2004 - the page's numbers
            children = recipe[4]
            records = (children[at : at + 24] for at in range(0, len(children), 24))
            data = b"".join(self._list(self._blob(r[:16], tag), tag) for r in records)
        elif form == 3:  # noqa: PLR2004
            data = self._mail(self._list(recipe[3], tag), recipe[4], tag)
        else:
            raise FormatError(f"recipe of an unknown form {form}")
        key = _hkdf(self.account.secret, None, b"arche/1/digest", 32)
        _expect(true=len(data) == size and blake3.blake3(data, key=key).digest() == digest, what="recipe's digest")
        return data

    def _mail(self, envelope: bytes, pieces: list[Any], tag: bytes) -> bytes:
        out, at = [], 0
        for piece in pieces:
            if isinstance(piece, int):
                out.append(envelope[at : at + piece])
                at += piece
                continue
            form, width, eol, blobs = piece[:4]
            _expect(true=form == 1, what="unknown piece of a mail")
            text = pybase64.b64encode(self._list(blobs, tag))
            end = b"\n" if eol == 1 else b"\r\n"
            lines = [text[i : i + width] for i in range(0, len(text), width)] if width else [text]
            out.append(end.join(lines))
        return b"".join(out)

    def _list(self, records: bytes, tag: bytes) -> bytes:
        out = []
        for at in range(0, len(records), 20):
            blob = self._blob(records[at : at + 16], tag)
            _expect(true=len(blob) == int.from_bytes(records[at + 16 : at + 20], "big"), what="blob's length")
            out.append(blob)
        return b"".join(out)

    def _blob(self, ident: bytes, hint: bytes) -> bytes:
        for tag in (hint, self._blobs.get(ident)):
            if tag in self._packs and ident in self._pack(tag):
                return self._pack(tag)[ident]
        raise FormatError("a reference that resolves nowhere")

    def _pack(self, tag: bytes) -> dict[bytes, bytes]:
        if tag not in self._open:
            if len(self._open) >= 8:  # noqa: PLR2004 - bounded memory, packs have 16 MiB
                self._open.pop(next(iter(self._open)))
            self._open[tag] = self.account.pack(*self._packs[tag])
        return self._open[tag]

    def _segment(self, segment: Sealed, age: int, run_seq: int) -> None:
        for section in ("live", "history"):
            for number, count, *_ in segment.meta.get(section, []):
                entries = msgspec.msgpack.decode(segment.frames[number])
                _expect(true=len(entries) == count, what="block's number of entries")
                for values in entries:
                    self._take(_entry(values, run_seq), age)
        for number, *_ in segment.meta.get("packs", []):
            block = segment.frames[number]
            for at in range(0, len(block), 77):
                record = block[at : at + 77]
                self._packs[record[:8]] = (record[64], record[32:64])
                if record[65:69] == bytes(4):
                    del self._packs[record[:8]]
        for number, *_ in segment.meta.get("blobs", []):
            block = segment.frames[number]
            self._blobs.update((block[at : at + 16], block[at + 16 : at + 24]) for at in range(0, len(block), 24))

    def _take(self, entry: Entry, age: int) -> None:
        if entry.seq > self.manifest["seq"]:
            return
        place, rank = (entry.key, entry.id), (entry.seq, age)
        if place not in self._rank or rank >= self._rank[place]:
            self._rank[place], self._best[place] = rank, entry
