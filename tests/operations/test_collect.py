"""Backups of one source: what is read, what is kept, what is said."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from arche.model.completeness import Colour
from arche.model.work import iso_after
from arche.operations.collect import Limits
from arche.providers.errors import CursorExpired, Throttled
from tests.operations.house import House


@pytest.fixture
def house() -> House:
    house = House.build()
    inbox = house.board.add_folder("Inbox")
    sub = house.board.add_folder("Sub", inbox)
    house.board.add_folder("Empty")
    for _ in range(20):
        house.board.add(inbox)
    for _ in range(5):
        house.board.add(sub)
    return house


def test_a_first_backup_holds_what_the_source_holds(house):
    (record,) = house.backup()
    assert house.in_step()
    assert (record.colour, record.outcome, record.items) == (Colour.GREEN, "snapshot", 25)
    assert record.counts["mail"] == {
        "expected": 25,
        "stored": 25,
        "unchanged": 0,
        "vanished": 0,
        "skipped": 0,
        "failed": 0,
    }


def test_nothing_new_writes_no_object_and_reads_nothing(house):
    house.backup()
    house.board.reads.clear()
    before = set(house.store.objects) | set(house.work.objects)
    listed = house.store.listed
    (record,) = house.backup()
    assert (record.outcome, record.colour) == ("unchanged", Colour.GREEN)
    assert set(house.store.objects) | set(house.work.objects) == before
    assert house.board.reads == []
    assert house.store.listed == listed


def test_an_increment_reads_what_changed_in_three_puts_and_no_list(house):
    house.backup()
    inbox, sub, _empty = house.board.folders
    letters = [one.id for one in house.board.letters.values() if one.folder == inbox]
    house.board.reads.clear()
    new = house.board.add(inbox)
    house.board.change(letters[0])
    house.board.move(letters[1], sub)
    house.board.drop(letters[2])
    house.store.created.clear()
    listed = house.store.listed
    (record,) = house.backup()
    assert house.store.listed == listed
    assert house.in_step()
    assert sorted(house.board.reads) == sorted([new, letters[0]])
    assert record.counts["mail"]["vanished"] == 1
    assert record.colour == Colour.GREEN
    assert len(house.store.created) <= 3


def test_content_is_read_once_though_the_delta_repeats_itself(house):
    house.backup()
    inbox = next(iter(house.board.folders))
    house.board.lie_always = lambda changes: changes + changes
    new = house.board.add(inbox)
    house.board.reads.clear()
    house.backup(limits=Limits(accounts=2, reads=3))
    assert house.board.reads == [new]
    assert house.in_step()


def test_several_reads_at_once_store_the_same_as_one(house):
    house.backup(limits=Limits(accounts=4, reads=3))
    assert house.in_step()
    house.board.add(next(iter(house.board.folders)), b"x" * 3_000_000)
    (record,) = house.backup(limits=Limits(accounts=4, reads=3))
    assert house.in_step()
    assert record.colour == Colour.GREEN


def test_moves_and_removals_in_any_order_end_as_the_source(house):
    house.backup()
    for seed in range(12):
        board = house.board
        board.chance = random.Random(seed)
        folders = list(board.folders)
        for letter in list(board.letters)[:6]:
            board.move(letter, board.chance.choice(folders))
        board.drop(board.chance.choice(list(board.letters)))
        board.add(folders[0])
        board.reads.clear()
        (record,) = house.backup()
        assert house.in_step()
        assert len(board.reads) == 1
        assert record.colour == Colour.GREEN


def test_a_removed_folder_takes_what_lives_in_it_but_not_what_moved_out(house):
    house.backup()
    inbox, sub, _empty = house.board.folders
    letters = [one.id for one in house.board.letters.values() if one.folder == sub]
    house.board.move(letters[0], inbox)
    house.board.drop_folder(sub)
    house.board.reads.clear()
    (record,) = house.backup()
    assert house.in_step()
    assert house.board.reads == []
    assert record.counts["mail"]["vanished"] == 4


def test_a_removed_tree_of_folders_goes_whole(house):
    inbox = next(iter(house.board.folders))
    deep = house.board.add_folder("Deeper", house.board.add_folder("Deep", inbox))
    house.board.add(deep)
    house.backup()
    house.board.drop_folder(inbox)
    house.board.add(next(iter(house.board.folders)))
    house.backup()
    assert house.in_step()


def test_a_refused_item_makes_the_run_amber_and_heals_by_itself(house):
    bad = house.board.letters[house.board.add(next(iter(house.board.folders)))]
    bad.refused = True
    (record,) = house.backup()
    assert record.colour == Colour.AMBER
    assert record.counts["mail"]["failed"] == 1
    assert [(p.code, p.count) for p in record.problems] == [("ItemRefused", 1)]
    assert house.in_step()
    row = house.vault().view(next(house.vault().points())).row("mail", bad.id)
    assert row.problem.startswith("ItemRefused")
    (again,) = house.backup()
    assert (again.colour, again.outcome) == (Colour.AMBER, "unchanged")
    bad.refused = False
    (healed,) = house.backup()
    assert healed.colour == Colour.GREEN
    assert healed.counts["mail"] == {
        "expected": 1,
        "stored": 1,
        "unchanged": 0,
        "vanished": 0,
        "skipped": 0,
        "failed": 0,
    }
    assert house.in_step()


def test_a_refused_item_that_goes_away_ends_as_vanished(house):
    bad = house.board.add(next(iter(house.board.folders)))
    house.board.letters[bad].refused = True
    house.backup()
    house.board.drop(bad)
    (record,) = house.backup()
    assert record.colour == Colour.GREEN
    assert record.counts["mail"]["vanished"] == 1
    assert house.in_step()


def test_a_changed_item_that_is_refused_keeps_its_last_good_content(house):
    house.backup()
    letter = next(iter(house.board.letters.values()))
    good = letter.body
    house.board.change(letter.id)
    letter.refused = True
    (record,) = house.backup()
    assert record.colour == Colour.AMBER
    view = house.vault().view(next(house.vault().points()))
    row = view.row("mail", letter.id)
    assert b"".join(view.read(row.parts[0])) == good
    assert (row.version, row.properties) == ("v2", {"subject": letter.name})
    letter.refused = False
    (healed,) = house.backup()
    assert healed.colour == Colour.GREEN
    assert house.in_step()


def test_a_cut_download_is_begun_anew_and_never_stored_short(house):
    letter = house.board.letters[house.board.add(next(iter(house.board.folders)))]
    letter.cut = 2
    (record,) = house.backup()
    assert record.colour == Colour.GREEN
    assert house.in_step()


def test_a_download_that_is_always_cut_is_one_items_problem(house):
    letter = house.board.letters[house.board.add(next(iter(house.board.folders)))]
    letter.cut = 1_000
    (record,) = house.backup()
    assert record.colour == Colour.AMBER
    assert record.counts["mail"]["failed"] == 1
    assert letter.id not in house.held()
    letter.cut = 0
    (healed,) = house.backup()
    assert healed.colour == Colour.GREEN
    assert house.in_step()


def test_an_item_that_changes_while_it_is_read_is_begun_anew(house):
    house.backup()
    letter = house.board.add(next(iter(house.board.folders)))

    def meddle(_number, name):
        if name == "read" and house.board.letters[letter].version < 3:
            house.board.change(letter)

    house.trouble.plan = meddle
    (record,) = house.backup()
    house.trouble.calm()
    assert record.colour == Colour.GREEN
    assert house.held()[letter][2] == "v3"
    house.backup()
    assert house.in_step()


def test_an_item_that_goes_away_while_it_is_read_is_accounted_for(house):
    house.backup()
    letter = house.board.add(next(iter(house.board.folders)))

    def meddle(_number, name):
        if name == "read" and letter in house.board.letters:
            house.board.drop(letter)

    house.trouble.plan = meddle
    (record,) = house.backup()
    house.trouble.calm()
    assert record.colour == Colour.GREEN
    assert record.counts["mail"]["vanished"] == 1
    assert house.in_step()


def test_a_dead_cursor_compares_and_reads_nothing_unchanged(house):
    house.backup()
    house.mail.expire()
    inbox, sub, _empty = house.board.folders
    letters = [one.id for one in house.board.letters.values() if one.folder == inbox]
    house.board.drop(letters[0])
    house.board.drop_folder(sub)
    house.board.change(letters[1])
    house.board.reads.clear()
    (record,) = house.backup()
    assert house.in_step()
    assert house.board.reads == [letters[1]]
    assert record.colour == Colour.GREEN


def test_a_source_whose_cursors_always_die_is_put_in_quarantine(house):
    house.backup()
    house.mail.epoch = 7

    def kill_cursors(_number, name):
        if name == "page":
            raise CursorExpired("dead")

    house.trouble.plan = kill_cursors
    (record,) = house.backup()
    house.trouble.calm()
    assert (record.outcome, record.colour) == ("quarantined", Colour.AMBER)
    assert record.problems[0].code == "looping"
    house.backup()
    assert house.in_step()


def test_throttling_ends_the_slice_and_the_next_one_goes_on(house):
    batch = house.open()
    waits = [17.0]

    def slow_down(number, name):
        return Throttled("slow down", after=waits.pop()) if waits and name == "read" and number > 40 else None

    house.trouble.plan = slow_down
    came_to = house.slice(batch)
    assert came_to.status == "later"
    assert came_to.at == iso_after(house.clock.at, 17.0)
    first = list(house.board.reads)
    assert first
    house.trouble.calm()
    assert house.slice(batch).status == "later"  # not before its time
    house.clock.forward(20)
    assert house.slice(batch).status == "collected"
    house.seal(batch)
    assert house.in_step()
    assert len(house.board.reads) == 25


def test_a_throttled_token_is_patience_and_no_failure(house):
    batch = house.open()
    house.services_error = Throttled("slow down", after=5)
    assert house.slice(batch).status == "later"
    house.services_error = None
    house.clock.forward(10)
    assert house.slice(batch).status == "collected"


def test_a_slice_stops_a_minute_early_and_the_next_one_goes_on_without_reading_again(house):
    batch = house.open()
    house.clock.step = 1.0
    slices = 0
    while house.slice(batch, seconds=110).status == "continue":
        slices += 1
        assert slices < 60
    assert slices >= 2
    house.seal(batch)
    assert house.in_step()
    assert len(house.board.reads) == 25
    assert house.book.records[-1].counts["mail"]["stored"] == 25
    assert house.book.records[-1].colour == Colour.GREEN


def test_listings_over_slices_prove_what_vanished_meanwhile(house):
    house.backup()
    house.mail.expire()
    gone = next(iter(house.board.letters))
    house.board.drop(gone)
    batch = house.open()
    house.clock.step = 1.0
    slices = 0
    while house.slice(batch, seconds=110).status == "continue":
        slices += 1
        assert slices < 200
    assert slices >= 2
    assert [key for key in house.work.objects if key.endswith(".seen")]
    house.seal(batch)
    assert house.in_step()
    assert not [k for k in house.work.objects.values() if b"L0000" in k]


def test_a_lost_spool_means_a_full_pass_and_no_harm(house):
    house.backup()
    house.mail.expire()
    batch = house.open()
    house.clock.step = 1.0
    assert house.slice(batch, seconds=110).status == "continue"
    house.work.objects.clear()
    house.clock.step = 0.0
    house.board.drop(next(iter(house.board.letters)))
    house.board.reads.clear()
    house.go_on(batch)
    assert house.in_step()
    assert house.board.reads == []


def test_long_runs_commit_on_the_way(house):
    limits = Limits(accounts=1, reads=0, checkpoint_rows=5)
    batch = house.open()
    house.slice(batch, limits=limits)
    assert house.vault().head().seq > 3
    assert list(house.vault().points()) == []
    house.seal(batch)
    assert house.in_step()
    assert len(list(house.vault().points())) == 1


def test_once_a_week_a_cursor_is_committed_though_nothing_changed(house, monkeypatch):
    house.backup()
    seq = house.vault().head().seq
    house.clock.at = datetime.now(UTC) + timedelta(days=8)
    (record,) = house.backup()
    assert house.vault().head().seq > seq
    assert record.outcome == "snapshot"


def test_an_empty_account_has_a_restore_point():
    house = House.build()
    (record,) = house.backup()
    assert (record.outcome, record.items, record.colour) == ("snapshot", 0, Colour.GREEN)
    assert house.in_step()


def test_the_index_may_be_dropped(house):
    house.backup()
    house.backup()
    house.book.heads.clear()
    house.board.add(next(iter(house.board.folders)))
    house.board.reads.clear()
    house.backup()
    assert house.in_step()
    assert len(house.board.reads) == 1
