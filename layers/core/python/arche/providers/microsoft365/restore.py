"""Giving one mail back: look for what is there, create, attach, and only then delete what is replaced."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final

from arche.providers.contract import Content, Into, Item, Loss, Outcome
from arche.providers.errors import ItemRefused, Unreachable
from arche.providers.microsoft365 import compose, fields, messages
from arche.providers.microsoft365.graph import Graph, dumps
from arche.providers.microsoft365.refusals import NotFoundError
from arche.providers.microsoft365.stored import Stored
from arche.providers.microsoft365.verify import plain

_IN_FOLDER: Final = "/users/{user}/mailFolders/{folder}/messages"
_SESSION: Final = "/users/{user}/messages/{message}/attachments/createUploadSession"
_PURGE: Final = "/users/{user}/messages/{message}/permanentDelete"
# outlook-large-attachments: below 3 MB in one POST, from there to 150 MB by upload session, ranges below 4 MB. Whether
# these are millions or 1,048,576s is not said: between the two, a session is tried first and a POST if it is too small.
_SMALL: Final = 3_000_000
_SURELY_LARGE: Final = 3 * 1024 * 1024
_TOO_SMALL: Final = "errorattachmentsizeshouldnotbelessthanminimumsize"
_LARGEST: Final = 150_000_000
_RANGE: Final = 3_932_160
# A request to Graph may hold 4 MB; base64 makes three bytes four.
_REQUEST: Final = 3_900_000
_TELLING: Final = ("body", "from", "toRecipients", "ccRecipients", "bccRecipients")
_FILE: Final = "#microsoft.graph.fileAttachment"
_ITEM: Final = "#microsoft.graph.itemAttachment"


def write(graph: Graph, user: str, item: Item, content: Content, into: Into) -> Outcome:
    """Create one mail in a folder (contract.Service.write)."""
    with Stored(content) as stored:
        lost = compose.losses(stored.message, stored.attachments, stored.head())
        looking = into.again or into.conflict != "keep_both"
        alike = list(_alike(graph, user, into.folder, stored.message)) if looking else []
        for one in alike if into.again else ():
            if not into.mark or _mark(one) == into.mark:
                return _finish(graph, user, stored, str(one["id"]), lost)
        there = [one for one in alike if _is(graph, user, one, item, stored=stored, into=into)]
        if there and into.conflict == "skip":
            return Outcome("skipped", "")
        renamed = _renamed(item.name) if there and into.conflict == "rename" else None
        if renamed is not None:
            lost = (*lost, Loss("subject", "renamed because a mail of this id, date and subject is there"))
        new_id = _create(graph, user, stored, into, renamed)
        if there and into.conflict == "replace":
            for one in there:
                _delete(graph, user, str(one["id"]))
            return Outcome("replaced", new_id, lost)
        return Outcome("renamed" if renamed else "written", new_id, lost)


def _renamed(subject: str) -> str:
    return f"{subject} (restored)"


def _mark(one: dict[str, Any]) -> str:
    return fields.extended(one).get(fields.MARK) or ""


def _is(graph: Graph, user: str, one: dict[str, Any], item: Item, *, stored: Stored, into: Into) -> bool:
    """Whether a mail that looks alike is this one: by its id, by the mark of a restore, or by all that it holds.

    Message-Id, date and subject do not tell: mailers exist that give two mails the same ones, and people keep copies.
    """
    if one["id"] == item.id:
        return True
    if made_of := _mark(one).partition("/")[2]:
        return made_of == into.mark.partition("/")[2]
    if into.known(str(one["id"])):
        return False
    try:
        found = messages.fetch(graph, user, str(one["id"]))
    except NotFoundError:
        return False
    same = all(plain(found.get(name)) == plain(stored.message.get(name)) for name in _TELLING)
    # One that was restored before lacks the links that no create call takes.
    whole, carried = (_names(place["about"] for place in places) for places in (stored.attachments, _carried(stored)))
    return same and _names(found.get("attachments") or ()) in (whole, carried)


def _names(attachments: Iterable[dict[str, Any]]) -> list[str]:
    return sorted(str(one.get("name")) for one in attachments)


def _alike(graph: Graph, user: str, folder: str, message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Stream mails of the folder with the same Message-Id, sent date and subject (or what of these there is)."""
    # Outlook wants the filter on one property; the other two are compared here.
    if message.get("internetMessageId"):
        condition = f"internetMessageId eq '{_quoted(message['internetMessageId'])}'"
    elif message.get("sentDateTime"):
        condition = f"sentDateTime eq {message['sentDateTime']}"
    else:
        condition = f"subject eq '{_quoted(message.get('subject') or '')}'"
    query = {
        "$filter": condition,
        "$select": "id,subject,sentDateTime,internetMessageId",
        "$expand": f"singleValueExtendedProperties($filter=id eq '{fields.MARK}')",
        "$top": "50",
    }
    subjects = {message.get("subject") or "", _renamed(message.get("subject") or "")}
    for one in graph.pages(_IN_FOLDER, query, user=user, folder=folder):
        same_day = _instant(one.get("sentDateTime")) == _instant(message.get("sentDateTime"))
        if same_day and (one.get("subject") or "") in subjects:
            yield one


def _quoted(text: str) -> str:
    return str(text).replace("'", "''")


def _instant(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text)).replace(microsecond=0)
    except ValueError:
        return None


def _create(graph: Graph, user: str, stored: Stored, into: Into, subject: str | None) -> str:
    body = compose.create(stored.message, mark=into.mark, subject=subject)
    room = _REQUEST - len(dumps(body))
    inline: list[dict[str, Any]] = []
    for place in _carried(stored):
        entry = _entry(stored, place, room)
        if entry is None:
            break
        inline.append(entry)
        room -= len(dumps(entry)) + 1
    if inline:
        body["attachments"] = inline
    try:
        new_id = str(graph.post(_IN_FOLDER, body, user=user, folder=into.folder)["id"])
    except NotFoundError as error:
        raise ItemRefused("the target folder is not there", code="no_folder", status=error.status) from None
    _attach(graph, user, stored, new_id, len(inline))
    return new_id


def _carried(stored: Stored) -> list[dict[str, Any]]:
    return [place for place in stored.attachments if place.keys() & {"item", "leaf", "part"}]


def _entry(stored: Stored, place: dict[str, Any], room: int) -> dict[str, Any] | None:
    """Give an attachment's JSON; None if it is too large for the room left in a request."""
    about = _about(place)
    if "item" in place:
        about = {k: v for k, v in about.items() if k in {"name", "isInline"}}
        entry = {"@odata.type": _ITEM, **about, "item": compose.attached(place["item"])}
        return entry if len(dumps(entry)) <= room else None
    size = stored.size(place)
    if size >= _SMALL or size * 4 // 3 + len(dumps(about)) + 200 > room:
        return None
    return _file(stored, place)


def _about(place: dict[str, Any]) -> dict[str, Any]:
    return {name: place["about"][name] for name in fields.ATTACHMENT_COMPARED if place["about"].get(name) is not None}


def _file(stored: Stored, place: dict[str, Any]) -> dict[str, Any]:
    about = _about(place)
    data = base64.b64encode(b"".join(stored.open(place))).decode("ascii")
    return {"@odata.type": _FILE, **about, "contentBytes": data}


def _attach(graph: Graph, user: str, stored: Stored, message: str, done: int) -> None:
    """Add the attachments after the first ``done``, one call or session each."""
    try:
        for place in _carried(stored)[done:]:
            entry = _entry(stored, place, _REQUEST)
            if entry is not None:
                graph.post(messages.ATTACHMENTS, entry, user=user, message=message)
            elif not _upload(graph, user, stored, place, message):
                graph.post(messages.ATTACHMENTS, _file(stored, place), user=user, message=message)
    except NotFoundError:
        # Right after its creation a message may not be found for a moment; the next try finds it by its mark.
        raise Unreachable("the new mail is not to be found yet", code="not_yet") from None
    except ItemRefused:
        graph.post(_PURGE, {}, user=user, message=message)
        raise


def _upload(graph: Graph, user: str, stored: Stored, place: dict[str, Any], message: str) -> bool:
    """Send a large attachment in ranges. False if the vendor finds it too small for that."""
    if "item" in place:
        raise ItemRefused("an attached item is larger than a request to Graph may be", code="item_too_large")
    about, total = place["about"], stored.size(place)
    if total > _LARGEST:
        raise ItemRefused("an attachment is larger than the 150 MB that Graph takes", code="attachment_too_large")
    wish = {
        "attachmentType": "file",
        "name": about.get("name") or "",
        "size": total,
        "isInline": bool(about["isInline"]),
    }
    wish |= {name: about[name] for name in ("contentType", "contentId") if about.get(name)}
    try:
        session = graph.post(_SESSION, {"AttachmentItem": wish}, user=user, message=message)
    except ItemRefused as error:
        if total < _SURELY_LARGE and error.code.lower() == _TOO_SMALL:
            return False
        raise
    first = 0
    for data in _ranges(stored.open(place)):
        graph.upload(session["uploadUrl"], "/AttachmentSessions/{id}", data, first=first, total=total, user=user)
        first += len(data)
    return True


def _ranges(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Cut a stream into ranges of one size."""
    held = bytearray()
    for chunk in chunks:
        held += chunk
        while len(held) >= _RANGE:
            yield bytes(held[:_RANGE])
            del held[:_RANGE]
    if held:
        yield bytes(held)


def _finish(graph: Graph, user: str, stored: Stored, message: str, lost: tuple[Loss, ...]) -> Outcome:
    """Complete what an earlier try of the same restore began: its attachments were added in their order."""
    try:
        there = messages.attachments(graph, user, message)
    except NotFoundError:
        raise Unreachable("the mail of the earlier try is not to be found now", code="not_yet") from None
    wanted = _carried(stored)
    if len(there) < len(wanted):
        _attach(graph, user, stored, message, len(there))
    return Outcome("existing", message, lost)


def _delete(graph: Graph, user: str, message: str) -> None:
    try:
        graph.delete(messages.MESSAGE, user=user, message=message)
    except NotFoundError:
        return  # somebody else was faster
