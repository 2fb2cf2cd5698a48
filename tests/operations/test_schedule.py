"""Runs: opened once, fair to customers, cleared up after whoever was killed, and closed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from arche.model.completeness import Colour
from arche.model.labels import LabelError
from arche.model.work import AccountRow, Batch, TaskState, iso
from arche.operations.schedule import BadRequest, schedule
from arche.operations.schedule_lists import interleave, read_list
from tests.operations.house import CUSTOMER, House
from tests.operations.world import START, Killed


def accounts(house: House, *, slot: str = "06", done: bool = True) -> None:
    for key, row in list(house.book.rows.items()):
        house.book.slots[key] = {slot}
        house.book.rows[key] = replace(
            row, has_snapshot=done, activated=iso(START - timedelta(days=3)), last_slot="20261123-06"
        )


@pytest.fixture
def house() -> House:
    house = House.build(accounts=11)
    accounts(house)
    return house


def batches(house: House, key: str) -> list[Batch]:
    return list(read_list(house.work, key))


def test_customers_take_turns_and_batches_hold_one_connection():
    rows = [
        AccountRow(customer, f"A-{number:04d}", connection, "x", "person", ("mail",))
        for customer, connection, many in (("K-1111", "C-01", 20), ("K-1111", "C-02", 3), ("K-2222", "C-01", 9))
        for number in range(1, many + 1)
    ]
    made = interleave(rows)
    assert [(b[0].customer, b[0].connection, len(b)) for b in made] == [
        ("K-1111", "C-01", 8),
        ("K-2222", "C-01", 8),
        ("K-1111", "C-02", 3),
        ("K-2222", "C-01", 1),
        ("K-1111", "C-01", 8),
        ("K-1111", "C-01", 4),
    ]
    assert interleave(reversed(rows)) == made
    assert interleave([]) == []


def test_a_slot_opens_one_run_with_leases_and_lists(house):
    first = house.book.rows[CUSTOMER, "A-0011"]
    house.book.rows[CUSTOMER, "A-0011"] = replace(first, has_snapshot=False)
    answer = schedule({"slot": "06", "execution": "one"}, house.schedule_ports())
    assert answer == {
        "run": "20261124-06",
        "increments": 2,
        "firsts": 1,
        "increments_key": "20261124-06/increments.jsonl",
        "firsts_key": "20261124-06/firsts.jsonl",
        "close": True,
    }
    lines = batches(house, answer["increments_key"])
    assert [len(batch.accounts) for batch in lines] == [8, 2]
    for batch in lines:
        lease = house.book.leases[batch.lease]
        assert tuple(lease.tasks) == batch.accounts
        assert (lease.run, lease.slot, lease.purpose, lease.open) == ("20261124-06", "20261124-06", "backup", True)
    assert house.book.runs["20261124-06"].state == "open"
    assert house.book.rows[CUSTOMER, "A-0001"].open_run == "20261124-06"


def test_the_same_execution_may_repeat_it_and_another_one_has_nothing_to_do(house):
    first = schedule({"slot": "06", "execution": "one"}, house.schedule_ports())
    assert schedule({"slot": "06", "execution": "one"}, house.schedule_ports()) == first
    other = schedule({"slot": "06", "execution": "two"}, house.schedule_ports())
    assert (other["increments"], other["firsts"], other["close"]) == (0, 0, False)
    assert house.book.queued == []


def test_killed_at_any_call_and_repeated_every_account_is_in_exactly_one_batch():
    number = 0
    while True:
        number += 1
        house = House.build(accounts=11)
        accounts(house)
        house.trouble.kill_at(number)
        try:
            schedule({"slot": "06", "execution": "one"}, house.schedule_ports())
        except Killed:
            house.trouble.calm()
            house.book.rows[CUSTOMER, "A-0003"] = replace(house.book.rows[CUSTOMER, "A-0003"], active=False)
            answer = schedule({"slot": "06", "execution": "one"}, house.schedule_ports())
            lines = batches(house, answer["increments_key"])
            assert answer["increments"] == len(lines)
            labels = [label for batch in lines for label in batch.accounts]
            assert len(labels) == len(set(labels)) >= 10
            for batch in lines:
                assert set(batch.accounts) <= set(house.book.leases[batch.lease].tasks)
            continue
        break
    assert number > 5


def test_one_run_per_account_and_slot(house):
    house.book.rows[CUSTOMER, "A-0001"] = replace(house.book.rows[CUSTOMER, "A-0001"], last_slot="20261124-06")
    answer = schedule({"slot": "06", "execution": "one"}, house.schedule_ports())
    labels = [label for batch in batches(house, answer["increments_key"]) for label in batch.accounts]
    assert "A-0001" not in labels
    assert len(labels) == 10


def test_a_late_trigger_after_midnight_means_the_day_before(house):
    house.clock.at = START.replace(hour=0, minute=5)
    accounts(house, slot="23")
    assert schedule({"slot": "23", "execution": "one"}, house.schedule_ports())["run"] == "20261123-23"
    house.clock.at = START.replace(hour=5, minute=59)
    assert schedule({"slot": "06", "execution": "one"}, house.schedule_ports())["run"] == "20261124-06"


def test_a_missed_slot_is_taken_up_by_the_next_one(house):
    accounts(house, slot="04")
    new = house.book.rows[CUSTOMER, "A-0002"]
    house.book.rows[CUSTOMER, "A-0002"] = replace(new, activated=iso(START - timedelta(minutes=30)), last_slot="")
    answer = schedule({"slot": "06", "execution": "one"}, house.schedule_ports())
    lines = batches(house, answer["increments_key"])
    labels = [label for batch in lines for label in batch.accounts]
    assert len(labels) == 10
    assert "A-0002" not in labels  # it was activated after the slot
    assert {house.book.leases[batch.lease].slot for batch in lines} == {"20261124-04"}


def test_an_overlapping_slot_is_queued_and_taken_up_when_the_run_ends(house):
    accounts(house, slot="06")
    answer = schedule({"slot": "06", "execution": "one"}, house.schedule_ports())
    for key in house.book.slots:
        house.book.slots[key] = {"06", "10"}
    house.clock.forward(4 * 3600)
    second = schedule({"slot": "10", "execution": "two"}, house.schedule_ports())
    assert (second["increments"], second["close"]) == (0, True)
    assert house.book.queued == [(f"A-{n:04d}", "20261124-10") for n in range(1, 12)]
    closed = schedule({"run": answer["run"], "close": True}, house.schedule_ports())
    assert closed == {"run": "20261124-06", "unfinished": 11, "failed": 0, "queued": 11}
    third = schedule({"queued": "20261124-06", "execution": "one"}, house.schedule_ports())
    assert third["increments"] == 2
    leases = [house.book.leases[batch.lease] for batch in batches(house, third["increments_key"])]
    assert {lease.slot for lease in leases} == {"20261124-10"}
    schedule({"run": third["run"], "close": True}, house.schedule_ports())
    assert {row.last_slot for row in house.book.rows.values()} == {"20261124-10"}


def test_an_aborted_run_does_not_hold_its_accounts_for_ever(house):
    schedule({"slot": "06", "execution": "one"}, house.schedule_ports())
    house.clock.forward(27 * 3600)
    for key in house.book.slots:
        house.book.slots[key] = {"09"}
    answer = schedule({"slot": "09", "execution": "two"}, house.schedule_ports())
    assert answer["increments"] == 2
    assert house.book.queued == []


def test_the_rest_holds_who_is_not_done(house):
    answer = schedule({"slot": "06", "execution": "one"}, house.schedule_ports())
    first = batches(house, answer["increments_key"])[0]
    lease = house.book.leases[first.lease]
    states = [TaskState.SEALED, TaskState.LATER, TaskState.CONTINUE, TaskState.COLLECTED]
    tasks = dict(lease.tasks)
    for label, state in zip(list(tasks)[:4], states, strict=True):
        tasks[label] = replace(tasks[label], state=state)
    house.book.leases[first.lease] = replace(lease, tasks=tasks)
    rest = schedule({"run": answer["run"], "rest": 1}, house.schedule_ports())
    assert rest["rest"] == 2
    again = batches(house, rest["rest_key"])[0]
    assert again.lease == first.lease
    assert set(again.accounts) == set(list(tasks)[1:])
    assert schedule({"run": answer["run"], "rest": 1}, house.schedule_ports()) == rest


def test_closing_names_the_unfinished_and_closes_the_leases(house):
    answer = schedule({"slot": "06", "execution": "one"}, house.schedule_ports())
    house.book.records.clear()
    closed = schedule({"run": answer["run"], "close": True}, house.schedule_ports())
    assert closed["unfinished"] == 11
    assert {record.outcome for record in house.book.records} == {"unfinished"}
    assert {record.colour for record in house.book.records} == {Colour.AMBER}
    assert not any(lease.open for lease in house.book.leases.values())
    assert house.book.runs[answer["run"]].state == "closed"
    again = schedule({"run": answer["run"], "close": True}, house.schedule_ports())
    assert (again["unfinished"], again["failed"]) == (0, 11)
    assert len(house.book.records) == 11


def test_backup_now_takes_the_named_accounts(house):
    wanted = {"customer": CUSTOMER, "job": "J1", "accounts": ["A-0002", "A-0005"], "execution": "x"}
    answer = schedule(wanted, house.schedule_ports())
    (batch,) = batches(house, answer["increments_key"])
    assert batch.accounts == ("A-0002", "A-0005")
    assert house.book.leases[batch.lease].job == "J1"
    assert house.book.leases[batch.lease].slot == ""


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({}, BadRequest),
        ({"slot": "6"}, BadRequest),
        ({"slot": "24"}, BadRequest),
        ({"run": "none", "close": True}, BadRequest),
        ({"customer": "../K", "job": "x"}, LabelError),
        ({"customer": CUSTOMER, "job": "x", "accounts": ["*"]}, LabelError),
    ],
)
def test_other_inputs_are_refused(house, wrong, error):
    with pytest.raises(error):
        schedule({**wrong, "execution": "x"}, house.schedule_ports())


def test_a_whole_slot_from_schedule_to_close():
    house = House.build(accounts=3)
    accounts(house, done=False)
    for board in house.mail.boards.values():
        board.add(board.add_folder("Inbox"))
    answer = schedule({"slot": "06", "execution": "one"}, house.schedule_ports())
    assert (answer["increments"], answer["firsts"]) == (0, 1)
    for batch in batches(house, answer["firsts_key"]):
        house.go_on(batch)
    closed = schedule({"run": answer["run"], "close": True}, house.schedule_ports())
    assert closed == {"run": "20261124-06", "unfinished": 0, "failed": 0, "queued": 0}
    assert {record.colour for record in house.book.records} == {Colour.GREEN}
    assert {row.last_slot for row in house.book.rows.values()} == {"20261124-06"}
    assert all(house.in_step(label) for _, label in house.book.rows)
