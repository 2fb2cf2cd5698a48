"""Made tests/vault/golden/v1 once. The files are kept for ever: never run over them, make a v2 if the format grows.

    PYTHONPATH=layers/core/python:. python tests/vault/make_golden.py TARGET

Writes ``keys`` and ``vault`` (both stores as directories) and ``expected.json``: what a reader must find. Contents
are given as SHA-256. Two accounts; the first has five commits, several runs, history, a moved and a removed item, long
properties, a mail with two kinds of base64, a file in CDC blobs with a tree recipe, padding, a second key generation.
"""

import base64
import hashlib
import json
import random
import sys
from pathlib import Path
from unittest.mock import patch

from arche.vault import AccountVault, DirectoryStore, KeyRing, LocalWrapper, Row, ServiceState

CUSTOMER = "K-004711"
SECRET = b"golden secret, known to everyone"


def attachment(size, seed):
    return random.Random(seed).randbytes(size)


def lines(data, width, eol):
    text = base64.b64encode(data)
    return eol.join(text[i : i + width] for i in range(0, len(text), width))


def mail(subject, *parts, eol=b"\r\n"):
    head = [b"From: Anna <anna@example.org>", b"Subject: " + subject.encode(), b"MIME-Version: 1.0"]
    head += [b'Content-Type: multipart/mixed; boundary="b"', b"", b"--b", b"Content-Type: text/plain", b"", b"Hallo!"]
    for part in parts:
        head += [b"--b", b"Content-Transfer-Encoding: base64", b"", part]
    return eol.join([*head, b"--b--", b""])


def first_run(writer):
    rows = [
        Row("exchange", "F1", "folder", "", "Posteingang", "1", 0, 0, {"wellKnownName": "inbox"}),
        Row("exchange", "F2", "folder", "F1", "Größe 😀", "1", 0, 0, {"wellKnownName": None}),
    ]
    shared = attachment(4_000, 1)
    mails = {f"M{n:02d}": mail(f"Nummer {n}", eol=b"\n" if n % 2 else b"\r\n") for n in range(24)}
    mails["M01"] = mail("two widths", lines(shared, 76, b"\r\n"), lines(attachment(2_000, 2), 57, b"\r\n"))
    mails["M02"] = mail("again", lines(shared, 60, b"\n"), eol=b"\n")
    mails["M03"] = b""
    mails["M04"] = mail("broken", lines(shared, 76, b"\r\n")[:-3] + b"!!!")
    mails["M05"] = mail("one line", lines(attachment(1_500, 3), 10**6, b""))
    for n, (id_, raw) in enumerate(sorted(mails.items())):
        part = writer.part("", "mail", [raw])
        properties = {"isRead": bool(n % 2), "categories": ["Rot"] if n % 5 == 0 else [], "flag": None, "n": n / 2}
        rows.append(
            Row("exchange", id_, "mail", "F1", f"mail {n}", "CQ", 1_600_000_000_000 + n, len(raw), properties, (part,))
        )
    file = writer.part("", "file", [attachment(400_000, 4)], None, 400_000)
    rows.append(Row("onedrive", "D1", "file", "", "bild.raw", "e1", -1, 400_000, {"hash": "x"}, (file,)))
    rows.append(Row("exchange", "E1", "event", "F2", "long", "1", 5, 0, {"body": {"content": "lang " * 3_400}}))
    for row in rows:
        writer.put(row)


def second_run(writer, old):
    moved = old.row("exchange", "M07")
    writer.put(
        Row("exchange", "M07", "mail", "F2", "moved", "CR", moved.date, moved.size, moved.properties, moved.parts)
    )
    failed = old.row("exchange", "M08")
    values = {name: getattr(failed, name) for name in failed.__struct_fields__}
    writer.put(Row(**values | {"problem": "ItemRefused: 403", "version": "CS"}))
    for id_ in ("M09", "M10"):
        writer.gone("exchange", id_)
    changed = attachment(400_000, 4)
    changed = changed[:200_000] + b"inserted" + changed[200_000:]
    before = old.row("onedrive", "D1")
    part = writer.part("", "file", [changed], before, len(changed))
    writer.put(Row("onedrive", "D1", "file", "", "bild.raw", "e2", -1, len(changed), {"hash": "y"}, (part,)))
    for n in range(30, 60):
        raw = mail(f"Nummer {n}", lines(attachment(1_200, n), 76, b"\r\n"))
        part = writer.part("", "mail", [raw])
        writer.put(
            Row("exchange", f"M{n}", "mail", "F2", f"mail {n}", "CQ", 1_650_000_000_000 + n, len(raw), {}, (part,))
        )


def make(target):
    keys_store, store = DirectoryStore(target / "keys"), DirectoryStore(target / "vault")
    ring = KeyRing.open(keys_store, LocalWrapper(SECRET), CUSTOMER, create=True)
    vault = AccountVault(store, ring.account("A-0001", create=True), CUSTOMER, "A-0001")
    state = ServiceState("delta 1", 1_700_000_000_000, True, {"expected": 26, "stored": 26}, {}, {}, [])
    small = (
        patch("arche.vault.commit.INLINE", 1_500),
        patch("arche.vault.merge._BASE", 1_000),
        patch("arche.vault.segments.BLOCK", 1_500),
        patch("arche.vault.segments.SEGMENT_SIZE", 3_000),
        patch("arche.vault.intake.LEAF", 3),
    )
    for each in small:
        each.start()
    writer = vault.writer(None, "run-1", "attempt-1")
    first_run(writer)
    writer.commit("checkpoint", {"exchange": ServiceState("delta 0", listings={"F1": ["M01", 3]})}, {"slice": 1})
    one = writer.commit("snapshot", {"exchange": state, "onedrive": state}, {"slot": "06"})
    vault = AccountVault(store, ring.rotate_account("A-0001"), CUSTOMER, "A-0001")
    writer = vault.writer(one, "run-2", "attempt-1")
    second_run(writer, vault.view(one))
    problem = ServiceState("delta 2", 1_700_000_100_000, True, {"failed": 1}, {}, {"M08": "ItemRefused: 403"}, ["x"])
    writer.commit("snapshot", {"exchange": problem})
    for n in range(60, 90):
        part = writer.part("", "mail", [mail(f"Nummer {n}")])
        writer.put(Row("exchange", f"M{n}", "mail", "F2", f"mail {n}", "CQ", n, part.size, {}, (part,)))
    writer.gone("exchange", "M30")
    three = writer.commit("snapshot", {})
    writer.gone("exchange", "M11")
    writer.commit("snapshot", {})
    other = AccountVault(store, ring.account("A-0002", create=True), CUSTOMER, "A-0002")
    writer = other.writer(None, "run-3", "attempt-1")
    part = writer.part("", "mail", [mail("other account")])
    writer.put(Row("exchange", "X", "mail", "", "x", "1", 1, part.size, {}, (part,)))
    writer.commit("snapshot", {"exchange": state})
    for each in small:
        each.stop()
    assert len(three.runs) > 1
    assert vault.head().rows
    return {"A-0001": listing(vault), "A-0002": listing(other)}


def listing(vault):
    """All states of an account as plain data."""
    states = {}
    for seq in range(1, vault.head().seq + 1):
        manifest = vault.manifest(seq)
        view = vault.view(manifest)
        rows = [described(view, row) for service in ("exchange", "onedrive") for row in view.rows(service)]
        services = {
            name: [s.cursor, s.as_of, s.complete, s.counts, s.listings, s.problems, s.flags]
            for name, s in manifest.services.items()
        }
        states[str(seq)] = {
            "kind": manifest.kind,
            "run": manifest.run,
            "attempt": manifest.attempt,
            "note": manifest.note,
            "services": services,
            "stored": manifest.stored_bytes,
            "rows": sorted(rows, key=lambda row: (row["service"], row["id"])),
        }
    return {"points": sorted(m.seq for m in vault.points()), "states": states}


def described(view, row):
    parts = [[p.name, p.size, hashlib.sha256(b"".join(view.read(p))).hexdigest()] for p in row.parts]
    fields = {name: getattr(row, name) for name in row.__struct_fields__ if name not in {"parts", "properties"}}
    return fields | {"properties": dict(row.properties), "parts": parts}


if __name__ == "__main__":
    where = Path(sys.argv[1])
    where.mkdir(parents=True)
    expected = make(where)
    (where / "expected.json").write_text(json.dumps(expected, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
