"""One mailbox of the simulated Microsoft 365, as the contract suite wants it, and letters to put into it."""

from __future__ import annotations

import base64
import itertools
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

import httpx

from arche.providers import registry
from arche.providers.contract import Account, Service
from arche.providers.http import Call
from arche.providers.microsoft365.token import App, acquire
from arche.providers.platform import Session
from tests.providers.microsoft365.conftest import DOMAIN, Cloud

PLATFORM = registry.platform("microsoft365")
ROLES = tuple(sorted({*PLATFORM.permissions["exchange"].backup, *PLATFORM.permissions["exchange"].restore}))
_NUMBERS = itertools.count(1)


def letter(subject: str, text: str = "Guten Tag", *files: tuple[str, bytes], sent: datetime | None = None) -> bytes:
    """A mail as it comes over the wire."""
    number = next(_NUMBERS)
    mail = EmailMessage()
    mail["From"] = "Jörg Müller <joerg@kunde.example>"
    mail["To"] = "Ute <ute@nordwind-logistik.example>"
    mail["Subject"] = subject
    mail["Date"] = format_datetime(sent or datetime(2025, 3, 1, tzinfo=UTC) + timedelta(minutes=number))
    mail["Message-ID"] = f"<{number}@kunde.example>"
    mail.set_content(text)
    mail.add_alternative(f"<html><body><p>{text}</p></body></html>", subtype="html")
    for name, data in files:
        mail.add_attachment(data, maintype="application", subtype="pdf", filename=name)
    return mail.as_bytes(policy=SMTP)


class ExchangeWorld:
    """Implements ``tests.providers.contract_world.World``. Every world has a mailbox of its own."""

    platform = PLATFORM
    service_name = "exchange"

    def __init__(self, cloud: Cloud, app: App, token: str) -> None:
        self.cloud = cloud
        self.control = cloud.control
        self._token = token
        self.calls: list[Call] = []
        self._sessions: list[Session] = []
        local = f"person{next(_NUMBERS)}"
        self.user = self.control.act("user_add", tenant=DOMAIN, local=local, name="Änne Öhm")["id"]
        self._http = httpx.Client(transport=cloud.transport(), headers={"Prefer": 'IdType="ImmutableId"'})
        self._http.headers["Authorization"] = f"Bearer {token}"

    def fill(self) -> None:
        """A few mails in a few folders."""
        deep = self.add_folder("Kunden/2026 & später")
        below = self.add_folder("Größer", deep)
        for number, folder in enumerate(("inbox", "inbox", "sentitems", deep, below, below)):
            files = [("Angebot Ä.pdf", b"%PDF " + bytes(range(256)) * 20)] if number % 2 else []
            self.deliver(letter(f"Brief {number}", "Inhalt " * 20, *files), folder)

    def close(self) -> None:
        for session in self._sessions:
            session.close()
        self._http.close()

    def open(self, token: str = "") -> Service:
        session = self.platform.session(
            self.cloud.tenant,
            lambda: token or self._token,
            record=self.calls.append,
            transport=self.cloud.transport(),
        )
        self._sessions.append(session)
        return self.platform.service("exchange", session)

    def account(self) -> Account:
        return next(one for one in self.open().accounts() if one.id == self.user)

    def deliver(self, raw: bytes, folder: str = "inbox", state: dict | None = None) -> str:
        data = base64.b64encode(raw).decode()
        return self.control.act("mail_deliver", user=self.user, base64_=data, folder=folder, state=state)

    def add(self, name: str, folder: str) -> str:
        return self.deliver(letter(name), folder)

    def add_folder(self, name: str, parent: str = "msgfolderroot") -> str:
        return self.control.act("mail_folder_add", user=self.user, name=name, parent=parent)

    def change(self, item: str) -> None:
        self.edit(item, subject=f"Geändert {next(_NUMBERS)}")

    def edit(self, item: str, **properties: object) -> None:
        self.control.act("mail_edit", user=self.user, id=item, properties=properties)

    def move(self, item: str, folder: str) -> None:
        self.control.act("mail_move", user=self.user, id=item, folder=folder)

    def purge(self, item: str) -> None:
        self.control.act("mail_purge", user=self.user, ids=[item])

    def get(self, path: str, **query: str) -> httpx.Response:
        return self._http.get(f"https://graph.microsoft.com/v1.0/users/{self.user}{path}", params=query or None)

    def live(self) -> set[str]:
        answer = self.get("/messages", **{"$select": "id", "$top": "1000"})
        assert answer.status_code == 200, answer.text
        return {one["id"] for one in answer.json()["value"]}

    def content(self, item: str) -> bytes:
        return self.get(f"/messages/{item}/$value").content

    def throttle(self, after: str | None) -> None:
        self._fault("throttle_429", retry_after=after)

    def disconnect(self) -> None:
        self._fault("connection_reset")

    def cut(self) -> None:
        self.fault("truncated_body", "*/$value", count=1, bytes=100)

    def forbid(self) -> None:
        self._fault("status_error", status=403)

    def refuse(self, item: str) -> None:
        self.control.fault("mail_item_error", scope={"item": item})

    def expire(self) -> None:
        self.control.act("mail_forget_deltas", user=self.user)

    def notified(self) -> int:
        return self.control.act("mail_notifications", user=self.user)

    def fault(self, name: str, template: str, **given: object) -> None:
        """A fault for this mailbox and a template."""
        count = given.pop("count", None)
        self.control.fault(name, scope={"template": template, "path": f"*{self.user}*"}, count=count, **given)

    def _fault(self, name: str, **given: object) -> None:
        self.fault(name, "*", count=1, **given)


def token_of(cloud: Cloud, app: App) -> str:
    """A token with all rights of backup and restore."""
    with PLATFORM.login(transport=cloud.transport()) as client:
        return acquire(app, cloud.tenant, client).value
