"""Exact sequences of changes, word for word: the orders that random lives meet too seldom."""

from __future__ import annotations

from dataclasses import replace

import pytest

from arche.model.completeness import Colour
from arche.operations.collect import Limits
from arche.operations.quarantine import PROVING
from arche.providers.contract import Gone, Item, Listed, Listing, Mark, Part
from arche.providers.errors import CursorExpired, ItemChanged, Throttled
from tests.operations.house import INLINE, House
from tests.operations.world import SERVICE, START, Killed


class Script:
    """A source that says what is written: one list of changes for each call; an exception in it is raised."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.calls: list[tuple[str | None, list]] = []
        self.reads: list[str] = []
        self.found: dict[str, Item | Gone] = {}
        house.services = lambda: {SERVICE: self}

    def says(self, since: str | None, *changes) -> None:
        self.calls.append((since, list(changes)))

    def changes(self, account, since):
        wanted, changes = self.calls.pop(0)
        assert since == wanted
        for change in changes:
            if isinstance(change, BaseException):
                raise change
            if callable(change):
                change()
                continue
            yield change

    def find(self, account, ids):
        yield from (self.found[one] for one in ids if one in self.found)

    def read(self, account, item, offset=0):
        self.house.trouble.tick("read")
        self.reads.append(item.id)
        yield Part("", "mail", iter([f"{item.id} {item.version}".encode()]))


def mail(name: str, folder: str = "F", version: str = "1") -> Item:
    return Item(name, "mail", folder, name, version, START, properties={"n": 1})


def folder(name: str, parent: str = "") -> Item:
    return Item(name, "folder", parent, name, "1", START)


TREE = (Listing("", "folder"), folder("F"), folder("G"), Listed("", "folder"))


@pytest.fixture
def house() -> House:
    return House.build()


@pytest.fixture
def script(house) -> Script:
    return Script(house)


def rows(house: House) -> dict[str, str]:
    view = house.vault().view(next(house.vault().points()))
    return {row.id: row.folder for row in view.rows(SERVICE)}


def start(house: House, script: Script, *names: str) -> None:
    script.says(None, *TREE, Listing("F"), *map(mail, names), Listed("F"), Listing("G"), Listed("G"), Mark("c1"))
    house.backup()
    script.reads.clear()


def test_a_second_listing_of_a_folder_voids_the_first(house, script):
    start(house, script, "a", "b")
    script.says("c1", Listing("F"), mail("a"), Mark("c2"), Listing("F"), mail("b"), Listed("F"), Mark("c3"))
    house.backup()
    assert rows(house) == {"F": "", "G": "", "b": "F"}
    assert script.reads == []


def test_a_listing_begun_anew_after_the_last_mark_does_not_void_what_was_marked(house, script):
    start(house, script, "a", "b")
    batch = house.open()
    script.says("c1", Listing("F"), mail("a"), Mark("c2"), Listing("F"), Throttled("slow", after=1))
    assert house.slice(batch).status == "later"
    house.clock.forward(5)
    script.says("c2", mail("b"), Listed("F"), Mark("c3"))  # the first listing goes on after all
    house.go_on(batch)
    assert rows(house) == {"F": "", "G": "", "a": "F", "b": "F"}


def test_what_was_listed_after_the_last_mark_has_to_be_listed_again(house, script):
    start(house, script, "a", "b", "c")
    batch = house.open()
    script.says("c1", Listing("F"), mail("a"), Mark("c2"), mail("b"), Throttled("slow", after=1))
    house.slice(batch)
    house.clock.forward(5)
    script.says("c2", mail("c"), Listed("F"), Mark("c3"))  # b was deleted meanwhile
    house.go_on(batch)
    assert rows(house) == {"F": "", "G": "", "a": "F", "c": "F"}
    assert house.book.records[-1].counts[SERVICE]["vanished"] == 1


def test_a_listing_goes_on_over_slices_and_runs(house, script):
    start(house, script, "a", "b", "c")
    batch = house.open()
    script.says("c1", Listing("F"), mail("a"), Mark("c2"), Throttled("slow", after=1))
    house.slice(batch)
    script.says("c2", mail("b"), Mark("c3"), Listed("F"), Mark("c4"))
    house.clock.forward(5)
    house.backup()  # the next run takes it up
    assert rows(house) == {"F": "", "G": "", "a": "F", "b": "F"}


def test_a_lost_spool_lists_everything_anew(house, script):
    start(house, script, "a", "b")
    batch = house.open()
    script.says("c1", Listing("F"), mail("a"), Mark("c2"), Throttled("slow", after=1))
    house.slice(batch)
    house.clock.forward(5)
    house.work.objects.clear()
    script.says(None, *TREE, Listing("F"), mail("a"), Listed("F"), Listing("G"), Listed("G"), Mark("c9"))
    house.go_on(batch)
    assert rows(house) == {"F": "", "G": "", "a": "F"}
    assert script.reads == []


def test_a_listing_without_an_end_removes_nothing_and_is_amber(house, script):
    start(house, script, "a", "b")
    script.says("c1", Listing("F"), mail("a"), Mark("c2"))
    (record,) = house.backup()
    assert rows(house) == {"F": "", "G": "", "a": "F", "b": "F"}
    assert record.colour == Colour.AMBER
    assert [problem.code for problem in record.problems] == ["listing_open"]
    script.says("c2", mail("b"), Listed("F"), Mark("c3"))
    (record,) = house.backup()
    assert record.colour == Colour.GREEN


def test_an_end_without_a_beginning_proves_nothing(house, script):
    start(house, script, "a", "b")
    script.says("c1", Listed("F"), Mark("c2"))
    house.backup()
    assert rows(house) == {"F": "", "G": "", "a": "F", "b": "F"}


@pytest.mark.parametrize(
    "changes",
    [
        (Gone("a", "F"), mail("a", "G")),
        (mail("a", "G"), Gone("a", "F")),
        (Gone("a", "F"), mail("a", "G"), Gone("a", "F")),
        (mail("a", "G"), Gone("a", "G"), mail("a", "G")),
        (Gone("a", "G"), mail("a", "G")),
        (Gone("F", ""), mail("a", "G"), folder("F")),
        (Listing("F"), Listed("F"), mail("a", "G")),
        (Listing("F"), Listed("F"), Gone("F", ""), mail("a", "G"), folder("F")),
    ],
)
def test_a_move_is_a_move_in_any_order(house, script, changes):
    start(house, script, "a")
    script.says("c1", *changes, Mark("c2"))
    (record,) = house.backup()
    assert rows(house) == {"F": "", "G": "", "a": "G"}
    assert script.reads == []
    assert record.counts[SERVICE]["vanished"] == 0


@pytest.mark.parametrize(
    "changes",
    [
        (Gone("a", "F"), mail("a", "F")),
        (mail("a", "G"), mail("a", "F"), Gone("a", "G")),
        (Gone("a", "G"),),
        (Gone("other", "F"),),
        (Listing("F"), mail("a"), Listed("F")),
    ],
)
def test_what_is_still_there_stays(house, script, changes):
    start(house, script, "a")
    script.says("c1", *changes, Mark("c2"))
    (record,) = house.backup()
    assert rows(house) == {"F": "", "G": "", "a": "F"}
    assert record.colour == Colour.GREEN


@pytest.mark.parametrize(
    "changes",
    [
        (Gone("a", "F"),),
        (mail("a", "F"), Gone("a", "F")),
        (mail("a", "G"), Gone("a", "F"), Gone("a", "G")),
        (Listing("F"), mail("a"), Listed("F"), Gone("a", "F")),
        (Listing("F"), Listed("F")),
        (Listing("", ""), folder("F"), folder("G"), Listed("", "")),
    ],
)
def test_what_is_gone_is_gone(house, script, changes):
    start(house, script, "a")
    script.says("c1", *changes, Mark("c2"))
    (record,) = house.backup()
    assert rows(house) == {"F": "", "G": ""}
    assert record.counts[SERVICE]["vanished"] == 1
    assert record.colour == Colour.GREEN


def test_folders_of_a_tree_that_is_not_listed_go_with_their_contents(house, script):
    start(house, script, "a")
    script.says("c1", folder("H", "F"), mail("deep", "H"), Mark("c2"))
    house.backup()
    script.says("c2", Listing("", "folder"), folder("G"), Listed("", "folder"), mail("a", "G"), Mark("c3"))
    house.backup()
    assert rows(house) == {"G": "", "a": "G"}


def test_mass_removal_that_a_throttled_slice_announced_is_proven_in_the_next(house, script):
    names = [f"m{n:03d}" for n in range(30)]
    start(house, script, *names)
    batch = house.open()
    script.says("c1", *(Gone(name, "F") for name in names), Mark("c2"), Throttled("slow", after=1))
    house.slice(batch)
    assert PROVING in house.vault().head().services[SERVICE].flags
    assert house.vault().head().services[SERVICE].cursor == ""
    house.clock.forward(5)
    script.says(None, *TREE, Listing("F"), mail("m000"), Listed("F"), Listing("G"), Listed("G"), Mark("c9"))
    house.go_on(batch)
    assert rows(house) == {"F": "", "G": "", "m000": "F"}
    assert [problem.code for problem in house.book.records[-1].problems] == ["delta_mistrusted"]  # 29, not all


def test_a_cursor_of_the_index_is_used_only_with_the_state_it_belongs_to(house, script):
    start(house, script, "a")
    script.says("c1", Mark("c2"))
    house.backup()
    head = house.book.heads["A-0001"]
    assert head.cursors == {SERVICE: "c2"}
    # A table that is newer than the vault (a copy of an older time was put back): its cursor would skip changes.
    house.book.heads["A-0001"] = replace(head, seq=head.seq + 1)
    script.says("c1", mail("b"), Mark("c3"))
    house.backup()
    assert rows(house) == {"F": "", "G": "", "a": "F", "b": "F"}
    script.says("c3", Mark("c4"))
    house.backup()
    script.says("c4", Mark("c5"))
    house.backup()
    assert script.calls == []


def test_what_was_fetched_ahead_is_kept_when_the_listing_is_throttled(house, script):
    start(house, script)
    batch = house.open()
    script.says("c1", mail("a"), mail("b"), mail("c"), Throttled("slow", after=1))
    limits = Limits(accounts=1, reads=3)
    assert house.slice(batch, limits=limits).status == "later"
    house.clock.forward(5)
    script.says("c1", mail("a"), mail("b"), mail("c"), Mark("c2"))
    house.go_on(batch, limits)
    assert sorted(script.reads) == ["a", "b", "c"]
    assert house.book.records[-1].colour == Colour.GREEN


def test_a_dead_cursor_in_the_middle_keeps_what_came_before(house, script):
    start(house, script, "a")
    script.says("c1", mail("b"), CursorExpired("dead"))
    script.says(None, *TREE, Listing("F"), mail("a"), mail("b"), Listed("F"), Listing("G"), Listed("G"), Mark("c9"))
    house.backup()
    assert rows(house) == {"F": "", "G": "", "a": "F", "b": "F"}
    assert script.reads == ["b"]


def test_two_runs_on_one_account_both_end_well(house, script):
    start(house, script, "a")
    slot, now = house.open(), house.open()
    script.says("c1", mail("b"), Mark("c2"))
    house.slice(slot)
    script.says("c2", mail("c"), Mark("c3"))
    house.slice(now)
    house.seal(slot)
    house.seal(now)
    assert [(record.colour, record.outcome) for record in house.book.records[-2:]] == [(Colour.GREEN, "snapshot")] * 2
    assert rows(house) == {"F": "", "G": "", "a": "F", "b": "F", "c": "F"}


def test_an_item_too_slow_for_any_slice_is_named_and_the_others_go_on(house, script):
    start(house, script)

    def slow(_number, name):
        if name == "read" and len(script.reads) == 0:
            house.clock.forward(890)

    house.trouble.plan = slow
    batch = house.open()
    script.says("c1", mail("big"), mail("small"), Mark("c2"))
    assert house.slice(batch).status == "continue"
    house.trouble.calm()
    script.says("c1", mail("big"), mail("small"), Mark("c2"))
    assert house.slice(batch).status == "collected"
    assert sorted(rows_now(house)) == ["F", "G", "big", "small"]


def test_of_items_that_take_a_whole_slice_one_a_day_is_tried(house, script):
    start(house, script, "a")
    seconds = [890]

    def slow(_number, name):
        if name == "read":
            house.clock.forward(seconds[0])

    house.trouble.plan = slow
    batch = house.open()
    for number in (1, 2):
        script.says("c1", mail("big1"), mail("big2"), Mark("c2"))
        assert house.slice(batch).status == "continue"
        assert len(script.reads) == number
    script.found = {name: mail(name) for name in ("big1", "big2")}
    script.says("c1", mail("big1"), mail("big2"), Mark("c2"))
    seconds[0] = 20
    house.go_on(batch)
    assert [problem.code for problem in house.book.records[-1].problems] == ["TooSlow"]
    script.says("c2", mail("big1", "G"), mail("big2", "G"), Mark("c3"))
    house.backup()
    assert house.book.records[-1].colour == Colour.GREEN
    assert sorted(rows(house)) == ["F", "G", "a", "big1", "big2"]


def test_an_item_that_waits_for_its_turn_moves_with_its_folder(house, script):
    start(house, script)
    house.trouble.plan = lambda _n, name: house.clock.forward(890) if name == "read" else None
    batch = house.open()
    script.says("c1", mail("big"), Mark("c2"))
    house.slice(batch)
    script.says("c1", mail("big"), Mark("c2"), Gone("big", "F"), mail("big", "G"), Mark("c3"))
    house.go_on(batch)
    assert rows(house) == {"F": "", "G": "", "big": "G"}
    assert house.book.records[-1].counts[SERVICE]["failed"] == 1


def rows_now(house: House) -> dict[str, str]:
    """Rows and their problems as the newest commit has them."""
    return {row.id: row.problem for row in house.vault().view(house.vault().head()).rows(SERVICE)}


def test_an_item_that_begins_late_in_a_slice_gets_more_time_in_the_next(house, script):
    start(house, script)
    batch = house.open()
    script.says("c1", mail("a"), lambda: house.clock.forward(825), mail("b"), Mark("c2"))

    def slow(_number, name):
        if name == "read" and script.reads == ["a"]:
            house.clock.forward(70)

    house.trouble.plan = slow
    assert house.slice(batch).status == "continue"
    house.trouble.calm()
    assert rows_now(house) == {"F": "", "G": "", "a": ""}
    script.says("c1", mail("a"), mail("b"), Mark("c2"))
    house.go_on(batch)
    assert rows(house) == {"F": "", "G": "", "a": "F", "b": "F"}
    assert house.book.records[-1].colour == Colour.GREEN


def test_an_item_that_never_stops_changing_is_one_items_problem(house, script):
    start(house, script)

    def restless(account, item, offset=0):
        raise ItemChanged("again")
        yield

    script.read = restless
    script.found["a"] = mail("a", version="2")
    script.says("c1", mail("a"), Mark("c2"))
    (record,) = house.backup()
    assert record.colour == Colour.AMBER
    assert [problem.code for problem in record.problems] == ["ItemChanged"]


def test_killed_between_the_last_commit_and_its_note_the_source_is_not_asked_again(house, script):
    start(house, script)
    batch = house.open()
    script.says("c1", mail("a"), Mark("c2"))
    house.trouble.plan = lambda _n, name: Killed("killed") if name == "record_task" else None
    with pytest.raises(Killed):
        house.slice(batch)
    house.trouble.calm()
    house.go_on(batch, INLINE)
    assert script.calls == []
    assert house.book.records[-1].counts[SERVICE]["stored"] == 1
