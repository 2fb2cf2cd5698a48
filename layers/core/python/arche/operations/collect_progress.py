"""How far one service of an account has come: cursor, listings under way, counts, problems.

Kept in the chain (`ServiceState` of each commit), so that a slice goes on exactly where the last commit stands.
What open listings have listed goes to a spool object whose key is in the commit; without it a full pass begins.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from arche.model.completeness import Counts
from arche.operations.collect_seen import Seen
from arche.operations.quarantine import FULL, PROVING
from arche.providers.contract import Item
from arche.vault import NoSuchObject, ObjectStore, ServiceState

#: Scope and kind of a listing, as its Listing says.
Scope = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Open:
    """A listing: what it listed, and whether its Listed came (what it proves is drawn at the end of the pass)."""

    seen: Seen
    ended: bool = False


@dataclass(frozen=True, slots=True)
class Marked:
    """What held at the last Mark."""

    cursor: str = ""
    listings: Mapping[Scope, Open] = field(default_factory=dict)


@dataclass(slots=True)
class Progress:
    """One service's state while a run works on it. ``base`` is the number of items when the run began."""

    marked: Marked = field(default_factory=Marked)
    listings: dict[Scope, Open] = field(default_factory=dict)
    salt: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    counts: Counts = field(default_factory=Counts)
    problems: dict[str, str] = field(default_factory=dict)
    flags: set[str] = field(default_factory=set)
    complete: bool = False
    as_of: int = 0
    live: int = 0
    base: int = 0
    same_marks: int = 0

    @property
    def full(self) -> bool:
        """Whether this pass lists everything, so that its listings are proof."""
        return FULL in self.flags

    @property
    def before(self) -> int:
        """How many items there were or came, against which removals are weighed."""
        return max(self.base, self.live + self.counts.vanished)

    def count(self, **endings: int) -> None:
        """Add to the counts, e.g. ``count(expected=1, stored=1)``."""
        self.counts = self.counts + Counts(**endings)

    def open(self, scope: Scope) -> None:
        """Begin a listing; an earlier one of the same scope is void."""
        self.listings[scope] = Open(Seen(self.salt))

    def end(self, scope: Scope) -> None:
        """End a listing; nothing if it was never opened here."""
        if scope in self.listings:
            self.listings[scope] = Open(self.listings[scope].seen, ended=True)

    def listed(self, item: Item) -> None:
        """Note an announcement in every listing that it belongs to. Folders belong to listings of ``""`` alone."""
        if not self.listings:
            return
        scopes = [("", ""), ("", item.kind)]
        if not item.is_folder:
            scopes += [(item.folder, ""), (item.folder, item.kind)] if item.folder else []
        for scope in scopes:
            if scope in self.listings:
                self.listings[scope].seen.add(item.id)

    def mark(self, cursor: str) -> None:
        """Everything before here is covered by ``cursor``."""
        self.same_marks = self.same_marks + 1 if cursor == self.marked.cursor else 0
        self.marked = Marked(cursor, dict(self.listings))
        for listing in self.listings.values():
            listing.seen.mark()

    def restart(self, *flags: str) -> None:
        """Begin a full pass: no cursor, everything to be compared."""
        self.flags |= {FULL, *flags}
        self.listings = {}
        self.marked = Marked()
        self.complete = False
        self.same_marks = 0

    def dumps(self) -> list[bytes]:
        """Dump what each listing at the last Mark had listed, for ``state`` and for the spool object (joined)."""
        return [self.marked.listings[scope].seen.dump() for scope in sorted(self.marked.listings)]

    def state(self, spool: str = "", dumps: Sequence[bytes] = ()) -> ServiceState:
        """Build the state to commit; ``spool`` is the key of the object that holds ``dumps``."""
        scopes = sorted(self.marked.listings)
        listings: dict[str, object] = {}
        if scopes:
            sized = [
                [*scope, len(dump), self.marked.listings[scope].ended]
                for scope, dump in zip(scopes, dumps, strict=True)
            ]
            listings = {"scopes": sized, "spool": spool, "salt": self.salt.hex()}
        return ServiceState(
            cursor=self.marked.cursor,
            as_of=self.as_of,
            complete=self.complete,
            counts=self.counts.as_dict(),
            listings=listings,
            problems=dict(sorted(self.problems.items())),
            flags=sorted(self.flags),
        )


def resume(
    state: ServiceState | None, totals: Mapping[str, int], cursor: str, work: ObjectStore, *, same_run: bool
) -> Progress:
    """Take up a service where the last commit left it.

    ``totals`` holds ``items`` and ``base`` of the service; ``cursor`` is an advisory one that is newer than the commit
    ("" = none). A new run begins with fresh counts, and with the failed items of the last one as expected and failed.
    """
    progress = Progress()
    if state is None:
        progress.restart()
        return progress
    progress.problems = dict(state.problems)
    progress.live = totals.get("items", 0)
    progress.as_of = state.as_of
    if same_run:
        progress.counts = Counts(**state.counts)
        progress.base = totals.get("base", progress.live)
        progress.flags = set(state.flags)
        progress.complete = state.complete
    else:
        failed = len(progress.problems)
        progress.counts = Counts(expected=failed, failed=failed)
        progress.base = progress.live
        progress.flags = set() if state.complete else set(state.flags) & {FULL, PROVING}
    if cursor:
        progress.marked = Marked(cursor)
    elif state.cursor:
        _reopen(progress, state, work)
    elif not progress.complete:
        progress.restart()
    return progress


def _reopen(progress: Progress, state: ServiceState, work: ObjectStore) -> None:
    progress.marked = Marked(state.cursor)
    if not state.listings:
        return
    progress.salt = bytes.fromhex(str(state.listings["salt"]))
    try:
        data = work.read(str(state.listings["spool"]))
    except NoSuchObject:
        progress.restart()  # what was listed is forgotten, so nothing could be proven from this cursor
        return
    at = 0
    for scope, kind, size, ended in state.listings["scopes"]:
        progress.listings[str(scope), str(kind)] = Open(Seen.load(progress.salt, data[at : at + size]), bool(ended))
        at += size
    progress.marked = Marked(state.cursor, dict(progress.listings))
