"""Memory is bounded by pack, block and spill sizes, never by the account, the file or the mail."""

import tracemalloc
from contextlib import contextmanager

import pytest

from arche.vault import MemoryStore, Row
from tests.vault.world import World, noise

MIB = 1 << 20


class Sink(MemoryStore):
    """Forgets packs and segments as soon as they are created: they are not this process's memory."""

    def create(self, key, data):
        super().create(key, data if key[0] in "mk" else b"")


@contextmanager
def peak(limit):
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < limit * MIB
    finally:
        tracemalloc.stop()


def stream(pieces):
    """Chunks of 1 MiB that exist one at a time."""
    return (noise(MIB, n) for n in range(pieces))


def encoded(pieces, eol=b"\r\n"):
    import base64

    yield b"Content-Transfer-Encoding: base64\r\n\r\n"
    for n in range(pieces):
        text = base64.b64encode(noise(57 * 16_384, n))
        yield eol.join(text[i : i + 76] for i in range(0, len(text), 76)) + eol


def test_a_long_mail_is_held_once():
    writer = World(store=Sink()).vault.writer(None, "r", "1")
    with peak(38 + 34 + 12):  # the mail, a pack being closed, the rest
        part = writer.part("", "mail", encoded(28))
    assert part.size > 34 * MIB


def test_a_mail_without_anything_to_take_out_is_held_once():
    writer = World(store=Sink()).vault.writer(None, "r", "1")
    with peak(38 + 34 + 12):
        writer.part("", "mail", stream(36))


def test_a_long_file_is_never_held():
    writer = World(store=Sink()).vault.writer(None, "r", "1")
    with peak(34 + 12):
        part = writer.part("", "file", stream(100), None, 100 * MIB)
    assert part.size == 100 * MIB


@pytest.mark.parametrize("committing", [False, True])
def test_rows_spill(monkeypatch, committing):
    monkeypatch.setattr("arche.vault.writer._SPILL", MIB)
    writer = World().vault.writer(None, "r", "1")
    with peak(10):
        for n in range(6_000):
            row = Row("exchange", f"{n:0100d}", "mail", f"f{n % 7}", "subject " * 8, "1", n, 10, {"from": "x" * 300})
            writer.put(row)
            if committing and n % 2_000 == 1_999:
                writer.commit("checkpoint", {})
    writer.commit("snapshot", {})
