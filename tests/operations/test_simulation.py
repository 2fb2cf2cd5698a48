"""Random lives of a mailbox, of its backups and of the workers, from a seed; the oracle is the source itself.

A failing seed is printed by pytest; add it to KEPT with a word on what it found.
"""

from __future__ import annotations

import random

import pytest

from arche.model.completeness import Colour
from arche.operations.collect import Limits
from arche.providers.errors import Throttled, Unreachable
from tests.operations.house import House
from tests.operations.world import Killed

KEPT: list[int] = []
SEEDS = [*range(60), *KEPT]
LIMITS = Limits(accounts=1, reads=0, checkpoint_rows=6)


def live(house: House, chance: random.Random) -> None:
    """People use the mailbox."""
    board = house.board
    for _ in range(chance.randrange(1, 12)):
        folders, letters = list(board.folders), list(board.letters)
        deed = chance.random()
        if deed < 0.45 or not letters:
            board.add(chance.choice(folders))
        elif deed < 0.6:
            board.change(chance.choice(letters))
        elif deed < 0.75:
            board.move(chance.choice(letters), chance.choice(folders), new_version=chance.random() < 0.5)
        elif deed < 0.87:
            board.drop(chance.choice(letters))
        elif deed < 0.93:
            board.add_folder(f"Folder {board.number()}", chance.choice(["", *folders]))
        elif deed < 0.96 and len(folders) > 3:
            board.drop_folder(chance.choice(folders[1:]))
        else:
            board.rename_folder(chance.choice(folders), f"Name {board.number()}")
        if chance.random() < 0.1 and board.letters:
            one = board.letters[chance.choice(list(board.letters))]
            one.cut = chance.randrange(0, 5)


def weather(house: House, chance: random.Random):
    """Faults at any call, and people who go on while the backup runs."""

    def plan(_number: int, name: str):
        roll = chance.random()
        if roll > 0.992 and name in {"changes", "page", "read", "find", "chunk"}:
            live(house, chance)
        if roll < 0.006:
            return Killed("a crash")
        if roll < 0.012 and name in {"changes", "page", "read", "find"}:
            return Throttled("slow down", after=chance.random() * 100)
        if roll < 0.02 and name in {"changes", "page", "read", "chunk", "find"}:
            return Unreachable("no route")
        return None

    return plan


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_happens_the_last_restore_point_shows_the_source(seed):  # noqa: C901 - a life in one piece
    chance = random.Random(seed)
    house = House.build()
    house.board.chance = random.Random(seed + 1)
    house.board.page = chance.choice([2, 5, 50])
    for name in ("Inbox", "Sent", "Deleted"):
        house.board.add_folder(name)
    truth: dict[int, dict] = {}
    for _ in range(chance.randrange(3, 7)):
        live(house, chance)
        if chance.random() < 0.15:
            house.mail.expire()
        if chance.random() < 0.1:
            house.work.objects.clear()
        if chance.random() < 0.1:
            house.book.heads.clear()
        batch = house.open()
        house.trouble.plan = weather(house, chance)
        for _ in range(chance.randrange(0, 12)):
            try:
                house.clock.step = chance.choice([0.0, 0.0, 1.0])
                came_to = house.slice(batch, seconds=chance.choice([100, 900]), limits=LIMITS)
                if came_to.status == "collected":
                    house.seal(batch)
                    break
            except (Killed, Unreachable):
                pass
            house.clock.forward(60)
            if chance.random() < 0.15:
                house.trouble.plan = lambda _number, _name: None
                live(house, chance)
                house.trouble.plan = weather(house, chance)
        house.trouble.calm()
        house.clock.step = 0.0
        for point in house.vault().points() if house.vault().head() else ():
            view = house.vault().view(point)
            held = {row.id: (row.folder, row.version) for row in view.rows("mail")}
            assert truth.setdefault(point.seq, held) == held  # what was committed stays as it was
    for one in house.board.letters.values():
        one.cut = 0
    (record,) = house.backup(limits=LIMITS)
    assert house.in_step()
    assert record.colour in {Colour.GREEN, Colour.AMBER}
    assert not house.vault().head().services["mail"].problems
    (calm,) = house.backup(limits=LIMITS)
    assert (calm.colour, calm.outcome) == (Colour.GREEN, "unchanged")
    assert record.items == len(house.board.letters)
