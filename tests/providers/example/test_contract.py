"""The example room of docs/providers/add-a-platform.md keeps every promise."""

from __future__ import annotations

import httpx
import pytest

from arche.providers.contract import Account, Service
from arche.providers.http import Call
from tests.providers.contract_suite import RoomContract
from tests.providers.example.room import platform
from tests.providers.example.simulator import Pinboard


class PinboardWorld:
    platform = platform()
    service_name = "notes"

    def __init__(self) -> None:
        self.board = Pinboard()
        self.calls: list[Call] = []
        self.board.put("b1", "board", "", "Küche")
        self.board.put("b2", "board", "b1", "Liste")
        for number in range(7):
            self.board.put(
                f"n{number}", "note", "b1" if number % 2 else "b2", f"Zettel {number}", b"Inhalt %d " % number * 50
            )

    def open(self, token: str = "") -> Service:
        session = self.platform.session(
            "t1", lambda: token or "good", record=self.calls.append, transport=httpx.MockTransport(self.board.handle)
        )
        return self.platform.service("notes", session)

    def account(self) -> Account:
        return next(iter(self.open().accounts()))

    def add(self, name: str, folder: str) -> str:
        return self.board.put(f"x{len(self.board.feed)}", "note", folder, name, b"neu")

    def add_folder(self, name: str) -> str:
        return self.board.put(f"x{len(self.board.feed)}", "board", "", name)

    def change(self, item: str) -> None:
        note = self.board.notes[item]
        self.board.put(item, "note", note["parent"], note["name"], note["content"] + b"!")

    def purge(self, item: str) -> None:
        self.board.drop(item)

    def live(self) -> set[str]:
        return {key for key, note in self.board.notes.items() if note["kind"] == "note"}

    def content(self, item: str) -> bytes:
        return self.board.notes[item]["content"]

    def throttle(self, after: str | None) -> None:
        self.board.weather.append(httpx.Response(429, headers={"Retry-After": after} if after else {}))

    def disconnect(self) -> None:
        self.board.weather.append(httpx.ReadError("gone"))

    def cut(self) -> None:
        item = min(self.live())
        note = self.board.notes[item]
        size = str(len(note["content"]))
        headers = {"etag": note["version"], "content-length": size}
        self.board.weather.append(httpx.Response(200, stream=httpx.ByteStream(note["content"][:5]), headers=headers))

    def forbid(self) -> None:
        self.board.weather.append(httpx.Response(403))

    def refuse(self, item: str) -> None:
        self.board.refused.add(item)

    def expire(self) -> None:
        self.board.floor = len(self.board.feed)

    def notified(self) -> int:
        return self.board.told


@pytest.mark.contract
class TestPinboard(RoomContract):
    @pytest.fixture
    def world(self) -> PinboardWorld:
        return PinboardWorld()
