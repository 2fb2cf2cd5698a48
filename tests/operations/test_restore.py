"""Restores: planned without touching the vendor, delivered once whatever happens, reported item by item."""

from __future__ import annotations

import json

import pytest

from arche.model.deadline import Deadline
from arche.model.restore import RequestRefused, RestoreRequest
from arche.operations.deliver import JobClosed, deliver
from arche.operations.deliver_journal import read_results
from arche.operations.plan import plan
from arche.operations.plan_batches import results_prefix
from arche.operations.report import report
from arche.operations.restore_ports import Pace
from arche.providers.errors import CredentialRejected, ItemRefused, Throttled, Unreachable
from tests.operations.house import CUSTOMER, House
from tests.operations.world import Killed


@pytest.fixture
def house() -> House:
    return make()


def make() -> House:
    house = House.build(accounts=2)
    inbox = house.board.add_folder("Inbox")
    sub = house.board.add_folder("Projects", inbox)
    house.board.add_folder("Empty", sub)
    for number in range(6):
        house.board.add(inbox, name=f"mail {number}")
    for number in range(4):
        house.board.add(sub, name=f"plan {number}")
    house.mail.boards["user2"].add_folder("Inbox")
    house.backup()
    return house


def event(job, **more):
    line = {"customer": job.customer, "job": job.id, "run": job.run, "lease": job.lease, "connection": job.connection}
    return {**line, **more}


def carry_out(house: House, job, rounds: int = 3):
    """What the machine does, without the undo backup."""
    state = plan(event(job, start=True), house.restore_ports())
    for _ in range(rounds):
        for line in lines(house, state):
            give(house, line)
        state = report({**state}, house.restore_ports())
        if state["next"] == "end":
            break
    return house.book.jobs[job.id]


def lines(house: House, state):
    return [json.loads(text) for text in house.work.read(state["batches_key"]).splitlines()] if state["batches"] else []


def give(house: House, line):
    for _ in range(30):
        answer = deliver(line, house.restore_ports(), Deadline.after(900, house.clock))
        if answer["status"] == "done":
            return
        house.clock.forward(60)


def results(house: House, job):
    prefix = f"{CUSTOMER}/{job.id}/results/"
    return {result.id: result for result in read_results(house.work, prefix)}


def mails(house: House, user="user1"):
    board = house.mail.boards[user]

    def path(folder):
        parent, name = board.folders[folder]
        return (*path(parent), name) if parent else (name,)

    return sorted((path(one.folder), one.name, one.body) for one in board.letters.values())


def test_a_dry_run_says_everything_and_writes_nothing(house):
    job = house.restore(whole=True)
    house.trouble.reset()
    losses = {"mail": (("mime", "JSON cannot carry the original MIME"),)}
    answer = plan(event(job, start=False), house.restore_ports(losses=losses, pace={"mail": Pace(3, 10, 1_000)}))
    assert answer["next"] == "end"
    assert "token" not in house.trouble.calls
    made = house.book.jobs[job.id]
    assert made.state == "planned"
    assert made.plan["items"] == 10
    assert made.plan["folders"] == 3
    assert made.plan["conflicts"] == 10
    assert made.plan["bytes"] == sum(len(one.body) for one in house.board.letters.values())
    assert made.plan["losses"] == [
        {"kind": "mail", "field": "mime", "reason": "JSON cannot carry the original MIME", "items": 10}
    ]
    assert made.plan["calls"] == 33
    assert made.plan["seconds"] == 3
    assert made.plan["earliest_finish"] > "2026-11-24T06:00:03Z"


def test_planning_twice_is_harmless_and_starting_uses_the_plan(house):
    job = house.restore(whole=True)
    plan(event(job, start=False), house.restore_ports())
    once = dict(house.work.objects)
    house.backup()
    first = plan(event(job, start=True), house.restore_ports())
    again = plan(event(job, start=True), house.restore_ports())
    assert first == again
    assert {key: house.work.objects[key] for key in once} == once
    assert first["next"] == "undo"
    assert first["undo"] == {"customer": CUSTOMER, "job": f"{job.id}-undo", "accounts": ["A-0001"]}
    assert house.book.jobs[job.id].state == "running"


def test_no_id_of_an_item_is_in_the_state_input(house):
    job = house.restore(whole=True)
    state = plan(event(job, start=True), house.restore_ports())
    text = json.dumps(state) + "".join(map(json.dumps, lines(house, state)))
    assert not any(letter in text for letter in house.board.letters)
    assert not any(folder in text for folder in house.board.folders)


def test_a_purged_account_comes_back_whole(house):
    before = mails(house)
    folders = sorted(name for _, name in house.board.folders.values())
    house.board.letters.clear()
    house.board.folders.clear()
    job = carry_out(house, house.restore(whole=True))
    assert mails(house) == before
    assert sorted(name for _, name in house.board.folders.values()) == folders
    assert job.state == "done"
    assert job.report["given_back"] == job.report["verified"] == 10
    assert job.report["declared_loss"] == 0
    found = results(house, job)
    assert len(found) == 10
    assert all(result.new_id and result.action == "written" for result in found.values())


def test_what_is_there_is_skipped(house):
    before = mails(house)
    lost = next(iter(house.board.letters))
    house.board.drop(lost)
    job = carry_out(house, house.restore(whole=True))
    assert mails(house) == before
    assert job.report["actions"] == {"written": 1, "skipped": 9}
    assert job.state == "done"


def test_an_earlier_point_in_time_is_given_back(house):
    letter = next(iter(house.board.letters))
    body = house.board.letters[letter].body
    first = next(house.vault().points()).seq
    house.board.change(letter)
    house.backup()
    house.board.drop(letter)
    house.backup()
    carry_out(house, house.restore(seq=first, items=[{"service": "mail", "id": letter}]))
    assert body in [one.body for one in house.board.letters.values()]


def test_a_folder_with_its_subfolders_goes_to_a_new_folder(house):
    inbox = next(iter(house.board.folders))
    wanted = house.restore(folders=[{"service": "mail", "id": inbox}], new_folder="Restored")
    job = carry_out(house, wanted)
    found = {(path, name) for path, name, _ in mails(house) if path[0] == "Restored"}
    assert (("Restored", "Inbox"), "mail 0") in found
    assert (("Restored", "Inbox", "Projects"), "plan 0") in found
    assert len(found) == 10
    names = [name for _, name in house.board.folders.values()]
    assert names.count("Empty") == 2  # empty folders come along
    assert job.plan["conflicts"] == 0


def test_single_items_go_to_an_existing_folder(house):
    empty = next(f for f, (_, name) in house.board.folders.items() if name == "Empty")
    letter = next(iter(house.board.letters))
    carry_out(house, house.restore(items=[{"service": "mail", "id": letter}], into=empty))
    assert [one.name for one in house.board.letters.values() if one.folder == empty] == ["mail 0"]


def test_another_account_of_the_customer_may_be_the_target(house):
    job = carry_out(house, house.restore(whole=True, target_account="A-0002"))
    assert len(house.mail.boards["user2"].letters) == 10
    assert len(house.board.letters) == 10
    assert job.plan["conflicts"] == 0
    assert not job.plan["in_place"]


@pytest.mark.parametrize(
    "wanted",
    [
        {"whole": True, "seq": 99},
        {"items": [{"service": "mail", "id": "unknown"}]},
        {"items": [{"service": "files", "id": "unknown"}]},
        {"folders": [{"service": "mail", "id": "unknown"}]},
    ],
)
def test_what_is_not_there_is_refused_with_a_sentence(house, wanted):
    job = house.restore(**wanted)
    assert plan(event(job, start=False), house.restore_ports())["next"] == "end"
    made = house.book.jobs[job.id]
    assert made.state == "failed"
    assert made.message.endswith(".")
    assert "unknown" not in made.message


def test_a_checkpoint_is_no_restore_point(house):
    house.board.add(next(iter(house.board.folders)))
    house.slice(house.open("A-0001"))
    head = house.vault().head()
    assert head.kind == "checkpoint"
    job = house.restore(whole=True, seq=head.seq)
    plan(event(job, start=False), house.restore_ports())
    assert house.book.jobs[job.id].state == "failed"


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"whole": True, "items": [{"service": "mail", "id": "x"}]},
        {"whole": True, "conflict": "overwrite"},
        {"whole": True, "seq": -1},
    ],
)
def test_requests_without_sense_are_refused(wrong):
    with pytest.raises(RequestRefused):
        RestoreRequest.from_dict({"account": "A-0001", **wrong})


def test_a_request_survives_its_row():
    wanted = RestoreRequest.from_dict({"account": "A-0001", "items": [{"service": "mail", "id": "x"}], "seq": 4})
    assert RestoreRequest.from_dict(json.loads(json.dumps(wanted.as_dict()))) == wanted


@pytest.mark.parametrize("conflict", ["skip", "keep_both", "replace"])
def test_killed_at_every_call_and_run_again_nothing_is_there_twice(conflict):
    def ruined() -> House:
        house = make()
        for letter in list(house.board.letters)[:3]:
            house.board.drop(letter)
        return house

    trial = ruined()
    state = plan(event(trial.restore(whole=True, conflict=conflict), start=True), trial.restore_ports())
    todo = lines(trial, state)
    trial.trouble.reset()
    for line in todo:
        give(trial, line)
    total, wanted = len(trial.trouble.calls), mails(trial)
    for number in range(1, total + 1):
        house = ruined()
        job = house.restore(whole=True, conflict=conflict)
        state = plan(event(job, start=True), house.restore_ports())
        todo = lines(house, state)
        house.trouble.kill_at(number)
        killed = False
        for line in todo:
            try:
                give(house, line)
            except Killed:
                killed = True
                house.trouble.calm()
        assert killed
        while state["next"] != "end":
            state = report(state, house.restore_ports())
            for line in lines(house, state) if state["next"] == "deliver" else []:
                give(house, line)
        assert mails(house) == wanted, (number, trial.trouble.calls[number - 1])
        assert house.book.jobs[job.id].state == "done"
        assert len(results(house, job)) == 10


def test_a_lost_answer_is_looked_for_and_not_written_twice(house):
    house.board.letters.clear()
    lost = [1]
    house.trouble.plan = lambda _n, name: Unreachable("lost") if name == "written" and lost and lost.pop() else None
    job = carry_out(house, house.restore(whole=True))
    assert len(house.board.letters) == 10
    assert job.state == "done"
    assert job.report["actions"] == {"existing": 1, "written": 9}


def test_throttling_waits_and_goes_on(house):
    house.board.letters.clear()
    refusals = [33.0, 5.0]
    house.trouble.plan = lambda _n, name: (
        Throttled("slow", after=refusals.pop()) if refusals and name == "write" else None
    )
    job = carry_out(house, house.restore(whole=True))
    assert len(house.board.letters) == 10
    assert job.state == "done"
    assert not refusals


def test_a_refused_item_is_named_and_the_others_are_given_back(house):
    house.board.letters.clear()
    refusals = [1]
    house.trouble.plan = lambda _n, name: (
        ItemRefused("too large", code="ErrorMessageSizeExceeded")
        if name == "write" and refusals and refusals.pop()
        else None
    )
    job = carry_out(house, house.restore(whole=True))
    assert job.state == "partial"
    assert job.report["failed"] == 1
    assert job.report["given_back"] == 9
    (failed,) = [result for result in results(house, job).values() if result.action == "failed"]
    assert "ErrorMessageSizeExceeded" in failed.message


def test_a_rejected_restore_app_is_said_once_and_stops_the_batches(house):
    house.board.letters.clear()
    job = house.restore(whole=True)
    state = plan(event(job, start=True), house.restore_ports())
    first, *others = lines(house, state)
    house.services_error = CredentialRejected("no consent")
    with pytest.raises(CredentialRejected):
        deliver(first, house.restore_ports(), Deadline.after(900, house.clock))
    house.trouble.reset()
    for line in others:
        assert deliver(line, house.restore_ports(), Deadline.after(900, house.clock))["status"] == "done"
    assert "token" not in house.trouble.calls
    assert report(state, house.restore_ports())["next"] == "end"
    ended = house.book.jobs[job.id]
    assert ended.state == "failed"
    assert "consent" in ended.message
    assert not house.book.leases[job.lease].open


def test_an_undo_point_that_could_not_be_made_ends_the_restore_unwritten(house):
    job = house.restore(whole=True)
    state = plan(event(job, start=True), house.restore_ports())
    report({**state, "problem": "UndoFailed"}, house.restore_ports())
    assert house.book.jobs[job.id].state == "failed"
    assert "nothing was written" in house.book.jobs[job.id].message


def test_differences_found_by_reading_again_are_declared(house):
    house.board.letters.clear()
    original = house.mail.verify
    house.mail.verify = lambda *given: (*original(*given), _loss("flag", "cannot be set"))
    job = carry_out(house, house.restore(whole=True))
    assert job.report["declared_loss"] == 10
    assert job.report["losses"] == [{"field": "flag", "reason": "cannot be set", "items": 10}]
    assert job.report["items_with_losses"] == 10


def _loss(field, reason):
    from arche.providers.contract import Loss

    return Loss(field, reason)


def test_an_item_without_content_is_no_mail(house):
    bad = house.board.letters[house.board.add(next(iter(house.board.folders)))]
    bad.refused = True
    house.backup()
    house.board.letters.clear()
    job = carry_out(house, house.restore(whole=True))
    assert results(house, job)[bad.id].action == "failed"
    assert job.plan["without_content"] == 1
    assert job.state == "partial"


def test_nothing_is_written_for_a_job_that_does_not_run(house):
    job = house.restore(whole=True)
    plan(event(job, start=False), house.restore_ports())
    with pytest.raises(JobClosed):
        deliver(event(job, batch=1), house.restore_ports(), Deadline.after(900, house.clock))


def test_an_ended_job_is_not_planned_again(house):
    job = carry_out(house, house.restore(whole=True))
    assert plan(event(job, start=True), house.restore_ports())["next"] == "end"


def test_time_runs_out_between_items_and_the_next_slice_goes_on(house):
    house.board.letters.clear()
    job = house.restore(whole=True)
    state = plan(event(job, start=True), house.restore_ports())
    house.clock.step = 5.0
    slices = 0
    for line in lines(house, state):
        for _ in range(50):
            slices += 1
            if deliver(line, house.restore_ports(), Deadline.after(90, house.clock))["status"] == "done":
                break
    house.clock.step = 0.0
    report(state, house.restore_ports())
    assert slices > len(lines(house, state))
    assert len(house.board.letters) == 10
    assert house.book.jobs[job.id].report["actions"] == {"written": 10}


def test_large_restores_are_cut_into_batches_of_one_folder(house, monkeypatch):
    monkeypatch.setattr("arche.operations.plan_batches.BATCH_ITEMS", 2)
    job = house.restore(whole=True)
    state = plan(event(job, start=True), house.restore_ports())
    assert state["batches"] == 3 + 2 + 1
    house.board.letters.clear()
    for line in lines(house, state):
        give(house, line)
    report(state, house.restore_ports())
    assert len(house.board.letters) == 10
    assert len(list(house.work.list(results_prefix(CUSTOMER, job.id, 1)))) == 1
