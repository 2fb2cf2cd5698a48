"""One customer's story from consent to restore, and the sums of what was compared."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final

from localcloud.cloud import Cloud
from localcloud.demo.browser import Browser
from localcloud.demo.changes import Plan, carry_out, choose
from localcloud.demo.compare import Verdict, compare
from localcloud.demo.customer import SERVICE, Customer, Restored
from localcloud.demo.partner import Partner
from localcloud.demo.source import Mailbox, Source
from localcloud.demo.vault_proof import Bucket, kms_unwrap, prove
from localcloud.second_reader import Account
from simulators.frame.control import Control

_CONTENT: Final = "/users/{id}/messages/{id}/$value"
_AUDITOR_ROLES: Final = ["User.Read.All", "Mail.Read"]


COUNTED: Final = ("accounts", "backed_up", "incremental", "deleted_at_source", "restored", "declared_loss", "altered")
"""Fields of Sums that add up over customers."""


@dataclass
class Sums:
    """What the summary line prints, over all customers of the world."""

    accounts: int = 0
    backed_up: int = 0
    incremental: int = 0
    deleted_at_source: int = 0
    restored: int = 0
    declared_loss: int = 0
    altered: int = 0
    proof: Verdict = field(default_factory=Verdict)
    verdict: Verdict = field(default_factory=Verdict)

    @property
    def differences(self) -> list[str]:
        """Everything that is not as it should be."""
        return [*self.proof.differences, *self.verdict.differences]

    def line(self) -> str:
        """Return the figures of the summary line."""
        return (
            f"accounts={self.accounts} backed_up={self.backed_up} incremental={self.incremental}"
            f" deleted_at_source={self.deleted_at_source} restored={self.restored}"
            f" fields_compared={self.verdict.fields} bytes_compared={self.proof.bytes + self.verdict.bytes}"
            f" declared_loss={self.declared_loss} differences={len(self.differences)}"
        )


class Story:
    """Carries one tenant of the world through the product."""

    def __init__(self, cloud: Cloud, tenant: dict[str, Any], say: Callable[[str], None]) -> None:
        self._cloud = cloud
        self._control = Control(cloud.control)
        self._tenant, self._domain = tenant["id"], tenant["domain"]
        self._say = say
        self._source = self._audit()
        self._partner = Partner(cloud.outputs["ApiUrl"], cloud.token)
        self._sums = Sums()

    def tell(self, sabotage: int) -> Sums:
        """Run the whole story; ``sabotage`` restored mails are altered before they are compared."""
        sums, source = self._sums, self._source
        with closing(Browser(self._cloud.proxy, self._cloud.ca)) as browser:
            customer = Customer.onboard(self._partner, browser, self._domain, f"admin@{self._domain}")
        before = source.mailboxes()
        sums.accounts = len(before)
        for user in before.keys() - customer.accounts.keys():
            sums.verdict.differ(user, ["a mailbox that was not found by the discovery"])
        self._say(f"{self._domain}: {len(before)} mailboxes, {sum(len(b.mails) for b in before.values())} mails")

        first = self._back_up(customer, before)
        sums.backed_up = sum(len(box.mails) for box in before.values())
        plan = choose(before)
        carry_out(self._control, before, plan)
        between = source.mailboxes()
        sums.deleted_at_source = sum(len(before[user].mails.keys() - box.mails.keys()) for user, box in between.items())
        sums.incremental = sum(self._changed(before[user], box) for user, box in between.items())
        mark = self._control.mark()
        self._back_up(customer, between)
        reads = self._control.count(since=mark, template=_CONTENT, app=self._backup_app)
        self._say(f"{self._domain}: {sums.incremental} changed, {reads} read, {sums.deleted_at_source} purged")
        if reads != sums.incremental:
            sums.verdict.differ(self._domain, [f"{reads} content reads for {sums.incremental} changed mails"])
        self._prove(customer, before, first)

        restored = self._restore(customer, plan, first)
        self._spoil(restored, sabotage)
        self._compare(plan, before, restored)
        return sums

    def close(self) -> None:
        """Close the connections."""
        self._source.close()
        self._partner.close()

    def _audit(self) -> Source:
        app = self._control.act("app_register", name="Auditor of the demo", roles=_AUDITOR_ROLES)["client_id"]
        secret = self._control.act("app_secret_add", client_id=app)["secret"]
        self._control.act("consent_grant", tenant=self._domain, client_id=app)
        return Source(self._cloud.proxy, self._cloud.ca, self._tenant, app, secret)

    @property
    def _backup_app(self) -> str:
        return str(self._cloud.record.apps["backup"]["client_id"])

    @staticmethod
    def _changed(before: Mailbox, now: Mailbox) -> int:
        old = {mail.id: mail.version for mail in before.mails.values()}
        return sum(old.get(mail.id) != mail.version for mail in now.mails.values())

    def _back_up(self, customer: Customer, shown: dict[str, Mailbox]) -> dict[str, int]:
        """Back up, and prove each new restore point against what the source shows. Returns the points' numbers."""
        ended = customer.back_up(lambda progress: self._say(f"{self._domain}: backup {progress} accounts"))
        if ended["state"] != "done":
            self._sums.verdict.differ(self._domain, [f"a backup ended {ended['state']} {ended['colours']}"])
        points = {user: int(customer.newest(user)["snapshot"]) for user in shown if user in customer.accounts}
        self._prove(customer, shown, points)
        return points

    def _prove(self, customer: Customer, shown: dict[str, Mailbox], points: dict[str, int]) -> None:
        s3, kms, outputs = self._cloud.client("s3"), self._cloud.client("kms"), self._cloud.outputs
        vault, ring = Bucket(s3, outputs["VaultBucketName"]), Bucket(s3, outputs["KeysBucketName"])
        for user, seq in points.items():
            label = customer.accounts[user]["account"]
            account = Account.open(vault, ring, kms_unwrap(kms), customer.label, label)
            account.check_chain()
            prove(account, seq, shown[user], self._sums.proof)

    def _restore(self, customer: Customer, plan: Plan, first: dict[str, int]) -> Restored:
        restored = Restored()
        wishes: list[tuple[str, dict[str, Any]]] = [
            (plan.one_mail[0], {"items": [{"service": SERVICE, "id": plan.one_mail[1]}]}),
            (plan.folder[0], {"folders": [{"service": SERVICE, "id": plan.folder[1]}]}),
            (plan.whole, {"whole": True}),
        ]
        for user, wish in wishes:
            if user:
                self._say(f"{self._domain}: restore {next(iter(wish))} of {customer.accounts[user]['account']}")
                customer.restore(user, first[user], wish, restored)
        self._sums.declared_loss = restored.losses
        return restored

    def _spoil(self, restored: Restored, sabotage: int) -> None:
        for user, result in restored.written()[:sabotage]:
            self._control.act("mail_edit", user=user, id=result["new_id"], properties={"subject": "altered"})
            self._sums.altered += 1

    def _compare(self, plan: Plan, before: dict[str, Mailbox], restored: Restored) -> None:
        sums = self._sums
        back: dict[str, set[str]] = {user: set() for user in plan.purged}
        for user, result in restored.written():
            original = before[user].mails.get(result["id"])
            if original is None:
                continue
            found = self._source.fetch(user, result["new_id"])
            if found is None:
                sums.verdict.differ(result["id"], ["reported as restored but not at the source"])
                continue
            back[user].add(result["id"])
            sums.restored += 1
            declared = {loss["field"] for loss in result["losses"]}
            compare(original, found, sums.verdict, inner="attachments" not in declared)
            if found.path != original.path:
                sums.verdict.differ(result["id"], ["folder"])
        for user, purged in plan.purged.items():
            for missing in purged - back[user]:
                sums.verdict.differ(missing, ["purged and not given back"])
        sent = sum(self._control.act("mail_notifications", user=user) for user in before)
        if sent:
            sums.verdict.differ(self._domain, [f"{sent} notifications sent by the restore"])
