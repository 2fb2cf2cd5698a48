"""Which rows are to go: those announced as gone, with what still lives in gone folders, and those no longer listed.

Drawn at the end of a pass (announced ones also before a checkpoint), when every move within the pass is known; so an
item that left a removed folder is never taken for removed, whatever the order in which the source told it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from arche.operations.collect_draft import Draft
from arche.operations.collect_progress import Open, Progress, Scope
from arche.vault import Row

_TREE: Scope = ("", "folder")
_ALL: Scope = ("", "")


@dataclass(frozen=True, slots=True)
class Removals:
    """A view of the draft; each row is yielded once, and may be removed while iterating."""

    service: str
    draft: Draft
    progress: Progress
    gone_from: Mapping[str, str]

    def announced(self) -> Iterator[Row]:
        """Rows announced as gone that are still where they are gone from, and the contents of such folders."""
        rows = [row for row in map(self._present, self.gone_from) if row is not None]
        doomed = self._subtree(row.id for row in rows if row.is_folder)
        for folder in sorted(doomed):
            for row in self.draft.living(self.service, folder):
                if not row.is_folder and self._meant(row, doomed):
                    yield row
        yield from (row for row in rows if not row.is_folder and row.folder not in doomed)
        yield from self._folders(doomed)

    def unlisted(self) -> Iterator[Row]:
        """Rows that an ended listing should have shown and did not, with contents; none of the ``announced``."""
        ended = {scope: listing for scope, listing in self.progress.listings.items() if listing.ended}
        if not ended:
            return
        rows = [row for row in map(self._present, self.gone_from) if row is not None]
        doomed = self._subtree(row.id for row in rows if row.is_folder)
        lost = self._subtree(self._lost_folders(ended)) - doomed
        whole = any(not folder and kind != "folder" for folder, kind in ended)
        scopes = [""] if whole else sorted({folder for folder, _ in ended if folder} | lost)
        for scope in scopes:
            for row in self.draft.living(self.service, scope):
                if row.is_folder or self._meant(row, doomed):
                    continue
                if _unseen(row, ended) or (row.folder in lost and not self._listed(row)):
                    yield row
        yield from self._folders(lost)

    def _meant(self, row: Row, doomed: set[str]) -> bool:
        """Whether ``announced`` means this item."""
        return self.gone_from.get(row.id) == row.folder or (row.folder in doomed and not self._listed(row))

    def _present(self, item: str) -> Row | None:
        row = self.draft.row(self.service, item)
        return row if row is not None and row.folder == self.gone_from[item] else None

    def _lost_folders(self, ended: Mapping[Scope, Open]) -> Iterator[str]:
        listing = ended.get(_TREE) or ended.get(_ALL)
        if listing is not None:
            for row in self.draft.folders(self.service):
                if row.id not in listing.seen:
                    yield row.id

    def _subtree(self, roots: Iterable[str]) -> set[str]:
        """Gather the folders and all folders below them, but for those that a listing has shown alive."""
        doomed = set(roots)
        if not doomed:
            return doomed
        folders = list(self.draft.folders(self.service))
        grew = True
        while grew:
            below = {row.id for row in folders if row.folder in doomed and not self._listed(row)} - doomed
            doomed |= below
            grew = bool(below)
        return doomed

    def _folders(self, doomed: set[str]) -> Iterator[Row]:
        for folder in sorted(doomed):
            row = self.draft.row(self.service, folder)
            if row is not None:
                yield row

    def _listed(self, row: Row) -> bool:
        """Whether a listing of this pass has shown the row to be alive."""
        scopes = (_TREE, _ALL) if row.is_folder else (_ALL, ("", row.kind))
        return any(scope in self.progress.listings and row.id in self.progress.listings[scope].seen for scope in scopes)


def _unseen(row: Row, ended: Mapping[Scope, Open]) -> bool:
    """Whether a listing that holds this item has ended without it."""
    scopes = (_ALL, ("", row.kind), (row.folder, ""), (row.folder, row.kind))
    return any(scope in ended and row.id not in ended[scope].seen for scope in scopes)
