"""Nouns and rules: labels, the one formula, times, batches."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arche.model import labels
from arche.model.completeness import Colour, Counts
from arche.model.deadline import Deadline
from arche.model.work import Batch, iso, iso_after, moment


@given(st.tuples(*[st.integers(0, 10_000)] * 6))
def test_green_means_everything_is_accounted_for(six):
    expected, stored, unchanged, vanished, skipped, failed = six
    counts = Counts(*six)
    assert counts.green == (failed == 0 and expected == stored + unchanged + vanished + skipped)
    assert (counts.colour == Colour.GREEN) == counts.green
    assert Counts(**counts.as_dict()) == counts
    assert counts + Counts() == counts


def test_a_failed_item_is_never_green_though_the_sum_is_right():
    assert not Counts(expected=2, stored=2, failed=1).green
    assert not Counts(expected=2, stored=1).green
    assert Counts().green


@pytest.mark.parametrize(
    ("kind", "bad"),
    [
        (kind, form.format(letter))
        for kind, letter in (
            (labels.require_customer, "K"),
            (labels.require_account, "A"),
            (labels.require_connection, "C"),
        )
        for form in (
            "",
            "{}-",
            "{}-1",
            "x{}-1234",
            "{}-1234/",
            "../{}-1234",
            "{}-1234\n",
            "{}-1234567890",
            "{}-\uff11\uff12\uff13\uff14",
        )
    ]
    + [(labels.require_customer, "k-1234"), (labels.require_customer, "A-1234"), (labels.require_account, "K-1234")],
)
def test_only_labels_are_labels(kind, bad):
    with pytest.raises(labels.LabelError):
        kind(bad)


def test_labels_are_made_as_they_are_read():
    assert labels.require_customer(labels.draw_customer())
    assert labels.require_account(labels.account(1)) == "A-0001"
    assert labels.require_account(labels.account(123_456)) == "A-123456"
    assert labels.require_connection(labels.connection(1)) == "C-01"


@given(st.integers(0, 4 * 10**15), st.floats(0, 1e6))
def test_nobody_comes_back_too_early(micros, seconds):
    now = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
    at = moment(iso_after(now, seconds))
    assert now + timedelta(seconds=seconds) <= at <= now + timedelta(seconds=seconds + 1.001)
    assert moment(iso(now)) == now.replace(microsecond=0)


def test_a_batch_is_its_event_and_nothing_else_is_a_batch():
    batch = Batch("r", "l", "K-0001", "C-01", ("A-0001", "A-0002"))
    assert Batch.from_event({**batch.as_event(), "status": "later"}) == batch
    with pytest.raises(KeyError):
        Batch.from_event({"run": "r"})
    with pytest.raises(labels.LabelError):
        Batch.from_event({**batch.as_event(), "customer": "K-0001/../K-0002"})
    with pytest.raises(labels.LabelError):
        Batch.from_event({**batch.as_event(), "accounts": ["A-0001", "*"]})


def test_a_deadline_leaves_a_minute():
    at = [datetime(2026, 11, 24, tzinfo=UTC)]
    deadline = Deadline.after(100, lambda: at[0])
    assert (deadline.soon, deadline.over) == (False, False)
    at[0] += timedelta(seconds=40)
    assert (deadline.soon, deadline.over) == (True, False)
    at[0] += timedelta(seconds=45)
    assert (deadline.soon, deadline.over) == (True, True)
