"""What the vault's tests share: a fresh account, stores that fail or count, hostile content."""

import base64
import random
from contextlib import contextmanager
from unittest.mock import patch

from arche.vault import AccountVault, KeyRing, LocalWrapper, MemoryStore, Row, ServiceState

SECRET = b"a secret that is only for tests."
CUSTOMER, ACCOUNT = "K-000001", "A-0001"


class Outage(Exception):  # noqa: N818 - what happens, not what is raised
    """The store did not answer."""


class World:
    """One account in memory stores."""

    def __init__(self, store=None, keys_store=None, account=ACCOUNT):
        self.store = MemoryStore() if store is None else store
        self.keys_store = MemoryStore() if keys_store is None else keys_store
        self.ring = KeyRing.open(self.keys_store, LocalWrapper(SECRET), CUSTOMER, create=True)
        self.keys = self.ring.account(account, create=True)
        self.vault = self.open(self.store)

    def open(self, store):
        return AccountVault(store, self.keys, CUSTOMER, self.keys.account)

    def commit(self, rows=(), gone=(), run="run", kind="snapshot", cursor="c"):
        """One run: ``rows`` are (id, folder, content) or whole rows."""
        writer = self.vault.writer(self.vault.head(), run, "attempt")
        for row in rows:
            writer.put(row if isinstance(row, Row) else item(writer, *row))
        for id_ in gone:
            writer.gone("exchange", id_)
        return writer.commit(kind, {"exchange": ServiceState(cursor=cursor, complete=True)})

    def commit_and_view(self, rows):
        return self.vault.view(self.commit(rows))


def item(writer, id_, folder="inbox", content=b"", *, date=1_000, version="1", media="mail", name=None, like=None):
    part = writer.part("", media, [content], like)
    return Row("exchange", id_, "mail", folder, name or f"name of {id_}", version, date, part.size, {"v": id_}, (part,))


def folder(id_, parent="", name=None):
    return Row("exchange", id_, "folder", parent, name or f"folder {id_}", "1", 0)


def read(view, row, offset=0):
    return b"".join(view.read(row.parts[0], offset))


class Failing:
    """A store that fails at its ``at``-th call, before or after the effect, and ever after if ``dead``."""

    def __init__(self, store, at, *, after=False, dead=True, only=None):
        self.calls = 0
        self._store, self._at, self._after, self._dead, self._only = store, at, after, dead, only

    def create(self, key, data):
        return self._call("create", key, data)

    def read(self, key, start=0, length=None):
        return self._call("read", key, start, length)

    def tail(self, key, length):
        return self._call("tail", key, length)

    def list(self, prefix, after=""):
        return iter(self._call("list", prefix, after))

    def _call(self, name, *args):
        if self._only and name != self._only:
            return getattr(self._store, name)(*args)
        self.calls += 1
        fails = self.calls >= self._at if self._dead else self.calls == self._at
        if fails and not self._after:
            raise Outage(name)
        result = getattr(self._store, name)(*args)
        result = list(result) if name == "list" else result
        if fails:
            raise Outage(name)
        return result


class Counting:
    """A store that counts its calls by kind."""

    def __init__(self, store):
        self._store = store
        self.calls = []

    def __getattr__(self, name):
        def call(*args):
            self.calls.append((name, args[0]))
            return getattr(self._store, name)(*args)

        return call

    def count(self, name, prefix=""):
        return sum(1 for kind, key in self.calls if kind == name and key.startswith(prefix))


@contextmanager
def tight():
    """Thresholds so low that small tests spill, merge, split segments and read many blocks."""
    with (
        patch("arche.vault.commit.INLINE", 600),
        patch("arche.vault.writer._SPILL", 3_000),
        patch("arche.vault.merge._BASE", 2_000),
        patch("arche.vault.segments.BLOCK", 300),
        patch("arche.vault.segments.SEGMENT_SIZE", 3_000),
        patch("arche.vault.packs.PACK_SIZE", 4_000),
        patch("arche.vault.packs.FRAME_SIZE", 1_000),
    ):
        yield


def mail(seed=0, attachment=b"", *, eol=b"\r\n", width=76, text=b"Hello"):
    """A multipart mail with one base64 attachment."""
    lines = base64.b64encode(attachment)
    body = eol.join(lines[i : i + width] for i in range(0, len(lines), width))
    return eol.join(
        [
            b"From: sender%d@example.org" % seed,
            b"Subject: number %d" % seed,
            b"MIME-Version: 1.0",
            b'Content-Type: multipart/mixed; boundary="bound"',
            b"",
            b"--bound",
            b"Content-Type: text/plain",
            b"",
            text,
            b"--bound",
            b"Content-Type: application/octet-stream",
            b"Content-Transfer-Encoding: base64",
            b"",
            body,
            b"--bound--",
            b"",
        ]
    )


def noise(size, seed=0):
    return random.Random(seed).randbytes(size)
