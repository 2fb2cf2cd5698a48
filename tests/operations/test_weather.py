"""Sources that lie or fall silent, connections that close, several workers at once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from arche.model.completeness import Colour
from arche.model.deadline import Deadline
from arche.model.work import TaskState
from arche.operations import quarantine
from arche.operations.collect import LeaseClosed, Limits, collect
from arche.providers.contract import Gone
from arche.providers.errors import CredentialRejected, Forbidden, Unreachable
from tests.operations.house import CONNECTION, House
from tests.operations.world import SERVICE


def full(accounts: int = 1, letters: int = 200) -> House:
    house = House.build(accounts)
    for board in house.mail.boards.values():
        board.page = 50
        first, second = board.add_folder("Inbox"), board.add_folder("Sent")
        for number in range(letters):
            board.add(first if number % 2 else second)
    house.backup()
    for board in house.mail.boards.values():
        board.reads.clear()
    return house


def all_gone(house: House):
    def lie(changes):
        kept = [change for change in changes if not isinstance(change, Gone)]
        wanted = {change.folder for change in kept} or {next(iter(house.board.folders))}
        letters = [one for one in house.board.letters.values() if one.folder in wanted]
        return kept + [Gone(one.id, one.folder) for one in letters]

    return lie


@pytest.mark.parametrize(
    ("removed", "before", "said"),
    [(100, 120, False), (101, 201, True), (101, 202, False), (20, 20, False), (21, 21, True), (20, 21, False)],
)
def test_what_counts_as_a_mass_removal(removed, before, said):
    assert quarantine.mass(removed, before) is said


def test_a_delta_that_lies_about_removals_is_not_believed():
    house = full()
    for folder in house.board.folders:
        house.board.add(folder)
    house.board.lie = all_gone(house)
    (record,) = house.backup()
    assert house.in_step()
    assert len(house.board.reads) == 2  # the listing that disproves it reads no content again
    assert record.colour == Colour.AMBER
    assert [problem.code for problem in record.problems] == ["delta_mistrusted"]
    house.board.lie = None
    (calm,) = house.backup()
    assert calm.colour == Colour.GREEN
    assert house.in_step()


def test_a_real_mass_removal_is_proven_and_flagged():
    house = full()
    for letter in list(house.board.letters)[:150]:
        house.board.drop(letter)
    (record,) = house.backup()
    assert house.in_step()
    assert house.board.reads == []
    assert record.colour == Colour.AMBER
    assert [problem.code for problem in record.problems] == ["mass_change"]
    assert record.counts["mail"]["vanished"] == 150
    (calm,) = house.backup()
    assert calm.colour == Colour.GREEN


def test_a_removed_folder_with_most_of_the_mail_is_proven_too():
    house = full()
    inbox, sent = house.board.folders
    for letter in [one.id for one in house.board.letters.values() if one.folder == sent][:60]:
        house.board.move(letter, inbox)
    house.board.drop_folder(inbox)
    (record,) = house.backup()
    assert house.in_step()
    assert [problem.code for problem in record.problems] == ["mass_change"]
    house.board.add_folder("New")
    (calm,) = house.backup()
    assert calm.colour == Colour.GREEN


def test_half_of_a_folder_removed_with_its_folder_is_counted_once():
    house = full(letters=180)
    inbox, _sent = house.board.folders
    house.board.drop_folder(inbox)
    house.backup()
    assert house.book.records[-1].counts["mail"]["vanished"] == 90
    assert house.book.records[-1].colour == Colour.GREEN  # 90 of 180 is no mass


def test_an_account_that_is_empty_at_once_keeps_its_last_good_state():
    house = full(letters=30)
    held = house.held()
    cursor = house.vault().head().services[SERVICE].cursor
    for letter in list(house.board.letters):
        house.board.drop(letter)
    (record,) = house.backup()
    assert (record.outcome, record.colour) == ("quarantined", Colour.AMBER)
    assert record.problems[0].code == "empty_at_once"
    assert house.held() == held
    assert house.vault().head().services[SERVICE].cursor == cursor
    (again,) = house.backup()
    assert again.outcome == "quarantined"
    house.board.add(next(iter(house.board.folders)))
    (after,) = house.backup()
    assert after.outcome == "snapshot"
    assert house.in_step()


def test_quarantine_puts_the_cursor_back_that_checkpoints_have_moved():
    house = full(letters=30)
    held = house.held()
    house.mail.expire()
    for letter in list(house.board.letters):
        house.board.drop(letter)
    house.board.add_folder("Some")
    good = next(house.vault().points()).services[SERVICE].cursor
    (record,) = house.backup(limits=Limits(accounts=1, reads=0, checkpoint_rows=1))
    assert record.outcome == "quarantined"
    assert house.held() == held
    assert house.vault().head().services[SERVICE].cursor == good
    house.board.add(next(iter(house.board.folders)))
    house.backup()
    assert house.in_step()


def test_a_delta_that_removes_what_the_listing_shows_is_put_in_quarantine():
    house = full()
    held = house.held()
    house.mail.boards["user1"].lie_always = all_gone(house)
    original = type(house.mail)._listing

    def listing_and_lie(self, board, folder, state):
        yield from original(self, board, folder, state)
        yield from board.lie_always([])

    house.mail._listing = listing_and_lie.__get__(house.mail)
    house.board.add(next(iter(house.board.folders)))
    (record,) = house.backup()
    assert record.outcome == "quarantined"
    assert record.problems[0].code == "contradiction"
    assert house.held() == held
    house.board.lie_always = None
    del house.mail._listing
    house.backup()
    assert house.in_step()


def test_a_looping_delta_ends_in_a_full_pass():
    house = full(letters=10)
    new = house.board.add(next(iter(house.board.folders)))
    house.board.lie = lambda changes: changes * 3_000 if changes else changes
    (record,) = house.backup()
    assert house.in_step()
    assert house.board.reads == [new]
    assert record.outcome == "snapshot"


def test_a_looping_listing_is_put_in_quarantine():
    house = full(letters=10)
    held = house.held()
    house.mail.expire()
    original = type(house.mail)._listing

    def circles(self, board, folder, state):
        for change in original(self, board, folder, state):
            yield from [change] * 3_000 if type(change).__name__ == "Item" else [change]

    house.mail._listing = circles.__get__(house.mail)
    (record,) = house.backup()
    assert record.outcome == "quarantined"
    assert record.problems[0].code == "looping"
    assert house.held() == held


def test_a_rejected_credential_turns_the_connection_red_once():
    house = full(accounts=3)
    for board in house.mail.boards.values():
        board.add(next(iter(board.folders)))
    before = {label: house.held(label) for label in ("A-0001", "A-0002", "A-0003")}
    batch = house.open()
    house.services_error = CredentialRejected("AADSTS7000222")
    with pytest.raises(CredentialRejected):
        house.slice(batch)
    house.seal(batch)
    records = house.book.records[-3:]
    assert {record.colour for record in records} == {Colour.RED}
    assert {record.problems[0].code for record in records} == {"CredentialRejected"}
    assert len(house.book.alerts) == 1
    assert "https://arche.example/consent" in house.book.alerts[0]
    assert {label: house.held(label) for label in before} == before
    calls = len(house.trouble.calls)
    other = replace(batch, lease="other")
    lease = house.book.leases[batch.lease]
    tasks = {label: replace(task, state=TaskState.OPEN) for label, task in lease.tasks.items()}
    house.book.leases["other"] = replace(lease, id="other", tasks=tasks)
    assert house.slice(other).status == "collected"
    assert "token" not in house.trouble.calls[calls:]  # nobody knocks again in this run
    house.services_error = None
    records = house.backup()
    assert {record.colour for record in records} == {Colour.GREEN}
    assert house.book.connections[CONNECTION].state == "live"
    assert len(house.book.alerts) == 1


def test_a_credential_rejected_in_the_middle_keeps_what_was_read():
    house = full(letters=5)
    for _ in range(6):
        house.board.add(next(iter(house.board.folders)))
    house.trouble.plan = lambda _number, name: (
        CredentialRejected("withdrawn") if name == "read" and len(house.board.reads) >= 3 else None
    )
    batch = house.open()
    with pytest.raises(CredentialRejected):
        house.slice(batch)
    house.seal(batch)
    house.trouble.calm()
    assert house.book.records[-1].outcome == "stopped"
    assert house.vault().head().kind == "checkpoint"
    (record,) = house.backup()
    assert record.colour == Colour.GREEN
    assert house.in_step()
    assert len(house.board.reads) == 6


def test_an_account_that_is_closed_to_us_does_not_stop_the_others():
    house = full(accounts=2)
    for board in house.mail.boards.values():
        board.add(next(iter(board.folders)))
    original = house.mail.changes

    def changes(account, since):
        if account.id == "user1":
            raise Forbidden("access policy", account=True)
        return original(account, since)

    house.mail.changes = changes
    red, green = house.backup()
    assert (red.colour, green.colour) == (Colour.RED, Colour.GREEN)
    assert house.book.alerts == []
    assert house.in_step("A-0002")


def test_a_permission_missing_for_the_connection_stops_it():
    house = full(accounts=2)

    def changes(_account, _since):
        raise Forbidden("no Mail.Read")

    house.mail.changes = changes
    batch = house.open()
    with pytest.raises(Forbidden):
        house.slice(batch)
    house.seal(batch)
    assert {record.colour for record in house.book.records[-2:]} == {Colour.RED}
    assert len(house.book.alerts) == 1


def test_an_unreachable_source_is_raised_after_the_other_accounts_had_their_turn():
    house = full(accounts=2)
    for board in house.mail.boards.values():
        board.add(next(iter(board.folders)))
    original = house.mail.changes

    def changes(account, since):
        if account.id == "user1":
            raise Unreachable("no route")
        return original(account, since)

    house.mail.changes = changes
    batch = house.open()
    with pytest.raises(Unreachable):
        house.slice(batch)
    house.mail.changes = original
    assert house.book.leases[batch.lease].tasks["A-0002"].state == TaskState.COLLECTED
    assert house.slice(batch).status == "collected"
    house.seal(batch)
    assert house.in_step("A-0001")
    assert house.in_step("A-0002")


def test_a_delta_that_the_room_finds_endless_is_put_in_quarantine_at_once():
    house = full(letters=5)
    original = house.mail.changes

    def changes(_account, _since):
        raise Unreachable("goes in circles", code="delta_loop")

    house.mail.changes = changes
    house.board.add(next(iter(house.board.folders)))
    batch = house.open()
    assert house.slice(batch).status == "collected"
    house.seal(batch)
    record = house.book.records[-1]
    assert (record.outcome, record.colour, record.problems[0].code) == ("quarantined", Colour.AMBER, "looping")
    house.mail.changes = original
    house.go_on(house.open())
    assert house.in_step()


def test_several_items_in_a_row_that_cannot_be_had_are_no_items_problem():
    house = full(letters=5)
    for _ in range(10):
        house.board.letters[house.board.add(next(iter(house.board.folders)))].cut = 10_000
    batch = house.open()
    with pytest.raises(Unreachable):
        house.slice(batch)
    for one in house.board.letters.values():
        one.cut = 0
    house.go_on(batch)
    assert house.book.records[-1].colour == Colour.GREEN
    assert house.in_step()


def test_two_workers_on_one_lease_end_in_one_state():
    house = full(letters=10)
    for _ in range(5):
        house.board.add(next(iter(house.board.folders)))
    batch = house.open()
    rival = {"left": 3}

    def meet(_number, name):
        if name == "read" and rival["left"]:
            rival["left"] -= 1
            house.trouble.plan = lambda _number, _name: None
            collect(batch, house.collect_ports(), Deadline.after(900, house.clock), Limits(1, 0))
            house.trouble.plan = meet

    house.trouble.plan = meet
    house.go_on(batch)
    house.trouble.calm()
    assert house.book.records[-1].colour == Colour.GREEN
    assert house.in_step()
    assert len([record for record in house.book.records if record.run == batch.run]) == 1
    assert len(list(house.vault().points())) == 2


def test_two_sealers_make_one_restore_point():
    house = full(letters=10)
    house.board.add(next(iter(house.board.folders)))
    batch = house.open()
    house.slice(batch)

    def meet(_number, name):
        if name == "create":
            house.trouble.plan = lambda _number, _name: None
            house.seal(batch)

    house.trouble.plan = meet
    house.seal(batch)
    house.trouble.calm()
    assert len(list(house.vault().points())) == 2
    assert len([record for record in house.book.records if record.run == batch.run]) == 1
    assert house.in_step()


def test_more_accounts_than_a_connection_may_have_in_flight_wait():
    house = full(accounts=2, letters=5)
    batch, other = house.open("A-0001"), house.open("A-0002")
    house.book.enter(CONNECTION, batch.lease, 1, 1, house.clock.at.replace(year=2030))
    came_to = house.slice(other, limits=Limits(accounts=1, reads=0, in_flight=1))
    assert came_to.status == "later"
    house.book.leave(CONNECTION, batch.lease)
    assert house.slice(other, limits=Limits(accounts=1, reads=0, in_flight=1)).status == "collected"


def test_a_closed_lease_does_nothing():
    house = full(letters=3)
    batch = house.open()
    house.book.close_lease(batch.lease)
    with pytest.raises(LeaseClosed):
        house.slice(batch)


def test_the_label_of_an_unknown_account_is_stopped():
    house = full(letters=3)
    batch = house.open()
    house.book.rows.clear()
    assert house.slice(batch).status == "collected"
    assert house.book.leases[batch.lease].tasks["A-0001"].reason == "unknown_account"


def test_a_paused_connection_is_not_asked_and_its_accounts_say_why():
    house = full(letters=3)
    house.book.connections[CONNECTION] = replace(house.book.connections[CONNECTION], state="paused")
    house.trouble.reset()
    (record,) = house.backup()
    assert "token" not in house.trouble.calls
    assert record.colour == Colour.RED
    assert "Resume it" in record.problems[0].message
