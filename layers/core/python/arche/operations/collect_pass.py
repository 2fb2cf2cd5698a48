"""One service's pass: every change of the source becomes a row, a removal or a named problem, in the source's order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import msgspec

from arche.operations import quarantine
from arche.operations.collect_draft import Draft
from arche.operations.collect_progress import Progress
from arche.operations.collect_read import ItemLost, Reader, TooSlow
from arche.operations.collect_reads import Reading, SliceOver
from arche.operations.collect_removals import Removals
from arche.providers.contract import Change, Gone, Item, Listed, Listing, Mark
from arche.providers.errors import CursorExpired, Throttled, Unreachable
from arche.vault import PartRef, Row

RESTARTS = 3
QUEUE = 256


class Pass:
    """Works on one service of one account. ``save`` commits when enough has gathered (see ``collect_account``)."""

    def __init__(
        self,
        name: str,
        reader: Reader,
        draft: Draft,
        progress: Progress,
        *,
        reads: int,
        now: Callable[[], datetime],
        save: Callable[[], None],
    ) -> None:
        self.name = name
        self.reader = reader
        self.draft = draft
        self.progress = progress
        self._reads = reads
        self._now = now
        self._save = save
        self._queue: deque[tuple[Change, Reading | None]] = deque()
        self._ahead: dict[str, str] = {}
        self._gone_from: dict[str, str] = {}
        self._refused: set[str] = set()
        self._before_pass = 0

    def run(self) -> None:
        """Go on to the end of the source. Raises SliceOver, Quarantined and whatever the room raises.

        What was applied until then stays in the draft: it is valid below the cursor of the last Mark.
        """
        for _ in range(RESTARTS):
            try:
                self._walk()
                self._finish()
            except CursorExpired:
                self.restart()
            except quarantine.Mistrusted as doubt:
                if doubt.reason == quarantine.LOOPING and self.progress.full:
                    raise quarantine.circles(self.name) from doubt
                self.restart(quarantine.PROVING)
            else:
                return
            finally:
                self.reader.close()
                self._queue.clear()
                self._ahead.clear()
        raise quarantine.circles(self.name)

    def settle(self) -> None:
        """Apply the removals announced so far; called before each commit. Raises Mistrusted and Quarantined."""
        removals = Removals(self.name, self.draft, self.progress, self._gone_from)
        self._weigh(claims=sum(not row.is_folder for row in removals.announced()), proofs=0)
        for row in removals.announced():
            self._remove(row)
        self._gone_from.clear()

    def restart(self, *flags: str) -> None:
        """Forget the cursor: the next walk lists everything and compares."""
        self._gone_from.clear()
        self.progress.restart(*flags)

    def _walk(self) -> None:
        began = self._now()
        try:
            for change in self.reader.service.changes(self.reader.account, self.progress.marked.cursor or None):
                self._take(change)
                if self.reader.deadline.soon:
                    self._pump(everything=True)
                    raise SliceOver
        except (Throttled, Unreachable):
            self._pump(everything=True)  # what was fetched ahead is not fetched again
            raise
        self._pump(everything=True)
        self.progress.as_of = int(began.timestamp() * 1000)

    def _take(self, change: Change) -> None:
        reading = None
        if self._reads and isinstance(change, Item) and self._needs_content(change):
            while len(self._ahead) >= self._reads:
                self._apply_next()
            if self._ahead.get(change.id) != change.version:
                self._ahead[change.id] = change.version
                reading = self.reader.ahead(change)
        self._queue.append((change, reading))
        self._pump()

    def _pump(self, *, everything: bool = False) -> None:
        while self._queue and (everything or self._queue[0][1] is None or len(self._queue) > QUEUE):
            self._apply_next()

    def _apply_next(self) -> None:
        change, reading = self._queue.popleft()
        match change:
            case Item():
                if reading is not None:
                    self._ahead.pop(change.id, None)
                self._announced(change, reading)
            case Gone():
                self._gone(change)
            case Listing():
                self.progress.open((change.scope, change.kind))
            case Listed():
                self.progress.end((change.scope, change.kind))
            case Mark():
                self.progress.mark(change.cursor)
                self._watch()
        self._save()

    def _announced(self, item: Item, reading: Reading | None, *, retry: bool = False) -> None:
        self.progress.listed(item)
        self._gone_from.pop(item.id, None)
        row = self.draft.row(self.name, item.id)
        if row is not None and not row.problem and row == _row(self.name, item, row.parts):
            if not item.is_folder:
                self._ended(item.id, "unchanged")
        elif self._needs_content(item) or retry:
            self._read(item, row, reading)
        elif row is None or not row.problem:
            self._put(_row(self.name, item, row.parts if row else ()), row)
        elif row.folder != item.folder:
            self.draft.put(msgspec.structs.replace(row, folder=item.folder))
        if reading is not None:
            reading.close()
        self._watch()

    def _needs_content(self, item: Item) -> bool:
        if item.is_folder:
            return False
        row = self.draft.row(self.name, item.id)
        if row is None or row.version != item.version:
            return True
        # One that took a whole slice for nothing has its turn at the end (`_again`), so that the others have theirs.
        return bool(row.problem) and not row.problem.startswith(TooSlow.code)

    def _read(self, item: Item, row: Row | None, reading: Reading | None) -> None:
        try:
            stored = self.reader.store(self.draft, item, row, reading)
        except ItemLost as lost:
            self._failed(item, row, lost)
            return
        if isinstance(stored, Gone):
            if row is not None:
                self.draft.gone(row)
                self.progress.live -= 1
            self._ended(item.id, "vanished")
            return
        item, parts = stored
        self._put(_row(self.name, item, parts), row)

    def _put(self, row: Row, before: Row | None) -> None:
        self.draft.put(row)
        if not row.is_folder:
            self.progress.live += before is None
            self._ended(row.id, "stored")

    def _failed(self, item: Item, before: Row | None, lost: ItemLost) -> None:
        """Record a row with its problem and the version that failed; the last good one's parts and properties stay."""
        problem = f"{lost.code}: {lost}"
        row = _row(self.name, item, ())
        if before is not None and before.parts:
            row = msgspec.structs.replace(before, folder=item.folder, version=item.version)
        row = msgspec.structs.replace(row, problem=problem)
        if row != before:
            self.draft.put(row)
        self.progress.live += before is None
        if item.id not in self.progress.problems:
            self.progress.count(expected=1, failed=1)
        self.progress.problems[item.id] = problem
        self._refused.add(item.id)

    def _ended(self, item: str, ending: str) -> None:
        """Count an item's good ending. One that had failed was expected already, and fails no more."""
        healed = self.progress.problems.pop(item, None) is not None
        self.progress.count(**{ending: 1}, expected=0 if healed else 1, failed=-1 if healed else 0)

    def _gone(self, gone: Gone) -> None:
        row = self.draft.row(self.name, gone.id)
        if row is not None and (row.folder == gone.folder or (row.is_folder and not gone.folder)):
            self._gone_from[gone.id] = row.folder

    def _remove(self, row: Row) -> None:
        self.draft.gone(row)
        if not row.is_folder:
            self.progress.live -= 1
            self._ended(row.id, "vanished")

    def _finish(self) -> None:
        progress = self.progress
        removals = Removals(self.name, self.draft, progress, self._gone_from)
        claims = sum(not row.is_folder for row in removals.announced())
        proofs = sum(not row.is_folder for row in removals.unlisted())
        self._weigh(claims, proofs)
        for row in removals.announced():
            self._remove(row)
        self._gone_from.clear()
        for row in removals.unlisted():
            self._remove(row)
        self._retry()
        progress.listings = {scope: listing for scope, listing in progress.listings.items() if not listing.ended}
        progress.marked = replace(progress.marked, listings=dict(progress.listings))
        if quarantine.mass(progress.counts.vanished, progress.before):
            progress.flags.add(quarantine.MASS_CHANGE)
        elif quarantine.PROVING in progress.flags:
            progress.flags.add(quarantine.DELTA_MISTRUSTED)
        progress.flags -= {quarantine.FULL, quarantine.PROVING}
        progress.complete = True

    def _retry(self) -> None:
        """Ask again for items that failed before, or in this run for a reason that may have passed."""
        again = self._again()
        if not again:
            return
        for found in self.reader.service.find(self.reader.account, again):
            if self.reader.deadline.soon:
                raise SliceOver
            row = self.draft.row(self.name, found.id)
            if isinstance(found, Item):
                self._announced(found, None, retry=True)
            elif row is not None:
                self._remove(row)
            else:
                self._ended(found.id, "vanished")

    def _again(self) -> list[str]:
        """Choose whom to ask again. Of the items that took a whole slice only one a day, last, so that a run ends."""
        codes = {item: reason.partition(":")[0] for item, reason in sorted(self.progress.problems.items())}
        again = [
            item
            for item, code in codes.items()
            if code != TooSlow.code and (item not in self._refused or code != "ItemRefused")
        ]
        slow = [item for item, code in codes.items() if code == TooSlow.code and item not in self._refused]
        day = self._now().toordinal()
        return again + slow[day % len(slow) :][:1] if slow else again

    def _weigh(self, claims: int, proofs: int) -> None:
        """Judge removals before they are applied.

        What a delta claims, or a listing outside of a full pass, is believed up to a share and proven by a full
        pass beyond; a full listing is believed unless it leaves nothing.
        """
        progress = self.progress
        done = progress.counts.vanished
        if not progress.full:
            claims, proofs = claims + proofs, 0
        if claims and quarantine.mass(done + claims, progress.before):
            if quarantine.PROVING in progress.flags:
                raise quarantine.contradiction(self.name)
            raise quarantine.Mistrusted(quarantine.MASS_REMOVAL)
        if proofs and quarantine.emptied(progress.live - claims - proofs, progress.before):
            raise quarantine.empty_at_once(self.name, progress.before)

    def _watch(self) -> None:
        announced = self.progress.counts.expected - self._before_pass
        if quarantine.looping(announced, self.progress.before, self.progress.same_marks):
            self._before_pass = self.progress.counts.expected
            raise quarantine.Mistrusted(quarantine.LOOPING)


def _row(service: str, item: Item, parts: tuple[PartRef, ...]) -> Row:
    return Row(
        service=service,
        id=item.id,
        kind=item.kind,
        folder=item.folder,
        name=item.name,
        version=item.version,
        date=int(item.date.timestamp() * 1000),
        size=item.size,
        properties=dict(item.properties),
        parts=parts,
    )
