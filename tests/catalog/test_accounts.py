"""Accounts: stable labels, slots, heads that never go back, run records by page."""

from __future__ import annotations

from dataclasses import replace

import pytest

from arche.catalog.accounts import SHARDS
from arche.catalog.errors import BadCursor, NotFound
from arche.model.completeness import Colour
from arche.model.work import Head, RunRecord
from tests.catalog.conftest import listing


@pytest.fixture
def bound(catalog, customer):
    """The customer with a live connection C-01."""
    catalog.tenancy.add_connection(customer.label, "microsoft365", "2026-11-24T06:00:00Z")
    catalog.rows.update(_state("live"))
    return customer


def _state(state, connection="C-01", customer="K-000001"):
    from arche.catalog.writes import Update, setting

    return Update("tenancy", customer, f"CONNECTION#{connection}", setting({"state": state}))


def test_a_provider_id_has_one_label_for_ever(catalog, customer):
    first = catalog.accounts.add_account(listing())
    other = catalog.accounts.add_account(listing(provider_id="u-2", name="Max"))
    again = catalog.accounts.add_account(listing(name="New Name", label="A-9999"))
    assert (first.label, other.label, again.label) == ("A-0001", "A-0002", "A-0001")
    assert again.name == "Erika Muster"
    elsewhere = catalog.accounts.add_account(listing(connection="C-02"))
    assert elsewhere.label == "A-0003"
    with pytest.raises(NotFound):
        catalog.accounts.add_account(listing(customer="K-999999"))


def test_names_stay_in_the_directory(catalog, customer, dynamodb):
    catalog.accounts.add_account(listing())
    assert "erika" not in str(dynamodb.scan(TableName="t-index")).lower()
    assert "erika" in str(dynamodb.scan(TableName="t-directory")).lower()


def test_an_account_of_another_customer_is_unknown(catalog, customer):
    catalog.accounts.add_account(listing())
    assert catalog.accounts.account("K-000002", "A-0001") is None
    assert catalog.customer("K-000002").account("A-0001") is None
    assert catalog.customer("K-000001").account("A-0001").provider_id == "u-1"


def test_activation_writes_slots_and_nothing_of_a_runs_business(catalog, bound):
    made = catalog.accounts.add_account(listing())
    book = catalog.customer("K-000001")
    catalog.rows.update(_open_run("A-0001", "r-1"))
    catalog.accounts.put_account(replace(made, active=True, slots=("06", "18"), activated="2026-11-24T06:00:00Z"))
    assert [row.label for row in catalog.schedule.due("06")] == ["A-0001"]
    assert [row.label for row in catalog.schedule.due("18")] == ["A-0001"]
    assert list(catalog.schedule.due("12")) == []
    assert book.account("A-0001").open_run == "r-1"
    catalog.accounts.put_account(replace(made, active=True, slots=("12",), activated="2026-11-24T06:00:00Z"))
    assert list(catalog.schedule.due("06")) == []
    assert [row.label for row in catalog.schedule.due("12")] == ["A-0001"]
    catalog.accounts.put_account(replace(made, active=False, left="2026-11-25T00:00:00Z", slots=("12",)))
    assert list(catalog.schedule.due("12")) == []
    found = catalog.accounts.account("K-000001", "A-0001")
    assert (found.active, found.left, found.slots) == (False, "2026-11-25T00:00:00Z", ("12",))
    catalog.accounts.put_account(replace(found, active=True, left=""))
    assert [row.label for row in catalog.schedule.due("12")] == ["A-0001"]
    with pytest.raises(NotFound):
        catalog.accounts.put_account(replace(made, label="A-0777"))


def _open_run(label, run):
    from arche.catalog.writes import Update, setting

    return Update("index", "K-000001", f"ACCOUNT#{label}", setting({"open_run": run}))


def test_due_leaves_out_paused_connections_and_suspended_customers(catalog, bound):
    made = catalog.accounts.add_account(listing())
    catalog.accounts.put_account(replace(made, active=True, slots=("06",)))
    for state, expected in (("live", 1), ("red", 1), ("paused", 0), ("new", 0)):
        catalog.rows.update(_state(state))
        assert len(list(catalog.schedule.due("06"))) == expected, state
        assert len(list(catalog.schedule.accounts("K-000001", None))) == expected, state
    catalog.rows.update(_state("live"))
    from arche.catalog.writes import Update, setting

    catalog.rows.update(Update("tenancy", "K-000001", "CUSTOMER", setting({"state": "suspended"})))
    assert list(catalog.schedule.due("06")) == []


def test_a_late_slot_row_is_overruled_by_the_account(catalog, bound, dynamodb):
    made = catalog.accounts.add_account(listing())
    catalog.accounts.put_account(replace(made, active=True, slots=("06",)))
    dynamodb.put_item(
        TableName="t-index",
        Item={
            "pk": {"S": "K-000001"},
            "sk": {"S": "SLOT#09#A-0001"},
            "slot_shard": {"S": "09#0"},
            "label": {"S": "A-0001"},
        },
    )
    assert list(catalog.schedule.due("09")) == []


def test_due_finds_many_accounts_in_all_shards(catalog, bound):
    for number in range(40):
        made = catalog.accounts.add_account(listing(provider_id=f"u-{number}"))
        catalog.accounts.put_account(replace(made, active=True, slots=("06",)))
    assert sorted(row.label for row in catalog.schedule.due("06")) == [f"A-{n:04d}" for n in range(1, 41)]
    used = sum(1 for shard in range(SHARDS) if list(catalog.rows.slot(f"06#{shard}")))
    assert used > SHARDS // 2


def test_accounts_of_a_backup_now(catalog, bound):
    for number in range(3):
        made = catalog.accounts.add_account(listing(provider_id=f"u-{number}"))
        catalog.accounts.put_account(replace(made, active=number != 1, slots=("06",)))
    assert [row.label for row in catalog.schedule.accounts("K-000001", None)] == ["A-0001", "A-0003"]
    assert [row.label for row in catalog.schedule.accounts("K-000001", ["A-0003", "A-0002", "A-0099"])] == ["A-0003"]
    assert list(catalog.schedule.accounts("K-000001", None, "C-02")) == []
    assert list(catalog.schedule.accounts("K-000002", ["A-0001"])) == []


def test_pages_of_accounts_carry_names(catalog, customer):
    for number in range(5):
        catalog.accounts.add_account(listing(provider_id=f"u-{number}", name=f"Name {number}"))
    first, after = catalog.accounts.accounts("K-000001", "", 3)
    rest, end = catalog.accounts.accounts("K-000001", after, 3)
    assert [account.name for account in [*first, *rest]] == [f"Name {n}" for n in range(5)]
    assert end == ""
    assert len(list(catalog.accounts.of_connection("K-000001", "C-01"))) == 5
    # A position of another customer's list is a position within one's own: the partition comes from the scope.
    assert catalog.accounts.accounts("K-000002", after, 3) == ([], "")
    with pytest.raises(BadCursor):
        catalog.accounts.accounts("K-000001", "HEAD#A-0001", 3)


def test_a_head_never_goes_back(catalog, customer):
    book = catalog.customer("K-000001")
    book.put_head(Head(account="A-0001", seq=4, digest="d4", checked_at="x", cursors={"exchange": "c4"}))
    book.put_head(Head(account="A-0001", seq=3, digest="d3", checked_at="y"))
    assert book.head("A-0001").digest == "d4"
    book.put_head(Head(account="A-0001", seq=4, digest="d4", checked_at="z", cursors={"exchange": "c5"}))
    assert book.head("A-0001").cursors == {"exchange": "c5"}
    assert catalog.accounts.head("K-000001", "A-0001").checked_at == "z"
    assert catalog.accounts.head("K-000002", "A-0001") is None
    assert book.head("A-0002") is None


def run_record(started, run="r", account="A-0001", **changed):
    fields = {
        "account": account,
        "run": run,
        "started": started,
        "ended": started,
        "colour": Colour.GREEN,
        "outcome": "snapshot",
        "counts": {"exchange": {"expected": 1, "stored": 1}},
    }
    return RunRecord(**{**fields, **changed})


def test_run_records_come_newest_first_as_of_a_time(catalog, customer):
    from arche.catalog.values import fields
    from arche.catalog.writes import Put

    for day in range(1, 6):
        made = run_record(f"2026-11-0{day}T06:00:00Z", run=f"r-{day}")
        for account in ("A-0001", "A-0010"):
            catalog.rows.put(Put("index", "K-000001", f"RUN#{account}#{made.started}#{made.run}", fields(made)))
    read = catalog.accounts.run_records
    found, after = read("K-000001", "A-0001", until="", after="", limit=2)
    assert [r.run for r in found] == ["r-5", "r-4"]
    found, after = read("K-000001", "A-0001", until="", after=after, limit=9)
    assert [r.run for r in found] == ["r-3", "r-2", "r-1"]
    assert after == ""
    found, _ = read("K-000001", "A-0001", until="2026-11-03T06:00:00Z", after="", limit=9)
    assert [r.run for r in found] == ["r-3", "r-2", "r-1"]
    with pytest.raises(BadCursor):
        read("K-000001", "A-0001", until="", after="RUN#A-0010#2026-11-03T06:00:00Z#r-3", limit=9)
    assert read("K-000002", "A-0001", until="", after="", limit=9) == ([], "")


def test_usage_is_one_row_per_day(catalog, customer):
    from arche.model.usage import Usage

    catalog.accounts.add_account(listing())
    catalog.customer("K-000001").put_head(Head(account="A-0001", seq=1, digest="d", checked_at="x", items=3))
    assert list(catalog.meter.customers()) == ["K-000001"]
    ((row, head),) = catalog.meter.protected("K-000001")
    assert (row.label, head.items) == ("A-0001", 3)
    for archived in (1, 2):
        catalog.meter.put_usage(Usage("K-000001", "2026-11-24", {"person": 1}, 0, archived, 3, 4))
    (usage,) = catalog.meter.usage("K-000001", "2026-11-01", "2026-11-30")
    assert usage.archived == 2
    assert catalog.meter.usage("K-000001", "2026-12-01", "2026-12-31") == []
    assert list(catalog.meter.protected("K-000002")) == []
