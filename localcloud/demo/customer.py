"""One customer in the demo: onboarding, backups and restores through the public API."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from localcloud.demo.browser import Browser
from localcloud.demo.partner import STARTED, JobFailed, Partner

SERVICE: Final = "exchange"


@dataclass
class Restored:
    """Sums over the per-item results of the restores."""

    results: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    losses: int = 0

    def written(self) -> list[tuple[str, dict[str, Any]]]:
        """(account's provider id, result) of every item that was given back."""
        return [
            (user, one) for user, one in self.results if one["new_id"] and one["action"] not in ("skipped", "existing")
        ]


@dataclass
class Customer:
    """A customer as the API knows it."""

    partner: Partner
    label: str
    accounts: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """Base path of this customer."""
        return f"/customers/{self.label}"

    @classmethod
    def onboard(cls, partner: Partner, browser: Browser, name: str, administrator: str) -> Customer:
        """Create the customer, consent both apps as its administrator, discover and activate every account."""
        customer = cls(partner, partner.post("/customers", {"name": name})["customer"])
        made = partner.post(f"{customer.path}/connections", {"platform": "microsoft365"})
        browser.consent(made["consent_url"], administrator)
        connection = f"{customer.path}/connections/{made['connection']}"
        restore = partner.post(f"{connection}/reconsent", {"app": "restore"})
        browser.consent(restore["consent_url"], administrator)
        job = partner.post(f"{connection}/discover", {})
        ended = partner.wait(f"{customer.path}/jobs/{job['job']}")
        if ended["state"] != "done":
            raise JobFailed(f"discovery ended {ended['state']}: {ended['message']}")
        partner.post(f"{customer.path}/accounts/activate", {"all": True})
        found = partner.pages(f"{customer.path}/accounts", "accounts")
        customer.accounts = {account["provider_id"]: account for account in found if account["active"]}
        return customer

    def back_up(self, show: Callable[[str], None]) -> dict[str, Any]:
        """Back up all accounts now and wait; returns the ended job. Raises JobFailed if it does not end."""
        job = self.partner.post(f"{self.path}/backups", {})
        return self.partner.wait(f"{self.path}/jobs/{job['job']}", show=show)

    def newest(self, user: str) -> dict[str, Any]:
        """Return the newest restore point of an account. Raises JobFailed if there is none."""
        path = f"{self.path}/accounts/{self.accounts[user]['account']}/snapshots"
        for point in self.partner.pages(path, "snapshots"):
            return point
        raise JobFailed(f"account {self.accounts[user]['account']} has no restore point")

    def restore(self, user: str, at: int, wish: dict[str, Any], into: Restored) -> dict[str, Any]:
        """Plan (dry run), start and wait; adds the per-item results to ``into``."""
        account = self.accounts[user]["account"]
        planned = self.partner.post(f"{self.path}/restores", {"account": account, "at": str(at), **wish})
        path = f"{self.path}/restores/{planned['job']}"
        ready = self.partner.wait(path)
        if ready["state"] != "planned":
            raise JobFailed(f"the dry run ended {ready['state']}: {ready['message']}")
        self.partner.post(f"{path}/start", {})
        ended = self.partner.wait(path, ended=STARTED)
        if ended["state"] not in ("done", "partial"):
            raise JobFailed(f"the restore ended {ended['state']}: {ended['message']}")
        for result in self.partner.pages(f"{path}/results", "results"):
            into.results.append((user, result))
            into.losses += len(result["losses"])
        return ended
