"""graph.microsoft.com: bearer and permission checks, throttling, ids, errors and dispatch to the routes."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from simulators.frame.calls import Call
from simulators.frame.platform import Simulation
from simulators.microsoft365 import facts
from simulators.microsoft365.apps import Apps
from simulators.microsoft365.graph import GraphCall, GraphError, Handler, Reply
from simulators.microsoft365.router import Route, Router
from simulators.microsoft365.tokens import TokenIssuer

BASE = "https://graph.microsoft.com/v1.0"
DIAGNOSTIC = json.dumps(
    {
        "ServerInfo": {
            "DataCenter": "Germany West Central",
            "Slice": "E",
            "Ring": "5",
            "ScaleUnit": "003",
            "RoleInstance": "FR2PEPF00000001",
        }
    }
)
MAILBOX = re.compile(r"/users/\{id\}/|/admin/exchange/", re.IGNORECASE)
NOT_MAILBOX = re.compile(r"/users/\{id\}/(licenseDetails|memberOf|manager)\b", re.IGNORECASE)
Throttle = Callable[[GraphCall], Mapping[str, str]]

Batch = Callable[["Gateway", "Incoming"], Awaitable[Reply]]


@dataclass
class Incoming:
    """One request as it came, alone or out of a batch. ``path`` without host and version, still encoded."""

    log: Call
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


class Gateway:
    """The ASGI app of Graph.

    ``throttles`` run before each handler: they may raise GraphError 429, and what they return is added to the headers.
    """

    def __init__(self, simulation: Simulation, issuer: TokenIssuer, apps: Apps, batch: Batch) -> None:
        """``batch`` answers ``/$batch``; it calls back into ``answer`` for each step."""
        self.simulation = simulation
        self._apps = apps
        self._batch = batch
        self._issuer = issuer
        self._router = Router()
        # The log's length keeps the ids of this start apart from those of an earlier one.
        self._start = simulation.calls.mark()
        self.throttles: list[Throttle] = []

    def route(self, method: str, template: str, handler: Handler, *, permissions: str | None = None) -> None:
        """Register a handler. Raises ValueError if Microsoft's list has no permission for it."""
        plain = re.sub(r"\{[^}]*\}", "{id}", template)
        listed = (permissions or re.sub(r"/\$(value|count)$", "", plain)).lower()
        if facts.allowed(listed, method) is None:
            raise ValueError(f"the permission list has no {method} {listed}")
        self._router.add(method, template, handler, listed)

    def describe(self, call: Call, headers: Mapping[str, str]) -> None:
        """Fill template, tenant, app and request id of a call, as far as can be known without refusing anything."""
        call.tenant, call.app = self._issuer.peek(headers.get("authorization", ""))
        call.request_id = self.new_id()
        path = call.path.partition("/v1.0")[2]
        found = self._router.find(path)
        if not isinstance(found, str):
            call.template = found[0].public
        elif path.lower() == "/$batch":
            call.template = "/$batch"

    def new_id(self) -> str:
        """Return the next request id."""
        chance = self.simulation.chance
        return chance.guid("request", str(self._start), str(chance.stream("request").random()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request on the wire."""
        request = Request(scope, receive)
        log: Call = scope["state"]["call"]
        raw, query = scope["raw_path"].decode("ascii"), scope["query_string"].decode("ascii")
        version, _, path = raw.lstrip("/").partition("/")
        body = await request.body()
        incoming = Incoming(log, request.method, f"/{path}", query, request.headers, body)
        if version.lower() != "v1.0":
            reply = self.refusal(log, GraphError(400, "BadRequest", f"Invalid version: {version}"))
        else:
            reply = await self.answer(incoming)
        await self.respond(log, reply)(scope, receive, send)

    async def answer(self, incoming: Incoming) -> Reply:
        """Return the reply to one request; refusals are replies too."""
        try:
            return await self._answer(incoming)
        except GraphError as error:
            return self.refusal(incoming.log, error)

    async def _answer(self, incoming: Incoming) -> Reply:
        log = incoming.log
        bearer = self._issuer.verify(incoming.headers.get("authorization", ""))
        log.tenant, log.app = bearer.tenant, bearer.app
        state, _ = self._apps.granted(bearer.tenant, bearer.app)
        if state == "withdrawn" or self.simulation.faults.strike("consent_withdrawn", log):
            note = "The identity of the calling application could not be established."
            raise GraphError(401, "Authorization_IdentityNotFound", note)
        if log.template == "/$batch":
            return await self._batch(self, incoming)
        route, parts = self._routed(incoming)
        handler, listed = self._handler(incoming.method, route)
        call = GraphCall(
            log=log,
            method=incoming.method,
            path=incoming.path,
            parts=parts,
            query=dict(parse_qsl(incoming.query, keep_blank_values=True)),
            headers=incoming.headers,
            body=incoming.body,
            tenant=bearer.tenant,
            app=bearer.app,
            roles=bearer.roles,
            base=BASE,
            template=route.public,
        )
        self._permit(call, listed)
        added: dict[str, str] = {}
        for throttle in self.throttles:
            added |= throttle(call)
        answer = handler(call)
        reply = await answer if inspect.isawaitable(answer) else answer
        reply.headers = added | reply.headers
        return reply

    def _routed(self, incoming: Incoming) -> tuple[Route, dict[str, str]]:
        found = self._router.find(incoming.path)
        if isinstance(found, str):
            raise GraphError(400, "BadRequest", f"Resource not found for the segment '{found}'.")
        incoming.log.template = found[0].public
        return found

    def _handler(self, method: str, route: Route) -> tuple[Handler, str]:
        found = route.handlers.get(method)
        if found is None:
            note = "Specified HTTP method is not allowed for the request target."
            raise GraphError(405, "Request_BadRequest", note, {"Allow": ",".join(sorted(route.handlers))})
        return found

    def _permit(self, call: GraphCall, listed: str) -> None:
        wanted = facts.allowed(listed, call.method) or frozenset()
        withdrawn = self.simulation.faults.strike("permission_missing", call.log)
        roles = call.roles - set(str(withdrawn.parameters["permissions"]).split()) if withdrawn else call.roles
        if not facts.satisfies(roles, wanted):
            if MAILBOX.match(call.template) and not NOT_MAILBOX.match(call.template):
                raise GraphError(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")
            raise GraphError(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")

    def refusal(self, log: Call, error: GraphError) -> Reply:
        """Return an error as Graph writes it."""
        inner = {
            "date": self.simulation.clock.moment().strftime("%Y-%m-%dT%H:%M:%S"),
            "request-id": log.request_id,
            "client-request-id": log.client_request_id or log.request_id,
        }
        body = {"error": {"code": error.code, "message": error.message, "innerError": inner}}
        return Reply(body, error.status, dict(error.headers))

    def ids(self, log: Call) -> dict[str, str]:
        """Return the headers that every reply carries."""
        return {
            "request-id": log.request_id,
            "client-request-id": log.client_request_id or log.request_id,
            "x-ms-ags-diagnostic": DIAGNOSTIC,
        }

    def respond(self, log: Call, reply: Reply) -> Response:
        """Return a reply for the wire."""
        body, media = reply.encoded()
        headers = self.ids(log) | reply.headers
        if media:
            headers |= {"Content-Type": media}
        return Response(body, reply.status, headers)
