"""The key ring: KMS wraps customer keys, customer keys seal account keys, account keys seal everything else.

See docs/format.md, "Keys, encryption and MAC". Nothing here logs or shows key material.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from typing import Protocol

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from arche.vault import layout
from arche.vault.errors import AlreadyExists, Damaged, Erased, NoKeys, NoSuchObject
from arche.vault.seal import Kind, Sealer, decode, expand, open_whole
from arche.vault.store import ObjectStore

_KEY = 32
_NONCE = 12


class Wrapper(Protocol):
    """Whoever keeps the topmost key: KMS, or LocalWrapper. ``context`` must be the same on both ways."""

    def wrap(self, plain: bytes, context: Mapping[str, str]) -> bytes:
        """Encrypt at most 4 KiB."""
        ...

    def unwrap(self, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        """Decrypt. Raises Damaged (or the store's own refusal) when bytes or context do not fit."""
        ...


class LocalWrapper:
    """A wrapper over one secret, for tests, golden files and copies that left the cloud."""

    def __init__(self, secret: bytes) -> None:
        self._aes = AESGCM(expand(secret, "arche/1/local-wrapper"))

    def wrap(self, plain: bytes, context: Mapping[str, str]) -> bytes:
        """See Wrapper."""
        nonce = secrets.token_bytes(_NONCE)
        return nonce + self._aes.encrypt(nonce, plain, _canonical(context))

    def unwrap(self, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        """See Wrapper."""
        try:
            return self._aes.decrypt(wrapped[:_NONCE], wrapped[_NONCE:], _canonical(context))
        except (InvalidTag, ValueError) as error:
            raise Damaged("wrapped key does not open under this context") from error


class _CustomerObject(msgspec.Struct):
    """A ring object in the clear: a wrapped customer key, or (``erased`` > 0) the erased mark."""

    v: int
    customer: str = ""
    generation: int = 0
    created: int = 0
    wrapped: bytes = b""
    erased: int = 0


class _Sealing:
    """Customer keys as the source that seals account keys of one account."""

    def __init__(self, ring: KeyRing, account: str) -> None:
        self._ring = ring
        self.context = f"{ring.customer}/{account}"

    @property
    def generation(self) -> int:
        return self._ring.generation

    def secret(self, generation: int) -> bytes:
        return self._ring.customer_secret(generation)


class AccountKeys:
    """All keys of one account. Sealed objects take ``generation``; older ones are opened on demand."""

    def __init__(self, ring: KeyRing, account: str, secrets_by_generation: dict[int, bytes], id_secret: bytes) -> None:
        self.customer = ring.customer
        self.account = account
        self.context = f"{ring.customer}/{account}"
        self.generation = max(secrets_by_generation)
        self.blob_key = expand(id_secret, "arche/1/blob-id")
        self.digest_key = expand(id_secret, "arche/1/digest")
        self._secrets = secrets_by_generation

    def secret(self, generation: int) -> bytes:
        """Return the account key of a generation. Raises Damaged when the ring has none."""
        try:
            return self._secrets[generation]
        except KeyError:
            raise Damaged(f"{self.context}: no account key of generation {generation}") from None


class KeyRing:
    """The ring of one customer. Open it once per worker: it asks KMS once per generation in use."""

    def __init__(self, store: ObjectStore, wrapper: Wrapper, customer: str, wrapped: dict[int, bytes]) -> None:
        self.customer = customer
        self.generation = max(wrapped)
        self._store = store
        self._wrapper = wrapper
        self._wrapped = wrapped
        self._plain: dict[int, bytes] = {}

    @classmethod
    def open(cls, store: ObjectStore, wrapper: Wrapper, customer: str, *, create: bool = False) -> KeyRing:
        """Open the ring. Without one: make it if ``create`` (durable on return), else raise NoKeys. Raises Erased."""
        layout.require_label(customer)
        wrapped: dict[int, bytes] = {}
        while True:
            generation = len(wrapped) + 1
            key = layout.customer_key(customer, generation)
            try:
                data = store.read(key)
            except NoSuchObject:
                if wrapped:
                    return cls(store, wrapper, customer, wrapped)
                if not create:
                    raise NoKeys(f"no key ring for {customer}") from None
                _create_customer_key(store, wrapper, customer, generation)
                continue
            found = decode(data, _CustomerObject, key)
            if found.erased:
                raise Erased(customer)
            if found.customer != customer or found.generation != generation:
                raise Damaged(f"{key}: belongs to another customer")
            wrapped[generation] = found.wrapped

    def rotate(self) -> None:
        """Add a generation of the customer key for account keys made from now on."""
        generation = self.generation + 1
        _create_customer_key(self._store, self._wrapper, self.customer, generation)
        data = self._store.read(layout.customer_key(self.customer, generation))
        self._wrapped[generation] = decode(data, _CustomerObject, "customer key").wrapped
        self.generation = generation

    def account(self, account: str, *, create: bool = False) -> AccountKeys:
        """Keys of one account; made if ``create``, else NoKeys when it has none. Raises Erased."""
        layout.require_label(account)
        found: dict[int, bytes] = {}
        id_secret = b""
        while True:
            generation = len(found) + 1
            key = layout.account_key(self.customer, account, generation)
            try:
                data = self._store.read(key)
            except NoSuchObject:
                if found:
                    return AccountKeys(self, account, found, id_secret)
                if not create:
                    raise NoKeys(f"no keys for {account}") from None
                self._create_account_key(account, generation, secrets.token_bytes(_KEY))
                continue
            if not data.startswith(b"ARCH"):
                if not decode(data, _CustomerObject, key).erased:
                    raise Damaged(f"{key}: neither a key nor an erased mark")
                raise Erased(account)
            _opened, frames = open_whole(_Sealing(self, account), Kind.ACCOUNT_KEY, data, key)
            if len(frames) != 1 or len(frames[0]) != 2 * _KEY:
                raise Damaged(f"{key}: wrong length")
            found[generation] = frames[0][:_KEY]
            id_secret = frames[0][_KEY:]

    def rotate_account(self, account: str) -> AccountKeys:
        """Add a generation of an account's key for objects made from now on."""
        present = self.account(account)
        data = self._store.read(layout.account_key(self.customer, account, present.generation))
        _opened, frames = open_whole(_Sealing(self, account), Kind.ACCOUNT_KEY, data, account)
        self._create_account_key(account, present.generation + 1, frames[0][_KEY:])
        return self.account(account)

    def customer_secret(self, generation: int) -> bytes:
        """Return a customer key in the clear, unwrapped on first use. Raises Damaged for an unknown generation."""
        if generation not in self._wrapped:
            raise Damaged(f"{self.customer}: no customer key of generation {generation}")
        if generation not in self._plain:
            self._plain[generation] = self._wrapper.unwrap(self._wrapped[generation], _context(self.customer))
        return self._plain[generation]

    def _create_account_key(self, account: str, generation: int, id_secret: bytes) -> None:
        sealer = Sealer(_Sealing(self, account), Kind.ACCOUNT_KEY)
        sealer.add(secrets.token_bytes(_KEY) + id_secret, compress=False)
        try:
            self._store.create(layout.account_key(self.customer, account, generation), sealer.finish().data)
        except AlreadyExists:
            return  # another worker was first, or our own reply was lost: the caller reads what is there


def _create_customer_key(store: ObjectStore, wrapper: Wrapper, customer: str, generation: int) -> None:
    wrapped = wrapper.wrap(secrets.token_bytes(_KEY), _context(customer))
    created = time.time_ns() // 1_000_000
    body = {"v": 1, "customer": customer, "generation": generation, "created": created, "wrapped": wrapped}
    try:
        store.create(layout.customer_key(customer, generation), msgspec.msgpack.encode(body))
    except AlreadyExists:
        return  # see above: the caller reads what is there


def _context(customer: str) -> dict[str, str]:
    return {"customer": customer, "purpose": "vault"}


def _canonical(context: Mapping[str, str]) -> bytes:
    return json.dumps(dict(context), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
