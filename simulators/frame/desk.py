"""The control API on loopback: clock, fault plan, call log and the hands of the customer's administrator."""

from __future__ import annotations

import inspect
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulators.frame.dispatch import Dispatch
from simulators.frame.faults import UnknownSwitchError
from simulators.frame.platform import Action, Simulation

Endpoint = Callable[[Request], Awaitable[Response]]


def desk(simulation: Simulation, dispatch: Dispatch) -> Starlette:
    """Return the ASGI app of the control API. It runs in the simulators' own thread, so it may touch everything."""
    at = _Desk(simulation, dispatch)
    routes = [
        ("/clock", "GET", at.clock),
        ("/clock", "PUT", at.set_clock),
        ("/faults", "GET", at.faults),
        ("/faults", "POST", at.set_fault),
        ("/faults", "DELETE", at.clear_faults),
        ("/faults/{id}", "DELETE", at.clear_faults),
        ("/calls", "GET", at.calls),
        ("/calls/counts", "GET", at.counts),
        ("/calls/mark", "GET", at.mark),
        ("/actions", "GET", at.actions),
        ("/actions/{platform}/{name}", "POST", at.act),
        ("/crashes", "GET", at.crashes),
    ]
    return Starlette(routes=[Route(path, _guarded(run), methods=[method]) for path, method, run in routes])


def _guarded(run: Callable[[Request], Awaitable[Any]]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        # A web page must not reach the control side by a name that resolves to loopback.
        if request.url.hostname not in {"127.0.0.1", "localhost"}:
            return JSONResponse({"error": "loopback only"}, 403)
        try:
            return JSONResponse(await run(request))
        except LookupError as error:
            return JSONResponse({"error": str(error.args[0] if error.args else error)}, 404)
        except (ValueError, TypeError) as error:
            return JSONResponse({"error": str(error)}, 400)

    return endpoint


class _Desk:
    def __init__(self, simulation: Simulation, dispatch: Dispatch) -> None:
        self._simulation = simulation
        self._dispatch = dispatch

    async def clock(self, _request: Request) -> Any:
        clock = self._simulation.clock
        return {"now": clock.now(), "text": clock.text()}

    async def set_clock(self, request: Request) -> Any:
        body, clock = await _object(request), self._simulation.clock
        if "now" in body:
            clock.set(datetime.fromisoformat(body["now"]), freeze=bool(body.get("freeze", False)))
        elif "advance" in body:
            clock.advance(float(body["advance"]))
        elif body.get("real"):
            clock.real()
        else:
            raise ValueError('say {"now": ISO time, "freeze": bool}, {"advance": seconds} or {"real": true}')
        self._simulation.state.commit()
        return {"now": clock.now(), "text": clock.text()}

    async def faults(self, _request: Request) -> Any:
        plan = self._simulation.faults
        known = [{"name": s.name, "note": s.note, "parameters": dict(s.parameters)} for s in plan.switches()]
        return {"switches": known, "on": [asdict(fault) for fault in plan.active()]}

    async def set_fault(self, request: Request) -> Any:
        body = await _object(request)
        name, scope, parameters = body.pop("name", ""), body.pop("scope", {}), body.pop("parameters", {})
        if extra := set(body) - {"count", "after", "probability"}:
            raise ValueError(f'a fault has no {", ".join(sorted(extra))}; parameters go into "parameters"')
        try:
            return asdict(self._simulation.faults.set(name, scope, **body, **parameters))
        except UnknownSwitchError as error:
            raise LookupError(str(error)) from error

    async def clear_faults(self, request: Request) -> Any:
        return {"cleared": self._simulation.faults.clear(request.path_params.get("id"))}

    async def calls(self, request: Request) -> Any:
        scope = dict(request.query_params)
        since, limit = int(scope.pop("since", 0)), int(scope.pop("limit", 1000))
        found = list(self._simulation.calls.select(since, **scope))
        return {"calls": found[-limit:], "count": len(found), "mark": self._simulation.calls.mark()}

    async def counts(self, request: Request) -> Any:
        scope = dict(request.query_params)
        since, by = int(scope.pop("since", 0)), scope.pop("by", "method,host,template,status,tenant,app")
        counts = self._simulation.calls.counts(since, tuple(by.split(",")), **scope)
        return {"counts": counts, "mark": self._simulation.calls.mark()}

    async def mark(self, _request: Request) -> Any:
        return {"mark": self._simulation.calls.mark()}

    async def actions(self, _request: Request) -> Any:
        return {
            platform.name: {
                name: {"note": action.note, "parameters": str(inspect.signature(action.run))}
                for name, action in sorted(platform.actions.items())
            }
            for platform in self._simulation.platforms
        }

    async def act(self, request: Request) -> Any:
        arguments = await _object(request)
        action = self._action(request.path_params["platform"], request.path_params["name"])
        inspect.signature(action.run).bind(**arguments)
        try:
            result = action.run(**arguments)
            if inspect.isawaitable(result):
                result = await result
        except BaseException:
            self._simulation.state.rollback()
            raise
        self._simulation.state.commit()
        return {"result": result}

    def _action(self, platform_name: str, name: str) -> Action:
        for platform in self._simulation.platforms:
            if platform.name == platform_name:
                if name in platform.actions:
                    return platform.actions[name]
                raise LookupError(f"{platform_name} has no action {name}; it has {', '.join(sorted(platform.actions))}")
        raise LookupError(f"no platform is named {platform_name}")

    async def crashes(self, _request: Request) -> Any:
        return {"crashes": self._dispatch.crashes}


async def _object(request: Request) -> dict[str, Any]:
    body = await request.body()
    value = json.loads(body) if body else {}
    if not isinstance(value, dict):
        raise TypeError("the body must be a JSON object")
    return value
