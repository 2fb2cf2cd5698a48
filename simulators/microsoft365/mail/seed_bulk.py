"""Very many small mails, quickly: for measuring a mailbox of 250,000."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from simulators.microsoft365.mail.content import blank, complete, moment, person
from simulators.microsoft365.mail.entrance import Exchange
from simulators.microsoft365.mail.schema import Box

START = datetime(2024, 1, 1, tzinfo=UTC)
BATCH = 5000


def fill(exchange: Exchange, box: Box, folder: int, count: int, size: int) -> None:
    """Put ``count`` mails with bodies of about ``size`` bytes into a folder. Their MIME is built when it is read."""
    store, now = exchange.store, exchange.items.now()
    already = store.database.execute("SELECT count(*) FROM message WHERE mailbox = ?", (box.number,)).fetchone()[0]
    fields = blank(now) | {"isDraft": False, "from": person("Meldung", f"meldung@{box.address.split('@')[-1]}")}
    fields |= {"sender": fields["from"], "toRecipients": [person("", box.address)]}
    complete(fields, box.guid, "status")
    for first in range(0, count, BATCH):
        amount = min(BATCH, count - first)
        store.database.execute("UPDATE mailbox SET change = change + ? WHERE mailbox = ?", (amount, box.number))
        change = store.change(box) - amount
        rows = []
        for number in range(amount):
            at = already + first + number
            line = f"Sendung {at:07} ist eingetroffen; Gewicht {at * 37 % 9000} kg, Tor {at % 40}.\r\n"
            content = (line * (size // len(line) + 1))[: max(size, len(line))]
            fields["subject"] = f"Statusmeldung {at:07}"
            fields["internetMessageId"] = f"<status.{at}@{box.address.split('@')[-1]}>"
            fields["receivedDateTime"] = fields["sentDateTime"] = moment(START + timedelta(minutes=3 * at))
            fields["body"] = {"contentType": "text", "content": content}
            fields["bodyPreview"] = content[:255]
            number_of_change = change + number + 1
            dates = (now, now, fields["receivedDateTime"], fields["sentDateTime"])
            words = (fields["subject"], fields["internetMessageId"])
            kept = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
            rows.append((box.number, folder, *(number_of_change,) * 2, *dates, True, False, *words, kept))
        store.database.executemany(
            "INSERT INTO message (mailbox, folder, change, born, created, modified, received, sent, read, draft,"
            " subject, internet, fields) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            rows,
        )
