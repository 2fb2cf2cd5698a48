"""The log of every call: what was asked for, by whom, and how it ended. Never a body, never a query value."""

from __future__ import annotations

import fnmatch
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

GROUPS = ("method", "host", "template", "status", "tenant", "app")


@dataclass
class Call:
    """One request. The frame fills the wire's side; the platform adds ``template``, ``tenant``, ``app``, ``labels``.

    ``template`` is the path with its ids taken out (``/users/{id}/messages``); ``query`` holds names of
    query parameters only. ``parent`` is the request id of the batch that a call came in. ``fault`` names the
    switches that struck it. ``bytes_in`` and ``bytes_out`` count bodies. ``at`` is the simulators' time.
    """

    method: str
    host: str
    path: str
    at: float = 0.0
    query: tuple[str, ...] = ()
    template: str = ""
    status: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    tenant: str = ""
    app: str = ""
    request_id: str = ""
    client_request_id: str = ""
    parent: str = ""
    refused: bool = False
    faults: list[str] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)

    def facts(self) -> dict[str, str]:
        """Return what the scope of a fault may match: method, host, path, template, tenant, app and the labels."""
        return self.labels | {
            "method": self.method,
            "host": self.host,
            "path": self.path,
            "template": self.template,
            "tenant": self.tenant,
            "app": self.app,
        }

    def record(self) -> dict[str, Any]:
        """Return the call as one line of the log."""
        line: dict[str, Any] = {"at": round(self.at, 3), "method": self.method, "host": self.host, "path": self.path}
        line |= {"template": self.template, "status": self.status, "in": self.bytes_in, "out": self.bytes_out}
        line |= {"tenant": self.tenant, "app": self.app, "request_id": self.request_id}
        optional = {
            "query": list(self.query),
            "client_request_id": self.client_request_id,
            "parent": self.parent,
            "refused": self.refused,
            "faults": self.faults,
            "labels": self.labels,
        }
        return line | {key: value for key, value in optional.items() if value}


class CallLog:
    """Calls as JSON lines in a file; nothing but the position is held in memory.

    A *mark* is a position in the log: pass it as ``since`` to see only what came after it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("ab", buffering=0)

    def add(self, call: Call) -> None:
        """Append one call."""
        self._file.write(json.dumps(call.record(), ensure_ascii=False).encode() + b"\n")

    def mark(self) -> int:
        """Return the position after the last call."""
        return self._file.tell()

    def select(self, since: int = 0, **scope: str) -> Iterator[dict[str, Any]]:
        """Return calls after ``since`` whose fields match the globs of ``scope`` (``template="*/messages"``)."""
        with self._path.open("rb") as lines:
            lines.seek(since)
            for line in lines:
                record: dict[str, Any] = json.loads(line)
                facts = record.get("labels", {}) | record
                if all(fnmatch.fnmatchcase(str(facts.get(key, "")), pattern) for key, pattern in scope.items()):
                    yield record

    def counts(self, since: int = 0, by: tuple[str, ...] = GROUPS, **scope: str) -> list[dict[str, Any]]:
        """How many calls and body bytes per group, largest first. ``by`` names fields of the records."""
        calls: Counter[tuple[Any, ...]] = Counter()
        sizes: Counter[tuple[Any, ...]] = Counter()
        for record in self.select(since, **scope):
            group = tuple(record.get(key, record.get("labels", {}).get(key, "")) for key in by)
            calls[group] += 1
            sizes[group] += record["out"]
        rows = [dict(zip(by, group, strict=True)) | {"count": n, "out": sizes[group]} for group, n in calls.items()]
        return sorted(rows, key=lambda row: (-row["count"], *(str(row[key]) for key in by)))

    def close(self) -> None:
        """Close the file."""
        self._file.close()
