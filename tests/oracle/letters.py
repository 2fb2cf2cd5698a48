"""Mails of every kind that a restore must give back, each a little different in what it carries."""

from __future__ import annotations

import itertools
import random
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any

_NUMBERS = itertools.count(1)
_PIXEL = bytes.fromhex("89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489")


def letter(subject: str, *files: tuple[str, bytes], text: str = "Guten Tag, größer und schöner\n") -> EmailMessage:
    """Write a mail with a text, the same as HTML, and attachments."""
    number = next(_NUMBERS)
    mail = EmailMessage()
    mail["From"] = "Jörg Müller <joerg@kunde.example>"
    mail["To"] = "Ute <ute.groesser@nordwind-logistik.example>, extern@kunde.example"
    mail["Cc"] = "Zeynep Öztürk <zeynep@kunde.example>"
    mail["Subject"] = subject
    mail["Date"] = format_datetime(datetime(2025, 3, 1, tzinfo=UTC) + timedelta(minutes=number))
    mail["Message-ID"] = f"<oracle-{number}@kunde.example>"
    mail.set_content(text)
    mail.add_alternative(f"<html><body><p>{text}</p></body></html>", subtype="html")
    for name, data in files:
        mail.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
    return mail


def _addressed() -> EmailMessage:
    mail = letter("Verdeckt und mit Antwort an")
    mail["Bcc"] = "geheim@kunde.example"
    mail["Reply-To"] = "Büro <buero@kunde.example>"
    mail["Sender"] = "Sekretariat <sekretariat@kunde.example>"
    mail["In-Reply-To"] = "<frage@kunde.example>"
    mail["Importance"] = "high"
    mail["Disposition-Notification-To"] = "joerg@kunde.example"
    return mail


def _inline() -> EmailMessage:
    mail = letter("Mit Bild im Text")
    html = mail.get_body(("html",))
    assert isinstance(html, EmailMessage)
    html.add_related(_PIXEL, "image", "png", cid="<bild1@kunde.example>", filename="logo ü.png", disposition="inline")
    return mail


def _within() -> EmailMessage:
    mail = letter("Mail in der Mail")
    mail.add_attachment(letter("Innen", text="drinnen\n"))
    return mail


def everything() -> list[tuple[bytes, dict[str, Any] | None]]:
    """Give mails as (bytes as delivered, state to be set)."""
    chance = random.Random(11)
    plain: list[tuple[EmailMessage, dict[str, Any] | None]] = [
        (_addressed(), None),
        (_inline(), None),
        (_within(), None),
        (letter("Gelesen"), {"isRead": True}),
        (letter("Kategorien"), {"categories": ["Blaue Kategorie", "Wichtig"], "importance": "low"}),
        (letter("Andere"), {"inferenceClassification": "other"}),
        (letter("Markiert"), {"flag": {"flagStatus": "flagged"}}),
        (
            letter("Erledigt"),
            {
                "flag": {
                    "flagStatus": "complete",
                    "completedDateTime": {"dateTime": "2025-03-04T00:00:00.0000000", "timeZone": "UTC"},
                }
            },
        ),
        (letter("Alt"), {"receivedDateTime": "2009-12-31T23:59:59Z", "sentDateTime": "2009-12-31T23:59:58Z"}),
        (letter("Bestätigt"), {"isReadReceiptRequested": True, "isDeliveryReceiptRequested": True}),
        (letter("Entwurf"), {"isDraft": True}),
        (letter(""), None),
        (letter("Leere Datei", ("leer.bin", b"")), None),
        (letter("Zwei Dateien", ("a & b.bin", chance.randbytes(5000)), ("ü.bin", chance.randbytes(70_000))), None),
        # Between three million and 3 MiB a session is refused and a POST is right.
        (letter("Genau dazwischen", ("grenze.bin", chance.randbytes(3_050_000))), None),
        (letter("Groß", ("groß.bin", chance.randbytes(8_000_000))), None),
    ]
    odd = [b"Subject: ohne alles\r\n\r\nnur Text", b"nicht einmal ein Kopf", bytes(range(256))]
    return [(mail.as_bytes(policy=SMTP), state) for mail, state in plain] + [(raw, None) for raw in odd]
