"""What tests of the Microsoft simulator need at hand: a client through the proxy, an app with consent, a token."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import ssl
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from simulators.frame import Control, Running, running
from simulators.microsoft365 import DIRECTORY, build

DOMAIN = "nordwind-logistik.example"
LOGIN = "https://login.microsoftonline.com"
GRAPH = "https://graph.microsoft.com/v1.0"
CALLBACK = "https://backup.example/v1/consents/callback"
BACKUP_ROLES = (
    "User.Read.All",
    "Mail.Read",
    "MailboxSettings.Read",
    "LicenseAssignment.Read.All",
    "Organization.Read.All",
    "Domain.Read.All",
)


def https(sim: Running) -> httpx.Client:
    """An httpx client that goes through the proxy and trusts the test CA alone."""
    return httpx.Client(proxy=sim.proxy, verify=ssl.create_default_context(cafile=str(sim.ca)), trust_env=False)


@dataclass
class Key:
    """An app's key pair with its self-signed certificate."""

    private: rsa.RSAPrivateKey
    certificate: x509.Certificate

    @classmethod
    def make(cls, days: int = 365, begins: dt.datetime | None = None) -> Key:
        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "backup app")])
        begin = begins or dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(private.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(begin + dt.timedelta(days=days))
            .sign(private, hashes.SHA256())
        )
        return cls(private, certificate)

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def private_pem(self) -> str:
        return self.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()

    def thumbprint(self, algorithm: hashes.HashAlgorithm) -> str:
        return base64.urlsafe_b64encode(self.certificate.fingerprint(algorithm)).decode().rstrip("=")

    def assertion(self, app: str, audience: str, *, now: float, alg: str = "PS256", **changes: Any) -> str:
        """A good assertion; ``changes`` replace claims (None takes one away), ``header`` replaces the header."""
        header = changes.pop("header", {"x5t#S256": self.thumbprint(hashes.SHA256())})
        claims = {
            "iss": app,
            "sub": app,
            "aud": audience,
            "jti": str(uuid.uuid4()),
            "nbf": int(now),
            "exp": int(now) + 600,
        }
        claims = {name: value for name, value in (claims | changes).items() if value is not None}
        return jwt.encode(claims, self.private, algorithm=alg, headers=header)


@dataclass
class Tenant:
    """A running simulator with an app that has consent in the made-up tenant."""

    sim: Running
    client: httpx.Client
    id: str
    app: str
    secret: str
    domain: str = DOMAIN
    _token: dict[str, str] = field(default_factory=dict)

    @property
    def control(self) -> Control:
        return self.sim.control

    @property
    def token_url(self) -> str:
        return f"{LOGIN}/{self.id}/oauth2/v2.0/token"

    def token(self, **form: Any) -> httpx.Response:
        base = {"client_id": self.app, "scope": "https://graph.microsoft.com/.default"}
        base |= {"grant_type": "client_credentials"}
        if "client_assertion" not in form and "client_secret" not in form:
            base["client_secret"] = self.secret
        filled = {name: value for name, value in (base | form).items() if value is not None}
        return self.client.post(form.pop("url", self.token_url), data=filled)

    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token().json()['access_token']}"}

    def headers(self) -> dict[str, str]:
        """A bearer header, asked for once."""
        if not self._token:
            self._token = self.bearer()
        return self._token

    def get(self, path: str, **more: Any) -> httpx.Response:
        url = path if path.startswith("https:") else GRAPH + path
        return self.client.get(url, headers=self.headers() | more.pop("headers", {}), **more)

    def post(self, path: str, body: Any) -> httpx.Response:
        return self.client.post(GRAPH + path, headers=self.headers(), json=body)

    def pages(self, path: str, key: str = "value") -> Iterator[dict[str, Any]]:
        """Every page from ``path`` on."""
        url: str | None = path
        for _ in range(1000):
            if url is None:
                return
            page = self.get(url).raise_for_status().json()
            yield page
            url = page.get("@odata.nextLink")
        raise AssertionError("the links never end")


@contextmanager
def tenant(state: Path, roles: Sequence[str] = BACKUP_ROLES, **more: Any) -> Iterator[Tenant]:
    """Run the simulators and set up an app with consent in the first tenant."""
    with running(state, **more) as sim, https(sim) as client:
        control = sim.control
        app = control.act("app_register", name="Backup", redirect_uris=[CALLBACK], roles=list(roles))["client_id"]
        secret = control.act("app_secret_add", client_id=app)["secret"]
        first = control.act("tenants")[0]
        control.act("consent_grant", tenant=first["id"], client_id=app)
        yield Tenant(sim, client, first["id"], app, secret, first["domain"])


# Most tests of login and directory start a world each, and need no mail in it.
tenant_without_mail = partial(tenant, builds=[partial(build, parts=DIRECTORY)])


def pkce() -> tuple[str, str]:
    """Verifier and its S256 challenge."""
    verifier = base64.urlsafe_b64encode(uuid.uuid4().bytes + uuid.uuid4().bytes).decode().rstrip("=")
    digest = hashlib.sha256(verifier.encode()).digest()
    return verifier, base64.urlsafe_b64encode(digest).decode().rstrip("=")


def landed(response: httpx.Response) -> dict[str, str]:
    """The query of a redirect to the callback."""
    assert response.status_code == 302, response.text
    where = urlsplit(response.headers["location"])
    assert f"{where.scheme}://{where.netloc}{where.path}" == CALLBACK
    return {name: values[0] for name, values in parse_qs(where.query, keep_blank_values=True).items()}
