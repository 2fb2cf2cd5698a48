"""``POST /$batch``: at most 20 requests, with the three dependency patterns that Graph allows."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from simulators.frame import weather
from simulators.frame.calls import Call
from simulators.microsoft365.gateway import Gateway, Incoming
from simulators.microsoft365.graph import GraphError, Reply

LIMIT = 20
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}
ERROR_STATUS = 400


@dataclass
class Step:
    """One request of a batch."""

    id: str
    method: str
    url: str
    headers: Mapping[str, str]
    body: Any
    depends_on: tuple[str, ...]


async def run_batch(gateway: Gateway, incoming: Incoming) -> Reply:
    """Run the steps and answer them in a random order, as Graph promises none."""
    if incoming.method != "POST":
        raise GraphError(405, "BadRequest", "Specified HTTP method is not allowed for the request target.")
    steps = _read(incoming.body)
    done: dict[str, asyncio.Future[dict[str, Any]]] = {
        step.id: asyncio.get_running_loop().create_future() for step in steps
    }

    async def run(step: Step) -> None:
        try:
            earlier = [await done[other] for other in step.depends_on]
            failed = any(answer["status"] >= ERROR_STATUS for answer in earlier)
            answer = _failed_dependency(gateway, step) if failed else await _one(gateway, incoming, step)
        except BaseException:
            done[step.id].cancel()
            raise
        done[step.id].set_result(answer)

    # All independent steps start at once: it is for the mailbox to refuse the fifth.
    await asyncio.gather(*(run(step) for step in steps))
    answers = [future.result() for future in done.values()]
    gateway.simulation.chance.stream("batch").shuffle(answers)
    return Reply({"responses": answers})


def _read(body: bytes) -> list[Step]:
    try:
        requests = json.loads(body)["requests"]
        steps = [_step(entry) for entry in requests]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise GraphError(400, "BadRequest", "Invalid batch payload format.") from error
    if not steps:
        raise GraphError(400, "BadRequest", "Invalid batch payload format.")
    if len(steps) > LIMIT:
        raise GraphError(400, "BadRequest", f"Number of batch request steps exceeds the maximum value of {LIMIT}.")
    ids = [step.id for step in steps]
    if len({name.lower() for name in ids}) != len(ids) or not all(ids):
        raise GraphError(400, "BadRequest", "Each batch request step must have a unique id.")
    _check_dependencies(steps)
    return steps


def _step(entry: dict[str, Any]) -> Step:
    url, method = entry["url"], entry["method"].upper()
    if urlsplit(url).scheme or url.startswith("//") or method not in METHODS or not isinstance(entry["id"], str):
        raise ValueError(url)
    headers = {str(name).lower(): str(value) for name, value in entry.get("headers", {}).items()}
    body = entry.get("body")
    if body is not None and "content-type" not in headers:
        raise ValueError("a body needs a Content-Type")
    return Step(entry["id"], method, "/" + url.lstrip("/"), headers, body, tuple(entry.get("dependsOn") or ()))


def _check_dependencies(steps: list[Step]) -> None:
    """Allow these patterns: none; each on the one before it; all others on the same one."""
    ids = [step.id for step in steps]
    with_parent = [step for step in steps if step.depends_on]
    serial = all(step.depends_on == (ids[place],) for place, step in enumerate(steps[1:]))
    parents = {step.depends_on for step in with_parent}
    parent = next(iter(parents)) if len(parents) == 1 else ()
    same = len(parent) == 1 and parent[0] in ids and [s.id for s in steps if not s.depends_on] == [parent[0]]
    if with_parent and not (same or (serial and not steps[0].depends_on)):
        raise GraphError(400, "BadRequest", "The dependsOn pattern of this batch is not supported.")


async def _one(gateway: Gateway, outer: Incoming, step: Step) -> dict[str, Any]:
    path, _, query = step.url.partition("?")
    headers = {name: value for name, value in outer.headers.items() if name == "authorization"} | dict(step.headers)
    log = Call(
        step.method, outer.log.host, f"/v1.0{path}", at=gateway.simulation.clock.now(), parent=outer.log.request_id
    )
    log.query = tuple(sorted({part.partition("=")[0] for part in query.split("&") if part}))
    log.client_request_id = step.headers.get("client-request-id", "")
    gateway.describe(log, headers)
    body = _decoded(step)
    log.bytes_in = len(body)
    if log.template == "/$batch":
        reply = gateway.refusal(log, GraphError(400, "BadRequest", "A batch cannot be nested in a batch."))
    else:
        platform = gateway.simulation.platform(log.host)
        assert platform is not None
        struck = await weather.instead(gateway.simulation, platform, log)
        if struck is not None:
            media = struck.headers.get("content-type", "text/plain")
            reply = Reply(bytes(struck.body), struck.status_code, dict(struck.headers), media)
        else:
            reply = await gateway.answer(Incoming(log, step.method, path, query, headers, body))
    raw, media = reply.encoded()
    log.status, log.bytes_out = reply.status, len(raw)
    gateway.simulation.calls.add(log)
    shown = {name: value for name, value in reply.headers.items() if name.lower() != "content-length"}
    answer: dict[str, Any] = {"id": step.id, "status": reply.status, "headers": gateway.ids(log) | shown}
    if media:
        answer["headers"]["Content-Type"] = media
    if isinstance(reply.body, dict):
        answer["body"] = reply.body
    elif raw:
        answer["body"] = json.loads(raw) if media.startswith("application/json") else base64.b64encode(raw).decode()
    return answer


def _decoded(step: Step) -> bytes:
    if step.body is None:
        return b""
    if isinstance(step.body, str):
        if step.headers["content-type"].startswith("text/"):
            return step.body.encode()
        return base64.b64decode(step.body)
    return json.dumps(step.body, ensure_ascii=False).encode()


def _failed_dependency(gateway: Gateway, step: Step) -> dict[str, Any]:
    error = GraphError(424, "FailedDependency", "The request failed because a request it depends on failed.")
    log = Call(step.method, "graph.microsoft.com", step.url.partition("?")[0], request_id=gateway.new_id())
    return {"id": step.id, "status": 424, "headers": gateway.ids(log), "body": gateway.refusal(log, error).body}
