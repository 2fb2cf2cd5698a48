"""Exchange's limits per app and mailbox: 10,000 requests in 10 minutes, 4 at a time, 150 MB uploaded in 5 minutes."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from simulators.microsoft365.graph import GraphError

REQUESTS, REQUEST_WINDOW = 10_000, 600.0
UPLOAD, UPLOAD_WINDOW = 150 * 1024 * 1024, 300.0
PARALLEL = 4
Key = tuple[str, int]


@dataclass(frozen=True)
class Limits:
    """What an app may do with a mailbox: requests and uploaded bytes in their windows, requests at a time."""

    requests: int = REQUESTS
    upload: int = UPLOAD
    parallel: int = PARALLEL


USUAL = Limits()


class Throttle:
    """Counts what each app does with each mailbox. Limits are not kept over a restart, as nobody could tell."""

    def __init__(self, now: Callable[[], float], chance: Random) -> None:
        self._now = now
        self._chance = chance
        self._requests: dict[Key, deque[float]] = {}
        self._uploads: dict[Key, deque[tuple[float, int]]] = {}
        self._running: dict[Key, int] = {}

    def enter(self, app: str, mailbox: int, size: int, *, whole_app: bool = False, limits: Limits = USUAL) -> Key:
        """Begin a request with a body of ``size`` bytes; give the key back to ``leave``. Raises GraphError 429.

        ``whole_app``: the four at a time are counted over all mailboxes, as older texts have it.
        """
        now, key = self._now(), (app, mailbox)
        place = (app, 0) if whole_app else key
        if self._running.get(place, 0) >= limits.parallel:
            # This refusal often comes without Retry-After.
            patience = {"Retry-After": "1"} if self._chance.random() < 1 / 2 else {}
            raise GraphError(
                429,
                "ApplicationThrottled",
                "Application is over its MailboxConcurrency limit.",
                patience,
            )
        requests = self._requests.setdefault(key, deque())
        while requests and requests[0] <= now - REQUEST_WINDOW:
            requests.popleft()
        if len(requests) >= limits.requests:
            raise _later(requests[0] + REQUEST_WINDOW - now, "Application is over its MailboxRequests limit.")
        if size:
            self.upload(app, mailbox, size, limits)
        requests.append(now)
        self._running[place] = self._running.get(place, 0) + 1
        return place

    def leave(self, place: Key) -> None:
        """End a request."""
        self._running[place] -= 1

    def upload(self, app: str, mailbox: int, size: int, limits: Limits = USUAL) -> None:
        """Count uploaded bytes. Raises GraphError 429 if they are too many."""
        now, uploads = self._now(), self._uploads.setdefault((app, mailbox), deque())
        while uploads and uploads[0][0] <= now - UPLOAD_WINDOW:
            uploads.popleft()
        if uploads and sum(amount for _, amount in uploads) + size > limits.upload:
            raise _later(uploads[0][0] + UPLOAD_WINDOW - now, "Application is over its MailboxUpload limit.")
        uploads.append((now, size))


def _later(seconds: float, message: str) -> GraphError:
    return GraphError(429, "ApplicationThrottled", message, {"Retry-After": str(max(1, math.ceil(seconds)))})
