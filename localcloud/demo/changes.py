"""What the customer does between two backups: reads, flags, moves, writes, and purges for good.

Done by the hands of the customer (the simulators' control), decided from what the source shows: the same world gives
the same changes.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTPUTF8
from hashlib import sha256
from typing import Final

from localcloud.demo.source import Mail, Mailbox
from simulators.frame.control import Control

_EVERY: Final = 23
_PURGED_SHARE: Final = 3
"""One mail in so many of the accounts that are restored from is purged."""


@dataclass
class Plan:
    """Who loses what, and what is asked back."""

    one_mail: tuple[str, str] = ("", "")
    folder: tuple[str, str] = ("", "")
    whole: str = ""
    purged: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    @property
    def purged_count(self) -> int:
        """All purged mails."""
        return sum(map(len, self.purged.values()))


def choose(mailboxes: dict[str, Mailbox]) -> Plan:
    """Choose the account to give back whole, the folder and the mail: from the three largest mailboxes."""
    plan = Plan()
    ranked = sorted(mailboxes.values(), key=lambda box: (-len(box.mails), box.address))
    filled = [box for box in ranked if box.mails]
    if not filled:
        return plan
    whole, folder, single = filled[0], filled[1 % len(filled)], filled[2 % len(filled)]
    plan.whole = whole.user
    plan.purged[whole.user] |= {mail.id for mail in _sorted(whole)[::_PURGED_SHARE]}
    by_folder: dict[str, list[Mail]] = defaultdict(list)
    for mail in _sorted(folder):
        by_folder[str(mail.json["parentFolderId"])].append(mail)
    named = max(by_folder, key=lambda f: (len(by_folder[f]) < len(folder.mails), len(by_folder[f]), f))
    plan.folder = (folder.user, named)
    plan.purged[folder.user] |= {mail.id for mail in by_folder[named]}
    last = next((m for m in _sorted(single) if m.attachments), _sorted(single)[-1])
    plan.one_mail = (single.user, last.id)
    plan.purged[single.user].add(last.id)
    return plan


def carry_out(control: Control, mailboxes: dict[str, Mailbox], plan: Plan) -> None:
    """Purge what the plan says; elsewhere read, flag, move and deliver a few mails."""
    for user, purged in sorted(plan.purged.items()):
        control.act("mail_purge", user=user, ids=sorted(purged))
    for box in mailboxes.values():
        kept = [mail for mail in _sorted(box) if mail.id not in plan.purged[box.user]]
        for number, mail in enumerate(kept[::_EVERY]):
            if number % 3 == 0:
                control.act("mail_edit", user=box.user, id=mail.id, properties={"isRead": not mail.json["isRead"]})
            elif number % 3 == 1:
                control.act("mail_edit", user=box.user, id=mail.id, properties={"categories": ["Wichtig"]})
            else:
                control.act("mail_move", user=box.user, id=mail.id, folder="archive")
        control.act("mail_deliver", user=box.user, raw=_new_mail(box.address).decode())


def _sorted(box: Mailbox) -> list[Mail]:
    return sorted(box.mails.values(), key=lambda mail: (str(mail.json.get("receivedDateTime")), mail.id))


def _new_mail(address: str) -> bytes:
    mail = EmailMessage(policy=SMTPUTF8)  # addresses may hold umlauts
    mail["From"], mail["To"] = "Kundin <kundin@suedwind.example>", address
    mail["Subject"], mail["Date"] = "Nachtrag zum Auftrag", "Mon, 02 Mar 2026 09:30:00 +0100"
    mail["Message-ID"] = f"<nachtrag-{sha256(address.encode()).hexdigest()[:16]}@suedwind.example>"
    mail.set_content("Guten Tag,\n\nanbei noch der Nachtrag.\n\nViele Grüße")
    return mail.as_bytes()
