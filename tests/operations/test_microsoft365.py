"""The operations with the room of Microsoft 365 against its simulator: a mailbox backed up, changed and given back."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from arche.model.completeness import Colour
from arche.model.deadline import Deadline
from arche.operations.collect import Limits
from arche.operations.deliver import deliver
from arche.operations.plan import plan
from arche.operations.report import report
from tests.operations.house import CUSTOMER, House
from tests.operations.test_restore import event
from tests.providers.microsoft365.conftest import _fair_weather, cloud, mailbox, reader  # noqa: F401 - fixtures

SERVICE = "exchange"


class Mailbox:
    """A house whose one account is a mailbox of the simulator."""

    def __init__(self, world) -> None:
        self.world = world
        self.house = House.build()
        key = (CUSTOMER, "A-0001")
        row = self.house.book.rows[key]
        self.house.book.rows[key] = replace(row, provider_id=world.user, services=(SERVICE,))
        # A session for each slice, as in Lambda; one that was throttled keeps its fence by a real clock.
        self.house.services = lambda: {SERVICE: world.open()}

    def held(self) -> dict[str, bytes]:
        vault = self.house.vault()
        view = vault.view(next(vault.points()))
        rows = [row for row in view.rows(SERVICE) if not row.is_folder]
        return {row.id: b"".join(view.read(next(p for p in row.parts if not p.name))) for row in rows}

    def truth(self) -> dict[str, bytes]:
        return {item: self.world.content(item) for item in self.world.live()}

    def content_reads(self) -> int:
        return sum(
            call.template.endswith("/$value") and "attachments" not in call.template for call in self.world.calls
        )


@pytest.fixture
def box(mailbox) -> Mailbox:  # noqa: F811 - the fixture above
    mailbox.fill()
    return Mailbox(mailbox)


def test_first_backup_increment_and_nothing_new(box):
    house, world = box.house, box.world
    (first,) = house.backup(limits=Limits(accounts=2, reads=3))
    assert first.colour == Colour.GREEN
    assert box.held() == box.truth()
    letters = sorted(world.live())
    before = box.content_reads()
    world.change(letters[0])
    world.move(letters[1], "archive")
    world.purge(letters[2])
    new = world.add("Neu", "inbox")
    house.store.created.clear()
    (second,) = house.backup(limits=Limits(accounts=2, reads=3))
    assert second.colour == Colour.GREEN
    assert second.counts[SERVICE]["vanished"] == 1
    assert box.held() == box.truth()
    assert new in box.held()
    assert box.content_reads() - before <= 3
    assert len(house.store.created) <= 3
    created = len(house.store.created)
    (third,) = house.backup(limits=Limits(accounts=2, reads=3))
    assert third.outcome == "unchanged"
    assert len(house.store.created) == created


def test_bad_weather_on_the_wire_heals(box):
    house, world = box.house, box.world
    world.cut()
    (first,) = house.backup()
    assert first.colour == Colour.GREEN
    bad = min(world.live())
    world.change(bad)
    world.refuse(bad)
    (second,) = house.backup()
    assert second.colour == Colour.AMBER
    assert second.counts[SERVICE]["failed"] == 1
    world.control.clear()
    world.throttle("1.5")
    batch = house.open()
    assert house.slice(batch).status == "later"
    world.control.clear()
    house.clock.forward(2)
    house.go_on(batch)
    assert house.book.records[-1].colour == Colour.GREEN
    world.expire()
    world.purge(bad)
    before = box.content_reads()
    (fourth,) = house.backup()
    assert fourth.colour == Colour.GREEN
    assert box.content_reads() == before
    assert box.held() == box.truth()


def test_a_purged_mailbox_comes_back(box):
    house, world = box.house, box.world
    house.backup()
    held = box.held()
    for letter in world.live():
        world.purge(letter)
    job = house.restore(whole=True)
    state = plan(event(job, start=True), house.restore_ports())
    lines = [json.loads(text) for text in house.work.read(state["batches_key"]).splitlines()]
    for _ in range(2):  # once more, as after a crash of the machine: nothing is written twice
        for line in lines:
            assert deliver(line, house.restore_ports(), Deadline.after(900, house.clock))["status"] == "done"
    assert report(state, house.restore_ports())["next"] == "end"
    ended = house.book.jobs[job.id]
    assert (ended.state, ended.report["given_back"], ended.report["verified"]) == ("done", len(held), len(held))
    assert len(world.live()) == len(held)
    assert world.notified() == 0
