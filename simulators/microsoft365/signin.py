"""The pages of admin consent and sign-in, and the code that a sign-in hands out."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from simulators.frame.calls import Call
from simulators.frame.platform import Simulation
from simulators.microsoft365 import pages
from simulators.microsoft365.apps import App, Apps
from simulators.microsoft365.credentials import LoginError
from simulators.microsoft365.directory import Directory, Tenant, User
from simulators.microsoft365.pages import PageError, choose
from simulators.microsoft365.people import GLOBAL_ADMINISTRATOR, PRIVILEGED_ROLE_ADMINISTRATOR
from simulators.microsoft365.tokens import GRAPH, LOGIN, TokenIssuer

CODE_SECONDS = 600
TOKEN_SECONDS = 3599
# Every member has this template id in ``wids``: the default user role.
DEFAULT_USER_ROLE = "b79fbf4d-3ef9-4689-8143-76b194e85509"
MAY_CONSENT = {GLOBAL_ADMINISTRATOR, PRIVILEGED_ROLE_ADMINISTRATOR}
DECLINED = "AADSTS65004: User declined to consent to access the app."
OIDC = {"openid", "profile", "email", "offline_access"}
SCHEMA = """
CREATE TABLE IF NOT EXISTS code (
    digest TEXT PRIMARY KEY, app TEXT, tenant TEXT, user TEXT, details TEXT, expires REAL, used INTEGER
)
"""


class SignIn:
    """Pages and codes of the login host."""

    def __init__(self, simulation: Simulation, directory: Directory, apps: Apps, issuer: TokenIssuer) -> None:
        self._simulation = simulation
        self._directory = directory
        self._apps = apps
        self._issuer = issuer
        self._database = simulation.state.database("microsoft365")
        self._database.execute(SCHEMA)

    async def admin_consent(self, request: Request) -> Response:
        """``/{tenant}/v2.0/adminconsent``: an administrator grants the roles that the app declares."""
        query, name = request.query_params, request.path_params["tenant"]
        app = self._app(request)
        tenants = self._tenants(name)
        if not tenants or name.lower() == "common":
            raise PageError(f"AADSTS90002: Tenant '{name}' not found, or not one that can consent.")
        if query.get("scope") != f"{GRAPH}/.default":
            raise PageError("AADSTS70011: The provided value for the input parameter 'scope' is not valid.")
        users = self._users(tenants)
        if request.method == "GET":
            note = f"{app.name} asks for these permissions for your whole organisation:"
            return choose("Permissions requested", note, users, query.get("login_hint", ""), app.roles)
        form = await pages.form(request)
        target = str(query["redirect_uri"])
        state = {"state": query["state"]} if "state" in query else {}
        if form.get("decision") != "accept":
            refusal = {"error": "consent_required", "error_description": DECLINED}
            return _redirect(target, {"admin_consent": "True"} | refusal | state)
        user = _chosen(users, form.get("user"))
        if user is None:
            raise PageError("AADSTS50020: User account does not exist in this tenant and cannot access the app.")
        if not MAY_CONSENT & set(user.roles):
            raise PageError("AADSTS90094: An administrator of the organisation must grant this permission.", 403)
        self._apps.consent(user.tenant, app.id)
        request.scope["state"]["call"].tenant = user.tenant
        granted = {"tenant": user.tenant, "scope": query["scope"]}
        return _redirect(target, {"admin_consent": "True"} | granted | state)

    async def authorize(self, request: Request) -> Response:
        """``/{tenant}/oauth2/v2.0/authorize``: sign in, and go back with a code."""
        query = request.query_params
        app = self._app(request)
        tenants = self._tenants(request.path_params["tenant"])
        if not tenants:
            raise PageError(f"AADSTS90002: Tenant '{request.path_params['tenant']}' not found.")
        target = str(query["redirect_uri"])
        state = {"state": query["state"]} if "state" in query else {}
        if mistake := _mistake(query):
            return _redirect(target, mistake | state)
        users = self._users(tenants)
        if request.method == "GET":
            return choose("Sign in", f"to continue to {app.name}", users, query.get("login_hint", ""))
        form = await pages.form(request)
        if form.get("decision") != "accept":
            return _redirect(target, {"error": "access_denied", "error_description": DECLINED} | state)
        user = _chosen(users, form.get("user"))
        if user is None:
            raise PageError("AADSTS50034: The user account does not exist in this directory.")
        code = secrets.token_urlsafe(32)
        details = {key: query.get(key, "") for key in ("redirect_uri", "nonce", "code_challenge", "scope")}
        self._database.execute(
            "INSERT INTO code VALUES (?, ?, ?, ?, ?, ?, 0)",
            (
                _digest(code),
                app.id,
                user.tenant,
                user.id,
                json.dumps(details),
                self._simulation.clock.now() + CODE_SECONDS,
            ),
        )
        request.scope["state"]["call"].tenant = user.tenant
        return _redirect(
            target, {"code": code} | state | {"session_state": self._simulation.chance.guid("session", code)}
        )

    def redeem(self, app: App, tenant: Tenant | None, form: Mapping[str, str], call: Call) -> dict[str, Any]:
        """Exchange a code for tokens; the app has proven who it is. Raises LoginError."""
        row = self._database.execute("SELECT * FROM code WHERE digest = ?", (_digest(form.get("code", "")),)).fetchone()
        if row is None or row["app"] != app.id:
            raise _no_grant(9002313, "Invalid request. Request is malformed or invalid.")
        if row["used"]:
            raise _no_grant(
                54005, "OAuth2 Authorization code was already redeemed, please retry with a new valid code."
            )
        self._database.execute("UPDATE code SET used = 1 WHERE digest = ?", (row["digest"],))
        details = json.loads(row["details"])
        if row["expires"] < self._simulation.clock.now():
            raise _no_grant(70008, "The provided authorization code or refresh token has expired due to inactivity.")
        if tenant is not None and tenant.id != row["tenant"]:
            raise _no_grant(
                700005, "Provided Authorization Code is intended to use against other tenant, thus rejected."
            )
        if form.get("redirect_uri") != details["redirect_uri"]:
            raise LoginError(
                400,
                "invalid_client",
                500112,
                "The reply address does not match the reply address provided when requesting Authorization code.",
            )
        if details["code_challenge"] and _challenge(form.get("code_verifier", "")) != details["code_challenge"]:
            raise _no_grant(
                501481, "The Code_Verifier does not match the code_challenge supplied in the authorization request."
            )
        user = self._directory.find(row["tenant"], row["user"])
        if user is None:
            raise _no_grant(50034, "The user account does not exist in this directory.")
        call.tenant = user.tenant
        return self._tokens(app, user, details, call)

    def _tokens(self, app: App, user: User, details: dict[str, str], call: Call) -> dict[str, Any]:
        scopes = details["scope"].split()
        body: dict[str, Any] = {
            "token_type": "Bearer",
            "scope": " ".join(scope for scope in scopes if scope != "offline_access"),
            "expires_in": TOKEN_SECONDS,
            "ext_expires_in": TOKEN_SECONDS,
            "access_token": self._issuer.sign(
                {
                    "aud": GRAPH,
                    "iss": f"https://sts.windows.net/{user.tenant}/",
                    "appid": app.id,
                    "tid": user.tenant,
                    "oid": user.id,
                    "scp": "email openid profile",
                    "uti": call.request_id,
                    "ver": "1.0",
                },
                TOKEN_SECONDS,
            ),
        }
        if "openid" in scopes:
            body["id_token"] = self._issuer.sign(self._claims(app, user, details, call), TOKEN_SECONDS)
        return body

    def _claims(self, app: App, user: User, details: dict[str, str], call: Call) -> dict[str, Any]:
        subject = hashlib.sha256(f"{app.id} {user.id}".encode()).digest()
        claims: dict[str, Any] = {
            "aud": app.id,
            "iss": f"{LOGIN}/{user.tenant}/v2.0",
            "name": user.name,
            "oid": user.id,
            "preferred_username": user.entity["userPrincipalName"],
            "sub": base64.urlsafe_b64encode(subject).decode().rstrip("="),
            "tid": user.tenant,
            "uti": call.request_id,
            "ver": "2.0",
        }
        if details["nonce"]:
            claims["nonce"] = details["nonce"]
        if user.guest:
            # Only people who are at home elsewhere have it.
            home = str(user.entity["mail"]).partition("@")[2]
            claims["idp"] = f"https://sts.windows.net/{self._simulation.chance.guid('tenant', home)}/"
        if "acct" in app.claims:
            claims["acct"] = 1 if user.guest else 0
        if "wids" in app.claims:
            claims["wids"] = [*user.roles] if user.guest else [*user.roles, DEFAULT_USER_ROLE]
        return claims

    def _app(self, request: Request) -> App:
        query = request.query_params
        app = self._apps.app(query.get("client_id", ""))
        if app is None:
            raise PageError(f"AADSTS700016: Application '{query.get('client_id', '')}' was not found in the directory.")
        call: Call = request.scope["state"]["call"]
        call.app = app.id
        if query.get("redirect_uri", "") not in app.redirects:
            raise PageError("AADSTS50011: The redirect URI does not match those configured for the application.")
        return app

    def _tenants(self, name: str) -> list[Tenant]:
        if name.lower() in ("organizations", "common"):
            return self._directory.tenants()
        try:
            return [self._directory.tenant(name)]
        except LookupError:
            return []

    def _users(self, tenants: list[Tenant]) -> list[User]:
        users = [user for tenant in tenants for user in self._directory.users(tenant.id)]
        able = [user for user in users if user.entity.get("accountEnabled")]
        return sorted(able, key=lambda user: (not MAY_CONSENT & set(user.roles), user.address))


def _mistake(query: Mapping[str, str]) -> dict[str, str] | None:
    if query.get("response_type") != "code":
        return {
            "error": "unsupported_response_type",
            "error_description": "AADSTS700054: response_type is not enabled for the application.",
        }
    if query.get("response_mode", "query") != "query":
        return {"error": "invalid_request", "error_description": "AADSTS900144: only response_mode=query is simulated."}
    if "code_challenge" in query and query.get("code_challenge_method") != "S256":
        return {
            "error": "invalid_request",
            "error_description": "AADSTS501491: Invalid size or method of Code_Challenge parameter.",
        }
    if not OIDC & set(query.get("scope", "").split()):
        return {
            "error": "invalid_request",
            "error_description": "AADSTS900144: The request must contain the following parameter: 'scope'.",
        }
    if query.get("prompt") == "none":
        return {
            "error": "login_required",
            "error_description": "AADSTS50058: A silent sign-in request was sent but no user is signed in.",
        }
    return None


def _chosen(users: list[User], address: object) -> User | None:
    return next((user for user in users if user.address == str(address).lower()), None)


def _no_grant(number: int, note: str) -> LoginError:
    return LoginError(400, "invalid_grant", number, note)


def _redirect(target: str, values: Mapping[str, str]) -> RedirectResponse:
    return RedirectResponse(target + ("&" if "?" in target else "?") + urlencode(values), 302)


def _challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()
