"""One request to Graph as its handlers see it, the reply they give, and the errors they raise."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from simulators.frame.calls import Call

JSON_TYPE = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"


class GraphError(Exception):
    """A refusal in Graph's form. ``code`` and ``message`` as Graph writes them; ``headers`` are added."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})


@dataclass
class Reply:
    """What a handler answers. ``body``: a dict is sent as JSON, bytes as they are (``media``), None as nothing."""

    body: dict[str, Any] | bytes | None = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    media: str = "application/octet-stream"

    def encoded(self) -> tuple[bytes, str]:
        """Return the bytes on the wire and their content type ("" for nothing)."""
        if self.body is None:
            return b"", ""
        if isinstance(self.body, bytes):
            return self.body, self.media
        return json.dumps(self.body, ensure_ascii=False, separators=(",", ":")).encode(), JSON_TYPE


@dataclass
class GraphCall:
    """One request that passed the bearer and the permission check.

    ``parts``: what stood at the template's braces, percent-decoded. ``query``: decoded options, names as sent
    (``$select``); of a name sent twice the last counts. ``headers``: names in lower case. ``base``:
    ``https://graph.microsoft.com/v1.0``, for links. ``path``: encoded, without version.
    """

    log: Call
    method: str
    path: str
    parts: dict[str, str]
    query: dict[str, str]
    headers: Mapping[str, str]
    body: bytes
    tenant: str
    app: str
    roles: frozenset[str]
    base: str
    template: str = ""

    def json(self) -> dict[str, Any]:
        """Return the body as a JSON object. Raises GraphError 400 if it is none."""
        try:
            value = json.loads(self.body)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise GraphError(
                400,
                "BadRequest",
                "Unable to read JSON request payload. Please ensure that it is valid JSON.",
            )
        return value

    def preference(self, name: str) -> str | None:
        """Return a value of the Prefer header without quotes (``odata.maxpagesize`` -> ``50``); None if absent."""
        found = re.search(
            rf'(?:^|[,;\s]){re.escape(name)}\s*=\s*("[^"]*"|[^,;\s]+)', self.headers.get("prefer", ""), re.IGNORECASE
        )
        return found.group(1).strip('"') if found else None

    def selected(self) -> list[str] | None:
        """Return the names in ``$select`` in their order; None without ``$select``."""
        text = self.query.get("$select")
        return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


Answer = Reply | Awaitable[Reply]
Handler = Callable[[GraphCall], Answer]


def pick(entity: Mapping[str, Any], names: list[str] | None, always: tuple[str, ...] = ("id",)) -> dict[str, Any]:
    """Return the selected properties of an entity; annotations (``@...``) and ``always`` come in any case."""
    if names is None:
        return dict(entity)
    wanted = {name.lower() for name in names} | {name.lower() for name in always}
    return {name: value for name, value in entity.items() if name.startswith("@") or name.lower() in wanted}
