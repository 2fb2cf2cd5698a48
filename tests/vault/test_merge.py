"""How runs are merged: few of them, never much more work than a commit can do."""

import pytest

from arche.vault.catalog import Catalog
from arche.vault.merge import MERGE_LIMIT, merge, plan
from arche.vault.packs import PackRecord
from arche.vault.runs import InlineRun, StoredRun
from arche.vault.segments import Caches, RunRecord, RunWriter
from arche.vault.view import catalog_of
from tests.vault.world import World, item, tight

KIB, MIB = 1 << 10, 1 << 20


def simulate(commits):
    """Apply the plan to a row of fresh sizes; return the runs, the most at any time, and all bytes written."""
    runs, most, written, largest = [], 0, 0, 0
    for fresh in commits:
        first, level = plan(runs, fresh)
        total = fresh + sum(run.raw for run in runs[first:])
        runs = [*runs[:first], RunRecord(level, 1, total, [])]
        assert [run.level for run in runs] == sorted((run.level for run in runs), reverse=True)
        most, written, largest = max(most, len(runs)), written + total, max(largest, total)
    return runs, most, written, largest


@pytest.mark.parametrize("fresh", [64 * KIB, 500 * KIB, 5 * MIB])
def test_ten_years_of_three_runs_a_day(fresh):
    commits = [fresh] * min(10_950, MERGE_LIMIT // fresh)
    runs, most, written, _largest = simulate(commits)
    assert most <= 6
    assert written <= 30 * sum(commits)
    assert sum(run.raw for run in runs) == sum(commits)


def test_a_commit_never_merges_what_it_cannot_do():
    _runs, _most, _written, largest = simulate([20 * MIB] * 200)
    assert largest <= 2 * MERGE_LIMIT


def test_one_large_commit_is_one_run():
    runs, most, _written, _largest = simulate([900 * MIB])
    assert (len(runs), most) == (1, 1)
    runs, most, _written, _largest = simulate([900 * MIB, *[100 * KIB] * 100])
    assert most <= 4


def entries_of(world, id_):
    catalog = catalog_of(world.store, world.keys, world.vault.head())
    return [entry for run in catalog.runs for entry in run.of_id("exchange", id_, history=True)]


@pytest.mark.parametrize("more", range(7))
def test_what_one_commit_says_twice_is_kept_once(more):
    """A row is spilled, and changed again before the commit: the newer run of the same seq wins, the older goes."""
    with tight():
        world = World()
        writer = world.vault.writer(None, "r", "1")
        writer.put(item(writer, "a", content=b"first"))
        for n in range(40 + more):
            writer.put(item(writer, f"i{n}", date=n))
        writer.put(item(writer, "a", content=b"second", version="2"))
        writer.put(item(writer, "i3", "elsewhere", date=3))
        writer.commit("snapshot", {})
    assert [(entry.seq, entry.until, entry.version) for entry in entries_of(world, "a")] == [(1, 0, "2")]
    assert [(entry.folder, entry.kind) for entry in entries_of(world, "i3")] == [("elsewhere", "mail")]


def test_every_version_is_kept_and_says_how_long_it_held():
    with tight():
        world = World()
        for n in range(1, 5):
            world.commit([("a", "f", b"%d" % n), *((f"{n}-{i}", "f", b"") for i in range(40))])
        world.commit([(f"last{i}", "f", b"") for i in range(40)], gone=["a"])
        world.commit([(f"more{i}", "f", b"") for i in range(400)])
    held = sorted((entry.seq, entry.until) for entry in entries_of(world, "a") if entry.kind)
    assert held == [(1, 2), (2, 3), (3, 4), (4, 5)]


def packs(*lines):
    """Packs by (letter of the salt, letter of the name, size, letters of the blobs)."""
    return [
        PackRecord(salt * 32, name * 32, 0, size, 1, 1, b"".join(blob * 16 for blob in blobs))
        for salt, name, size, blobs in lines
    ]


def test_newer_runs_win_for_packs_and_blobs():
    """As after a compaction: blobs moved to another pack, the old pack retired."""
    a, b, x, y = b"a", b"b", b"x", b"y"
    old = InlineRun([], packs((a, x, 10, [b"1", b"2"])))
    new = InlineRun([], packs((a, x, 0, []), (b, y, 20, [b"1"])))
    world = World()
    for bottom in (False, True):
        out = RunWriter(world.store, world.keys, 1)
        merge([old, new], out, bottom=bottom)
        run = StoredRun(world.store, world.keys, out.finish(), Caches.of(1 << 20))
        assert (run.pack(a * 8) or PackRecord(a, x, 0, 0, 0, 0)).size == 0
        assert (run.pack(a * 8) is None) == bottom, "the removal is kept while an older run may know the pack"
        assert run.pack(b * 8).size == 20
        assert run.tag_of(b"1" * 16, sure=True) == b * 8
        assert run.tag_of(b"2" * 16, sure=True) == a * 8
    catalog = Catalog(world.store, world.keys, [], new)
    assert catalog.pack(a * 8) is None
    assert [pack.tag for pack in catalog.packs()] == [b * 8]


def test_a_removed_blob_is_unknown():
    world = World()
    gone = InlineRun([], packs((b"\0", b"x", 10, [b"1"])))  # a tag of zeros says removed
    catalog = Catalog(world.store, world.keys, [], gone)
    assert catalog.tag_of(b"1" * 16) is None
    assert not catalog.knows(b"1" * 16)
    for bottom in (False, True):
        out = RunWriter(world.store, world.keys, 1)
        merge([InlineRun([], packs((b"a", b"x", 10, [b"1"]))), gone], out, bottom=bottom)
        run = StoredRun(world.store, world.keys, out.finish(), Caches.of(1 << 20))
        assert run.tag_of(b"1" * 16, sure=True) == (None if bottom else bytes(8))
