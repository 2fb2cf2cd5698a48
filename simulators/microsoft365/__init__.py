"""Microsoft 365 on the wire: Entra login, Graph, directory, mail."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from simulators.frame.calls import Call
from simulators.frame.platform import Platform, Simulation
from simulators.microsoft365 import admin, delta, groups, mail, portal, users
from simulators.microsoft365.apps import Apps
from simulators.microsoft365.batch import run_batch
from simulators.microsoft365.cloud import Cloud
from simulators.microsoft365.credentials import LoginError
from simulators.microsoft365.directory import Directory
from simulators.microsoft365.gateway import Gateway
from simulators.microsoft365.graph import GraphError
from simulators.microsoft365.login import Login
from simulators.microsoft365.people import companies
from simulators.microsoft365.throttle import DirectoryThrottle
from simulators.microsoft365.tokens import TokenIssuer

LOGIN_HOST = "login.microsoftonline.com"
GRAPH_HOST = "graph.microsoft.com"


DIRECTORY = (users.install, delta.install, groups.install, admin.install)
PARTS = (*DIRECTORY, mail.install)


def build(simulation: Simulation, parts: Sequence[Callable[[Cloud], None]] = PARTS) -> Platform:
    """Put the cloud together; at the first start the tenants come from the world or are made up."""
    issuer = TokenIssuer(simulation.state.folder, simulation.clock)
    directory, apps = Directory(simulation), Apps(simulation)
    gateway = Gateway(simulation, issuer, apps, run_batch)
    gateway.throttles.append(DirectoryThrottle(simulation))
    login = Login(simulation, directory, apps, issuer)
    cloud = Cloud(simulation, directory, gateway)
    cloud.host(LOGIN_HOST, login.app)
    cloud.host(GRAPH_HOST, gateway)
    portal.install(cloud, apps)
    for install in parts:
        install(cloud)
    if not directory.tenants():
        for company in companies(simulation.world):
            directory.add_company(company)

    def describe(call: Call, headers: Mapping[str, str]) -> None:
        (login if call.host == LOGIN_HOST else gateway).describe(call, headers)
        if call.host in cloud.describers:
            cloud.describers[call.host](call)

    def refuse(call: Call, status: int, note: str) -> Response:
        if call.host == LOGIN_HOST:
            return login.refusal(call, LoginError(status, "temporarily_unavailable", 90033, note))
        return gateway.respond(call, gateway.refusal(call, GraphError(status, _code(status), note)))

    app = _ByHost(cloud.hosts)
    return Platform("microsoft365", tuple(cloud.hosts), app, cloud.switches, cloud.actions, describe, refuse)


def _code(status: int) -> str:
    return {429: "TooManyRequests", 503: "serviceNotAvailable", 504: "UnknownError"}.get(status, "generalException")


class _ByHost:
    """Hands a request to the app of its host."""

    def __init__(self, hosts: Mapping[str, ASGIApp]) -> None:
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = scope["state"]["call"].host
        exact = self._hosts.get(host)
        app = exact or next(app for name, app in self._hosts.items() if name[0] == "*" and host.endswith(name[1:]))
        await app(scope, receive, send)
