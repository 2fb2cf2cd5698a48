"""The worker's memory: who may hold much, who waits, and that waiting ends."""

from __future__ import annotations

import threading

import pytest

from arche.model.deadline import Deadline
from arche.operations.collect import Limits
from arche.operations.collect_gate import LARGE_BYTES, Gate
from arche.operations.collect_reads import SliceOver
from tests.operations.house import House
from tests.operations.world import Clock


def test_only_so_many_are_heavy_and_the_others_come_after_them():
    gate, clock = Gate(heavy=1), Clock()
    deadline = Deadline.after(900, clock)
    assert gate.enter(deadline)
    assert not gate.crowded
    got = threading.Event()
    waiter = threading.Thread(target=lambda: gate.enter(deadline) and got.set())
    waiter.start()
    while not gate.crowded:
        pass
    assert not got.is_set()
    gate.leave()
    waiter.join(10)
    assert got.is_set()
    assert not gate.crowded


def test_waiting_ends_with_the_time():
    gate, clock = Gate(heavy=1), Clock()
    deadline = Deadline.after(900, clock)
    gate.enter(deadline)
    clock.forward(850)
    assert not gate.enter(deadline)
    with gate.part(iter([bytes(LARGE_BYTES + 1)]), deadline) as first:
        assert len(next(first)) == LARGE_BYTES + 1
        clock.forward(40)
        with gate.part(iter([bytes(LARGE_BYTES + 1)]), deadline) as second, pytest.raises(SliceOver):
            next(second)
    with gate.part(iter([bytes(LARGE_BYTES + 1)]), deadline) as third:
        assert next(third)


def test_small_parts_wait_for_nobody():
    gate, deadline = Gate(), Deadline.after(900, Clock())
    with gate.part(iter([bytes(LARGE_BYTES + 1)]), deadline) as large:
        next(large)
        with gate.part(iter([b"x", b"y"]), deadline) as small:
            assert list(small) == [b"x", b"y"]


def test_a_part_that_fails_gives_its_place_back():
    gate, deadline = Gate(), Deadline.after(900, Clock())

    def broken():
        yield bytes(LARGE_BYTES + 1)
        raise OSError

    with pytest.raises(OSError), gate.part(broken(), deadline) as chunks:  # noqa: PT011
        for _ in chunks:
            pass
    with gate.part(iter([bytes(LARGE_BYTES + 1)]), deadline) as chunks:
        assert next(chunks)


def test_many_heavy_accounts_side_by_side_all_end(monkeypatch):
    monkeypatch.setattr("arche.operations.collect_account.HEAVY_ROWS", 3)
    house = House.build(accounts=6)
    for board in house.mail.boards.values():
        inbox = board.add_folder("Inbox")
        for _ in range(25):
            board.add(inbox)
    limits = Limits(accounts=6, reads=3, checkpoint_rows=10)
    records = house.backup(limits=limits)
    assert {record.colour for record in records} == {"green"}
    assert all(house.in_step(f"A-{n:04d}") for n in range(1, 7))
