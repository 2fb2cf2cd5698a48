"""The machines with the real operations behind them: whole runs, in good weather and in bad."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import fields, replace
from datetime import timedelta
from types import SimpleNamespace

import pytest

from arche.aws import wiring
from arche.aws.settings import WorkerSettings
from arche.model.completeness import Colour
from arche.model.work import Task, TaskState, iso, moment
from arche.operations.meter import MeterPorts
from arche.providers.errors import CredentialRejected, Throttled, Unreachable
from functions.backup import collect, schedule, seal
from functions.restore import deliver, plan, report
from tests.machines.interpreter import Failed, Interpreter
from tests.machines.test_asl import load
from tests.operations.house import CUSTOMER, House
from tests.operations.world import START, Killed

SETTINGS = [field.name.upper() for field in fields(WorkerSettings)]


class Cloud:
    """A house, its machines and its entries. ``slow`` makes every look at the clock cost some seconds."""

    def __init__(self, house: House, monkeypatch) -> None:
        self.house = house
        for name in SETTINGS:
            monkeypatch.setenv(f"ARCHE_{name}", "x")
        monkeypatch.setattr(wiring, "schedule_ports", lambda _settings: house.schedule_ports())
        monkeypatch.setattr(wiring, "collect_ports", lambda _settings, _event: house.collect_ports())
        monkeypatch.setattr(wiring, "seal_ports", lambda _settings, _event: house.seal_ports())
        monkeypatch.setattr(wiring, "restore_ports", lambda _settings, _event: house.restore_ports())
        monkeypatch.setattr(wiring, "meter_ports", lambda _settings: MeterPorts(house.book, house.clock))
        self.executions = 0
        self.last: Interpreter | None = None

    def entry(self, handler, seconds: int):
        context = SimpleNamespace(get_remaining_time_in_millis=lambda: seconds * 1000)

        def call(event):
            try:
                return handler(event, context)
            except Killed as killed:
                raise Failed("Lambda.Unknown", str(killed)) from None

        return call

    def run(self, machine: str, event: dict):
        self.executions += 1
        made = Interpreter(
            tasks={
                "${ScheduleArn}": self.entry(schedule.lambda_handler, 300),
                "${CollectShortArn}": self.entry(collect.lambda_handler, 240),
                "${CollectLongArn}": self.entry(collect.lambda_handler, 900),
                "${SealArn}": self.entry(seal.lambda_handler, 240),
                "${PlanArn}": self.entry(plan.lambda_handler, 900),
                "${DeliverArn}": self.entry(deliver.lambda_handler, 900),
                "${ReportArn}": self.entry(report.lambda_handler, 900),
                "arn:aws:states:::states:startExecution.sync:2": self.nested,
            },
            lines=self.lines,
            wait=self.wait,
            context={"Execution": {"Name": f"e-{self.executions}", "Id": f"arn:e-{self.executions}"}},
        )
        self.last = made
        return made.run(load(machine), event)

    def nested(self, given):
        assert given["StateMachineArn"] == "${BackupMachineArn}"
        kept = self.last
        answer = {"Output": self.run("backup", given["Input"])}
        self.last = kept
        return answer

    def lines(self, key: str):
        part, _, rest = key.partition("/")
        assert part in {"runs", "customers"}
        return [json.loads(text) for text in self.house.work.objects[rest].splitlines()]

    def wait(self, at: str) -> None:
        self.house.clock.at = max(self.house.clock.at, moment(at))


@pytest.fixture
def cloud(monkeypatch) -> Cloud:
    house = House.build(accounts=10)
    for number, board in enumerate(house.mail.boards.values()):
        inbox = board.add_folder("Inbox")
        for letter in range(3):
            board.add(inbox, name=f"mail {letter} of {number}")
    for key, row in list(house.book.rows.items()):
        house.book.slots[key] = {"06"}
        house.book.rows[key] = replace(row, activated=iso(START - timedelta(days=3)))
    return Cloud(house, monkeypatch)


def next_day(cloud: Cloud) -> None:
    cloud.house.clock.at = START + timedelta(days=(cloud.house.clock.at - START).days + 1)
    cloud.house.board.trouble.calm()


def labels(cloud: Cloud):
    return [label for _, label in cloud.house.book.rows]


def test_first_backups_then_increments_then_nothing(cloud):
    answer = cloud.run("backup", {"slot": "06"})
    assert answer == {"run": "20261124-06", "unfinished": 0, "failed": 0, "queued": 0}
    assert all(cloud.house.in_step(label) for label in labels(cloud))
    for board in cloud.house.mail.boards.values():
        board.add(next(iter(board.folders)))
    next_day(cloud)
    assert cloud.run("backup", {"slot": "06"})["unfinished"] == 0
    assert all(cloud.house.in_step(label) for label in labels(cloud))
    before = set(cloud.house.store.objects)
    next_day(cloud)
    cloud.run("backup", {"slot": "06"})
    assert set(cloud.house.store.objects) == before
    assert {record.colour for record in cloud.house.book.records} == {Colour.GREEN}
    assert len(cloud.house.book.records) == 30


def test_a_slot_that_fires_twice_is_worked_on_once(cloud):
    cloud.run("backup", {"slot": "06"})
    assert cloud.run("backup", {"slot": "06"})["close"] is False
    assert len(cloud.house.book.records) == 10


def test_what_the_short_pass_leaves_over_is_done_by_the_long_one(cloud):
    cloud.run("backup", {"slot": "06"})
    for board in cloud.house.mail.boards.values():
        board.add(next(iter(board.folders)))
    next_day(cloud)
    waits = [200.0] * 4

    def slow(_number, name):
        return Throttled("slow", after=waits.pop()) if waits and name == "changes" else None

    cloud.house.trouble.plan = slow
    answer = cloud.run("backup", {"slot": "06"})
    assert answer["unfinished"] == 0
    assert not waits
    assert all(cloud.house.in_step(label) for label in labels(cloud))
    assert "20261125-06/rest-1.jsonl" in cloud.house.work.objects


@pytest.mark.parametrize("place", range(1, 400, 23))
def test_a_function_killed_anywhere_loses_nothing(cloud, place):
    kills = [place]

    def kill(number, _name):
        return Killed("killed") if kills and number >= kills[0] and kills.pop() else None

    cloud.house.trouble.reset()
    cloud.house.trouble.plan = kill
    with suppress(Failed):
        cloud.run("backup", {"slot": "06"})
    cloud.house.trouble.calm()
    next_day(cloud)
    answer = cloud.run("backup", {"slot": "06"})
    assert answer["unfinished"] == 0
    assert all(cloud.house.in_step(label) for label in labels(cloud))
    last = {record.account: record.colour for record in cloud.house.book.records}
    assert set(last.values()) == {Colour.GREEN}


def test_a_function_that_always_dies_ends_unfinished_and_the_next_run_heals(cloud):
    cloud.house.trouble.plan = lambda _number, name: Killed("killed") if name == "read" else None
    answer = cloud.run("backup", {"slot": "06"})
    assert answer["unfinished"] == 10
    assert {record.outcome for record in cloud.house.book.records} == {"unfinished"}
    assert {record.colour for record in cloud.house.book.records} == {Colour.AMBER}
    next_day(cloud)
    assert cloud.run("backup", {"slot": "06"})["unfinished"] == 0
    assert all(cloud.house.in_step(label) for label in labels(cloud))


def test_an_unreachable_vendor_is_tried_again_and_then_left_for_the_next_run(cloud):
    left = [5]

    def flaky(_number, name):
        if name == "changes" and left[0]:
            left[0] -= 1
            return Unreachable("no route")
        return None

    cloud.house.trouble.plan = flaky
    assert cloud.run("backup", {"slot": "06"})["unfinished"] == 0
    cloud.house.trouble.plan = lambda _number, name: Unreachable("no route") if name == "changes" else None
    cloud.house.clock.forward(86_400)
    answer = cloud.run("backup", {"slot": "06"})
    assert answer["unfinished"] == 10
    next_day(cloud)
    assert cloud.run("backup", {"slot": "06"})["unfinished"] == 0


def test_withdrawn_consent_is_said_once_and_heals_after_it_is_given_again(cloud):
    cloud.run("backup", {"slot": "06"})
    held = cloud.house.held()
    next_day(cloud)
    cloud.house.services_error = CredentialRejected("AADSTS7000229")
    answer = cloud.run("backup", {"slot": "06"})
    assert (answer["unfinished"], answer["failed"]) == (0, 10)
    assert len(cloud.house.book.alerts) == 1
    assert {record.colour for record in cloud.house.book.records[-10:]} == {Colour.RED}
    assert cloud.house.held() == held
    cloud.house.services_error = None
    next_day(cloud)
    assert cloud.run("backup", {"slot": "06"})["failed"] == 0
    assert all(cloud.house.in_step(label) for label in labels(cloud))


def test_a_throttled_first_backup_waits_as_long_as_the_vendor_says(cloud):
    waits = [3600.0, 60.0]
    cloud.house.trouble.plan = lambda _n, name: (
        Throttled("slow", after=waits.pop()) if waits and name == "page" else None
    )
    began = cloud.house.clock.at
    assert cloud.run("backup", {"slot": "06"})["unfinished"] == 0
    assert cloud.house.clock.at - began >= timedelta(seconds=3600)
    assert all(cloud.house.in_step(label) for label in labels(cloud))


def test_a_vendor_that_never_stops_throttling_is_given_up_before_the_history_is_full(cloud):
    cloud.house.trouble.plan = lambda _n, name: Throttled("slow", after=30) if name == "page" else None
    answer = cloud.run("backup", {"customer": CUSTOMER, "job": "j", "accounts": ["A-0001"]})
    assert answer["unfinished"] == 1
    assert cloud.last is not None
    assert max(cloud.last.children) < 10_000


def test_a_queued_slot_is_taken_up_in_the_same_execution(cloud):
    cloud.run("backup", {"slot": "06"})
    next_day(cloud)
    for key in cloud.house.book.slots:
        cloud.house.book.slots[key] = {"06", "07"}
    seen = []

    def overlap(_number, name):
        if name == "token" and not seen:
            seen.append(1)
            cloud.house.clock.forward(3600)
            schedule.lambda_handler({"input": {"slot": "07"}, "execution": "other"}, SimpleNamespace())

    cloud.house.trouble.plan = overlap
    answer = cloud.run("backup", {"slot": "06"})
    assert answer["run"] == "20261125-06-q"
    assert {row.last_slot for row in cloud.house.book.rows.values()} == {"20261125-07"}


def restore_event(job, *, start: bool):
    line = {"customer": job.customer, "job": job.id, "run": job.run, "lease": job.lease, "connection": job.connection}
    return {**line, "start": start}


def purged(cloud: Cloud):
    cloud.run("backup", {"slot": "06"})
    cloud.house.board.letters.clear()
    cloud.house.board.folders.clear()
    job = cloud.house.restore(whole=True)
    cloud.run("restore", restore_event(job, start=False))
    assert cloud.house.book.jobs[job.id].state == "planned"
    return job


def test_a_purged_account_comes_back_through_the_machine(cloud):
    cloud.run("backup", {"slot": "06"})
    before = sorted(body for _folder, _name, _version, body in cloud.house.held().values())
    cloud.house.board.letters.clear()
    cloud.house.board.folders.clear()
    job = cloud.house.restore(whole=True)
    cloud.run("restore", restore_event(job, start=False))
    cloud.run("restore", restore_event(job, start=True))
    assert sorted(one.body for one in cloud.house.board.letters.values()) == before
    assert cloud.house.book.jobs[job.id].state == "done"
    assert f"{job.id}-undo" in cloud.house.book.runs


def test_a_restore_over_a_living_account_makes_an_undo_point_first(cloud):
    cloud.run("backup", {"slot": "06"})
    lost = next(iter(cloud.house.board.letters))
    cloud.house.board.drop(lost)
    new = cloud.house.board.add(next(iter(cloud.house.board.folders)))
    points = len(list(cloud.house.vault().points()))
    job = cloud.house.restore(whole=True, seq=next(cloud.house.vault().points()).seq)
    cloud.run("restore", restore_event(job, start=False))
    cloud.run("restore", restore_event(job, start=True))
    assert len(list(cloud.house.vault().points())) == points + 1
    assert new in cloud.house.held()
    assert cloud.house.book.jobs[job.id].report["actions"] == {"written": 1, "skipped": 2}


def test_no_undo_point_no_restore(cloud):
    job = purged(cloud)
    cloud.house.services_error = CredentialRejected("backup app is out")
    cloud.run("restore", restore_event(job, start=True))
    ended = cloud.house.book.jobs[job.id]
    assert ended.state == "failed"
    assert "nothing was written" in ended.message
    assert cloud.house.board.letters == {}


@pytest.mark.parametrize("place", range(1, 90, 7))
def test_a_restore_killed_anywhere_writes_nothing_twice(cloud, place):
    job = purged(cloud)
    kills = [place]

    def kill(number, _name):
        return Killed("killed") if kills and number >= kills[0] and kills.pop() else None

    cloud.house.trouble.reset()
    cloud.house.trouble.plan = kill
    cloud.run("restore", restore_event(job, start=True))
    cloud.house.trouble.calm()
    names = [one.name for one in cloud.house.board.letters.values()]
    assert len(names) == len(set(names))
    ended = cloud.house.book.jobs[job.id]
    assert ended.state == "done" or "nothing was written" in ended.message
    assert len(names) == (3 if ended.state == "done" else 0)


def test_throttled_restores_wait_and_end(cloud):
    job = purged(cloud)
    waits = [40.0, 10.0]
    cloud.house.trouble.plan = lambda _n, name: (
        Throttled("slow", after=waits.pop()) if waits and name == "write" else None
    )
    cloud.run("restore", restore_event(job, start=True))
    assert cloud.house.book.jobs[job.id].state == "done"
    assert not waits


def test_a_sealed_task_is_never_opened_again(cloud):
    cloud.run("backup", {"slot": "06"})
    lease = next(iter(cloud.house.book.leases.values()))
    label = next(iter(lease.tasks))
    cloud.house.book.record_task(lease.id, Task(label, TaskState.OPEN))
    assert cloud.house.book.leases[lease.id].tasks[label].state == TaskState.SEALED


def test_a_job_that_never_begins_says_so(cloud, monkeypatch):
    def denied(*_arguments):
        raise PermissionError("the table refused")

    monkeypatch.setattr(cloud.house.book, "open_run", denied)
    for event in ({"customer": CUSTOMER, "job": "backup-1"}, {"slot": "06"}):
        with pytest.raises(Failed) as failed:
            cloud.run("backup", event)
        assert failed.value.error == "NotBegun"
    ((customer, job, message),) = cloud.house.book.not_begun
    assert (customer, job) == (CUSTOMER, "backup-1")
    assert "could not begin" in message
