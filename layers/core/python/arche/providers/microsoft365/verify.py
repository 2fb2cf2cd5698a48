"""The proof of a restore: read the new mail again and compare every declared field, and every attachment's bytes."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from arche.providers.contract import Content, Loss
from arche.providers.errors import ItemRefused
from arche.providers.microsoft365 import compose, fields, messages
from arche.providers.microsoft365.graph import Graph
from arche.providers.microsoft365.refusals import NotFoundError
from arche.providers.microsoft365.stored import Stored

_ITEM: Final = "#microsoft.graph.itemAttachment"
_REFERENCE: Final = "#microsoft.graph.referenceAttachment"
_ITEM_COMPARED: Final = ("subject", "body", "from", "toRecipients", "ccRecipients", "receivedDateTime", "sentDateTime")


def verify(graph: Graph, user: str, content: Content, new_id: str) -> tuple[Loss, ...]:
    """Name every declared field of the written mail that differs from the stored one (contract.Service.verify)."""
    with Stored(content) as stored:
        try:
            message = messages.fetch(graph, user, new_id)
            listed = messages.attachments(graph, user, new_id) if message.get("attachments") else []
            there = Counter(_there(graph, user, new_id, one) for one in listed)
        except NotFoundError:
            raise ItemRefused("the written mail is not there any more", code="vanished") from None
        found = [
            Loss(name, "differs after the restore")
            for name in fields.COMPARED
            if not _same(name, stored.message.get(name), message.get(name))
        ]
        wanted = Counter(_wanted(stored))
    if wanted != there:
        missing, extra = (wanted - there).total(), (there - wanted).total()
        found.append(Loss("attachments", f"differ after the restore: {missing} missing, {extra} not as stored"))
    return tuple(found)


def _same(name: str, old: Any, new: Any) -> bool:
    if plain(old) == plain(new):
        return True
    return name == "subject" and str(new or "") == f"{old or ''} (restored)"


def _wanted(stored: Stored) -> Iterator[tuple[Any, ...]]:
    for place in stored.attachments:
        if "item" in place:
            yield _identity(place["about"], _item(place["item"]))
        elif place.keys() & {"leaf", "part"}:
            yield _identity(place["about"], _digest(stored.open(place)))


def _there(graph: Graph, user: str, message: str, about: dict[str, Any]) -> tuple[Any, ...]:
    kind = about.get("@odata.type")
    if kind == _ITEM:
        return _identity(about, _item(messages.attached_item(graph, user, message, about["id"])))
    if kind == _REFERENCE:
        return _identity(about, "link")
    with graph.stream(messages.ATTACHMENT_VALUE, user=user, message=message, attachment=about["id"]) as chunks:
        return _identity(about, _digest(chunks))


def _identity(about: Mapping[str, Any], content: Any) -> tuple[Any, ...]:
    return (*(plain(about.get(name)) for name in fields.ATTACHMENT_COMPARED), content)


def _item(item: Mapping[str, Any]) -> Any:
    own = compose.attached(item).get("attachments", ())
    nested = Counter(_identity(one, _item(one["item"]) if "item" in one else one["contentBytes"]) for one in own)
    return (*(plain(item.get(name)) for name in _ITEM_COMPARED), frozenset(nested.items()))


def _digest(chunks: Iterator[bytes]) -> str:
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()


def plain(value: Any) -> Any:
    """Give a comparable, hashable form: null, absent and empty are the same to Graph, and instants are instants."""
    if value is None or value in ([], {}, ""):
        return None
    if isinstance(value, Mapping):
        pairs = ((name, plain(one)) for name, one in value.items() if "@odata." not in name)
        return tuple(sorted((pair for pair in pairs if pair[1] is not None), key=lambda pair: pair[0])) or None
    if isinstance(value, list):
        return tuple(plain(one) for one in value)
    if isinstance(value, str) and value[:4].isdigit() and value.endswith("Z"):
        try:
            return datetime.fromisoformat(value).astimezone(UTC).replace(microsecond=0)
        except ValueError:
            return value
    return value
