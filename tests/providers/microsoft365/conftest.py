"""Microsoft 365 on the wire, in this process."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from simulators.frame import running
from simulators.frame.running import Running

DOMAIN = "nordwind-logistik.example"
REDIRECT = "https://arche.example.com/v1/consents/callback"


@dataclass
class Cloud:
    """Running simulators, and how to reach them."""

    sim: Running
    tenant: str

    @property
    def control(self):
        return self.sim.control

    def transport(self) -> httpx.HTTPTransport:
        trust = ssl.create_default_context(cafile=str(self.sim.ca))
        return httpx.HTTPTransport(proxy=self.sim.proxy, verify=trust)

    def app(self, name: str, roles: tuple[str, ...], *, granted: bool = True) -> tuple[str, str]:
        """Register an app; gives its client id and a secret."""
        client_id = self.control.act("app_register", name=name, redirect_uris=[REDIRECT], roles=list(roles))[
            "client_id"
        ]
        secret = self.control.act("app_secret_add", client_id=client_id)["secret"]
        if granted:
            self.control.act("consent_grant", tenant=DOMAIN, client_id=client_id)
        return client_id, secret


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with running(tmp_path_factory.mktemp("sim")) as sim:
        tenant = next(one["id"] for one in sim.control.act("tenants") if one["domain"] == DOMAIN)
        yield Cloud(sim, tenant)


@pytest.fixture(autouse=True)
def _fair_weather(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "cloud" in request.fixturenames:
        request.getfixturevalue("cloud").control.clear()


class Signer:
    """A key as KMS keeps it: signs PS256 and shows its certificate."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(65537, 2048)
        self.certificate = b""

    @property
    def public_key(self) -> bytes:
        return self._key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    @property
    def pem(self) -> str:
        loaded = x509.load_der_x509_certificate(self.certificate)
        return loaded.public_bytes(serialization.Encoding.PEM).decode()

    def sign(self, data: bytes, algorithm: str = "PS256") -> bytes:
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
        return self._key.sign(data, pss if algorithm == "PS256" else padding.PKCS1v15(), hashes.SHA256())


@pytest.fixture(scope="module")
def reader(cloud: Cloud):
    """An app with all rights of backup and restore, and its token."""
    from arche.providers.microsoft365.token import App
    from tests.providers.microsoft365.world import ROLES, token_of

    client_id, secret = cloud.app("backup and restore", ROLES)
    app = App(client_id, secret=secret)
    return app, token_of(cloud, app)


@pytest.fixture
def mailbox(cloud: Cloud, reader):
    """An empty mailbox of its own."""
    from tests.providers.microsoft365.world import ExchangeWorld

    world = ExchangeWorld(cloud, *reader)
    yield world
    world.close()
