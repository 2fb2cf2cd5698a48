"""One mail read whole: its MIME, then its fields and attachments as one consistent answer, then what the MIME lacks.

Parts: "" is the MIME (``$value``); ``message`` is JSON, ``{"message": …, "attachments": [{"about": …, "leaf": n} |
{"about": …, "part": name} | {"about": …, "item": …} | {"about": …}]}``; ``attachment:ID`` holds raw bytes of an
attachment that the MIME does not carry in base64 under the same name with a fitting size.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from arche.providers.contract import Gone, Item, Part
from arche.providers.errors import ItemChanged, ItemRefused, Unreachable
from arche.providers.microsoft365 import delta, fields, mime
from arche.providers.microsoft365.ending import lacks_end
from arche.providers.microsoft365.graph import UNSAFE_HTML, Graph, dumps
from arche.providers.microsoft365.refusals import NotFoundError
from arche.providers.microsoft365.spool import Spool

MESSAGE: Final = "/users/{user}/messages/{message}"
VALUE: Final = "/users/{user}/messages/{message}/$value"
ATTACHMENTS: Final = "/users/{user}/messages/{message}/attachments"
ATTACHMENT: Final = "/users/{user}/messages/{message}/attachments/{attachment}"
ATTACHMENT_VALUE: Final = "/users/{user}/messages/{message}/attachments/{attachment}/$value"
FIELDS_PART: Final = "message"

_MESSAGE: Final = "#microsoft.graph.message"
_FILE: Final = "#microsoft.graph.fileAttachment"
_ITEM: Final = "#microsoft.graph.itemAttachment"
_ATTACHMENT_SELECT: Final = "id,name,contentType,size,isInline,lastModifiedDateTime"
# Graph's size counts the attachment's own properties too; more than this is not the same content.
_OVERHEAD: Final = 16_384


def find(graph: Graph, user: str, ids: Iterable[str]) -> Iterator[Item | Gone]:
    """Give the present state of single messages. 404 is the proof that one is gone."""
    query = {"$select": f"{delta.SELECT},parentFolderId"}
    for one in ids:
        try:
            entry = graph.get(MESSAGE, query, user=user, message=one)
        except NotFoundError:
            yield Gone(one, "")
        except ItemRefused:
            continue  # as little to be had as before
        else:
            yield delta.item(entry, str(entry["parentFolderId"]))


def read(graph: Graph, user: str, item: Item, offset: int) -> Iterator[Part]:
    """Stream a mail's parts. The version is checked against the fields, which are read after the MIME."""
    with Spool() as spool:
        try:
            with graph.stream(VALUE, user=user, message=item.id) as chunks:
                yield Part("", "mail", _skip(spool.tee(chunks), offset))
                # A caller may leave the stream early; the attachments' places are needed all the same.
                spool.fill(chunks)
            message = fetch(graph, user, item.id)
            if message["changeKey"] != item.version:
                raise ItemChanged("the mail changed while it was read", code="changed")
            with spool.buffer() as data:
                closed = mime.is_closed(data)
                # Most mails have no attachment: then nobody asks where their parts are.
                leaves = mime.leaves(data) if message.get("attachments") or not closed else []
                about, raw = _attachments(graph, user, message, data, leaves)
                short = raw or _lacks_body(message, leaves) if not closed else _ends_early(message, data)
                if short:
                    _look_twice(graph, user, item.id, data)
            yield Part(FIELDS_PART, "file", iter([dumps({"message": message, "attachments": about})]))
            for attachment in raw:
                with graph.stream(ATTACHMENT_VALUE, user=user, message=item.id, attachment=attachment) as chunks:
                    yield Part(f"attachment:{attachment}", "file", chunks)
        except NotFoundError as error:
            raise ItemChanged(str(error), code=error.code, status=error.status, request_id=error.request_id) from None


def _ends_early(message: Mapping[str, Any], data: mime.Buffer) -> bool:
    leaf = None if message.get("attachments") else mime.letter(data)
    return leaf is not None and lacks_end(message, data, leaf)


def _lacks_body(message: Mapping[str, Any], leaves: Sequence[mime.Leaf]) -> bool:
    """Whether the MIME holds less text than the fields say; encoding only ever makes text longer."""
    body = message.get("body") or {}
    kind = "text/html" if body.get("contentType") == "html" else "text/plain"
    there = sum(leaf.end - leaf.start for leaf in leaves if leaf.type == kind)
    return there < len("".join(str(body.get("content") or "").split())) // 2


def _look_twice(graph: Graph, user: str, message: str, data: mime.Buffer) -> None:
    """Read a MIME again that never closes and lacks what the fields say: was it cut, or is the mail like this.

    A proxy or server may cut a body and announce the shorter length, which no length check sees.
    """
    again, found = hashlib.sha256(), 0
    with graph.stream(VALUE, user=user, message=message) as chunks:
        for chunk in chunks:
            again.update(chunk)
            found += len(chunk)
    if found != len(data) or again.digest() != hashlib.sha256(data).digest():
        raise Unreachable("the content ended early, or differs from one read to the next", code="truncated")


def fetch(graph: Graph, user: str, message: str) -> dict[str, Any]:
    """Read all fields of a message that a restore or its proof needs, attachments without their bytes."""
    query = {
        "$select": fields.SELECT,
        "$expand": f"attachments($select={_ATTACHMENT_SELECT}),{fields.EXPAND_EXTENDED}",
    }
    entry = graph.get(MESSAGE, query, prefer=(UNSAFE_HTML,), user=user, message=message)
    if str(entry.get("@odata.type", _MESSAGE)) != _MESSAGE:
        # A selection of message properties leaves out what meeting messages have beside them.
        whole = graph.get(MESSAGE, user=user, message=message)
        if whole["changeKey"] != entry["changeKey"]:
            raise ItemChanged("the mail changed while it was read", code="changed")
        entry |= {name: value for name, value in whole.items() if name in fields.MEETING_MESSAGE}
    return entry


def attachments(graph: Graph, user: str, message: str) -> list[dict[str, Any]]:
    """List a message's attachments with content ids (which only the file type has) and without bytes."""
    query = {"$select": f"{_ATTACHMENT_SELECT},microsoft.graph.fileAttachment/contentId"}
    return list(graph.pages(ATTACHMENTS, query, user=user, message=message))


def attached_item(graph: Graph, user: str, message: str, attachment: str) -> dict[str, Any]:
    """Read the fields of an attached item (a mail within the mail, an event, a contact)."""
    query = {"$expand": "microsoft.graph.itemAttachment/item"}
    answer = graph.get(ATTACHMENT, query, prefer=(UNSAFE_HTML,), user=user, message=message, attachment=attachment)
    item = answer.get("item")
    if not isinstance(item, dict):
        raise ItemRefused("an attached item has no fields", code="attached_item_empty")
    return item


def _attachments(
    graph: Graph, user: str, entry: dict[str, Any], data: mime.Buffer, leaves: Sequence[mime.Leaf]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Say of each attachment where its content is, and which ones must be fetched raw."""
    entry.pop("attachments@odata.context", None)
    if not entry.pop("attachments", None):
        return [], []
    message = str(entry["id"])
    free = dict(enumerate(leaves))
    about: list[dict[str, Any]] = []
    raw: list[str] = []
    for one in attachments(graph, user, message):
        place: dict[str, Any] = {"about": {k: v for k, v in one.items() if k != "contentBytes"}}
        if one.get("@odata.type") == _ITEM:
            place["item"] = attached_item(graph, user, message, one["id"])
        elif one.get("@odata.type") == _FILE:
            leaf = _match(data, free, one)
            if leaf is None:
                place["part"] = f"attachment:{one['id']}"
                raw.append(one["id"])
            else:
                place["leaf"] = leaf
                del free[leaf]
        about.append(place)
    return about, raw


def _match(data: mime.Buffer, free: Mapping[int, mime.Leaf], attachment: Mapping[str, Any]) -> int | None:
    """Find the one leaf that carries an attachment byte for byte, as far as names, ids and sizes can tell."""
    name, size = str(attachment.get("name") or ""), int(attachment.get("size") or 0)
    content_id = str(attachment.get("contentId") or "").strip("<>")
    found = [
        number
        for number, leaf in free.items()
        if leaf.name == name and name and leaf.content_id in {content_id, ""} and _fits(mime.size(data, leaf), size)
    ]
    # Two that look alike could be swapped: their bytes are fetched.
    return found[0] if len(found) == 1 else None


def _fits(decoded: int | None, told: int) -> bool:
    return decoded is not None and decoded <= told <= decoded + _OVERHEAD


def _skip(chunks: Iterator[bytes], offset: int) -> Iterator[bytes]:
    for chunk in chunks:
        if offset >= len(chunk):
            offset -= len(chunk)
            continue
        yield chunk[offset:] if offset else chunk
        offset = 0
