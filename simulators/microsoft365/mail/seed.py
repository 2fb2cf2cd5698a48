"""The made-up company's mail: some 3,000 mails that look like real ones, all from one seed."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from simulators.microsoft365.mail.entrance import Exchange
from simulators.microsoft365.mail.folders import ROOT
from simulators.microsoft365.mail.schema import Box
from simulators.microsoft365.mail.seed_files import Paper, paper, png
from simulators.microsoft365.mail.seed_mime import Draft, Person, attached_mail, invitation, write
from simulators.microsoft365.mail.seed_text import COMPANIES, Letter, letter
from simulators.microsoft365.people import NORDWIND

END = datetime(2025, 11, 28, 17, 0, tzinfo=UTC)
DAYS = 540
SHARED_FILES = 60
LARGE = 20 * 1024 * 1024
LARGE_OWNER = "anke.schaefer"
# Folder path, well-known or own, and how many mails lie in it for a busy person.
PLACES: tuple[tuple[str, int], ...] = (
    ("inbox", 90),
    ("sentitems", 60),
    ("deleteditems", 15),
    ("drafts", 4),
    ("archive", 14),
    ("junkemail", 5),
    ("Projekte/Hafen Lübeck", 16),
    ("Projekte/Zoll & Ausfuhr/Älteres", 9),
    ("Kunden/Größer & Söhne/Angebote 2025", 14),
    ("Kunden/Baltic Line", 10),
    ("Rechnungen", 16),
    ("🚚 Touren", 14),
    ("Urlaub ☀️", 3),
)
CATEGORIES = ("Wichtig", "Zoll", "Blaue Kategorie", "Kunde A", "Später lesen")
ODD: tuple[bytes, ...] = (
    b"Das ist nur Text, ohne eine einzige Kopfzeile.\n",
    b"Subject: Ohne Absender und Datum\r\n\r\nWer hat das geschickt?\r\n",
    b"From: scan@lager.example\nSubject: Scan\nContent-Type: application/pdf; name=scan.pdf\n\n%PDF-1.4\n\xff\xfe\x00",
    (
        b"From: fax@lager.example\nSubject: =?utf-8?b?8J+TnyBGYXg=?=\nDate: gestern\n"
        b"Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: text/plain; charset=unknown\n\nGr\xfc\xdfe\n"
    ),
    b"",
)


def people_with_mail() -> frozenset[str]:
    """Addresses of the made-up company that get mail."""
    return frozenset(
        f"{one.local}@{NORDWIND.domain}" for one in NORDWIND.people if not one.guest and one.local != "admin"
    )


def write_mailbox(exchange: Exchange, box: Box) -> None:
    """Fill one person's mailbox. The same seed gives the same mails."""
    _Writer(exchange, box).write()


@functools.lru_cache(maxsize=2)
def _shared(seed: int) -> tuple[Paper, ...]:
    chance = Random(seed)  # noqa: S311 - repeatable on purpose
    return tuple(paper(chance) for _ in range(SHARED_FILES))


@dataclass
class _Writer:
    exchange: Exchange
    box: Box

    def write(self) -> None:
        self.chance = self.exchange.cloud.simulation.chance.fresh("mail", self.box.address)
        self.shared = _shared(self.exchange.cloud.simulation.seed)
        self.me = next(
            (p.name, a) for p in NORDWIND.people if (a := f"{p.local}@{NORDWIND.domain}") == self.box.address
        )
        self.colleagues: list[Person] = [
            (p.name, f"{p.local}@{NORDWIND.domain}") for p in NORDWIND.people if not p.guest
        ]
        self.customers: list[Person] = [
            (f"{name.split()[0]} Disposition", f"dispo@kunde{number}.example") for number, name in enumerate(COMPANIES)
        ]
        self.count = 0
        self.last: tuple[Letter, str] | None = None
        for path, amount in PLACES:
            number = self._folder(path)
            busy = amount if path == "drafts" else max(1, round(amount * self.chance.uniform(0.75, 1.25)))
            for _ in range(busy):
                self._mail(path, number)
        inbox = self._folder("inbox")
        for raw in ODD:
            self.exchange.items.deliver(self.box, inbox, raw)
        if self.box.address.startswith(LARGE_OWNER):
            film = Paper("Rundgang Lager.mp4", "video/mp4", self.chance.randbytes(LARGE))
            self._deliver(inbox, self._draft("inbox", letter(self.chance, self.me[0]), [film]), {"isRead": True})

    def _folder(self, path: str) -> int:
        folders = self.exchange.folders
        known = folders.find(self.box, path)
        if known is not None:
            return int(known["folder"])
        place = folders.known(self.box, ROOT)
        for name in path.split("/"):
            child = next((one for one in folders.children(place["folder"]) if one["name"] == name), None)
            place = child or folders.add(self.box, place, name)
        return int(place["folder"])

    def _mail(self, path: str, folder: int) -> None:
        chance = self.chance
        earlier = self.last if self.last and chance.random() < 1 / 4 else None
        said = letter(chance, self.me[0], earlier[0] if earlier else None)
        draft = self._draft(path, said, self._files())
        if earlier is not None:
            draft.headers += [f"In-Reply-To: {earlier[1]}", f"References: {earlier[1]}"]
        self.last = (said, draft.identity)
        self._adorn(draft, path)
        self._deliver(folder, draft, self._state(path))

    def _draft(self, path: str, said: Letter, files: list[Paper]) -> Draft:
        chance = self.chance
        self.count += 1
        other = chance.choice(self.colleagues if chance.random() < 1 / 2 else self.customers)
        outgoing = path in {"sentitems", "drafts"}
        writer, reader = (self.me, other) if outgoing else (other, self.me)
        copy = chance.sample(self.colleagues, chance.choice((0, 0, 0, 1, 2)))
        date = END - timedelta(seconds=chance.randrange(DAYS * 86400))
        identity = f"<{chance.getrandbits(80):020x}.{self.count}@{writer[1].split('@')[1]}>"
        html = said.html if chance.random() < 0.7 else ""  # noqa: PLR2004 - share of HTML mails
        return Draft(writer, [reader], said.subject, said.plain, date, identity, html, copy, files)

    def _files(self) -> list[Paper]:
        chance = self.chance
        if chance.random() >= 0.22:  # noqa: PLR2004 - share of mails with attachments
            return []
        amount = chance.choice((1, 1, 1, 2, 3))
        return [chance.choice(self.shared) if chance.random() < 1 / 3 else paper(chance) for _ in range(amount)]

    def _adorn(self, draft: Draft, path: str) -> None:
        chance, roll = self.chance, self.chance.random()
        if roll < 0.06 and draft.html:  # noqa: PLR2004 - share of mails with a picture in the text
            draft.inline = [Paper("logo.png", "image/png", png(chance, chance.randint(2, 9) * 1024))]
            draft.html = draft.html.replace("</body>", '<img src="cid:bild0@nordwind" alt="Nordwind">\n</body>')
        elif roll < 0.09 and path != "drafts":  # noqa: PLR2004 - share of invitations
            start = (draft.date + timedelta(days=3)).replace(hour=9, minute=0, second=0)
            draft.calendar = invitation(chance, draft.subject, draft.sender, draft.to[0], start)
        elif roll < 0.11:  # noqa: PLR2004 - share of signed mails
            draft.signed = True
        elif roll < 0.13:  # noqa: PLR2004 - share of mails with a mail in them
            inner = self._draft("inbox", letter(chance, self.me[0]), [paper(chance, 4096)])
            draft.parts = [attached_mail(write(inner, chance))]
        elif roll < 0.17:  # noqa: PLR2004 - share of marked mails
            draft.headers.append(chance.choice(("Importance: High", "X-Priority: 5", "Importance: low")))
        elif roll < 0.19:  # noqa: PLR2004 - share of newsletters
            draft.headers += ["List-Unsubscribe: <mailto:ab@kunde1.example>", "Precedence: bulk"]
        elif roll < 0.2:  # noqa: PLR2004 - share of mails that ask for a receipt
            draft.headers.append(f"Disposition-Notification-To: <{draft.sender[1]}>")

    def _state(self, path: str) -> dict[str, Any]:
        chance = self.chance
        state: dict[str, Any] = {"isRead": path != "inbox" or chance.random() < 0.8, "isDraft": path == "drafts"}  # noqa: PLR2004
        if chance.random() < 0.08:  # noqa: PLR2004 - share of categorised mails
            state["categories"] = chance.sample(CATEGORIES, chance.randint(1, 2))
        roll = chance.random()
        if roll < 0.05:  # noqa: PLR2004 - share of flagged mails
            due = (END + timedelta(days=chance.randint(1, 20))).strftime("%Y-%m-%dT00:00:00.0000000")
            day = {"dateTime": due, "timeZone": "UTC"}
            state["flag"] = {"flagStatus": "flagged", "startDateTime": day, "dueDateTime": day}
        elif roll < 0.07:  # noqa: PLR2004 - share of finished ones
            done = {"dateTime": END.strftime("%Y-%m-%dT00:00:00.0000000"), "timeZone": "UTC"}
            state["flag"] = {"flagStatus": "complete", "completedDateTime": done}
        return state

    def _deliver(self, folder: int, draft: Draft, state: dict[str, Any]) -> None:
        self.exchange.items.deliver(self.box, folder, write(draft, self.chance), state)
