"""The client side of the control API, for tests and demo scripts. Standard library only; follows no proxy setting."""

from __future__ import annotations

import http.client
import json
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode, urlsplit


class ControlError(Exception):
    """The control side refused: unknown switch, unknown action, an argument that makes no sense."""


class Control:
    """Clock, faults, calls and administrator's actions of running simulators. ``url`` as in the port file."""

    def __init__(self, url: str) -> None:
        self.url = url

    def act(self, action: str, /, platform: str = "microsoft365", **arguments: Any) -> Any:
        """Do something at the vendor by hand (``GET /actions`` lists what). Raises ControlError."""
        return self._ask("POST", f"/actions/{quote(platform)}/{quote(action)}", arguments)["result"]

    def fault(
        self,
        name: str,
        /,
        *,
        scope: dict[str, str] | None = None,
        count: int | None = None,
        after: int = 0,
        probability: float = 1.0,
        **parameters: Any,
    ) -> str:
        """Turn a switch on (see ``frame.faults.Fault``); gives the fault's id. Raises ControlError if unknown."""
        body = {"name": name, "scope": scope or {}, "count": count, "after": after, "probability": probability}
        return str(self._ask("POST", "/faults", body | {"parameters": parameters})["id"])

    def clear(self, fault_id: str = "") -> None:
        """Turn off one fault, or all."""
        self._ask("DELETE", f"/faults/{fault_id}" if fault_id else "/faults")

    def faults(self) -> dict[str, Any]:
        """``{"switches": [...known...], "on": [...set, with how often each struck...]}``."""
        return self._ask("GET", "/faults")

    def mark(self) -> int:
        """Return the present end of the call log, to be passed as ``since``."""
        return int(self._ask("GET", "/calls/mark")["mark"])

    def calls(self, since: int = 0, limit: int = 1000, **scope: str) -> list[dict[str, Any]]:
        """Return logged calls in scope (glob patterns: ``template="/users/*"``), oldest first, the last ``limit``."""
        found: list[dict[str, Any]] = self._ask("GET", "/calls", since=since, limit=limit, **scope)["calls"]
        return found

    def counts(self, since: int = 0, by: str = "method,template,status", **scope: str) -> list[dict[str, Any]]:
        """``[{...fields of by, "count": n, "out": bytes}]``, largest first."""
        found: list[dict[str, Any]] = self._ask("GET", "/calls/counts", since=since, by=by, **scope)["counts"]
        return found

    def count(self, since: int = 0, **scope: str) -> int:
        """How many logged calls are in scope."""
        return sum(row["count"] for row in self.counts(since, "method", **scope))

    def now(self) -> float:
        """Return the simulators' time in seconds since 1970."""
        return float(self._ask("GET", "/clock")["now"])

    def set_clock(self, instant: datetime, *, freeze: bool = False) -> None:
        """Let it be ``instant`` (with a zone) at the vendors."""
        self._ask("PUT", "/clock", {"now": instant.isoformat(), "freeze": freeze})

    def advance(self, seconds: float) -> None:
        """Let time pass at the vendors."""
        self._ask("PUT", "/clock", {"advance": seconds})

    def real(self) -> None:
        """Go back to the machine's own time."""
        self._ask("PUT", "/clock", {"real": True})

    def crashes(self) -> list[str]:
        """Tracebacks of a simulator's own faults. Anything here is a bug of the simulator."""
        found: list[str] = self._ask("GET", "/crashes")["crashes"]
        return found

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None, /, **query: Any) -> dict[str, Any]:
        target = path + ("?" + urlencode(query) if query else "")
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=600)
        try:
            connection.request(method, target, None if body is None else json.dumps(body))
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        answer: dict[str, Any] = json.loads(text) if text.startswith(b"{") else {"error": text.decode()}
        if response.status != http.HTTPStatus.OK:
            raise ControlError(answer.get("error", f"status {response.status}"))
        return answer
