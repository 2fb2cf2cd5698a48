"""How long to wait, and the one place that does: ``Retrying``, which only the workers' wiring puts in."""

from __future__ import annotations

import email.utils
import math
import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, Protocol

import httpx

_CEILING: Final = 300.0
_RETRIED: Final = frozenset({500, 502, 504})


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Read Retry-After in seconds: whole or decimal seconds, or a date. None if absent or unreadable."""
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            date = email.utils.parsedate_to_datetime(text)
        except ValueError:
            return None
        seconds = (date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None


class Backoff:
    """What to wait when the vendor names no time: doubles with each refusal in a row, with jitter, up to 300 s."""

    def __init__(self, first: float = 4.0, chance: Callable[[], float] = random.random) -> None:
        self._first = first
        self._chance = chance
        self._row = 0

    def refused(self) -> float:
        """Count a refusal and say how long to wait, in seconds."""
        whole: float = min(_CEILING, self._first * 2.0**self._row)
        self._row = min(self._row + 1, 16)
        return whole * (0.5 + self._chance() / 2)

    def accepted(self) -> None:
        """Count a success: the next refusal starts small again."""
        self._row = 0


class Pause(Protocol):
    """A clock that can wait. ``time`` in a worker, a counter in a test."""

    def sleep(self, seconds: float, /) -> None:
        """Wait."""
        ...


class Retrying(httpx.BaseTransport):
    """Try GETs again that met a broken connection or a 500, 502, 504. A 503 is throttling and not tried again."""

    def __init__(self, inner: httpx.BaseTransport, pause: Pause, tries: int = 3, first: float = 0.5) -> None:
        self._inner = inner
        self._pause = pause
        self._tries = tries
        self._first = first

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Pass the call on, again if that is safe and may help."""
        last = self._tries - 1 if request.method == "GET" else 0
        for attempt in range(last):
            try:
                response = self._inner.handle_request(request)
            except httpx.TransportError:
                pass
            else:
                if response.status_code not in _RETRIED or "retry-after" in response.headers:
                    return response
                response.close()
            self._pause.sleep(self._first * 4**attempt)
        return self._inner.handle_request(request)

    def close(self) -> None:
        """Close the connections below."""
        self._inner.close()


def now() -> datetime:
    """Tell the present instant in UTC."""
    return datetime.now(UTC)
