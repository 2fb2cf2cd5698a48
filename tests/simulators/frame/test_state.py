"""Clock, chance, state and the administrator's hands."""

from __future__ import annotations

import contextlib
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from simulators.frame import Action, Platform, Simulation, running
from simulators.frame.chance import Chance
from simulators.frame.control import ControlError
from simulators.frame.running import OtherWorldError, SimulatorCrashedError
from tests.simulators.clients import https

MAY = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)


def shelf(simulation: Simulation) -> Platform:
    database = simulation.state.database("shelf")
    database.execute("CREATE TABLE IF NOT EXISTS book (title TEXT PRIMARY KEY)")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        database.execute("INSERT INTO book VALUES (?)", (scope["path"],))
        if scope["path"] == "/broken":
            raise RuntimeError("after the write")
        await PlainTextResponse(simulation.clock.text())(scope, receive, send)

    def titles() -> list[str]:
        return [row["title"] for row in database.execute("SELECT title FROM book ORDER BY title")]

    def add(title: str, *, fail: bool = False) -> None:
        database.execute("INSERT INTO book VALUES (?)", (title,))
        if fail:
            raise ValueError("changed my mind")

    actions = {"titles": Action("list the titles", titles), "add": Action("add a title", add)}
    return Platform("shelf", ("shelf.example",), app, actions=actions)


def test_state_survives_a_restart_and_fresh_forgets_it(tmp_path: Path) -> None:
    with running(tmp_path, builds=[shelf]) as sim, https(sim) as client:
        client.get("https://shelf.example/a")
        sim.control.act("add", platform="shelf", title="b")
    with running(tmp_path, builds=[shelf]) as sim:
        assert sim.control.act("titles", platform="shelf") == ["/a", "b"]
    with running(tmp_path, builds=[shelf], fresh=True) as sim:
        assert sim.control.act("titles", platform="shelf") == []


def test_a_state_of_another_world_is_refused(tmp_path: Path) -> None:
    state, world = tmp_path / "state", tmp_path / "world"
    with running(state, builds=[shelf]):
        pass
    for other in ({"world": world}, {"seed": 2}):
        with pytest.raises(OtherWorldError, match="another world"), running(state, builds=[shelf], **other):
            pass
    with running(state, builds=[shelf], world=world, fresh=True), pytest.raises(ValueError, match="the test's own"):
        raise ValueError("the test's own")
    with running(state, builds=[shelf], world=world):
        pass


def test_what_a_failed_call_or_action_wrote_is_rolled_back(tmp_path: Path) -> None:
    with contextlib.suppress(SimulatorCrashedError), running(tmp_path, builds=[shelf]) as sim, https(sim) as client:
        assert client.get("https://shelf.example/broken").status_code == 500
        with pytest.raises(ControlError, match="changed my mind"):
            sim.control.act("add", platform="shelf", title="x", fail=True)
        assert sim.control.act("titles", platform="shelf") == []


def test_state_is_on_disk_after_each_call(tmp_path: Path) -> None:
    with running(tmp_path, builds=[shelf]) as sim, https(sim) as client:
        client.get("https://shelf.example/a")
        with sqlite3.connect(tmp_path / "shelf.sqlite") as other:
            assert other.execute("SELECT count(*) FROM book").fetchone() == (1,)
        other.close()


def test_actions_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    with running(tmp_path, builds=[shelf]) as sim:
        for wrong in (
            lambda: sim.control.act("burn", platform="shelf"),
            lambda: sim.control.act("add", platform="nobody"),
            lambda: sim.control.act("add", platform="shelf", colour="red"),
        ):
            with pytest.raises(ControlError):
                wrong()


def test_the_clock_is_set_advanced_frozen_and_kept(tmp_path: Path) -> None:
    with running(tmp_path, builds=[shelf]) as sim, https(sim) as client:
        sim.control.set_clock(MAY, freeze=True)
        assert client.get("https://shelf.example/1").text == "2026-05-04T08:00:00Z"
        sim.control.advance(7 * 86400 + 1)
        answer = client.get("https://shelf.example/2")
        assert answer.text == "2026-05-11T08:00:01Z"
        assert answer.headers["date"] == "Mon, 11 May 2026 08:00:01 GMT"
        with pytest.raises(ControlError, match="time zone"):
            sim.control.set_clock(datetime(2026, 5, 4))  # noqa: DTZ001 - the mistake under test
    with running(tmp_path, builds=[shelf]) as sim, https(sim) as client:
        assert client.get("https://shelf.example/3").text == "2026-05-11T08:00:01Z"


def test_chance_goes_by_the_seed_and_by_the_name() -> None:
    one, two = Chance(1), Chance(2)
    assert one.guid("user", "a") == Chance(1).guid("user", "a") != two.guid("user", "a")
    assert one.guid("user", "a") != one.guid("usera")
    assert one.fresh("x").random() == one.fresh("x").random()
    assert one.stream("x").random() != one.stream("x").random()
