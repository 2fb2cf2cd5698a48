"""How runs are merged: few of them, never much more work than a commit can do."""

import pytest

from arche.vault.merge import MERGE_LIMIT, plan
from arche.vault.segments import RunRecord
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


def test_what_one_commit_says_twice_is_kept_once():
    """A row is spilled, and changed again before the commit: the newer run of the same seq wins, the older goes."""
    with tight():
        world = World()
        writer = world.vault.writer(None, "r", "1")
        writer.put(item(writer, "a", content=b"first"))
        for n in range(40):
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
