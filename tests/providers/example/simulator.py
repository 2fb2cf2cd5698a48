"""The vendor "Pinboard" on the wire, made up: notes in boards, a feed of changes, and a strict door."""

from __future__ import annotations

import httpx

PAGE = 3


class Pinboard:
    """One tenant with one account. ``handle`` is the server; the other methods are what its people do by hand."""

    def __init__(self) -> None:
        self.notes: dict[str, dict] = {}
        self.feed: list[dict] = []
        self.floor = 0
        self.refused: set[str] = set()
        self.weather: list[httpx.Response | Exception] = []
        self.told = 0

    def put(self, key: str, kind: str, parent: str, name: str, content: bytes = b"") -> str:
        """Make or change a note or a board."""
        version = str(len(self.feed) + 1)
        self.notes[key] = {
            "id": key,
            "kind": kind,
            "parent": parent,
            "name": name,
            "version": version,
            "size": len(content),
        }
        self.notes[key]["content"] = content
        self.feed.append({**self._shown(key), "gone": False})
        return key

    def drop(self, key: str) -> None:
        """Purge a note or a board."""
        self.feed.append({"id": key, "parent": self.notes.pop(key)["parent"], "gone": True})

    def _shown(self, key: str) -> dict:
        return {name: value for name, value in self.notes[key].items() if name != "content"}

    def handle(self, request: httpx.Request) -> httpx.Response:  # noqa: C901, PLR0911 -- a whole server on a page
        """Answer one request, or the next piece of weather instead."""
        if self.weather:
            event = self.weather.pop(0)
            if isinstance(event, Exception):
                raise event
            return event
        if request.headers.get("authorization") != "Bearer good":
            return httpx.Response(401, json={"error": "token"})
        parts, query = request.url.path.strip("/").split("/"), request.url.params
        if parts == ["accounts"]:
            return httpx.Response(200, json=[{"id": "a1", "name": "Ada", "address": "ada@pinboard.example"}])
        if parts == ["feed"]:
            return self._feed(int(query.get("after", 0)))
        if request.method == "POST":
            key = f"n{len(self.feed) + 1}"
            return httpx.Response(
                201, json={"id": self.put(key, query["kind"], query["parent"], query["name"], request.read())}
            )
        if parts[-1] in self.refused:
            return httpx.Response(451, json={"error": "withheld"})
        if parts[-1] not in self.notes:
            return httpx.Response(404, json={"error": "gone"})
        if request.method == "DELETE":
            self.drop(parts[-1])
            return httpx.Response(204)
        note = self.notes[parts[-1]]
        if parts[0] == "about":
            return httpx.Response(200, json=self._shown(parts[-1]))
        return httpx.Response(200, content=note["content"], headers={"etag": note["version"]})

    def _feed(self, after: int) -> httpx.Response:
        if after < self.floor and after:
            return httpx.Response(410, json={"error": "too old"})
        last = min(after + PAGE, len(self.feed)) if after else PAGE
        if not after:  # the vendor's first pass lists what there is, boards first
            found = sorted(
                (self._shown(key) | {"gone": False} for key in self.notes), key=lambda n: n["kind"] != "board"
            )
            return httpx.Response(200, json={"changes": found, "next": len(self.feed), "more": False})
        return httpx.Response(200, json={"changes": self.feed[after:last], "next": last, "more": last < len(self.feed)})
