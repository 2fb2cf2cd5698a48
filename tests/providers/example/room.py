"""A whole room in small, for docs/providers/add-a-platform.md: the platform "Pinboard" with its one service, notes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import httpx

from arche.providers import http
from arche.providers.contract import (
    Account,
    Change,
    Content,
    Gone,
    Into,
    Item,
    Listed,
    Listing,
    Loss,
    Mark,
    Outcome,
    Part,
)
from arche.providers.errors import (
    CredentialRejected,
    CursorExpired,
    Forbidden,
    ItemChanged,
    ItemRefused,
    ProviderError,
    Throttled,
    Unreachable,
)
from arche.providers.patience import now, retry_after
from arche.providers.platform import Permissions, Platform, Session

BASE = "https://api.pinboard.example"
_NO_DATE = datetime(1970, 1, 1, tzinfo=UTC)
_MEANINGS: dict[int, type[ProviderError]] = {401: CredentialRejected, 403: Forbidden, 410: CursorExpired}
_MEANINGS |= {404: ItemChanged, 451: ItemRefused}


class Notes:
    """The service: every call says what it needs, nothing is kept between two."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def accounts(self) -> Iterator[Account]:
        for one in self._json("GET", "/accounts"):
            yield Account(one["id"], "person", one["name"], one["address"], services=("notes",))

    def changes(self, account: Account, since: str | None) -> Iterator[Change]:
        if since is not None and not since.isdigit():
            raise CursorExpired("the cursor cannot be read", code="cursor_form")
        if since is None:
            yield Listing("")
        after = since or "0"
        while True:
            page = self._json("GET", "/feed", after=after)
            for one in page["changes"]:
                yield Gone(one["id"], one["parent"]) if one["gone"] else _item(one)
            if after == "0":
                yield Listed("")
            after = str(page["next"])
            yield Mark(after)
            if not page["more"]:
                return

    def find(self, account: Account, ids: Iterable[str]) -> Iterator[Item | Gone]:
        for one in ids:
            try:
                yield _item(self._json("GET", f"/about/{one}"))
            except ItemChanged:
                yield Gone(one, "")
            except ItemRefused:
                continue

    def read(self, account: Account, item: Item, offset: int = 0) -> Iterator[Part]:
        request = self._request("GET", f"/content/{item.id}")
        response = self._send(request, stream=True)
        try:
            if response.headers["etag"] != item.version:
                raise ItemChanged("the note changed")
            yield Part("", "file", _skip(http.chunks(response, "/content/{id}"), offset))
        finally:
            response.close()

    def folder(self, account: Account, path: Sequence[Item], into: str) -> str:
        there = [one for one in self.changes(account, None) if isinstance(one, Item) and one.is_folder]
        for board in path:
            found = [one.id for one in there if (one.folder, one.name) == (into, board.name)]
            into = found[0] if found else self._post("board", into, board.name, b"")
        return into

    def write(self, account: Account, item: Item, content: Content, into: Into) -> Outcome:
        there = [one for one in self.changes(account, None) if isinstance(one, Item) and not one.is_folder]
        same = [one for one in there if (one.folder, one.name) == (into.folder, item.name)]
        data = b"".join(content.open())
        for one in same if into.again else ():
            if not self.verify(account, item, content, one.id):
                return Outcome("existing", one.id)
        if same and into.conflict == "skip":
            return Outcome("skipped", "")
        renamed = bool(same) and into.conflict == "rename"
        new_id = self._post("note", into.folder, f"{item.name} (restored)" if renamed else item.name, data)
        for one in same if into.conflict == "replace" else ():
            self._json("DELETE", f"/content/{one.id}")
        action = "replaced" if same and into.conflict == "replace" else "renamed" if renamed else "written"
        return Outcome(action, new_id)

    def verify(self, account: Account, item: Item, content: Content, new_id: str) -> tuple[Loss, ...]:
        response = self._send(self._request("GET", f"/content/{new_id}"))
        same = response.content == b"".join(content.open())
        return () if same else (Loss("content", "differs after the restore"),)

    def _post(self, kind: str, parent: str, name: str, data: bytes) -> str:
        return str(self._json("POST", "/content", data, kind=kind, parent=parent, name=name)["id"])

    def _json(self, method: str, path: str, data: bytes | None = None, **query: str) -> Any:
        response = self._send(self._request(method, path, data, **query))
        return response.json() if response.content else None

    def _request(self, method: str, path: str, data: bytes | None = None, **query: str) -> httpx.Request:
        named = {"template": path if path in {"/feed", "/accounts"} else f"/{path.split('/')[1]}/{{id}}"}
        return self._session.client.build_request(method, BASE + path, params=query, content=data, extensions=named)

    def _send(self, request: httpx.Request, *, stream: bool = False) -> httpx.Response:
        try:
            response = self._session.client.send(request, stream=stream)
        except httpx.HTTPError as error:
            raise Unreachable(type(error).__name__) from None
        if response.is_success:
            self._session.backoff.accepted()
            return response
        response.close()
        if response.status_code in {429, 503}:
            wait = retry_after(response.headers, now())
            raise Throttled("slow down", after=self._session.backoff.refused() if wait is None else wait)
        raise _MEANINGS.get(response.status_code, Unreachable)(f"status {response.status_code}")


def _item(one: dict[str, Any]) -> Item:
    kind = "folder" if one["kind"] == "board" else "note"
    return Item(one["id"], kind, one["parent"], one["name"], one["version"], _NO_DATE, one["size"])


def _skip(chunks: Iterator[bytes], offset: int) -> Iterator[bytes]:
    for chunk in chunks:
        yield chunk[offset:]
        offset = max(0, offset - len(chunk))


def platform() -> Platform:
    """Everything the house must know about Pinboard."""
    return Platform(
        name="pinboard",
        title="Pinboard",
        hosts=http.Hosts(api=("api.pinboard.example",)),
        services={"notes": Notes},
        permissions={"notes": Permissions(backup=("notes.read",), restore=("notes.write",))},
    )
