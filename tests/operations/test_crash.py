"""A worker killed at any call of any port: run again, the end is the same."""

from __future__ import annotations

import pytest

from arche.model.completeness import Colour
from arche.operations.collect import Limits
from tests.operations.house import House
from tests.operations.world import Killed


def first() -> House:
    house = House.build()
    inbox = house.board.add_folder("Inbox")
    sub = house.board.add_folder("Sub", inbox)
    house.board.page = 3
    for number in range(8):
        house.board.add(inbox if number % 3 else sub)
    return house


def increment() -> House:
    house = first()
    house.backup()
    letters = list(house.board.letters)
    inbox, sub = house.board.folders
    house.board.change(letters[0])
    house.board.drop(letters[1])
    house.board.move(letters[2], sub if house.board.letters[letters[2]].folder == inbox else inbox)
    house.board.add(house.board.add_folder("New"))
    house.board.rename_folder(sub, "Renamed")
    house.board.reads.clear()
    return house


def dead_cursor() -> House:
    house = increment()
    house.mail.expire()
    return house


LIMITS = Limits(accounts=1, reads=0, checkpoint_rows=3)


def calls(make) -> int:
    house = make()
    batch = house.open()
    house.trouble.reset()
    house.go_on(batch, LIMITS)
    return len(house.trouble.calls)


@pytest.mark.parametrize("make", [first, increment, dead_cursor])
def test_killed_at_every_call_and_run_again(make):
    total = calls(make)
    assert total > 30
    for number in range(1, total + 1):
        house = make()
        batch = house.open()
        house.trouble.kill_at(number)
        with pytest.raises(Killed):
            house.go_on(batch, LIMITS)
        house.trouble.calm()
        house.go_on(batch, LIMITS)
        assert house.in_step(), number
        records = [record for record in house.book.records if record.run == batch.run]
        assert [record.colour for record in records] == [Colour.GREEN], number
        assert house.vault().head().kind == "snapshot"
        houses = len(list(house.vault().points()))
        assert houses == (1 if make is first else 2), number


@pytest.mark.parametrize("make", [first, increment])
def test_killed_and_healed_by_the_next_run(make):
    for number in range(1, calls(make), 3):
        house = make()
        batch = house.open()
        house.trouble.kill_at(number)
        with pytest.raises(Killed):
            house.go_on(batch, LIMITS)
        house.trouble.calm()
        records = house.backup(limits=LIMITS)
        assert house.in_step(), number
        assert records[-1].colour == Colour.GREEN, number
        assert house.vault().head().kind == "snapshot"


def test_content_is_read_once_though_the_worker_died_after_each_commit():
    house = first()
    batch = house.open()
    for _ in range(40):
        seen = len(house.store.created)
        house.trouble.reset()
        house.trouble.plan = lambda _n, name, seen=seen: (
            Killed("after a commit")
            if name == "created" and len(house.store.created) > seen and _manifest(house)
            else None
        )
        try:
            house.go_on(batch, LIMITS)
        except Killed:
            continue
        break
    house.trouble.calm()
    house.go_on(batch, LIMITS)
    assert house.in_step()
    assert len(house.board.reads) == len(house.board.letters)


def _manifest(house: House) -> bool:
    return house.store.created[-1].startswith("m/")
