import pytest

from arche.vault import split_file
from tests.vault.world import noise

KIB = 1024


def cut_whole(data):
    return split_file.cut([data], 0)


@pytest.mark.parametrize("size", [0, 1, 64 * KIB - 1, 64 * KIB, 300 * KIB, 2_000 * KIB])
@pytest.mark.parametrize("step", [1_000_000, 7_000])
def test_blobs_join_to_the_stream(size, step):
    data = noise(size)
    blobs = list(split_file.cut((data[i : i + step] for i in range(0, size, step)), 0))
    assert b"".join(blobs) == data
    if size < 64 * KIB:
        assert len(blobs) == min(1, size)
    else:
        assert all(16 * KIB <= len(blob) <= 256 * KIB for blob in blobs[:-1])
        assert blobs == list(cut_whole(data)), "cutting does not depend on how the source came"


def test_empty_chunks_are_nothing():
    assert list(split_file.cut([b"", b"a", b"", b"b", b""], 0)) == [b"ab"]
    data = noise(500 * KIB)
    assert b"".join(split_file.cut([data[: 70 * KIB], b"", data[70 * KIB :], b""], 0)) == data


def test_an_insert_changes_few_blobs():
    data = noise(4_000 * KIB)
    before = set(cut_whole(data))
    after = list(cut_whole(data[: 2_000 * KIB] + b"inserted" + data[2_000 * KIB :]))
    assert sum(len(blob) for blob in after if blob not in before) <= 512 * KIB


def test_classes_by_size():
    gib = 1 << 30
    sizes = (0, gib - 1, gib, 16 * gib - 1, 16 * gib, 1 << 50)
    assert [split_file.size_class(size) for size in sizes] == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize(("size_class", "least", "most"), [(1, 64 * KIB, 1024 * KIB), (2, 256 * KIB, 4096 * KIB)])
def test_larger_classes_make_larger_blobs(size_class, least, most):
    data = noise(9_000 * KIB)
    blobs = list(split_file.cut([data], size_class))
    assert b"".join(blobs) == data
    assert all(least <= len(blob) <= most for blob in blobs[:-1])
