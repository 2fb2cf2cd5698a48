"""Budgets: spent before a call leaves, in the vendor's units, and never by waiting."""

from __future__ import annotations

import httpx
import pytest

from arche.providers.budget import Allowance, Budgeted, LeasedPurse, LocalPurse, Unlimited
from arche.providers.errors import Throttled

SMALL = Allowance(units=10, seconds=600, places=4, bytes=1000, byte_seconds=300)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_window_slides(clock: Clock) -> None:
    purse = LocalPurse(SMALL, clock)
    for _ in range(10):
        purse.hold(1, 0).close()
        clock.now += 10
    with pytest.raises(Throttled) as caught:
        purse.hold(1, 0)
    # The first call was 100 s ago: it leaves the window in 500 s.
    assert caught.value.after == pytest.approx(500)
    assert caught.value.code == "own_budget"
    clock.now += 500
    purse.hold(1, 0).close()


def test_several_units_wait_for_several_to_leave(clock: Clock) -> None:
    purse = LocalPurse(SMALL, clock)
    for _ in range(10):
        purse.hold(1, 0).close()
        clock.now += 10
    with pytest.raises(Throttled) as caught:
        purse.hold(4, 0)
    assert caught.value.after == pytest.approx(530)


def test_four_at_a_time(clock: Clock) -> None:
    purse = LocalPurse(SMALL, clock)
    held = [purse.hold(1, 0) for _ in range(4)]
    with pytest.raises(Throttled) as caught:
        purse.hold(1, 0)
    assert caught.value.code == "own_places"
    held.pop().close()
    purse.hold(1, 0).close()


def test_uploads_have_a_window_of_their_own(clock: Clock) -> None:
    purse = LocalPurse(SMALL, clock)
    purse.hold(1, 900).close()
    purse.hold(1, 0).close()
    with pytest.raises(Throttled) as caught:
        purse.hold(1, 200)
    assert caught.value.after == pytest.approx(300)
    clock.now += 301
    # More than the whole window at once goes alone, into an empty one.
    purse.hold(1, 5000).close()


def test_a_fence_stands_for_its_time(clock: Clock) -> None:
    purse = LocalPurse(SMALL, clock)
    purse.fence(30)
    purse.fence(10)
    with pytest.raises(Throttled) as caught:
        purse.hold(1, 0)
    assert caught.value.after == pytest.approx(30)
    clock.now += 30
    purse.hold(1, 0).close()


class Ledger:
    """Shared budgets in memory."""

    def __init__(self, units: int) -> None:
        self.units = units
        self.taken: list[int] = []
        self.fences: list[tuple[str, float]] = []

    def take(self, key: str, units: int) -> int:
        granted = 0 if self.fences else min(units, self.units)
        self.units -= granted
        self.taken.append(granted)
        return granted

    def fence(self, key: str, seconds: float) -> None:
        self.fences.append((key, seconds))


def test_blocks_are_spent_locally() -> None:
    ledger = Ledger(25)
    purse = LeasedPurse(ledger, "k", block=10, seconds=10)
    for _ in range(25):
        purse.hold(1, 0).close()
    assert ledger.taken == [10, 10, 5]
    with pytest.raises(Throttled) as caught:
        purse.hold(1, 0)
    assert caught.value.after == 10


def test_a_fence_drops_the_block_for_everybody() -> None:
    ledger = Ledger(100)
    purse = LeasedPurse(ledger, "k", block=10, seconds=10)
    purse.hold(1, 0).close()
    purse.fence(17)
    assert ledger.fences == [("k", 17)]
    with pytest.raises(Throttled):
        purse.hold(1, 0)


def client(wire, **purses) -> httpx.Client:
    return httpx.Client(
        transport=Budgeted(httpx.MockTransport(wire), lambda key: purses.get(key.split(":")[0], Unlimited()))
    )


def test_places_come_back_when_the_answer_is_closed(clock: Clock) -> None:
    purse = LocalPurse(SMALL, clock)
    session = client(lambda _: httpx.Response(200, stream=httpx.ByteStream(b"x")), mailbox=purse)
    named = {"spends": {"mailbox:1": 1}}
    open_ones = [
        session.send(session.build_request("GET", "https://x/", extensions=named), stream=True) for _ in range(4)
    ]
    with pytest.raises(Throttled):
        session.get("https://x/", extensions=named)
    for response in open_ones:
        response.close()
    assert session.get("https://x/", extensions=named).content == b"x"


def test_a_refused_second_key_gives_back_the_place_of_the_first(clock: Clock) -> None:
    mailbox, empty = LocalPurse(SMALL, clock), LeasedPurse(Ledger(0), "k", 10, 10)
    session = client(lambda _: httpx.Response(200), mailbox=mailbox, directory=empty)
    for _ in range(5):
        with pytest.raises(Throttled):
            session.get("https://x/", extensions={"spends": {"mailbox:1": 1, "directory": 1}})
    with mailbox.hold(1, 0), mailbox.hold(1, 0), mailbox.hold(1, 0), mailbox.hold(1, 0):
        pass


def test_places_come_back_when_the_connection_breaks(clock: Clock) -> None:
    purse = LocalPurse(SMALL, clock)

    def broken(_: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("gone")

    session = client(broken, mailbox=purse)
    for _ in range(6):
        with pytest.raises(httpx.ReadError):
            session.get("https://x/", extensions={"spends": {"mailbox:1": 1}})


@pytest.mark.parametrize(
    ("status", "told", "fenced"), [(429, "12.5", True), (503, "3", True), (429, "", False), (200, "9", False)]
)
def test_retry_after_fences_what_was_spent(clock: Clock, status: int, told: str, fenced: bool) -> None:
    ledger = Ledger(100)
    session = client(
        lambda _: httpx.Response(status, headers={"Retry-After": told} if told else {}),
        directory=LeasedPurse(ledger, "t:directory", 10, 10),
    )
    session.get("https://x/", extensions={"spends": {"directory": 1}})
    assert ledger.fences == ([("t:directory", float(told))] if fenced else [])
