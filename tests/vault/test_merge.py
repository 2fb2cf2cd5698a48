"""How runs are merged: few of them, never much more work than a commit can do."""

import pytest

from arche.vault.merge import MERGE_LIMIT, plan
from arche.vault.segments import RunRecord

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
