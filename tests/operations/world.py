"""A small source with per-folder deltas, in memory, that can be told to misbehave, and what it holds."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

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
from arche.providers.errors import CursorExpired, ItemChanged, ItemRefused, Unreachable

START = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
SERVICE = "mail"


class Killed(BaseException):
    """The process is gone at this very call."""


@dataclass
class Clock:
    """A clock that moves by a little with each look, or by hand."""

    at: datetime = START
    step: float = 0.0

    def __call__(self) -> datetime:
        self.at += timedelta(seconds=self.step)
        return self.at

    def forward(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class Trouble:
    """Counts the calls through every port; ``plan`` raises at some of them."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.plan: Callable[[int, str], BaseException | None] = lambda _number, _name: None

    def tick(self, name: str) -> None:
        self.calls.append(name)
        error = self.plan(len(self.calls), name)
        if error is not None:
            raise error

    def reset(self) -> None:
        self.calls.clear()

    def kill_at(self, number: int) -> None:
        self.reset()
        self.plan = lambda call, _name: Killed(f"call {number}") if call == number else None

    def calm(self) -> None:
        self.reset()
        self.plan = lambda _number, _name: None


@dataclass
class Letter:
    id: str
    folder: str
    name: str
    version: int
    body: bytes
    refused: bool = False
    cut: int = 0  # how many reads end early
    date: datetime = START

    def item(self) -> Item:
        return Item(
            id=self.id,
            kind="mail",
            folder=self.folder,
            name=self.name,
            version=f"v{self.version}",
            date=self.date,
            size=len(self.body),
            properties={"subject": self.name},
        )


@dataclass
class Board:
    """One mailbox: folders, letters, and the log of what happened to them."""

    trouble: Trouble
    page: int = 7
    folders: dict[str, tuple[str, str]] = field(default_factory=dict)  # id -> (parent, name)
    letters: dict[str, Letter] = field(default_factory=dict)
    log: list[tuple[str, str]] = field(default_factory=list)  # (folder, letter)
    tree: list[tuple[str, str]] = field(default_factory=list)  # (folder, parent)
    reads: list[str] = field(default_factory=list)
    chance: random.Random = field(default_factory=lambda: random.Random(1))
    dead_before: int = 0  # cursors of an older epoch are dead
    lie: Callable[[list[Change]], list[Change]] | None = None  # alters a delta (not a listing)
    lie_always: Callable[[list[Change]], list[Change]] | None = None
    numbers: int = 0

    # -- what people do -------------------------------------------------------------------------------------------
    def number(self) -> int:
        self.numbers += 1
        return self.numbers

    def add_folder(self, name: str, parent: str = "") -> str:
        folder = f"F{self.number():04d}"
        self.folders[folder] = (parent, name)
        self.tree.append((folder, parent))
        return folder

    def drop_folder(self, folder: str) -> None:
        for child in [f for f, (parent, _) in self.folders.items() if parent == folder]:
            self.drop_folder(child)
        for letter in [one.id for one in self.letters.values() if one.folder == folder]:
            del self.letters[letter]
        parent, _name = self.folders.pop(folder)
        self.tree.append((folder, parent))

    def rename_folder(self, folder: str, name: str) -> None:
        self.folders[folder] = (self.folders[folder][0], name)
        self.tree.append((folder, self.folders[folder][0]))

    def add(self, folder: str, body: bytes | None = None, name: str = "") -> str:
        letter = f"L{self.number():05d}"
        text = body if body is not None else f"letter {letter} {self.chance.random()}".encode() * 3
        self.letters[letter] = Letter(letter, folder, name or f"about {letter}", 1, text)
        self.log.append((folder, letter))
        return letter

    def change(self, letter: str) -> None:
        one = self.letters[letter]
        one.version += 1
        one.body = f"{letter} version {one.version}".encode()
        self.log.append((one.folder, letter))

    def move(self, letter: str, folder: str, *, new_version: bool = False) -> None:
        one = self.letters[letter]
        self.log.append((one.folder, letter))
        one.folder = folder
        one.version += new_version
        self.log.append((folder, letter))

    def drop(self, letter: str) -> None:
        self.log.append((self.letters.pop(letter).folder, letter))

    # -- what it holds --------------------------------------------------------------------------------------------
    def holds(self) -> dict[str, tuple[str, str, str, bytes]]:
        """Letters as (folder, name, version, body)."""
        return {
            one.id: (one.folder, one.name, f"v{one.version}", one.body)
            for one in self.letters.values()
            if not one.refused
        }


class Mail:
    """The service: promises of the contract over one or more boards, by account id."""

    def __init__(self, boards: dict[str, Board], trouble: Trouble) -> None:
        self.boards = boards
        self.trouble = trouble
        self.epoch = 0

    def accounts(self) -> Iterator[Account]:
        for name in self.boards:
            yield Account(name, "person", name, f"{name}@example.org", services=(SERVICE,))

    def expire(self) -> None:
        """Kill all cursors given out so far."""
        self.epoch += 1

    # cursor: {"epoch", "tree", "pos": {folder: log position}, "at": [folder, last id, log position at its begin]}
    def changes(self, account: Account, since: str | None) -> Iterator[Change]:
        board = self.boards[account.id]
        self.trouble.tick("changes")
        state = json.loads(since) if since else {"epoch": self.epoch, "tree": -1, "pos": {}, "at": None}
        if state["epoch"] != self.epoch:
            raise CursorExpired("the cursor is of another epoch")
        yield from self._tree(board, state)
        for folder in board.chance.sample(sorted(board.folders), len(board.folders)):
            if folder not in board.folders:
                continue
            if folder in state["pos"]:
                yield from self._delta(board, folder, state)
            else:
                yield from self._listing(board, folder, state)
            yield self._mark(state)
        yield self._mark(state)

    def _mark(self, state: dict) -> Mark:
        return Mark(json.dumps(state, sort_keys=True))

    def _tree(self, board: Board, state: dict) -> Iterator[Change]:
        self.trouble.tick("page")
        end = len(board.tree)
        if state["tree"] < 0:
            yield Listing("", "folder")
            yield from [_folder(board, folder) for folder in _parents_first(board)]
            yield Listed("", "folder")
        else:
            touched = dict.fromkeys(folder for folder, _ in board.tree[state["tree"] :])
            yield from [_folder(board, folder) for folder in _parents_first(board) if folder in touched]
            for folder in [f for f in touched if f not in board.folders]:
                parent = next(parent for name, parent in board.tree if name == folder)
                yield Listing(folder)
                yield Listed(folder)
                yield Gone(folder, parent)
                state["pos"].pop(folder, None)
                if state["at"] and state["at"][0] == folder:
                    state["at"] = None
        state["tree"] = end

    def _delta(self, board: Board, folder: str, state: dict) -> Iterator[Change]:
        self.trouble.tick("page")
        end = len(board.log)
        touched = dict.fromkeys(letter for where, letter in board.log[state["pos"][folder] : end] if where == folder)
        changes: list[Change] = []
        for letter in touched:
            one = board.letters.get(letter)
            if one is not None and one.folder == folder:
                changes.append(one.item())
                if board.chance.random() < 0.2:
                    changes.append(one.item())
            else:
                changes.append(Gone(letter, folder))
        board.chance.shuffle(changes)
        for place in [n for n, one in enumerate(changes) if isinstance(one, Item) and board.chance.random() < 0.1]:
            changes.insert(place, Gone(changes[place].id, folder))  # it had left, and came back
        for lie in (board.lie, board.lie_always):
            changes = lie(changes) if lie is not None else changes
        yield from changes
        state["pos"][folder] = end

    def _listing(self, board: Board, folder: str, state: dict) -> Iterator[Change]:
        if state["at"] is None or state["at"][0] != folder:
            if state["at"] is not None:  # another folder's listing waits: finish it first, as a room would
                yield from self._listing(board, state["at"][0], state)
            state["at"] = [folder, "", len(board.log)]
            yield Listing(folder)
        while True:
            self.trouble.tick("page")
            inside = sorted(one.id for one in board.letters.values() if one.folder == folder)
            page = [letter for letter in inside if letter > state["at"][1]][: board.page]
            yield from [board.letters[letter].item() for letter in page]
            if not page:
                break
            state["at"][1] = page[-1]
            yield self._mark(state)
        yield Listed(folder)
        state["pos"][folder] = state["at"][2]
        state["at"] = None

    def find(self, account: Account, ids: Iterable[str]) -> Iterator[Item | Gone]:
        board = self.boards[account.id]
        for one in list(ids):
            self.trouble.tick("find")
            yield board.letters[one].item() if one in board.letters else Gone(one, "")

    def read(self, account: Account, item: Item, offset: int = 0) -> Iterator[Part]:
        self.trouble.tick("read")
        board = self.boards[account.id]
        one = board.letters.get(item.id)
        if one is None or f"v{one.version}" != item.version:
            raise ItemChanged("another version")
        if one.refused:
            raise ItemRefused("corrupt", code="ErrorCorruptData")
        board.reads.append(item.id)
        yield Part("", "mail", self._chunks(one))

    def _chunks(self, one: Letter) -> Iterator[bytes]:
        half = len(one.body) // 2
        yield one.body[:half]
        self.trouble.tick("chunk")
        if one.cut:
            one.cut -= 1
            raise Unreachable("the connection was cut")
        yield one.body[half:]

    # -- giving back ----------------------------------------------------------------------------------------------
    def folder(self, account: Account, path: Sequence[Item], into: str) -> str:
        board = self.boards[account.id]
        for wanted in path:
            self.trouble.tick("folder")
            found = [f for f, (parent, name) in board.folders.items() if (parent, name) == (into, wanted.name)]
            into = found[0] if found else board.add_folder(wanted.name, into)
        return into

    def write(self, account: Account, item: Item, content: Content, into: Into) -> Outcome:
        board = self.boards[account.id]
        self.trouble.tick("write")
        body = b"".join(content.open())
        there = [one for one in board.letters.values() if one.folder == into.folder and one.name == item.name]
        if into.again:
            for one in there:
                if getattr(one, "mark", "") == into.mark:
                    return Outcome("existing", one.id)
        if there and into.conflict == "skip":
            return Outcome("skipped", "")
        new = board.add(into.folder, body, item.name)
        board.letters[new].mark = into.mark  # type: ignore[attr-defined]
        board.letters[new].date = item.date
        if there and into.conflict == "replace":
            for one in there:
                board.drop(one.id)
        self.trouble.tick("written")
        return Outcome("replaced" if there and into.conflict == "replace" else "written", new)

    def verify(self, account: Account, item: Item, content: Content, new_id: str) -> tuple[Loss, ...]:
        self.trouble.tick("verify")
        one = self.boards[account.id].letters[new_id]
        return () if one.body == b"".join(content.open()) else (Loss("content", "differs"),)


def _folder(board: Board, folder: str) -> Item:
    parent, name = board.folders[folder]
    return Item(folder, "folder", parent, name, name, START)


def _parents_first(board: Board) -> list[str]:
    done: list[str] = []
    while len(done) < len(board.folders):
        done += [f for f, (parent, _) in board.folders.items() if f not in done and (parent == "" or parent in done)]
    return done
