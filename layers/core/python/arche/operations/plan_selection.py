"""What a restore request means in a restore point: rows, each with the folders that lead to its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from arche.model.restore import Ref, RequestRefused, RestoreRequest
from arche.vault import Row, View

DEEPEST = 300


@dataclass(frozen=True, slots=True)
class Selected:
    """One item to give back (``row`` None: a folder that is to exist, though it holds no item of its own).

    ``path`` holds the folders from the outermost to the item's own, below the target.
    """

    service: str
    row: Row | None
    path: tuple[Row, ...]


class Selection:
    """Iterates the chosen items, folder by folder. Raises RequestRefused for an id that the point does not hold."""

    def __init__(self, view: View, request: RestoreRequest, services: tuple[str, ...]) -> None:
        self._view = view
        self._request = request
        self._services = services
        self._trees: dict[str, dict[str, Row]] = {}
        self.folders = 0

    def __iter__(self) -> Iterator[Selected]:
        if self._request.whole:
            for service in self._services:
                tree = self._tree(service)
                for folder in ("", *tree):
                    yield from self._folder(service, folder, top="")
        elif self._request.folders:
            met: set[Ref] = set()
            for ref in self._request.folders:
                for folder in self._below(ref):
                    if Ref(ref.service, folder) not in met:
                        met.add(Ref(ref.service, folder))
                        yield from self._folder(ref.service, folder, top=ref.id)
        else:
            yield from self._single()

    def _single(self) -> Iterator[Selected]:
        paths: set[tuple[str, str]] = set()
        for ref in dict.fromkeys(self._request.items):
            row = self._view.row(ref.service, ref.id) if ref.service in self._services else None
            if row is None or row.is_folder:
                raise RequestRefused(
                    "One of the chosen items is not in this restore point. Browse it and choose again."
                )
            path = () if self._request.elsewhere else self._path(ref.service, row.folder)
            paths.add((ref.service, row.folder))
            self.folders = len(paths)
            yield Selected(ref.service, row, path)

    def _folder(self, service: str, folder: str, top: str) -> Iterator[Selected]:
        if folder:
            self.folders += 1
        path = self._path(service, folder, top if self._request.elsewhere else "")
        after, empty = "", True
        while True:
            page = self._view.folder(service, folder, after)
            for row in page.items:
                empty = False
                yield Selected(service, row, path)
            after = page.after
            if not after:
                break
        if empty and path:
            yield Selected(service, None, path)

    def _below(self, ref: Ref) -> list[str]:
        """List a folder and all folders below it, parents first."""
        tree = self._tree(ref.service) if ref.service in self._services else {}
        if ref.id not in tree:
            raise RequestRefused("One of the chosen folders is not in this restore point. Browse it and choose again.")
        children: dict[str, list[str]] = {}
        for row in tree.values():
            children.setdefault(row.folder, []).append(row.id)
        found, queue = [], [ref.id]
        while queue:
            folder = queue.pop(0)
            if folder not in found:
                found.append(folder)
                queue += sorted(children.get(folder, ()))
        return found

    def _tree(self, service: str) -> dict[str, Row]:
        if service not in self._trees:
            self._trees[service] = {row.id: row for row in self._view.folders(service)}
        return self._trees[service]

    def _path(self, service: str, folder: str, top: str = "") -> tuple[Row, ...]:
        """Folders from the root (or from ``top`` on) to ``folder``; a ring or a lost parent ends the climb."""
        tree = self._tree(service)
        path: list[Row] = []
        while folder in tree and len(path) < DEEPEST:
            path.append(tree[folder])
            if folder == top:
                break
            folder = tree[folder].folder
        return tuple(reversed(path))
