"""The fault plan and the faults that every platform has."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from simulators.frame import Call, Platform, Simulation, Switch, running
from simulators.frame.calls import CallLog
from simulators.frame.chance import Chance
from simulators.frame.control import ControlError
from simulators.frame.faults import FaultPlan, UnknownSwitchError
from tests.simulators.clients import https

URL = "https://api.vendor.example"


class Vendor:
    """Counts what it carried out, so that a lost answer can be told from a lost call."""

    def __init__(self) -> None:
        self.done = 0

    def __call__(self, _simulation: Simulation) -> Platform:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            self.done += 1
            await Request(scope, receive).body()
            await PlainTextResponse("x" * 1000)(scope, receive, send)

        def describe(call: Call, _headers: object) -> None:
            call.template = "/items/{id}" if call.path.startswith("/items/") else call.path

        return Platform("vendor", ("api.vendor.example",), app, describe=describe)


@pytest.mark.parametrize(("given", "sent"), [("2.128", "2.128"), (None, None), (7, "7")])
def test_throttling_with_any_patience(tmp_path: Path, given: object, sent: str | None) -> None:
    with running(tmp_path, builds=[Vendor()]) as sim, https(sim) as client:
        sim.control.fault("throttle_429", count=1, retry_after=given)
        refused, served = client.get(URL), client.get(URL)
        assert (refused.status_code, refused.headers.get("retry-after"), served.status_code) == (429, sent, 200)


def test_statuses_bodies_and_pages_that_do_not_belong(tmp_path: Path) -> None:
    vendor = Vendor()
    with running(tmp_path, builds=[vendor]) as sim, https(sim) as client:
        sim.control.fault("status_503_empty", count=1)
        sim.control.fault("status_error", count=1, after=1, status=418, note="no")
        sim.control.fault("html_502", count=1, after=1)
        answers = [client.get(URL) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [503, 200, 418, 502]
        assert answers[0].content == b""
        assert answers[3].headers["content-type"].startswith("text/html")
    assert vendor.done == 1


@pytest.mark.parametrize(("when", "done"), [("before", 0), ("after", 1)])
def test_a_reset_before_or_after_the_call_was_carried_out(tmp_path: Path, when: str, done: int) -> None:
    vendor = Vendor()
    with running(tmp_path, builds=[vendor]) as sim, https(sim) as client:
        sim.control.fault("connection_reset", count=1, when=when)
        with pytest.raises(httpx.TransportError):
            client.post(URL, content=b"abc")
        assert vendor.done == done
        assert client.get(URL).is_success
        first = sim.control.calls()[0]
        assert (first["status"], first["faults"]) == (0, ["connection_reset"])


def test_an_answer_that_is_lost_as_504(tmp_path: Path) -> None:
    vendor = Vendor()
    with running(tmp_path, builds=[vendor]) as sim, https(sim) as client:
        sim.control.fault("answer_lost_504", count=1)
        assert client.post(URL).status_code == 504
        assert vendor.done == 1


@pytest.mark.parametrize("size", [0, 100, 999])
def test_a_body_that_ends_too_early(tmp_path: Path, size: int) -> None:
    with running(tmp_path, builds=[Vendor()]) as sim, https(sim) as client:
        sim.control.fault("truncated_body", count=1, bytes=size)
        with client.stream("GET", URL) as answer:
            assert answer.headers["content-length"] == "1000"
            with pytest.raises(httpx.RemoteProtocolError):
                answer.read()
        assert sim.control.calls()[0]["out"] == size
        assert len(client.get(URL).content) == 1000


def test_scopes_counts_and_what_is_listed(tmp_path: Path) -> None:
    with running(tmp_path, builds=[Vendor()]) as sim, https(sim) as client:
        fault = sim.control.fault(
            "status_503_empty", scope={"template": "/items/*", "method": "GET|PUT"}, after=1, count=2
        )
        tries = [client.get(f"{URL}/items/{number}").status_code for number in range(5)]
        assert tries == [200, 503, 503, 200, 200]
        assert client.post(f"{URL}/items/1").status_code == 200
        (entry,) = sim.control.faults()["on"]
        assert (entry["id"], entry["struck"]) == (fault, 2)
        sim.control.clear(fault)
        assert sim.control.faults()["on"] == []


def test_a_scope_that_can_never_match_shows(tmp_path: Path) -> None:
    with running(tmp_path, builds=[Vendor()]) as sim, https(sim) as client:
        sim.control.fault("status_503_empty", scope={"templat": "/items/*", "method": "GET"})
        assert client.get(f"{URL}/items/1").status_code == 200
        assert sim.control.faults()["on"][0]["blind"] == ["templat"]


def test_unknown_switches_and_parameters_are_errors(tmp_path: Path) -> None:
    with running(tmp_path, builds=[Vendor()]) as sim:
        with pytest.raises(ControlError, match="no switch is named throtle"):
            sim.control.fault("throtle")
        with pytest.raises(ControlError, match="no parameter retry"):
            sim.control.fault("throttle_429", retry=1)
        assert all(switch["note"] for switch in sim.control.faults()["switches"])


def test_probability_goes_by_the_seed() -> None:
    def strikes(seed: int) -> list[bool]:
        plan = FaultPlan(Chance(seed))
        plan.register([Switch("rain", "it rains")])
        plan.set("rain", probability=0.5)
        return [plan.strike("rain", Call("GET", "h", "/")) is not None for _ in range(40)]

    assert strikes(1) == strikes(1) != strikes(2)
    assert 5 < sum(strikes(1)) < 35


def test_asking_for_a_switch_that_nobody_registered_is_an_error() -> None:
    with pytest.raises(UnknownSwitchError):
        FaultPlan(Chance(1)).strike("rain", Call("GET", "h", "/"))


def test_the_log_has_templates_counts_and_no_query_values(tmp_path: Path) -> None:
    with running(tmp_path, builds=[Vendor()]) as sim, https(sim) as client:
        client.get(f"{URL}/items/1?token=secret-value&a=")
        mark = sim.control.mark()
        client.get(f"{URL}/items/2")
        client.put(f"{URL}/other", content=b"12345")
        assert sim.control.count(template="/items/*") == 2
        assert sim.control.count(since=mark, template="/items/*") == 1
        (put,) = sim.control.calls(method="PUT")
        assert (put["in"], put["out"], put["status"]) == (5, 1000, 200)
        assert sim.control.calls()[0]["query"] == ["a", "token"]
    text = (tmp_path / "calls.jsonl").read_text()
    assert "secret-value" not in text
    assert "12345" not in text
    log = CallLog(tmp_path / "calls.jsonl")
    assert [row["count"] for row in log.counts(by=("template",))] == [2, 1]
    log.close()


def test_the_log_goes_on_after_a_restart(tmp_path: Path) -> None:
    for _ in range(2):
        with running(tmp_path, builds=[Vendor()]) as sim, https(sim) as client:
            client.get(URL)
    with running(tmp_path, builds=[Vendor()]) as sim:
        assert sim.control.count() == 2
    with running(tmp_path, builds=[Vendor()], fresh=True) as sim:
        assert sim.control.count() == 0
