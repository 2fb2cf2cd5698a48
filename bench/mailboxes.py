"""A customer on the embedded cloud: its backups one by one, and what each cost as seen from outside of the product."""

from __future__ import annotations

import subprocess
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

from bench import history
from bench.history import History
from bench.processes import Watch
from localcloud import traffic
from localcloud.children import plain_environment, python
from localcloud.cloud import Cloud
from localcloud.demo.browser import Browser
from localcloud.demo.customer import Customer
from localcloud.demo.partner import ENDED, JobFailed, Partner
from localcloud.toolkit import REGION
from simulators.frame.control import Control

CONTENT: Final = "/users/{id}/messages/{id}/$value"
LIFTED: Final = 1_000_000_000
_FILL: Final = 5_000
_POLL_SECONDS: Final = 0.25
_OPERATE: Final = "from arche.aws.command import main; raise SystemExit(main())"


@dataclass(frozen=True)
class Cost:
    """What one backup run took, all of it seen from outside."""

    seconds: float
    items: int
    """Mails whose content the source gave."""
    bytes: int
    """Bytes of that content."""
    calls: int
    """Calls to the vendor's API."""
    stored: Counter[str]
    """Requests to the buckets of vault and keys, by kind."""
    work: Counter[str]
    """Requests to the work bucket, by kind."""
    memory: dict[str, int]
    """Peak of each function, in bytes."""
    history: History


class Bench:
    """One tenant of the world, bound and activated."""

    def __init__(self, cloud: Cloud, watch: Watch) -> None:
        self.cloud = cloud
        self.control = Control(cloud.control)
        self._watch = watch
        self._states = cloud.client("stepfunctions")
        self._traffic = cloud.home / "emulator" / "state" / traffic.FILE
        self._partner = Partner(cloud.outputs["ApiUrl"], cloud.token)
        self.domain = str(self.control.act("tenants")[0]["domain"])
        browser = Browser(cloud.proxy, cloud.ca)
        self.customer = Customer.onboard(self._partner, browser, self.domain, f"admin@{self.domain}")
        browser.close()

    def close(self) -> None:
        """Close the connections."""
        self._partner.close()

    def lift_limits(self) -> None:
        """Let the vendor grant the tenant more calls a mailbox, and let the operator say so to the deployment."""
        self.control.fault("mail_limits", requests=LIFTED, upload=LIFTED)
        connection = next(iter(self.customer.accounts.values()))["connection"]
        limit = ["--customer", self.customer.label, "--connection", connection, "--units", str(LIFTED)]
        subprocess.run(
            [python(), "-c", _OPERATE, "connection-limit", *limit],
            env=plain_environment(
                AWS_ENDPOINT_URL=self.cloud.endpoint,
                AWS_REGION=REGION,
                AWS_ACCESS_KEY_ID="test",
                AWS_SECRET_ACCESS_KEY="test",  # noqa: S106 - the emulator's name for the owner of the account
            ),
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def large_mailbox(self, count: int) -> str:
        """Add a person with ``count`` mails in one folder, discovered and activated. Returns the address."""
        address = f"archiv@{self.domain}"
        user = str(self.control.act("user_add", tenant=self.domain, local="archiv", name="Archiv")["id"])
        for first in range(0, count, _FILL):
            self.control.act("mail_fill", user=address, count=min(_FILL, count - first))
        connection = next(iter(self.customer.accounts.values()))["connection"]
        job = self._partner.post(f"{self.customer.path}/connections/{connection}/discover", {})
        self._partner.wait(f"{self.customer.path}/jobs/{job['job']}")
        self._partner.post(f"{self.customer.path}/accounts/activate", {"all": True})
        found = self._partner.pages(f"{self.customer.path}/accounts", "accounts")
        self.customer.accounts = {account["provider_id"]: account for account in found if account["active"]}
        return user

    def deliver(self, user: str, count: int) -> None:
        """Let mails arrive."""
        for number in range(count):
            text = f"From: a@example.net\r\nTo: b@example.net\r\nSubject: {user[:4]} {number}\r\n\r\nNeu {number}\r\n"
            self.control.act("mail_deliver", user=user, raw=text)

    def run(self, *users: str) -> Cost:
        """Back up now: these users, or all. Raises JobFailed unless it ends well."""
        began, sent, asked = time.monotonic(), self.control.mark(), traffic.mark(self._traffic)
        self._watch.take()
        wish = {"accounts": [self.customer.accounts[user]["account"] for user in users]} if users else {}
        job = self._partner.post(f"{self.customer.path}/backups", wish)
        ended = self._wait(f"{self.customer.path}/jobs/{job['job']}")
        seconds = time.monotonic() - began
        memory = self._watch.take()
        if ended["state"] not in ("done", "partial"):
            raise JobFailed(f"the backup ended {ended['state']}: {ended['message']}")
        past = history.newest(self._states, self.cloud.outputs["BackupMachineArn"])
        calls = self.control.counts(since=sent, by="template,status", host="graph.microsoft.com")
        content = [row for row in calls if (row["template"], row["status"]) == (CONTENT, 200)]
        requests = traffic.count(self._traffic, asked)
        outputs = self.cloud.outputs
        return Cost(
            seconds=seconds,
            items=sum(row["count"] for row in content),
            bytes=sum(row["out"] for row in content),
            calls=sum(row["count"] for row in calls),
            stored=_by_kind(requests, outputs["VaultBucketName"], outputs["KeysBucketName"]),
            work=_by_kind(requests, outputs["WorkBucketName"]),
            memory=memory,
            history=past,
        )

    def _wait(self, path: str) -> dict[str, Any]:
        """Poll without an end, more and more seldom: asking takes time from the machine too (2 % late at most)."""
        began = time.monotonic()
        while True:
            job: dict[str, Any] = self._partner.get(path)
            if job["state"] in ENDED:
                return job
            if not self.cloud.alive():
                raise JobFailed("a process of the embedded cloud ended by itself")
            time.sleep(max(_POLL_SECONDS, (time.monotonic() - began) / 50))


def _by_kind(requests: Counter[tuple[str, str]], *buckets: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for (bucket, kind), count in requests.items():
        if bucket in buckets:
            found[kind] += count
    return found
