"""What went over the wire: each call of the room with its status and the JSON that came back."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx

_ID = re.compile(r"(?<=/users/)[^/]+|(?<=/mailFolders/)[^/]+|(?<=/messages/)[^/]+")
# Before the method of a call that was a part of a batch.
BATCHED = "$batch "
Seen = tuple[str, str, int]


@dataclass(frozen=True)
class Entry:
    """One answered call. ``template`` is the path with ``{id}`` for each id; ``body`` is None unless it was JSON."""

    method: str
    host: str
    template: str
    status: int
    body: Any = None
    size: int = 0

    @property
    def seen(self) -> Seen:
        """What the list of expected calls names."""
        return self.method, self.template, self.status


@dataclass
class Tape:
    """All calls through the transports that it wraps."""

    entries: list[Entry] = field(default_factory=list)

    def around(self, inner: httpx.BaseTransport) -> httpx.BaseTransport:
        """Record what goes through a transport."""
        return _Recorder(inner, self)

    def counts(self) -> Counter[Seen]:
        """How often each (method, template, status) came."""
        return Counter(entry.seen for entry in self.entries)


class _Recorder(httpx.BaseTransport):
    def __init__(self, inner: httpx.BaseTransport, tape: Tape) -> None:
        self._inner, self._tape = inner, tape

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self._inner.handle_request(request)
        body: Any = None
        if response.headers.get("content-type", "").startswith("application/json"):
            body = json.loads(response.read())
        template = str(request.extensions.get("template", ""))
        host, size = request.url.host, int(response.headers.get("content-length", "0"))
        self._tape.entries.append(Entry(request.method, host, template, response.status_code, body, size))
        if template == "/$batch" and isinstance(body, dict):
            self._parts(host, json.loads(request.read()), body)
        return response

    def _parts(self, host: str, asked: dict[str, Any], answer: dict[str, Any]) -> None:
        """Record a batch's parts as calls of their own."""
        requests = {one["id"]: one for one in asked["requests"]}
        for part in answer.get("responses", ()):
            wish = requests[part["id"]]
            template = _ID.sub("{id}", str(wish["url"]).partition("?")[0])
            method = f"{BATCHED}{wish['method']}"
            self._tape.entries.append(Entry(method, host, template, int(part["status"]), part.get("body")))

    def close(self) -> None:
        self._inner.close()
