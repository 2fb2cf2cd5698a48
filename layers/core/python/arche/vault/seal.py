"""Sealed objects: header, frames, padding, footer, trailer. See docs/format.md, "Sealed objects"."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import struct
from enum import IntEnum
from typing import Any, NamedTuple, Protocol

import msgspec
import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from arche.vault.errors import Damaged, TooNew

FORMAT = 1
READER = 1
HEADER = 80
TRAILER = 88
TAG = 16
_MAGIC = b"ARCH"
_END = b"arch"
_FOOTER_COUNTER = 2**64 - 1
_PAD_BELOW = 8 << 20
_LEVEL = 3
_HEAD = struct.Struct(">4sBBBBII32s32s")
_WORDS = {1: "pack", 2: "segment", 3: "manifest", 4: "account-key"}


class Kind(IntEnum):
    """What a sealed object is; part of its key's derivation."""

    PACK = 1
    SEGMENT = 2
    MANIFEST = 3
    ACCOUNT_KEY = 4


class KeySource(Protocol):
    """Secrets by generation, and the labels that every derivation is bound to."""

    @property
    def generation(self) -> int:
        """The newest generation; new objects are sealed with it."""
        ...

    @property
    def context(self) -> str:
        """``{customer}/{account}``."""
        ...

    def secret(self, generation: int) -> bytes:
        """Return the 32 secret bytes of a generation. Raises Damaged if there is no such generation."""
        ...


class Frame(NamedTuple):
    """One line of the frame table."""

    stored: int
    raw: int
    codec: int


class SealedObject(NamedTuple):
    """A finished object: all its bytes, its name (SHA-256) and the stored length of its footer."""

    data: bytes
    name: bytes
    footer: int


def expand(secret: bytes, info: str, length: int = 32, salt: bytes | None = None) -> bytes:
    """HKDF-SHA256, the one key derivation of the format."""
    return HKDF(algorithm=hashes.SHA256(), length=length, salt=salt, info=info.encode()).derive(secret)


def padded(size: int) -> int:
    """Length that an object of ``size`` bytes is padded to (Padmé below 8 MiB)."""
    if not 1 < size < _PAD_BELOW:
        return size
    exponent = size.bit_length() - 1
    step = 1 << (exponent - exponent.bit_length())
    return -(-size // step) * step


class _Cipher:
    """Key, nonces and additional data of one object."""

    def __init__(self, keys: KeySource, kind: Kind, generation: int, salt: bytes) -> None:
        info = f"arche/1/{_WORDS[kind]}/{keys.context}"
        okm = expand(keys.secret(generation), info, 64, salt)
        self._aes = AESGCM(okm[:32])
        self.commitment = okm[32:]
        self._kind = bytes((kind,))
        self._binding = b""

    def bind(self, header: bytes) -> None:
        self._binding = hashlib.sha256(header).digest() + self._kind

    def encrypt(self, counter: int, data: bytes) -> bytes:
        number = counter.to_bytes(8, "big")
        return self._aes.encrypt(b"\0\0\0\0" + number, data, self._binding + number)

    def decrypt(self, counter: int, data: bytes) -> bytes:
        number = counter.to_bytes(8, "big")
        return self._aes.decrypt(b"\0\0\0\0" + number, data, self._binding + number)


class Sealer:
    """Builds one sealed object in memory. A new one has a new salt, so no key and nonce ever meet twice."""

    def __init__(self, keys: KeySource, kind: Kind) -> None:
        self.salt = secrets.token_bytes(32)
        self.generation = keys.generation
        self._cipher = _Cipher(keys, kind, self.generation, self.salt)
        self._header = _HEAD.pack(
            _MAGIC, FORMAT, READER, kind, 0, self.generation, 0, self.salt, self._cipher.commitment
        )
        self._cipher.bind(self._header)
        self._zstd = zstandard.ZstdCompressor(level=_LEVEL)
        self._parts = [self._header]
        self.frames: list[Frame] = []
        self.size = HEADER
        self.raw = 0

    def add(self, data: bytes, *, compress: bool = True) -> int:
        """Append a frame and return its number. It is stored raw when compression gains nothing."""
        number = len(self.frames)
        codec, payload = 0, data
        if compress:
            packed = self._zstd.compress(data)
            if len(packed) < len(data):
                codec, payload = 1, packed
        stored = self._cipher.encrypt(number, payload)
        self._parts.append(stored)
        self.frames.append(Frame(len(stored), len(data), codec))
        self.size += len(stored)
        self.raw += len(data)
        return number

    def finish(self, meta: object = None, target: int = 0) -> SealedObject:
        """Close the object: padding (to ``target`` bytes in all if given), footer, trailer."""
        plain = self._zstd.compress(msgspec.msgpack.encode([self.frames, meta]))
        footer = self._cipher.encrypt(_FOOTER_COUNTER, plain)
        total = self.size + len(footer) + TRAILER
        gap = max(target, padded(total)) - total
        if 0 < gap < TAG:  # too small for an encrypted nothing
            gap = padded(total + TAG) - total
        if gap:
            self._parts.append(self._cipher.encrypt(len(self.frames), bytes(max(gap, TAG) - TAG)))
        self._parts += [footer, self._header, len(footer).to_bytes(4, "big"), _END]
        data = b"".join(self._parts)
        self._parts = []
        return SealedObject(data, hashlib.sha256(data).digest(), len(footer))


class Opened:
    """A sealed object's footer: frame table, offsets and meta, with the means to open its frames.

    ``tail`` is the end of the object (at least footer and trailer), ``size`` its whole length, ``where`` the
    object's key for messages. Raises Damaged or TooNew.
    """

    def __init__(self, keys: KeySource, kind: Kind, tail: bytes, size: int, where: str) -> None:
        self.size = size
        self._where = where
        length = footer_length(tail, where)
        self._header = tail[-TRAILER : -TRAILER + HEADER]
        magic, form, least, found, _zero, generation, features, salt, commitment = _HEAD.unpack(self._header)
        if magic != _MAGIC or found != kind:
            raise Damaged(f"{where}: not a {_WORDS[kind]}")
        if least > READER or form < 1 or features:
            raise TooNew(f"{where}: needs reader {least}, features {features:08x}")
        if len(tail) < TRAILER + length or size < HEADER + TRAILER + length:
            raise Damaged(f"{where}: cut short")
        self._cipher = _Cipher(keys, kind, generation, salt)
        if not hmac.compare_digest(self._cipher.commitment, commitment):
            raise Damaged(f"{where}: sealed for another account or with another key")
        self._cipher.bind(self._header)
        end = len(tail) - TRAILER
        plain = self._open(_FOOTER_COUNTER, tail[end - length : end], "footer")
        try:
            footer = zstandard.ZstdDecompressor().decompress(plain)
            frames, meta = msgspec.msgpack.decode(footer, type=tuple[list[Frame], msgspec.Raw])
        except (zstandard.ZstdError, msgspec.MsgspecError) as error:
            raise Damaged(f"{where}: footer") from error
        self.salt = salt
        self.frames = frames
        self.meta = bytes(meta)
        self.offsets = [HEADER]
        for frame in frames:
            self.offsets.append(self.offsets[-1] + frame.stored)
        self._footer_at = size - TRAILER - length
        if self.offsets[-1] > self._footer_at:
            raise Damaged(f"{where}: frame table")
        self._zstd = zstandard.ZstdDecompressor()

    def frame(self, number: int, stored: bytes) -> bytes:
        """Return data of frame ``number`` from its stored bytes."""
        line = self.frames[number]
        data = self._open(number, stored, f"frame {number}")
        if line.codec == 1:
            try:
                data = self._zstd.decompress(data, max_output_size=line.raw)
            except zstandard.ZstdError as error:
                raise Damaged(f"{self._where}: frame {number}") from error
        if len(data) != line.raw or line.codec > 1:
            raise Damaged(f"{self._where}: frame {number}")
        return data

    def check_rest(self, data: bytes) -> None:
        """Check what range readers skip: first header and padding. ``data`` is the whole object."""
        if data[:HEADER] != self._header:
            raise Damaged(f"{self._where}: header")
        padding = data[self.offsets[-1] : self._footer_at]
        if padding and self._open(len(self.frames), padding, "padding").strip(b"\0"):
            raise Damaged(f"{self._where}: padding")

    def _open(self, counter: int, stored: bytes, region: str) -> bytes:
        try:
            return self._cipher.decrypt(counter, stored)
        except (InvalidTag, ValueError) as error:
            raise Damaged(f"{self._where}: {region}") from error


def footer_length(tail: bytes, where: str) -> int:
    """Return stored length of the footer, from the trailer. Raises Damaged."""
    if len(tail) < TRAILER or tail[-4:] != _END:
        raise Damaged(f"{where}: trailer")
    return int.from_bytes(tail[-8:-4], "big")


def open_whole(keys: KeySource, kind: Kind, data: bytes, where: str) -> tuple[Opened, list[bytes]]:
    """Open an object of which all bytes are at hand, and check every byte of it."""
    opened = Opened(keys, kind, data, len(data), where)
    frames = [opened.frame(n, data[opened.offsets[n] : opened.offsets[n + 1]]) for n in range(len(opened.frames))]
    opened.check_rest(data)
    return opened, frames


def decode(data: bytes, kind: Any, where: str) -> Any:
    """Decode msgpack of our own; anything that does not fit is damage."""
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Damaged(f"{where}: {type(error).__name__}") from error
