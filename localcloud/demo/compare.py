"""Field by field, byte by byte: a restored mail beside the original, as the source shows both.

Imports nothing of the product. What is compared and what cannot be set stands in fields.py.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from localcloud.demo.fields import ATTACHMENT_COMPARED, MESSAGE_COMPARED
from localcloud.demo.source import Attachment, Mail


@dataclass
class Verdict:
    """Sums over all comparisons; ``differences`` names each mail that differs with its fields."""

    mails: int = 0
    fields: int = 0
    bytes: int = 0
    differences: list[str] = field(default_factory=list)

    def differ(self, mail: str, what: list[str]) -> None:
        """Record that one mail differs in the named fields."""
        self.differences.append(f"{mail}: {', '.join(what)}")


def compare(original: Mail, restored: Mail, verdict: Verdict, *, inner: bool = True) -> None:
    """Compare every settable property and every attachment's bytes of one restored mail.

    ``inner``: with what is attached to an attached mail. It is left out where the restore has named it as lost (one
    request to Graph takes 4 MB); everything else is compared whatever the product says.
    """
    wrong = [name for name in MESSAGE_COMPARED if _plain(original.json.get(name)) != _plain(restored.json.get(name))]
    verdict.mails += 1
    verdict.fields += len(MESSAGE_COMPARED)
    left, right = _by_identity(original.attachments, inner=inner), _by_identity(restored.attachments, inner=inner)
    verdict.fields += len(ATTACHMENT_COMPARED) * sum(left.values())
    verdict.bytes += sum(a.size for a in original.attachments)
    if left != right:
        missing, extra = left - right, right - left
        named = ", ".join(sorted(_apart(missing, extra))) or "none alike"
        wrong.append(f"attachments (missing {sum(missing.values())}, other {sum(extra.values())}: {named})")
    if wrong:
        verdict.differ(original.id, wrong)


def _by_identity(attachments: tuple[Attachment, ...], *, inner: bool) -> Counter[tuple[Any, ...]]:
    return Counter(
        (
            *(_plain(a.json.get(name)) for name in ATTACHMENT_COMPARED),
            _item(a.json.get("item"), inner=inner),
            a.digest,
            a.size,
        )
        for a in attachments
    )


def _apart(missing: Counter[tuple[Any, ...]], extra: Counter[tuple[Any, ...]]) -> set[str]:
    """Name what differs between attachments of the same name."""
    names = (*ATTACHMENT_COMPARED, "item", "bytes", "size")
    found: set[str] = set()
    for left in missing:
        for right in extra:
            if left[0] == right[0]:
                found |= {name for name, one, other in zip(names, left, right, strict=True) if one != other}
                if "item" in found and left[4] and right[4]:
                    found |= {f"item.{key}" for key, _value in set(left[4]) ^ set(right[4])}
    return found


def _item(item: dict[str, Any] | None, *, inner: bool) -> Any:
    if not item:
        return None
    files = [
        one
        for one in (item.get("attachments") or () if inner else ())
        if str(one.get("@odata.type", "")).endswith("fileAttachment")
    ]
    own = [tuple(_plain(one.get(name)) for name in (*ATTACHMENT_COMPARED, "contentBytes")) for one in files]
    # Graph shows an attached item one level deep: what is attached to it as an item comes without its content.
    names = [name for name in MESSAGE_COMPARED if name != "hasAttachments"]
    return _plain({**{name: item.get(name) for name in names}, "attachments": tuple(sorted(own, key=repr))})


def _plain(value: Any) -> Any:
    """Give a hashable, comparable form: absent, empty and null are the same to Graph; instants compare as such."""
    if value in (None, [], {}):
        return None
    if isinstance(value, dict):
        pairs = ((k, _plain(v)) for k, v in value.items() if not k.startswith("@odata."))
        return tuple(sorted(pair for pair in pairs if pair[1] is not None)) or None
    if isinstance(value, list):
        return tuple(_plain(v) for v in value)
    if isinstance(value, str) and value.endswith("Z") and value[:1].isdigit():
        try:
            return datetime.fromisoformat(value).astimezone(UTC)
        except ValueError:
            return value
    return value
