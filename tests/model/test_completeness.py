"""The one formula, and what a job's end says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arche.model.completeness import Colour, Counts, ending

numbers = st.integers(0, 50)


@given(st.tuples(*[numbers] * 6))
def test_green_means_that_everything_expected_is_accounted_for(row):
    expected, stored, unchanged, vanished, skipped, failed = row
    counts = Counts(*row)
    assert counts.green is (failed == 0 and expected == stored + unchanged + vanished + skipped)
    assert counts.colour is (Colour.GREEN if counts.green else Colour.AMBER)
    assert Counts(**counts.as_dict()) == counts


@given(st.lists(st.tuples(*[numbers] * 6), max_size=5))
def test_sums_are_field_by_field(rows):
    total = sum((Counts(*row) for row in rows), Counts())
    assert tuple(total.as_dict().values()) == tuple(sum(row[at] for row in rows) for at in range(6))


@pytest.mark.parametrize(
    ("colours", "state"),
    [
        ({}, "done"),
        ({"green": 4}, "done"),
        ({"green": 3, "amber": 1}, "partial"),
        ({"green": 3, "red": 1}, "partial"),
        ({"amber": 2}, "partial"),
        ({"red": 4}, "failed"),
        ({"red": 1, "grey": 3}, "failed"),
        ({"green": 1, "grey": 3}, "partial"),
    ],
)
def test_a_job_is_done_only_if_every_account_is_green(colours, state):
    assert ending(colours) == state
