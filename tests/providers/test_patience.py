"""Retry-After in all its forms, back-off, and the one wrapper that tries again."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest

from arche.providers.patience import Backoff, Retrying, retry_after

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        ("2.128", 2.128),
        (" 3 ", 3.0),
        ("0", 0.0),
        ("-5", 0.0),
        ("Tue, 24 Nov 2026 12:00:30 GMT", 30.0),
        ("Tue, 24 Nov 2026 11:00:00 GMT", 0.0),
        ("Tue, 24 Nov 2026 12:00:30 -0000", 30.0),
        ("soon", None),
        ("", None),
        ("nan", None),
        ("inf", None),
        ("1e400", None),
    ],
)
def test_retry_after(text: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": text}, NOW) == seconds
    assert retry_after({}, NOW) is None


def test_backoff_doubles_up_to_a_ceiling_and_starts_small_again() -> None:
    calm = Backoff(4.0, chance=lambda: 1.0)
    assert [calm.refused() for _ in range(9)] == [4, 8, 16, 32, 64, 128, 256, 300, 300]
    calm.accepted()
    assert calm.refused() == 4
    assert Backoff(4.0, chance=lambda: 0.0).refused() == 2


class Pause:
    def __init__(self) -> None:
        self.slept: list[float] = []

    def sleep(self, seconds: float, /) -> None:
        self.slept.append(seconds)


def script(*events: int | Exception) -> tuple[httpx.MockTransport, list[httpx.Request]]:
    seen: list[httpx.Request] = []
    rest = list(events)

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        event = rest.pop(0)
        if isinstance(event, Exception):
            raise event
        return httpx.Response(event)

    return httpx.MockTransport(answer), seen


def test_a_get_is_tried_again() -> None:
    wire, seen = script(httpx.ReadError("x"), 502, 200)
    pause = Pause()
    assert httpx.Client(transport=Retrying(wire, pause)).get("https://x/").status_code == 200
    assert len(seen) == 3
    assert pause.slept == [0.5, 2.0]


def test_the_last_try_speaks() -> None:
    wire, seen = script(500, 500, 500)
    assert httpx.Client(transport=Retrying(wire, Pause())).get("https://x/").status_code == 500
    assert len(seen) == 3
    wire, _ = script(httpx.ReadError("a"), httpx.ReadError("b"), httpx.ReadError("c"))
    with pytest.raises(httpx.ReadError, match="c"):
        httpx.Client(transport=Retrying(wire, Pause())).get("https://x/")


@pytest.mark.parametrize(
    ("method", "event"), [("POST", 502), ("DELETE", 500), ("PUT", 504), ("GET", 503), ("GET", 429)]
)
def test_what_could_harm_or_asks_for_patience_is_not_tried_again(method: str, event: int) -> None:
    wire, seen = script(event)
    pause = Pause()
    assert httpx.Client(transport=Retrying(wire, pause)).request(method, "https://x/").status_code == event
    assert len(seen) == 1
    assert not pause.slept
