"""What changed in a mailbox: the tree first, then each folder's message delta, pass after pass until one is quiet."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from arche.providers.contract import Change, Gone, Item, Listed, Listing, Mark
from arche.providers.errors import CursorExpired, Unreachable
from arche.providers.microsoft365 import cursor, folders
from arche.providers.microsoft365.cursor import Place, Spot
from arche.providers.microsoft365.graph import Graph
from arche.providers.microsoft365.refusals import NotFoundError

_DELTA: Final = "/users/{user}/mailFolders/{folder}/messages/delta"
# Small on purpose: what a restore needs comes with the content, in one consistent answer (messages.py). changeKey
# makes every change visible, whatever property it touched.
SELECT: Final = (
    "id,changeKey,subject,receivedDateTime,sentDateTime,createdDateTime,from,toRecipients,"
    "hasAttachments,isRead,isDraft,importance,categories,internetMessageId"
)
_PAGE: Final = 250
_PREFER: Final = (f"odata.maxpagesize={_PAGE}",)
# Empty pages with a nextLink are legal, and a page may come twice; this many without anything new are a loop.
_EMPTY: Final = 200
_REPEATED: Final = 5
_PASSES: Final = 6
_RECIPIENTS: Final = 5


def changes(graph: Graph, user: str, since: str | None) -> Iterator[Change]:
    """Stream everything that happened after ``since`` (contract.Service.changes)."""
    place = cursor.read(since) if since is not None else Place()
    known: set[int] = set()
    first = not place.tree
    for number in range(_PASSES):
        # Folders come whole, so that this listing never spans two calls.
        if first:
            yield Listing("", kind="folder")
        news = False
        for found in folders.refresh(graph, user, place):
            news = True
            yield found
        if first:
            yield Listed("", kind="folder")
            first = False
        for folder in list(place.folders):
            for change in _folder(graph, user, place, folder):
                # The first pass is not remembered, for it may be long; a replay of it costs one pass more.
                if isinstance(change, Item | Gone):
                    news |= number == 0 or _is_new(change, known)
                yield change
        for folder, parent in list(place.gone.items()):
            news = True
            yield Listing(folder)
            yield Listed(folder)
            yield Gone(folder, parent)
            del place.gone[folder]
        yield Mark(cursor.write(place))
        if not news:
            return


def _is_new(change: Item | Gone, known: set[int]) -> bool:
    """Whether a change was not yet told in this call: the vendor may replay what it said before."""
    version = change.version if isinstance(change, Item) else ""
    key = hash((change.id, change.folder, version))
    new = key not in known
    known.add(key)
    return new


def _folder(graph: Graph, user: str, place: Place, folder: str) -> Iterator[Change]:
    """Read one folder up to its deltaLink, with a Mark after each page but the last."""
    spot = place.folders[folder]
    watch = _Watch()
    while True:
        if not spot.link:
            spot.listing = True
            yield Listing(folder)
        try:
            answer = _page(graph, user, folder, spot)
        except CursorExpired:
            if not spot.link:
                raise Unreachable("a folder's delta ends before it begins", code="delta_loop") from None
            # This folder alone begins anew; the others keep their cursors.
            spot.link, spot.listing = "", False
            watch = _Watch()
            continue
        except NotFoundError:
            # The folder went between two calls: the tree's next round says where to.
            return
        page = _last_words(answer.get("value", ()))
        for entry in page:
            yield Gone(entry["id"], folder) if "@removed" in entry else item(entry, folder)
        end = answer.get("@odata.deltaLink")
        following = str(end or answer.get("@odata.nextLink") or "")
        if not following or (not end and watch.circles(following, page)):
            # The next run lists this folder anew instead of following the same link for ever.
            spot.link, spot.listing = "", False
            yield Mark(cursor.write(place))
            raise Unreachable("a folder's delta goes in circles or has no end", code="delta_loop")
        spot.link = following
        if end:
            if spot.listing:
                spot.listing = False
                yield Listed(folder)
            return
        yield Mark(cursor.write(place))


class _Watch:
    """Notices a round that never ends, by links that come again and by pages that say nothing new."""

    def __init__(self) -> None:
        self._links: set[str] = set()
        self._pages: set[int] = set()
        self._empty = 0
        self._repeated = 0

    def circles(self, link: str, page: list[dict[str, Any]]) -> bool:
        """Take note of a page and of where it leads; True when this is a loop."""
        # Links are sealed anew by some servers: the same page behind ever new links is a loop all the same. A link or
        # page that comes a second time proves nothing yet.
        told = hash(tuple((entry["id"], entry.get("changeKey")) for entry in page))
        if link in self._links or (page and told in self._pages):
            self._repeated += 1
        elif page:
            self._empty = self._repeated = 0
        self._empty += not page
        self._links.add(link)
        self._pages.add(told)
        return self._empty > _EMPTY or self._repeated > _REPEATED


def _page(graph: Graph, user: str, folder: str, spot: Spot) -> dict[str, Any]:
    if spot.link:
        return graph.follow(spot.link, _DELTA, scope="account", prefer=_PREFER, user=user, folder=folder)
    # Newest first: on a first backup the mail that people miss most is safe first.
    query = {"$select": SELECT, "$orderby": "receivedDateTime desc"}
    return graph.get(_DELTA, query, scope="account", prefer=_PREFER, user=user, folder=folder)


def _last_words(entries: Any) -> list[dict[str, Any]]:
    """Keep the last entry of each id, in the order of these last entries."""
    last: dict[str, dict[str, Any]] = {}
    for entry in entries:
        last.pop(entry["id"], None)
        last[entry["id"]] = entry
    return list(last.values())


def item(entry: dict[str, Any], folder: str) -> Item:
    """Make an item of a message as delta and single reads show it."""
    properties = {
        name: entry[name]
        for name in ("hasAttachments", "isRead", "isDraft", "importance", "categories", "internetMessageId")
        if entry.get(name) not in (None, [], "")
    }
    sender = _address(entry.get("from"))
    if sender:
        properties["from"] = sender
    recipients = [_address(one) for one in entry.get("toRecipients") or ()]
    if recipients:
        properties["to"] = recipients[:_RECIPIENTS]
    return Item(
        id=entry["id"],
        kind="mail",
        folder=folder,
        name=str(entry.get("subject") or ""),
        version=str(entry.get("changeKey") or ""),
        date=_date(entry),
        properties=properties,
    )


def _address(recipient: Any) -> dict[str, str]:
    address = (recipient or {}).get("emailAddress") or {}
    return {name: str(address[name]) for name in ("name", "address") if address.get(name)}


def _date(entry: dict[str, Any]) -> datetime:
    for name in ("receivedDateTime", "sentDateTime", "createdDateTime"):
        try:
            return datetime.fromisoformat(str(entry.get(name))).astimezone(UTC)
        except ValueError:
            continue
    return datetime(1970, 1, 1, tzinfo=UTC)
