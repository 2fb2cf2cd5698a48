"""What msgraph-sdk read before and after, compared by the demo's own comparator and its committed list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from localcloud.demo.compare import Verdict, compare
from localcloud.demo.fields import MESSAGE_COMPARED
from localcloud.demo.source import Attachment, Mail
from tests.oracle.room import Restored

# Beside what is compared: what tells mails and their places apart.
READ: Final = (*MESSAGE_COMPARED, "changeKey", "parentFolderId")


def mail(read: dict[str, Any]) -> Mail:
    """Give a mail that the SDK read as the demo's comparator wants it."""
    attachments = tuple(Attachment(one["json"], one["digest"], one["size"]) for one in read["attachments"])
    return Mail(read["json"], tuple(read["path"]), read["mime"], read["size"], attachments)


def differences(restored: Sequence[Restored], before: dict[str, Any], after: dict[str, Any], verdict: Verdict) -> None:
    """Compare each restored mail with its original; adds to the verdict."""
    for one in restored:
        original, found = mail(before[one.old]), mail(after[one.new])
        own = Verdict()
        compare(original, found, own)
        verdict.mails, verdict.fields = verdict.mails + 1, verdict.fields + own.fields
        verdict.bytes += own.bytes
        if not (one.renamed and own.differences == [f"{original.id}: subject"] and _renamed(original, found)):
            verdict.differences += own.differences
        if original.path != found.path:
            verdict.differ(one.old, ["folder"])


def _renamed(original: Mail, found: Mail) -> bool:
    return str(found.json["subject"]) == f"{original.json.get('subject') or ''} (restored)"


def unproven(before: dict[str, Any]) -> list[str]:
    """Name the compared properties that no original carries: a comparison of nothing with nothing proves nothing."""
    empty: tuple[Any, ...] = (None, "", [], {})
    return [name for name in MESSAGE_COMPARED if all(one["json"].get(name) in empty for one in before.values())]
