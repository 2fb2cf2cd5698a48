"""What a slice held is free when it ends: a worker has no room for the packs of accounts that are done."""

from __future__ import annotations

import gc
import weakref

import pytest

from arche.model.deadline import Deadline
from arche.operations.collect import Limits
from arche.operations.collect_account import AccountSlice
from arche.operations.collect_gate import Gate
from tests.operations.house import CUSTOMER, House


@pytest.mark.parametrize("reads", [0, 3])
def test_an_accounts_writer_goes_with_its_slice(reads):
    house = House.build()
    folder = house.board.add_folder("Inbox")
    for _ in range(5):
        house.board.add(folder)
    gc.collect()
    gc.disable()
    try:
        work = AccountSlice(
            house.book.rows[CUSTOMER, "A-0001"],
            "r001",
            house.collect_ports(),
            deadline=Deadline.after(900, house.clock),
            limits=Limits(accounts=1, reads=reads),
            gate=Gate(),
        )
        writer = weakref.ref(work._draft._writer)
        task = work.run(house.services())
        del work
        assert task.state == "collected"
        assert writer() is None
    finally:
        gc.enable()
