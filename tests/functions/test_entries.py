"""Entries of the workers: event in, operation, event out; an error keeps its name."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from types import SimpleNamespace

import pytest

from arche.aws import wiring
from arche.aws.settings import WorkerSettings
from arche.operations.meter import MeterPorts
from arche.providers.errors import CredentialRejected, Throttled
from functions.backup import collect, schedule, seal
from functions.billing import meter
from functions.restore import deliver, plan, report
from tests.operations.house import CUSTOMER, House

CONTEXT = SimpleNamespace(
    get_remaining_time_in_millis=lambda: 240_000,
    function_name="f",
    memory_limit_in_mb=1,
    invoked_function_arn="arn",
    aws_request_id="r",
)
SETTINGS = [field.name.upper() for field in fields(WorkerSettings)]


@pytest.fixture
def house(monkeypatch) -> House:
    house = House.build(accounts=2)
    for board in house.mail.boards.values():
        board.add(board.add_folder("Inbox"))
    for name in SETTINGS:
        monkeypatch.setenv(f"ARCHE_{name}", "x")
    monkeypatch.setattr(wiring, "schedule_ports", lambda _settings: house.schedule_ports())
    monkeypatch.setattr(wiring, "collect_ports", lambda _settings, _event: house.collect_ports())
    monkeypatch.setattr(wiring, "seal_ports", lambda _settings, _event: house.seal_ports())
    monkeypatch.setattr(wiring, "restore_ports", lambda _settings, _event: house.restore_ports())
    monkeypatch.setattr(wiring, "meter_ports", lambda _settings: MeterPorts(house.book, house.clock))
    return house


def wire(value):
    """What Step Functions makes of an answer."""
    return json.loads(json.dumps(value))


def test_a_backup_goes_from_entry_to_entry(house, capsys):
    opened = wire(schedule.lambda_handler({"input": {"customer": CUSTOMER, "job": "j1"}, "execution": "e"}, CONTEXT))
    assert opened["close"] is True
    (line,) = [json.loads(text) for text in house.work.read(opened["firsts_key"]).splitlines()]
    collected = wire(collect.lambda_handler(line, CONTEXT))
    assert (collected["status"], collected["at"], collected["slices"]) == ("collected", None, 1)
    assert {key: collected[key] for key in line} == line
    assert wire(collect.lambda_handler(collected, CONTEXT))["slices"] == 2
    sealed = wire(seal.lambda_handler(collected, CONTEXT))
    assert sealed["sealed"] == {"green": 2}
    closed = wire(schedule.lambda_handler({"run": opened["run"], "close": True}, CONTEXT))
    assert (closed["unfinished"], closed["failed"]) == (0, 0)
    assert house.in_step("A-0001")
    assert wire(meter.lambda_handler({"daily": True}, CONTEXT)) == {"customers": 1}
    said = capsys.readouterr().out
    assert '"accounts_green"' in said
    assert "Inbox" not in said
    assert "letter" not in said


def test_an_error_keeps_its_name(house):
    batch = house.open()
    house.services_error = CredentialRejected("no")
    with pytest.raises(CredentialRejected):
        collect.lambda_handler(batch.as_event(), CONTEXT)


def test_throttling_is_an_answer(house):
    batch = house.open()
    house.services_error = Throttled("slow", after=30)
    answer = wire(collect.lambda_handler(batch.as_event(), CONTEXT))
    assert answer["status"] == "later"
    assert answer["at"].endswith("Z")


def test_a_restore_goes_from_entry_to_entry(house):
    house.backup()
    house.board.letters.clear()
    job = house.restore(whole=True)
    line = {"customer": CUSTOMER, "job": job.id, "run": job.run, "lease": job.lease, "connection": job.connection}
    assert plan.lambda_handler({**line, "start": False}, CONTEXT)["next"] == "end"
    state = wire(plan.lambda_handler({**line, "start": True}, CONTEXT))
    assert state["next"] == "undo"
    for text in house.work.read(state["batches_key"]).splitlines():
        assert deliver.lambda_handler(json.loads(text), CONTEXT)["status"] == "done"
    assert wire(report.lambda_handler(state, CONTEXT))["next"] == "end"
    assert house.book.jobs[job.id].state == "done"


def test_meter_counts_and_may_be_repeated(house):
    house.backup()
    key = (CUSTOMER, "A-0002")
    house.book.rows[key] = replace(house.book.rows[key], active=False)
    for _ in range(2):
        meter.lambda_handler({"daily": True}, CONTEXT)
    (usage,) = house.book.usage.values()
    assert (usage.date, usage.accounts, usage.archived, usage.waiting) == ("2026-11-24", {"person": 1}, 1, 0)
    assert usage.items == 2
    assert usage.stored_bytes == sum(map(len, house.store.objects.values()))
