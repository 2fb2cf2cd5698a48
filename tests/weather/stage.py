"""The stage of all cases: an embedded cloud with two small customers, watched over the wire and in the buckets."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from arche.catalog.apps import Apps
from arche.catalog.table import Credentials, Rows, Tables
from localcloud.cloud import Cloud
from localcloud.demo.browser import Browser
from localcloud.demo.compare import Verdict
from localcloud.demo.customer import Customer
from localcloud.demo.partner import Partner
from localcloud.demo.source import Mailbox, Source
from localcloud.demo.vault_proof import Bucket, kms_unwrap, prove
from localcloud.second_reader import Account
from localcloud.toolkit import REGION
from simulators.frame.control import Control

NORTH: Final = "nord.example"
SOUTH: Final = "sued.example"
CONTENT: Final = "/users/{id}/messages/{id}/$value"
DELTA: Final = "/users/{id}/mailFolders/{id}/messages/delta"
EAST: Final = "ost.example"
WEST: Final = "west.example"
"""Two more tenants, for the demo's story in the tests."""
_MAILS: Final = {
    NORTH: {"anna": 12, "bert": 9, "cora": 5},
    SOUTH: {"dora": 4},
    EAST: {"emil": 9, "fritz": 8, "gerda": 7},
    WEST: {"hans": 6, "ida": 5},
}
_ROLES: Final = ["User.Read.All", "Mail.Read"]


def make_world(root: Path) -> Path:
    """Write the tenants as a world directory; one mail is binary rubbish, one has no header at all."""
    for domain, people in _MAILS.items():
        for person, count in people.items():
            for number in range(count):
                folder = (
                    root / "microsoft365" / domain / person / "mail" / ("Inbox" if number % 3 else "Projekt/Ünterlagen")
                )
                folder.mkdir(parents=True, exist_ok=True)
                (folder / f"{number:03}.eml").write_bytes(_mail(person, domain, number))
    inbox = root / "microsoft365" / NORTH / "anna" / "mail" / "Inbox"
    (inbox / "rubbish.eml").write_bytes(bytes(range(256)) * 8)
    (inbox / "headless.eml").write_bytes(b"\r\nno header, only a body\r\n")
    (inbox / "broken.eml").write_bytes(
        b"Subject: broken\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n!!!not base64"
    )
    return root


def _mail(person: str, domain: str, number: int) -> bytes:
    return (
        f"From: sender{number}@elsewhere.example\r\nTo: {person}@{domain}\r\n"
        f"Subject: Vorgang {number} =?utf-8?q?=C3=A4?=\r\n"
        f"Date: Mon, {number + 1:02} Mar 2026 08:00:00 +0000\r\nMessage-ID: <{person}-{number}@{domain}>\r\n"
        f"Content-Type: text/plain; charset=utf-8\r\n\r\nZeile {number}\r\n"
    ).encode() + b"x" * (500 * number)


@dataclass
class Tenant:
    """One customer with its source."""

    domain: str
    customer: Customer
    source: Source
    connection: str

    def box(self, person: str) -> Mailbox:
        """One mailbox as the source shows it now."""
        user = self.user(person)
        found = self.source.mailbox(user, f"{person}@{self.domain}")
        assert found is not None
        return found

    def user(self, person: str) -> str:
        """Provider id of a person."""
        address = f"{person}@{self.domain}"
        return next(uid for uid, account in self.customer.accounts.items() if account["address"] == address)


@dataclass
class Stage:
    """What a case may touch."""

    cloud: Cloud
    control: Control
    partner: Partner
    tenants: dict[str, Tenant] = field(default_factory=dict)

    @classmethod
    def build(cls, cloud: Cloud) -> Stage:
        """Onboard the customers of north and south."""
        stage = cls(cloud, Control(cloud.control), Partner(cloud.outputs["ApiUrl"], cloud.token))
        app = stage.control.act("app_register", name="Auditor of the weather", roles=_ROLES)["client_id"]
        secret = stage.control.act("app_secret_add", client_id=app)["secret"]
        browser = Browser(cloud.proxy, cloud.ca)
        for tenant in stage.control.act("tenants"):
            domain = tenant["domain"]
            if domain not in (NORTH, SOUTH):
                continue
            stage.control.act("consent_grant", tenant=domain, client_id=app)
            customer = Customer.onboard(stage.partner, browser, domain, f"admin@{domain}")
            connection = stage.partner.get(f"{customer.path}/connections")["connections"][0]["connection"]
            source = Source(cloud.proxy, cloud.ca, tenant["id"], app, secret)
            stage.tenants[domain] = Tenant(domain, customer, source, connection)
        browser.close()
        return stage

    def close(self) -> None:
        """Close all connections."""
        for tenant in self.tenants.values():
            tenant.source.close()
        self.partner.close()

    @property
    def north(self) -> Tenant:
        """The customer that the weather strikes."""
        return self.tenants[NORTH]

    @property
    def south(self) -> Tenant:
        """The other one, which must not notice."""
        return self.tenants[SOUTH]

    def back_up(self, domain: str = NORTH) -> dict[str, Any]:
        """Back up one customer and wait for the end."""
        return self.tenants[domain].customer.back_up(lambda _progress: None)

    def colour(self, person: str) -> str:
        """Colour of a person's account, as the list of accounts shows it."""
        return str(self._listed(person)["colour"])

    def problems(self, person: str) -> list[dict[str, Any]]:
        """Problems that the newest restore point or run names."""
        found: list[dict[str, Any]] = self.north.customer.newest(self.north.user(person))["problems"]
        return found

    def connection(self, domain: str = NORTH) -> dict[str, Any]:
        """The connection as the API shows it."""
        tenant = self.tenants[domain]
        found: dict[str, Any] = self.partner.get(f"{tenant.customer.path}/connections/{tenant.connection}")
        return found

    def reconsent(self, domain: str = NORTH) -> None:
        """Ask for a new link and accept it as the administrator."""
        tenant = self.tenants[domain]
        asked = self.partner.post(
            f"{tenant.customer.path}/connections/{tenant.connection}/reconsent", {"app": "backup"}
        )
        with closing(Browser(self.cloud.proxy, self.cloud.ca)) as browser:
            browser.consent(asked["consent_url"], f"admin@{domain}")

    def unproven(self, *people: str, domain: str = NORTH) -> list[str]:
        """Differences between each person's newest restore point and the source, read by the second reader."""
        tenant, verdict = self.tenants[domain], Verdict()
        outputs = self.cloud.outputs
        s3, kms = self.cloud.client("s3"), self.cloud.client("kms")
        for person in people or _MAILS[domain]:
            user = tenant.user(person)
            label = tenant.customer.accounts[user]["account"]
            account = Account.open(
                Bucket(s3, outputs["VaultBucketName"]),
                Bucket(s3, outputs["KeysBucketName"]),
                kms_unwrap(kms),
                tenant.customer.label,
                label,
            )
            account.check_chain()
            prove(account, int(tenant.customer.newest(user)["snapshot"]), tenant.box(person), verdict)
        return verdict.differences

    def start(self, domain: str = NORTH) -> str:
        """Begin a backup; returns the path of its job."""
        customer = self.tenants[domain].customer
        return f"{customer.path}/jobs/{self.partner.post(f'{customer.path}/backups', {})['job']}"

    def finish(self, job: str) -> dict[str, Any]:
        """Wait for a backup's end."""
        return self.partner.wait(job)

    def last_run(self, person: str) -> dict[str, Any]:
        """Return how the newest run ended for a person, with what it has to say."""
        customer = self.north.customer
        account = customer.accounts[self.north.user(person)]["account"]
        found: dict[str, Any] = self.partner.get(f"{customer.path}/accounts/{account}/runs", limit=1)["runs"][0]
        return found

    def forget_tokens(self) -> None:
        """Let no function remember a token, as if an hour had passed."""
        if self.kill("arche-access-token"):
            # The emulator finds out that an idle process is gone by the next call, which fails; AWS never shows that.
            self.cloud.client("lambda").invoke(FunctionName="arche-access-token", Payload=b"{}")

    @contextmanager
    def secret_app(self, secret: str) -> Iterator[None]:
        """Let the backup app be one of kind ``secret`` with this secret, and afterwards what it was."""
        outputs, secrets = self.cloud.outputs, self.cloud.client("secretsmanager")
        rows = Rows(
            Tables(tenancy=outputs["TenancyTableName"]),
            region=REGION,
            endpoint=self.cloud.endpoint,
            credentials=Credentials("test", "test", ""),
        )
        apps = Apps(rows)
        registered = apps.get("microsoft365", "backup")
        assert registered is not None
        value = json.dumps({"microsoft365": {"backup": secret}})
        secrets.put_secret_value(SecretId=outputs["AppsSecretArn"], SecretString=value)
        apps.put(replace(registered, kind="secret"))
        self.forget_tokens()
        try:
            yield
        finally:
            apps.put(registered)
            self.forget_tokens()

    def read(self, since: int) -> int:
        """Content reads by the backup app since a mark of the call log."""
        return self.control.count(since=since, template=CONTENT, app=self.cloud.record.apps["backup"]["client_id"])

    def deliver(self, person: str, number: int, domain: str = NORTH) -> None:
        """Let a new mail arrive."""
        raw = _mail(person, domain, number).decode()
        self.control.act("mail_deliver", user=self.tenants[domain].user(person), raw=raw)

    def kill(self, function: str) -> int:
        """Kill the processes of a function, as a crashed host would. Returns how many there were."""
        pids = [pid for pid in _below(self.cloud.record.children["emulator"]) if f"-{function}-" in _command(pid)]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        return len(pids)

    def when(self, condition: Callable[[], bool], seconds: float = 60) -> bool:
        """Wait until something is so; False if it never was."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if condition():
                return True
            time.sleep(0.05)
        return False

    def _listed(self, person: str) -> dict[str, Any]:
        tenant = self.north
        path = f"{tenant.customer.path}/accounts"
        user = tenant.user(person)
        return next(a for a in self.partner.pages(path, "accounts") if a["provider_id"] == user)


def _below(parent: int) -> list[int]:
    """Processes that run below a parent, found by /proc."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            parents[int(entry.name)] = int(fields[1])
    found = [pid for pid, above in parents.items() if above == parent]
    return [*found, *(deeper for pid in found for deeper in _below(pid))]


def _command(pid: int) -> str:
    try:
        return (Path("/proc") / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
