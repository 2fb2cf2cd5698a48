"""Writes the made-up mails as MIME, in the many ways in which mail programs do."""

from __future__ import annotations

import email.header
import email.utils
import quopri
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

from simulators.microsoft365.mail.mime_build import wrapped
from simulators.microsoft365.mail.seed_files import Paper

Person = tuple[str, str]


@dataclass
class Draft:
    """What a mail shall be. ``inline``: pictures that the HTML shows. ``parts``: finished entities to attach."""

    sender: Person
    to: Sequence[Person]
    subject: str
    plain: str
    date: datetime
    identity: str
    html: str = ""
    copy: Sequence[Person] = ()
    files: Sequence[Paper] = ()
    inline: Sequence[Paper] = ()
    parts: list[bytes] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)
    calendar: str = ""
    method: str = "REQUEST"
    signed: bool = False


def write(draft: Draft, chance: Random) -> bytes:
    """Return the bytes of a mail, with LF or CRLF, as chance has it."""
    body = _body(draft, chance)
    if draft.inline:
        pictures = [_file(picture, chance, cid=f"bild{number}@nordwind") for number, picture in enumerate(draft.inline)]
        body = _multipart("related", [body, *pictures], chance)
    attached = [_file(paper, chance) for paper in draft.files] + draft.parts
    if attached:
        body = _multipart("mixed", [body, *attached], chance)
    if draft.signed:
        seal = _file(Paper("smime.p7s", "application/pkcs7-signature", chance.randbytes(1800)), chance)
        micalg = '; protocol="application/pkcs7-signature"; micalg=sha-256'
        body = _multipart("signed", [body, seal], chance, micalg)
    mail = "\n".join(_headers(draft, chance)).encode() + b"\n" + body
    return mail if chance.random() < 1 / 4 else mail.replace(b"\n", b"\r\n")


def _headers(draft: Draft, chance: Random) -> list[str]:
    host = draft.sender[1].split("@")[1]
    stamp = email.utils.format_datetime(draft.date)
    lines = [
        f"Received: from mx{chance.randint(1, 9)}.{host} (10.{chance.randint(0, 255)}.0.7) by mx;\n\t{stamp}",
        f"From: {_people([draft.sender])}",
        f"To: {_people(draft.to)}",
    ]
    if draft.copy:
        lines.append(f"Cc: {_people(draft.copy)}")
    lines += [f"Subject: {_words(draft.subject, chance)}", f"Date: {stamp}", f"Message-ID: {draft.identity}"]
    return [*lines, *draft.headers, "MIME-Version: 1.0"]


def _people(people: Sequence[Person]) -> str:
    return ",\n ".join(
        f'"{name}" <{address}>' if name.isascii() else f"{email.header.Header(name, 'utf-8').encode()} <{address}>"
        for name, address in people
    )


def _words(text: str, chance: Random) -> str:
    if text.isascii():
        return text
    if chance.random() < 1 / 8:
        # Some programs write UTF-8 into headers as it is.
        return text
    charset = "iso-8859-1" if chance.random() < 1 / 3 and all(ord(letter) < 256 for letter in text) else "utf-8"  # noqa: PLR2004
    return email.header.Header(text, charset, header_name="Subject").encode()


def _body(draft: Draft, chance: Random) -> bytes:
    parts = [_text("plain", draft.plain, chance)]
    if draft.html:
        parts.append(_text("html", draft.html, chance))
    if draft.calendar:
        parts.append(_calendar(draft.calendar, draft.method))
    return parts[0] if len(parts) == 1 else _multipart("alternative", parts, chance)


def _text(kind: str, content: str, chance: Random) -> bytes:
    charset = "utf-8"
    if chance.random() < 1 / 4 and kind == "plain":
        try:
            content.encode("iso-8859-1")
            charset = "iso-8859-1"
        except UnicodeEncodeError:
            charset = "utf-8"
    raw = content.encode(charset)
    coding = chance.choice(("quoted-printable", "quoted-printable", "base64", "8bit"))
    if coding == "quoted-printable":
        raw = quopri.encodestring(raw)
    elif coding == "base64":
        raw = wrapped(raw, 76, b"\n")
    head = f"Content-Type: text/{kind}; charset={charset}\nContent-Transfer-Encoding: {coding}\n\n"
    return head.encode() + raw


def _calendar(content: str, method: str) -> bytes:
    head = f"Content-Type: text/calendar; method={method}; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n"
    return head.encode() + content.encode()


def _file(paper: Paper, chance: Random, cid: str = "") -> bytes:
    name = paper.name if paper.name.isascii() else str(email.header.Header(paper.name, "utf-8").encode())
    lines = [
        f'Content-Type: {paper.media};\n\tname="{name}"',
        "Content-Transfer-Encoding: base64",
        f'Content-Disposition: {"inline" if cid else "attachment"};\n\tfilename="{name}"',
    ]
    if cid:
        lines.append(f"Content-ID: <{cid}>")
    return "\n".join(lines).encode() + b"\n\n" + wrapped(paper.data, chance.choice((76, 76, 72, 64)), b"\n")


def _multipart(kind: str, parts: Sequence[bytes], chance: Random, more: str = "") -> bytes:
    boundary = f"----=_Teil_{chance.getrandbits(64):016x}"
    mark = f"--{boundary}".encode()
    head = f'Content-Type: multipart/{kind}; boundary="{boundary}"{more}\n\n'.encode()
    return head + b"".join(mark + b"\n" + part.rstrip(b"\n") + b"\n" for part in parts) + mark + b"--\n"


def attached_mail(raw: bytes) -> bytes:
    """Return a mail as an attachment of another one."""
    return b"Content-Type: message/rfc822\nContent-Disposition: attachment\n\n" + raw.replace(b"\r\n", b"\n")


def invitation(chance: Random, subject: str, organizer: Person, guest: Person, start: datetime) -> str:
    """Return an iCalendar request of one hour; one in three repeats weekly."""
    zoned = start.strftime("%Y%m%dT%H%M%SZ")
    end = start.replace(hour=start.hour + 1).strftime("%Y%m%dT%H%M%SZ")
    rule = "RRULE:FREQ=WEEKLY;COUNT=10\n" if chance.random() < 1 / 3 else ""
    return (
        "BEGIN:VCALENDAR\nPRODID:-//Nordwind//DE\nVERSION:2.0\nMETHOD:REQUEST\nBEGIN:VEVENT\n"
        f"UID:{chance.getrandbits(64):016x}\nSUMMARY:{subject}\nDTSTART:{zoned}\nDTEND:{end}\n{rule}"
        f"LOCATION:Besprechungsraum Möwe\nORGANIZER;CN={organizer[0]}:mailto:{organizer[1]}\n"
        f"ATTENDEE;RSVP=TRUE;CN={guest[0]}:mailto:{guest[1]}\nEND:VEVENT\nEND:VCALENDAR\n"
    )
