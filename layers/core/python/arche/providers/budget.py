"""What the vendor lets us spend, in the vendor's own units, checked before a call leaves.

A budget never waits: what is not to be had raises Throttled with the time after which to ask again. A caller names
what a call spends in ``extensions={"spends": {key: units}}``; a key says whose budget it is (``mailbox:ID``,
``directory``).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Protocol

import httpx

from arche.providers.errors import Throttled
from arche.providers.patience import now, retry_after


class Blocks(Protocol):
    """Budgets shared by many workers, leased in blocks. Filled by the catalog (DynamoDB) and by tests (memory)."""

    def take(self, key: str, units: int) -> int:
        """Lease up to ``units`` of the budget ``key``; 0 means: none now, or a fence stands."""
        ...

    def fence(self, key: str, seconds: float) -> None:
        """Let nobody take from ``key`` for so long: the vendor asked for patience."""
        ...


@dataclass(frozen=True, slots=True)
class Allowance:
    """A local budget of one key: ``units`` in ``seconds``, ``places`` at once, ``bytes`` sent in ``byte_seconds``."""

    units: int
    seconds: float
    places: int
    bytes: int
    byte_seconds: float


class Purse(Protocol):
    """One key's budget."""

    def hold(self, units: int, upload: int) -> ExitStack:
        """Spend before the call; closing the stack gives the place back. Raises Throttled."""
        ...

    def fence(self, seconds: float) -> None:
        """Spend nothing for so long: the vendor asked for patience."""
        ...


class _Window:
    """A sliding window, kept as (instant, amount) of what was spent."""

    def __init__(self, limit: int, seconds: float, clock: Callable[[], float]) -> None:
        self._limit = limit
        self._seconds = seconds
        self._clock = clock
        self._spent: deque[tuple[float, int]] = deque()
        self._sum = 0

    def wait(self, amount: int) -> float:
        """Tell how long until ``amount`` fits; 0 if it fits now. More than the limit fits an empty window."""
        now = self._clock()
        while self._spent and self._spent[0][0] <= now - self._seconds:
            self._sum -= self._spent.popleft()[1]
        over = self._sum + min(amount, self._limit) - self._limit
        for instant, spent in self._spent:
            if over <= 0:
                break
            over -= spent
            if over <= 0:
                return instant + self._seconds - now
        return 0.0

    def spend(self, amount: int) -> None:
        """Write an amount down. Neighbours within a second share an entry, so that the window stays short."""
        now = self._clock()
        if self._spent and now - self._spent[-1][0] < 1.0:
            self._spent[-1] = (self._spent[-1][0], self._spent[-1][1] + amount)
        else:
            self._spent.append((now, amount))
        self._sum += amount


class LocalPurse:
    """The budget of a key that one worker alone uses, such as a mailbox: no shared count is needed."""

    def __init__(self, allowance: Allowance, clock: Callable[[], float]) -> None:
        self._calls = _Window(allowance.units, allowance.seconds, clock)
        self._bytes = _Window(allowance.bytes, allowance.byte_seconds, clock)
        self._places = threading.BoundedSemaphore(allowance.places)
        self._lock = threading.Lock()
        self._clock = clock
        self._until = clock()

    def hold(self, units: int, upload: int) -> ExitStack:
        """Spend calls, bytes and a place. Raises Throttled with the exact time for calls and bytes."""
        with self._lock:
            wait = max(
                self._until - self._clock(), self._calls.wait(units), self._bytes.wait(upload) if upload else 0.0
            )
            if wait > 0:
                raise Throttled("our own budget for this mailbox is spent", after=wait, code="own_budget")
            if not self._places.acquire(blocking=False):
                raise Throttled("all places of this mailbox are taken", after=1.0, code="own_places")
            self._calls.spend(units)
            if upload:
                self._bytes.spend(upload)
        stack = ExitStack()
        stack.callback(self._places.release)
        return stack

    def fence(self, seconds: float) -> None:
        """Refuse every call for so long."""
        with self._lock:
            self._until = max(self._until, self._clock() + seconds)


class LeasedPurse:
    """The budget of a key that many workers share: spends locally from a leased block."""

    def __init__(self, blocks: Blocks, key: str, block: int, seconds: float) -> None:
        self._blocks = blocks
        self._key = key
        self._block = block
        self._seconds = seconds
        self._left = 0
        self._lock = threading.Lock()

    def hold(self, units: int, upload: int) -> ExitStack:  # noqa: ARG002 -- shared budgets count calls alone
        """Spend from the block, leasing another when it is used up. Raises Throttled when none is granted."""
        with self._lock:
            if self._left < units:
                self._left += self._blocks.take(self._key, max(self._block, units))
            if self._left < units:
                raise Throttled("the shared budget is spent for now", after=self._seconds, code="own_budget")
            self._left -= units
        return ExitStack()

    def fence(self, seconds: float) -> None:
        """Forget the rest of the block and let nobody lease another for so long."""
        with self._lock:
            self._left = 0
        self._blocks.fence(self._key, seconds)


class Budgeted(httpx.BaseTransport):
    """Spend before each call what its ``spends`` names; give places back when the answer is read or closed.

    ``purse`` makes a key's budget at first use. A 429 or 503 with Retry-After fences the keys it spent; without it the
    caller's own back-off is enough.
    """

    def __init__(self, inner: httpx.BaseTransport, purse: Callable[[str], Purse]) -> None:
        self._inner = inner
        self._make = purse
        self._purses: dict[str, Purse] = {}
        self._lock = threading.Lock()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Spend, pass on, and tie the places to the life of the answer."""
        spends: Mapping[str, int] = request.extensions.get("spends", {})
        upload = int(request.headers.get("content-length", 0))
        with ExitStack() as held:
            for key, units in spends.items():
                held.enter_context(self._purse(key).hold(units, upload))
            response = self._inner.handle_request(request)
            if response.status_code in (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE):
                seconds = retry_after(response.headers, now())
                for key in spends if seconds is not None else ():
                    self._purse(key).fence(seconds or 0.0)
            if not response.is_closed:
                stream = response.stream
                assert isinstance(stream, httpx.SyncByteStream)
                response.stream = _Held(stream, held.pop_all())
        return response

    def close(self) -> None:
        """Close the connections below."""
        self._inner.close()

    def _purse(self, key: str) -> Purse:
        with self._lock:
            if key not in self._purses:
                self._purses[key] = self._make(key)
            return self._purses[key]


class _Held(httpx.SyncByteStream):
    """A body that gives its places back when it is closed."""

    def __init__(self, inner: httpx.SyncByteStream, held: ExitStack) -> None:
        self._inner = inner
        self._held = held

    def __iter__(self) -> Iterator[bytes]:
        yield from self._inner

    def close(self) -> None:
        try:
            self._inner.close()
        finally:
            self._held.close()


class Unlimited:
    """The budget of a key that nobody limits here."""

    def hold(self, units: int, upload: int) -> ExitStack:  # noqa: ARG002 -- the shape of a Purse
        """Spend nothing."""
        return ExitStack()

    def fence(self, seconds: float) -> None:
        """Have no memory of it: the caller gets the vendor's own answer."""
