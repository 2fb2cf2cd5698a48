"""The folder tree of a mailbox: read by delta, well-known names resolved, search folders left out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from arche.providers.contract import Gone, Item
from arche.providers.errors import CursorExpired, Forbidden, ItemRefused, Unreachable
from arche.providers.microsoft365.cursor import Place, Spot
from arche.providers.microsoft365.graph import Graph
from arche.providers.microsoft365.refusals import ExistsError, NotFoundError

ROOT: Final = "msgfolderroot"
BIN_OF_BINS: Final = "recoverableitemsdeletions"
_SEARCH: Final = "searchfolders"
# mailFolder resource, "Well-known folder names".
WELL_KNOWN: Final = (
    ROOT,
    BIN_OF_BINS,
    _SEARCH,
    "archive",
    "clutter",
    "conflicts",
    "conversationhistory",
    "deleteditems",
    "drafts",
    "inbox",
    "junkemail",
    "localfailures",
    "outbox",
    "scheduled",
    "sentitems",
    "serverfailures",
    "syncissues",
)
_SELECT: Final = "id,displayName,parentFolderId,isHidden"
_NO_DATE: Final = datetime(1970, 1, 1, tzinfo=UTC)
# A link may come twice after an empty page; more often, or more pages than any tree has, is a loop.
_REPEATED: Final = 5
_PAGES: Final = 10_000
_LOOP: Final = "delta_loop"
_DELTA: Final = "/users/{user}/mailFolders/delta"
_FOLDER: Final = "/users/{user}/mailFolders/{folder}"
_CHILDREN: Final = "/users/{user}/mailFolders/{folder}/childFolders"


def refresh(graph: Graph, user: str, place: Place) -> Iterator[Item | Gone]:
    """Bring ``place`` up to date with the tree and stream what is new in it, parents first.

    Folders that are gone go to ``place.gone``; they are told at the end of a pass, when what left them for another
    folder has been seen there.
    """
    whole = not place.tree
    try:
        entries, place.tree = _delta(graph, user, place.tree)
    except (CursorExpired, Unreachable) as error:
        if whole or not (isinstance(error, CursorExpired) or error.code == _LOOP):
            raise
        whole = True
        entries, place.tree = _delta(graph, user, "")
    if whole or any(entry["id"] not in place.folders for entry in entries.values() if "@removed" not in entry):
        place.known = _well_known(graph, user, {} if whole else place.known)
    names = {name: folder for folder, name in place.known.items()}
    place.root = names[ROOT]
    live = {key: entry for key, entry in entries.items() if "@removed" not in entry and _holds_mail(entry, names)}
    if whole and BIN_OF_BINS in names and names[BIN_OF_BINS] not in live:
        live[names[BIN_OF_BINS]] = graph.get(
            _FOLDER, {"$select": _SELECT}, scope="account", user=user, folder=names[BIN_OF_BINS]
        )
    missing = set(place.folders) - set(live) if whole else {key for key, e in entries.items() if "@removed" in e}
    for key in missing & set(place.folders):
        # Proven by asking: a folder may also leave the delta because it was hidden or moved out of sight.
        found = _get(graph, user, key)
        if found is None:
            place.gone[key] = place.folders.pop(key).parent
        else:
            live[key] = found
    for entry in _parents_first(live, place.root):
        item = _item(entry, place)
        spot = place.folders.setdefault(item.id, Spot(item.folder))
        spot.parent = item.folder
        yield item


def _delta(graph: Graph, user: str, link: str) -> tuple[dict[str, dict[str, Any]], str]:
    """Read one round of the tree's delta; the last word on each folder counts."""
    entries: dict[str, dict[str, Any]] = {}
    seen: dict[str, int] = {}
    if link:
        answer = graph.follow(link, _DELTA, scope="account", user=user)
    else:
        query = {"$select": _SELECT, "includeHiddenFolders": "true"}
        answer = graph.get(_DELTA, query, scope="account", user=user)
    while True:
        for entry in answer.get("value", ()):
            entries.pop(entry["id"], None)
            entries[entry["id"]] = entry
        if "@odata.deltaLink" in answer:
            return entries, str(answer["@odata.deltaLink"])
        following = str(answer.get("@odata.nextLink") or "")
        seen[following] = seen.get(following, 0) + 1
        if not following or seen[following] > _REPEATED or len(seen) > _PAGES:
            raise Unreachable("the folder tree's delta goes in circles or has no end", code=_LOOP)
        answer = graph.follow(following, _DELTA, scope="account", user=user)


def _well_known(graph: Graph, user: str, known: dict[str, str]) -> dict[str, str]:
    """Resolve the names that ``known`` does not hold yet, one after the other.

    Not in one batch: Exchange runs its parts side by side, and beside the mails that are read meanwhile.
    """
    found = dict(known)
    for name in WELL_KNOWN:
        if name in known.values():
            continue
        folder = _get(graph, user, name)
        if folder is not None:
            found[folder["id"]] = name
        elif name == ROOT:
            raise Forbidden("the mailbox does not open", account=True, code="no_root")
    return found


def _holds_mail(entry: Mapping[str, Any], names: Mapping[str, str]) -> bool:
    searches = names.get(_SEARCH)
    outside = entry["id"] in {searches, names[ROOT]} or entry.get("parentFolderId") == searches
    return not outside and entry.get("@odata.type") != "#microsoft.graph.mailSearchFolder"


def _get(graph: Graph, user: str, folder: str) -> dict[str, Any] | None:
    try:
        return graph.get(_FOLDER, {"$select": _SELECT}, scope="account", user=user, folder=folder)
    except NotFoundError:
        return None


def _parents_first(entries: Mapping[str, dict[str, Any]], root: str) -> list[dict[str, Any]]:
    ordered: dict[str, dict[str, Any]] = {}
    for key in entries:
        line: list[str] = []
        while key in entries and key not in ordered and key not in line and key != root:
            line.append(key)
            key = str(entries[key].get("parentFolderId"))  # noqa: PLW2901 -- climbs to the top
        ordered.update((name, entries[name]) for name in reversed(line))
    return list(ordered.values())


def _item(entry: Mapping[str, Any], place: Place) -> Item:
    parent = str(entry.get("parentFolderId") or "")
    known = place.known.get(entry["id"], "")
    # The bin of the bins hangs under a root of its own that no call shows: to us it is a top folder.
    top = parent == place.root or known == BIN_OF_BINS
    properties: dict[str, Any] = {"isHidden": bool(entry.get("isHidden"))}
    if known:
        properties["wellKnown"] = known
    name = str(entry.get("displayName") or "")
    state = "\0".join((name, "" if top else parent, str(properties["isHidden"]), known))
    version = hashlib.sha256(state.encode()).hexdigest()[:16]
    return Item(entry["id"], "folder", "" if top else parent, name, version, _NO_DATE, 0, properties)


def ensure(graph: Graph, user: str, path: Sequence[Item], into: str) -> str:
    """Make sure that the folders of ``path`` exist below ``into``; give the innermost one's id."""
    here, known = into or ROOT, into == ""
    for folder in path:
        name = str(folder.properties.get("wellKnown", ""))
        if known and name:
            here = _resolve(graph, user, name)
        else:
            known = False
            here = _child(graph, user, here, folder)
    return _resolve(graph, user, ROOT) if here == ROOT else here


def _resolve(graph: Graph, user: str, name: str) -> str:
    # Nothing can be put into the bin of the bins: what was there comes back where a person can see it.
    name = "deleteditems" if name == BIN_OF_BINS else name
    return str(graph.get(_FOLDER, {"$select": "id"}, scope="account", user=user, folder=name)["id"])


def _child(graph: Graph, user: str, parent: str, folder: Item) -> str:
    body = {"displayName": folder.name, "isHidden": bool(folder.properties.get("isHidden"))}
    try:
        return str(graph.post(_CHILDREN, body, user=user, folder=parent)["id"])
    except ExistsError:
        query = {"includeHiddenFolders": "true", "$select": "id,displayName", "$top": "100"}
        for child in graph.pages(_CHILDREN, query, scope="account", user=user, folder=parent):
            if str(child["displayName"]).casefold() == folder.name.casefold():
                return str(child["id"])
        raise ItemRefused("the folder exists, but no list shows it", code="folder_hidden") from None
