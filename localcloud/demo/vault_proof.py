"""The vault's copy beside what the source sent, read by the second reader straight from the buckets."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from localcloud.demo.compare import Verdict
from localcloud.demo.source import Mailbox
from localcloud.second_reader import Account, Unwrap


@dataclass(frozen=True)
class Bucket:
    """A bucket as the second reader wants it."""

    s3: Any
    name: str

    def get(self, key: str) -> bytes | None:
        """Read the whole object, None if there is none."""
        try:
            body: bytes = self.s3.get_object(Bucket=self.name, Key=key)["Body"].read()
        except self.s3.exceptions.NoSuchKey:
            return None
        return body

    def keys(self, prefix: str) -> list[str]:
        """All keys below, in order."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        return sorted(entry["Key"] for page in pages for entry in page.get("Contents", ()))


def kms_unwrap(kms: Any) -> Unwrap:
    """Unwrap by KMS under the encryption context that the format names."""

    def unwrap(wrapped: bytes, context: Mapping[str, str]) -> bytes:
        plain: bytes = kms.decrypt(CiphertextBlob=wrapped, EncryptionContext=dict(context))["Plaintext"]
        return plain

    return unwrap


def prove(account: Account, seq: int, mailbox: Mailbox, verdict: Verdict) -> None:
    """Compare one commit with the mailbox at that time: same folders, same mails, same bytes.

    A mail that the source refused to give (``mime_digest`` is no digest) must stand there with its problem.
    """
    state = account.state(seq)
    rows = {row.id: row for row in state.rows()}
    folders = {row.id for row in rows.values() if row.kind == "folder"}
    mails = rows.keys() - folders
    for missing in mailbox.mails.keys() - mails:
        verdict.differ(missing, ["not in the vault"])
    for extra in mails - mailbox.mails.keys():
        verdict.differ(extra, ["only in the vault"])
    for missing in mailbox.folders.keys() - folders:
        verdict.differ(missing, ["folder not in the vault"])
    for ident in mails & mailbox.mails.keys():
        mail, row = mailbox.mails[ident], rows[ident]
        if mail.mime_digest.startswith("http "):
            if not row.problem:
                verdict.differ(ident, ["refused by the source but not named as a problem"])
            continue
        content = state.part(row)
        verdict.mails += 1
        verdict.bytes += len(content)
        if hashlib.sha256(content).hexdigest() != mail.mime_digest:
            verdict.differ(ident, ["bytes"])
