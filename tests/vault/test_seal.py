"""Every byte of a sealed object is covered; no key and nonce ever meet two plaintexts."""

import struct
from unittest.mock import patch

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from arche.vault import Damaged, TooNew, seal
from arche.vault.seal import HEADER, TRAILER, Kind, Sealer, open_whole, padded
from tests.vault.world import World, noise


@pytest.fixture(scope="module")
def world():
    return World()


def sealed(world, kind=Kind.PACK):
    sealer = Sealer(world.keys, kind)
    sealer.add(b"compressible " * 100)
    sealer.add(noise(500))
    return sealer.finish(["meta", 1])


def test_round_trip(world):
    data, _name, footer = sealed(world)
    opened, frames = open_whole(world.keys, Kind.PACK, data, "x")
    assert frames == [b"compressible " * 100, noise(500)]
    assert [frame.codec for frame in opened.frames] == [1, 0]
    assert len(data) == padded(len(data)), "sizes are padded"
    assert data[:4] == b"ARCH"
    assert data[-4:] == b"arch"
    assert int.from_bytes(data[-8:-4], "big") == footer


def test_an_object_without_frames(world):
    data = Sealer(world.keys, Kind.SEGMENT).finish({}).data
    assert open_whole(world.keys, Kind.SEGMENT, data, "x")[1] == []


def test_every_flipped_bit_is_found(world):
    data = sealed(world).data
    for at in range(len(data)):
        broken = bytearray(data)
        broken[at] ^= 1 << (at % 8)
        with pytest.raises((Damaged, TooNew)):
            open_whole(world.keys, Kind.PACK, bytes(broken), "x")


def test_every_cut_is_found(world):
    data = sealed(world).data
    for length in range(len(data)):
        with pytest.raises(Damaged):
            open_whole(world.keys, Kind.PACK, data[:length], "x")
    with pytest.raises(Damaged):
        open_whole(world.keys, Kind.PACK, data + b"\0", "x")
    with pytest.raises(Damaged):
        open_whole(world.keys, Kind.PACK, data[:HEADER] + data[HEADER + 1 :], "x")


def test_another_kind_or_account_does_not_open(world):
    data = sealed(world).data
    with pytest.raises(Damaged, match="not a segment"):
        open_whole(world.keys, Kind.SEGMENT, data, "x")
    other = World(keys_store=world.keys_store, account="A-0002")
    with pytest.raises(Damaged, match="another account"):
        open_whole(other.keys, Kind.PACK, data, "x")


def test_kind_is_part_of_the_key(world):
    """Even with both kind bytes altered: the commitment tells."""
    data = bytearray(sealed(world).data)
    data[6] = data[-TRAILER + 6] = int(Kind.SEGMENT)
    with pytest.raises(Damaged, match="another account or with another key"):
        open_whole(world.keys, Kind.SEGMENT, bytes(data), "x")


@pytest.mark.parametrize(
    ("offset", "value"), [(5, b"\x02"), (12, struct.pack(">I", 1)), (12, struct.pack(">I", 1 << 31))]
)
def test_what_needs_a_newer_reader_is_refused_as_such(world, offset, value):
    data = bytearray(sealed(world).data)
    for start in (0, len(data) - TRAILER):
        data[start + offset : start + offset + len(value)] = value
    with pytest.raises(TooNew):
        open_whole(world.keys, Kind.PACK, bytes(data), "x")


def test_unknown_key_generation(world):
    data = bytearray(sealed(world).data)
    for start in (0, len(data) - TRAILER):
        data[start + 8 : start + 12] = struct.pack(">I", 7)
    with pytest.raises(Damaged, match="generation 7"):
        open_whole(world.keys, Kind.PACK, bytes(data), "x")


def test_no_key_and_nonce_ever_seal_two_plaintexts():
    used = {}
    real = AESGCM

    class Watching:
        def __init__(self, key):
            self.key, self.aes = bytes(key), real(key)

        def encrypt(self, nonce, data, aad):
            assert (self.key, nonce) not in used
            used[self.key, nonce] = True
            return self.aes.encrypt(nonce, data, aad)

        def decrypt(self, nonce, data, aad):
            return self.aes.decrypt(nonce, data, aad)

    with patch.object(seal, "AESGCM", Watching):
        world = World()
        for run in range(3):
            world.commit([(f"{run}-{n}", "f", b"the same content") for n in range(20)], run=f"r{run}")
    assert len(used) > 12
    assert len({key for key, _nonce in used}) >= 7, "every object has a key of its own"


@pytest.mark.parametrize("size", [0, 1, 2, 100, 1_000, 65_537, 1 << 20, (8 << 20) - 1, 8 << 20, 100 << 20])
def test_padding_costs_little(size):
    assert size <= padded(size) <= size * 1.12 + 1
    if size >= 8 << 20:
        assert padded(size) == size


def test_small_objects_of_similar_size_look_alike(world):
    sizes = set()
    for length in range(30_000, 30_200, 20):
        sealer = Sealer(world.keys, Kind.PACK)
        sealer.add(noise(length))
        sizes.add(len(sealer.finish().data))
    assert len(sizes) <= 2
