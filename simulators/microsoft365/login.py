"""login.microsoftonline.com: discovery, token endpoint, and the routes of the two pages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router

from simulators.frame.calls import Call
from simulators.frame.platform import Simulation
from simulators.microsoft365 import pages
from simulators.microsoft365.apps import App, Apps
from simulators.microsoft365.credentials import Credentials, LoginError
from simulators.microsoft365.directory import Directory, Tenant
from simulators.microsoft365.signin import SignIn
from simulators.microsoft365.tokens import GRAPH, LOGIN, TokenIssuer

HOSTS = ("login.microsoftonline.com", "login.windows.net", "login.microsoft.com")
SHARED = {"common", "organizations", "consumers"}
TOKEN_SECONDS = 3599
SCOPE = f"{GRAPH}/.default"

Endpoint = Callable[[Request], Awaitable[Response]]


class Login:
    """The ASGI app of the login host."""

    def __init__(self, simulation: Simulation, directory: Directory, apps: Apps, issuer: TokenIssuer) -> None:
        self._simulation = simulation
        self._directory = directory
        self._apps = apps
        self._issuer = issuer
        self._credentials = Credentials(simulation, apps)
        self._signin = SignIn(simulation, directory, apps, issuer)
        routes = [
            Route("/common/discovery/instance", self._instance, methods=["GET"]),
            Route("/{tenant}/v2.0/.well-known/openid-configuration", _told(self._configuration), methods=["GET"]),
            Route("/{tenant}/discovery/v2.0/keys", self._keys, methods=["GET"]),
            Route("/{tenant}/oauth2/v2.0/token", self._token, methods=["POST"]),
            Route("/{tenant}/oauth2/v2.0/authorize", pages.shown(self._signin.authorize), methods=["GET", "POST"]),
            Route("/{tenant}/v2.0/adminconsent", pages.shown(self._signin.admin_consent), methods=["GET", "POST"]),
        ]
        self.app = Router(routes=routes)

    def describe(self, call: Call, _headers: Mapping[str, str]) -> None:
        """Fill template, tenant and request id of a call."""
        first, _, rest = call.path.lstrip("/").partition("/")
        call.template = f"/{first}/{rest}" if rest.startswith("discovery/instance") else f"/{{tenant}}/{rest}"
        call.request_id = self._simulation.chance.guid("trace", str(self._simulation.chance.stream("trace").random()))
        try:
            call.tenant = self._directory.tenant(first).id
        except LookupError:
            call.tenant = ""

    def refusal(self, call: Call, error: LoginError) -> Response:
        """Return an error of the token endpoint as Entra writes it."""
        moment = self._simulation.clock.moment().strftime("%Y-%m-%d %H:%M:%SZ")
        correlation = call.client_request_id or self._simulation.chance.guid("correlation", call.request_id)
        note = f"{error.note} Trace ID: {call.request_id} Correlation ID: {correlation} Timestamp: {moment}"
        body = {
            "error": error.error,
            "error_description": note,
            "error_codes": [error.number],
            "timestamp": moment,
            "trace_id": call.request_id,
            "correlation_id": correlation,
            "error_uri": f"{LOGIN}/error?code={error.number}",
        }
        return JSONResponse(body, error.status, {"x-ms-request-id": call.request_id, "Cache-Control": "no-store"})

    async def _instance(self, _request: Request) -> Response:
        metadata = [{"preferred_network": HOSTS[0], "preferred_cache": "login.windows.net", "aliases": list(HOSTS)}]
        where = f"{LOGIN}/organizations/v2.0/.well-known/openid-configuration"
        return JSONResponse({"tenant_discovery_endpoint": where, "api-version": "1.1", "metadata": metadata})

    async def _configuration(self, request: Request) -> Response:
        name = request.path_params["tenant"]
        tenant = name if name in SHARED else self._tenant(name).id
        issuer = "{tenantid}" if name in SHARED else tenant
        base = f"{LOGIN}/{tenant}"
        return JSONResponse(
            {
                "token_endpoint": f"{base}/oauth2/v2.0/token",
                "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
                "jwks_uri": f"{base}/discovery/v2.0/keys",
                "response_modes_supported": ["query"],
                "subject_types_supported": ["pairwise"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "response_types_supported": ["code"],
                "scopes_supported": ["openid", "profile", "email", "offline_access"],
                "issuer": f"{LOGIN}/{issuer}/v2.0",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "tenant_region_scope": None if name in SHARED else "EU",
                "cloud_instance_name": "microsoftonline.com",
                "cloud_graph_host_name": "graph.windows.net",
                "msgraph_host": "graph.microsoft.com",
            }
        )

    async def _keys(self, _request: Request) -> Response:
        return JSONResponse(self._issuer.jwks())

    async def _token(self, request: Request) -> Response:
        call: Call = request.scope["state"]["call"]
        form = await pages.form(request)
        call.app = form.get("client_id", "").lower()
        call.labels["grant"] = form.get("grant_type", "")
        faults = self._simulation.faults
        if fault := faults.strike("token_endpoint_429", call):
            note = "The request was throttled. Please try again later."
            answer = self.refusal(call, LoginError(429, "temporarily_unavailable", 90055, note))
            if fault.parameters["retry_after"] is not None:
                answer.headers["Retry-After"] = str(fault.parameters["retry_after"])
            return answer
        if fault := faults.strike("aadsts", call):
            given = fault.parameters
            error = LoginError(int(given["status"]), str(given["error"]), int(given["code"]), str(given["note"]))
            return self.refusal(call, error)
        try:
            body = self._granted(request.path_params["tenant"], form, call)
        except LoginError as error:
            return self.refusal(call, error)
        return JSONResponse(body, headers={"x-ms-request-id": call.request_id, "Cache-Control": "no-store"})

    def _granted(self, tenant_name: str, form: Mapping[str, str], call: Call) -> dict[str, Any]:
        for name in ("grant_type", "client_id"):
            if not form.get(name):
                raise LoginError(
                    400, "invalid_request", 900144, f"The request body must contain the following parameter: '{name}'."
                )
        grant = form["grant_type"]
        if grant not in ("client_credentials", "authorization_code"):
            raise LoginError(
                400, "unsupported_grant_type", 70003, f"The app requested an unsupported grant type '{grant}'."
            )
        shared = tenant_name.lower() in SHARED
        tenant = None if shared else self._tenant(tenant_name)
        if tenant is None and grant == "client_credentials":
            raise LoginError(
                400,
                "invalid_request",
                50059,
                "No tenant-identifying information found in either the request or implied by any provided credentials.",
            )
        app = self._apps.app(form["client_id"])
        if app is None:
            raise _unknown_app(form["client_id"], tenant_name)
        ends = {tenant_name} | ({tenant.id, tenant.domain} if tenant else set())
        self._credentials.check(app, form, {f"{LOGIN}/{end}/oauth2/v2.0/token" for end in ends}, call)
        if grant == "authorization_code":
            return self._signin.redeem(app, tenant, form, call)
        assert tenant is not None
        return self._app_only(app, tenant, form, call)

    def _app_only(self, app: App, tenant: Tenant, form: Mapping[str, str], call: Call) -> dict[str, Any]:
        if form.get("scope") != SCOPE:
            raise LoginError(
                400,
                "invalid_scope",
                1002012,
                "The scope is not valid: client credential flows need the resource with /.default.",
            )
        state, roles = self._apps.granted(tenant.id, app.id)
        if state == "none":
            raise _unknown_app(app.id, tenant.name)
        if state == "withdrawn" or self._simulation.faults.strike("consent_withdrawn", call):
            raise LoginError(
                401,
                "unauthorized_client",
                7000229,
                f"The client application {app.id} is missing service principal in the tenant {tenant.id}.",
            )
        if self._simulation.faults.strike("consent_lag", call):
            roles = ()
        token = self._issuer.access_token(tenant.id, app.id, roles, TOKEN_SECONDS, call.request_id)
        return {
            "token_type": "Bearer",
            "expires_in": TOKEN_SECONDS,
            "ext_expires_in": TOKEN_SECONDS,
            "access_token": token,
        }

    def _tenant(self, name: str) -> Tenant:
        try:
            return self._directory.tenant(name)
        except LookupError as error:
            raise LoginError(
                400,
                "invalid_request",
                90002,
                f"Tenant '{name}' not found.",
            ) from error


def _unknown_app(app_id: str, where: str) -> LoginError:
    return LoginError(
        400,
        "unauthorized_client",
        700016,
        f"Application with identifier '{app_id}' was not found in the directory '{where}'.",
    )


def _told(run: Endpoint) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        try:
            return await run(request)
        except LoginError as error:
            return JSONResponse(
                {"error": error.error, "error_description": error.note, "error_codes": [error.number]}, error.status
            )

    return endpoint
