"""Running simulators with one tenant, apps with their consent, and msgraph-sdk as a process of its own."""

from __future__ import annotations

import base64
import json
import os
import ssl
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from simulators.frame import Control, Running, running
from tests.simulators.clients import Key

ROOT: Final = Path(__file__).parents[2]
PYTHON: Final = ROOT / ".venv-oracle/bin/python"
REDIRECT: Final = "https://arche.example.com/v1/consents/callback"
# What the checks with msgraph-sdk need; the room's own apps get what the room says it needs.
_ROLES: Final = (
    "User.ReadWrite.All",
    "Mail.ReadWrite",
    "MailboxSettings.Read",
    "Organization.Read.All",
    "LicenseAssignment.Read.All",
)
_PATIENCE: Final = 600


@dataclass
class Stage:
    """The simulators and who may do what in their first tenant."""

    sim: Running
    tenant: str
    domain: str

    @property
    def control(self) -> Control:
        """The customer's hands and the weather."""
        return self.sim.control

    @classmethod
    @contextmanager
    def open(cls, state: Path) -> Iterator[Stage]:
        """Start the simulators with the made-up world."""
        with running(state) as sim:
            first = sim.control.act("tenants")[0]
            yield cls(sim, first["id"], first["domain"])

    def transport(self) -> httpx.BaseTransport:
        """A way through the proxy that trusts the test CA alone."""
        return httpx.HTTPTransport(proxy=self.sim.proxy, verify=ssl.create_default_context(cafile=str(self.sim.ca)))

    def register(self, name: str, roles: Sequence[str], *, consent: bool = True) -> tuple[str, str]:
        """Register an app; gives its client id and a secret."""
        app = self.control.act("app_register", name=name, redirect_uris=[REDIRECT], roles=list(roles))["client_id"]
        secret = self.control.act("app_secret_add", client_id=app)["secret"]
        if consent:
            self.control.act("consent_grant", tenant=self.tenant, client_id=app)
        return app, secret

    def person(self, local: str, name: str = "Änne Öhm") -> str:
        """A new person with an empty mailbox; gives the user's id."""
        return str(self.control.act("user_add", tenant=self.tenant, local=local, name=name)["id"])

    def deliver(self, user: str, raw: bytes, folder: str = "inbox", state: dict[str, Any] | None = None) -> str:
        """A mail arrives; gives its immutable id."""
        data = base64.b64encode(raw).decode()
        return str(self.control.act("mail_deliver", user=user, base64_=data, folder=folder, state=state))


class Sdk:
    """msgraph-sdk in its own environment, with an app of its own."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        app, secret = stage.register("Oracle", _ROLES)
        key = Key.make()
        stage.control.act("app_certificate_add", client_id=app, pem=key.pem)
        self._job = {
            "tenant": stage.tenant,
            "client_id": app,
            "secret": secret,
            "certificate": key.private_pem + key.pem,
            "control": stage.control.url,
        }

    def run(self, part: str, **more: Any) -> dict[str, Any]:
        """Run one job; gives its report. Raises SystemExit with the last lines it said when it died."""
        environment = {
            **{name: value for name, value in os.environ.items() if "proxy" not in name.lower()},
            "HTTPS_PROXY": self._stage.sim.proxy,
            "NO_PROXY": "",
            "SSL_CERT_FILE": str(self._stage.sim.ca),
            "REQUESTS_CA_BUNDLE": str(self._stage.sim.ca),
            "PYTHONPATH": str(ROOT),
        }
        done = subprocess.run(
            [str(PYTHON), "-m", "tests.oracle.sdk"],
            cwd=ROOT,
            env=environment,
            input=json.dumps(self._job | {"part": part} | more),
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"msgraph-sdk ended with code {done.returncode}:\n{done.stderr[-3000:]}")
        report: dict[str, Any] = json.loads(done.stdout)
        return report
