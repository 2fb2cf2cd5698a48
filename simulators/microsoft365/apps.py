"""App registrations and what each tenant consented to (the Entra portal's side)."""

from __future__ import annotations

import hashlib
import json
import secrets
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from simulators.frame.platform import Simulation
from simulators.microsoft365 import facts

SCHEMA = """
CREATE TABLE IF NOT EXISTS app (id TEXT PRIMARY KEY, name TEXT, redirects TEXT, roles TEXT, claims TEXT);
CREATE TABLE IF NOT EXISTS secret (app TEXT, id TEXT, digest TEXT, expires REAL, PRIMARY KEY (app, id));
CREATE TABLE IF NOT EXISTS certificate (app TEXT, thumbprint TEXT, pem TEXT, PRIMARY KEY (app, thumbprint));
CREATE TABLE IF NOT EXISTS consent (tenant TEXT, app TEXT, roles TEXT, state TEXT, PRIMARY KEY (tenant, app));
"""
LOOPBACK = {"localhost", "127.0.0.1"}
CLAIMS = ("acct", "wids")


@dataclass(frozen=True)
class App:
    """A registration. ``roles``: the app roles of Graph it declares; ``claims``: optional claims of its id tokens."""

    id: str
    name: str
    redirects: tuple[str, ...]
    roles: tuple[str, ...]
    claims: tuple[str, ...]


class Apps:
    """All registrations, their credentials and consents."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._database = simulation.state.database("microsoft365")
        self._database.executescript(SCHEMA)

    def app(self, app_id: str) -> App | None:
        """Return the registration with this client id; None if there is none."""
        row = self._database.execute("SELECT * FROM app WHERE id = ?", (app_id.lower(),)).fetchone()
        return None if row is None else _app(row)

    def register(
        self,
        name: str,
        redirect_uris: Sequence[str] = (),
        roles: Sequence[str] = (),
        client_id: str = "",
        optional_claims: Sequence[str] = CLAIMS,
    ) -> dict[str, Any]:
        """Register an app, or change the one with this client id. Raises ValueError for what Entra would refuse."""
        for uri in redirect_uris:
            parts = urlsplit(uri)
            if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
                raise ValueError("a redirect URI begins with https, or with http on localhost")
            if parts.fragment or "*" in uri:
                raise ValueError("a redirect URI has no fragment and no wildcard")
        if unknown := set(roles) - facts.permission_names():
            raise ValueError(f"Graph has no app role {', '.join(sorted(unknown))}")
        app_id = (client_id or self._simulation.chance.guid("app", name)).lower()
        self._database.execute(
            "INSERT OR REPLACE INTO app VALUES (?, ?, ?, ?, ?)",
            (
                app_id,
                name,
                json.dumps(list(redirect_uris)),
                json.dumps(sorted(roles)),
                json.dumps(list(optional_claims)),
            ),
        )
        return {"client_id": app_id}

    def add_secret(self, client_id: str, valid_seconds: float = 180 * 86400) -> dict[str, Any]:
        """Return a new client secret; its value is shown this once."""
        app = self._known(client_id)
        value, key = secrets.token_urlsafe(30), self._simulation.chance.guid("secret", str(secrets.randbits(64)))
        self._database.execute(
            "INSERT INTO secret VALUES (?, ?, ?, ?)",
            (app.id, key, _digest(value), self._simulation.clock.now() + valid_seconds),
        )
        return {"id": key, "secret": value}

    def remove_secret(self, client_id: str, key_id: str) -> None:
        """Take a secret away."""
        self._database.execute("DELETE FROM secret WHERE app = ? AND id = ?", (self._known(client_id).id, key_id))

    def add_certificate(self, client_id: str, pem: str) -> dict[str, Any]:
        """Upload the public half of a key. Raises ValueError if it is no certificate."""
        app = self._known(client_id)
        certificate = x509.load_pem_x509_certificate(pem.encode())
        thumbprint = thumbprint_sha256(certificate)
        self._database.execute("INSERT OR REPLACE INTO certificate VALUES (?, ?, ?)", (app.id, thumbprint, pem))
        return {"thumbprint": thumbprint, "expires": certificate.not_valid_after_utc.isoformat()}

    def remove_certificate(self, client_id: str, thumbprint: str) -> None:
        """Take a certificate away."""
        app = self._known(client_id)
        self._database.execute("DELETE FROM certificate WHERE app = ? AND thumbprint = ?", (app.id, thumbprint.lower()))

    def certificates(self, app_id: str) -> list[x509.Certificate]:
        """Return the uploaded certificates of an app."""
        rows = self._database.execute("SELECT pem FROM certificate WHERE app = ?", (app_id,))
        return [x509.load_pem_x509_certificate(row["pem"].encode()) for row in rows]

    def secret_expiry(self, app_id: str, value: str) -> float | None:
        """When the secret with this value expires; None if the app has no such secret."""
        row = self._database.execute(
            "SELECT expires FROM secret WHERE app = ? AND digest = ?", (app_id, _digest(value))
        ).fetchone()
        return None if row is None else float(row["expires"])

    def consent(self, tenant_id: str, app_id: str) -> None:
        """Grant an app the roles it declares now."""
        app = self._known(app_id)
        self._database.execute(
            "INSERT OR REPLACE INTO consent VALUES (?, ?, ?, 'granted')", (tenant_id, app.id, json.dumps(app.roles))
        )

    def withdraw(self, tenant_id: str, app_id: str) -> None:
        """Remove the enterprise app from a tenant; its tokens end too. Raises LookupError if it never was there."""
        changed = self._database.execute(
            "UPDATE consent SET state = 'withdrawn', roles = '[]' WHERE tenant = ? AND app = ?", (tenant_id, app_id)
        )
        if changed.rowcount == 0:
            raise LookupError("this tenant never consented to the app")

    def granted(self, tenant_id: str, app_id: str) -> tuple[str, tuple[str, ...]]:
        """State (``granted``, ``withdrawn`` or ``none``) and granted roles of an app in a tenant."""
        row = self._database.execute(
            "SELECT state, roles FROM consent WHERE tenant = ? AND app = ?", (tenant_id, app_id)
        ).fetchone()
        return ("none", ()) if row is None else (row["state"], tuple(json.loads(row["roles"])))

    def _known(self, client_id: str) -> App:
        app = self.app(client_id)
        if app is None:
            raise LookupError(f"no app registration {client_id}")
        return app


def thumbprint_sha256(certificate: x509.Certificate) -> str:
    """SHA-256 of the DER form, in hex."""
    return certificate.fingerprint(SHA256()).hex()


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


def _app(row: sqlite3.Row) -> App:
    return App(
        row["id"],
        row["name"],
        tuple(json.loads(row["redirects"])),
        tuple(json.loads(row["roles"])),
        tuple(json.loads(row["claims"])),
    )
