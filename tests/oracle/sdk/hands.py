"""The customer's hands: the simulators' control API by the standard library alone."""

from __future__ import annotations

import base64
import json
import urllib.request
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

# Loopback: never through the proxy under test.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Hands:
    """Acts at the vendor and sets its weather. ``url`` is the simulators' control address."""

    def __init__(self, url: str) -> None:
        self._url = url

    def act(self, action: str, **arguments: Any) -> Any:
        """Do what an administrator or user would do by hand."""
        return self._ask("POST", f"/actions/microsoft365/{action}", arguments)["result"]

    def fault(self, name: str, scope: dict[str, str], **parameters: Any) -> None:
        """Let something go wrong, once."""
        body = {"name": name, "scope": scope, "count": 1, "after": 0, "probability": 1.0, "parameters": parameters}
        self._ask("POST", "/faults", body)

    def deliver(self, user: str, raw: bytes, folder: str = "inbox", **state: Any) -> str:
        """Let a mail arrive; gives its immutable id."""
        data = base64.b64encode(raw).decode()
        return str(self.act("mail_deliver", user=user, base64_=data, folder=folder, state=state or None))

    def _ask(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(self._url + path, json.dumps(body).encode(), method=method)  # noqa: S310
        with _DIRECT.open(request, timeout=60) as answer:
            found: dict[str, Any] = json.load(answer)
        return found


def letter(number: int, *files: tuple[str, bytes]) -> bytes:
    """Write a mail as it comes over the wire."""
    mail = EmailMessage()
    mail["From"] = "Jörg Müller <joerg@kunde.example>"
    mail["To"] = "Ute <ute@nordwind-logistik.example>"
    mail["Subject"] = f"Vorgang {number}: größer"
    mail["Date"] = f"Sat, 01 Mar 2025 10:{number:02}:00 +0100"
    mail["Message-ID"] = f"<vorgang-{number}@kunde.example>"
    mail.set_content(f"Guten Tag, das ist Brief {number}. Viele Grüße\n")
    for name, data in files:
        mail.add_attachment(data, maintype="application", subtype="pdf", filename=name)
    return mail.as_bytes(policy=SMTP)
