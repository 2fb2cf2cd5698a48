"""Several reads in flight: content is fetched ahead by threads and handed over in order, in bounded memory.

The threads only wait for the network; the vault is fed by the account's own thread alone.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from arche.model.deadline import Deadline
from arche.providers.contract import Part

AHEAD_BYTES = 1 << 20


class SliceOver(Exception):  # noqa: N818 - the name says what happened
    """No time is left in this slice; the item at hand is dropped and begun anew in the next one."""


@dataclass(frozen=True, slots=True)
class _Begin:
    name: str
    media: str


@dataclass(frozen=True, slots=True)
class _End:
    error: BaseException | None = None


_Event = _Begin | bytes | _End


class Reading:
    """One item's content on its way. Use ``parts`` once, in order, then ``close``."""

    def __init__(self, produce: Callable[[], Iterator[Part]], deadline: Deadline, ahead: int = AHEAD_BYTES) -> None:
        self.began = deadline.now()
        self._produce = produce
        self._deadline = deadline
        self._ahead = ahead
        self._ready = threading.Condition()
        self._events: deque[_Event] = deque()
        self._waiting = 0
        self._closed = False
        self._threaded = False

    def start(self, pool: ThreadPoolExecutor) -> Reading:
        """Fetch ahead in a thread of ``pool``; without it the content is fetched when asked for."""
        self._threaded = True
        pool.submit(self._fetch)
        return self

    def parts(self) -> Iterator[Part]:
        """Stream the parts. Raises whatever the room raised, at the place where it did, and SliceOver."""
        if not self._threaded:
            for part in self._produce():
                yield Part(part.name, part.media, self._timed(part.chunks))
            return
        event = self._take()
        while not isinstance(event, _End):
            if isinstance(event, _Begin):
                rest: list[_Event] = []
                yield Part(event.name, event.media, self._chunks(rest))  # type: ignore[arg-type]
                event = rest[0] if rest else self._skip()
            else:
                event = self._take()
        if event.error is not None:
            raise event.error

    def close(self) -> None:
        """Stop fetching and forget what was fetched."""
        with self._ready:
            self._closed = True
            self._events.clear()
            self._ready.notify_all()

    def _timed(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            if self._deadline.over:
                raise SliceOver
            yield chunk

    def _chunks(self, rest: list[_Event]) -> Iterator[bytes]:
        while True:
            event = self._take()
            if isinstance(event, bytes):
                yield event
                continue
            if isinstance(event, _End) and event.error is not None:
                raise event.error
            rest.append(event)
            return

    def _skip(self) -> _Event:
        """Pass over the chunks of a part that nobody read to its end."""
        event = self._take()
        while isinstance(event, bytes):
            event = self._take()
        return event

    def _take(self) -> _Event:
        with self._ready:
            while not self._events:
                if self._deadline.over:
                    raise SliceOver
                self._ready.wait(1.0)
            event = self._events.popleft()
            if isinstance(event, bytes):
                self._waiting -= len(event)
                self._ready.notify_all()
            return event

    def _fetch(self) -> None:
        error: BaseException | None = None
        try:
            for part in self._produce():
                if not self._put(_Begin(part.name, part.media)):
                    return
                for chunk in part.chunks:
                    if not self._put(bytes(chunk)):
                        return
        except BaseException as raised:  # noqa: BLE001 - handed to the thread that owns the account
            error = raised
        self._put(_End(error))

    def _put(self, event: _Event) -> bool:
        with self._ready:
            while self._waiting >= self._ahead and not self._closed:
                self._ready.wait()
            if self._closed:
                return False
            self._events.append(event)
            if isinstance(event, bytes):
                self._waiting += len(event)
            self._ready.notify_all()
            return True
