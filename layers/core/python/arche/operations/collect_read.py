"""Reading one item's content into the vault: pinned to a version, begun anew when it changes, bounded attempts."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta

from arche.model.deadline import Deadline
from arche.operations.collect_draft import Draft
from arche.operations.collect_gate import Gate
from arche.operations.collect_reads import Reading, SliceOver
from arche.providers.contract import Account, Gone, Item, Part, Service
from arche.providers.errors import ItemChanged, ItemRefused, Unreachable
from arche.vault import PartRef, Row

ATTEMPTS = 3
TOO_SLOW_SECONDS = 600
UNREACHABLE_ITEMS = 3


class ItemLost(Exception):  # noqa: N818 - the name says what happened
    """The item cannot be had in this run; ``code`` is a stable word, the message is for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class TooSlow(ItemLost):
    """A whole slice of work was not enough for this item."""

    code = "TooSlow"

    def __init__(self) -> None:
        super().__init__(self.code, "it could not be read within one slice of work")


class Truncated(Unreachable):
    """The source ended the content before its announced size."""


@dataclass(slots=True)
class Reader:
    """Reads the items of one account and service. ``pool`` None reads when asked for, without threads."""

    service: Service
    account: Account
    deadline: Deadline
    gate: Gate
    pool: ThreadPoolExecutor | None = None
    _unreachable: int = 0
    _open: deque[Reading] = field(default_factory=deque)

    def ahead(self, item: Item) -> Reading:
        """Begin to read ``item`` now, to be stored by ``store`` later."""
        reading = Reading(lambda: self.service.read(self.account, item), self.deadline)
        self._open.append(reading)
        return reading.start(self.pool) if self.pool is not None else reading

    def close(self) -> None:
        """Drop everything that is still being read."""
        while self._open:
            self._open.popleft().close()

    def store(
        self, draft: Draft, item: Item, like: Row | None, reading: Reading | None
    ) -> tuple[Item, tuple[PartRef, ...]] | Gone:
        """Bring the item's parts into the draft; answers the item as it was read, or Gone if it went away meanwhile.

        Raises ItemLost; Throttled, CredentialRejected, Forbidden as the room does; Unreachable only when several items
        in a row cannot be had, which is no longer about an item.
        """
        last: ItemChanged | Unreachable | None = None
        for _ in range(ATTEMPTS):
            source, reading = reading or self.ahead(item), None
            try:
                parts = self._whole(draft, item, like, source)
            except ItemChanged as changed:
                last = changed
                found = next(iter(self.service.find(self.account, [item.id])), None)
                if isinstance(found, Gone):
                    return found
                item = found or item
            except Unreachable as unreachable:
                last = unreachable
            else:
                self._unreachable = 0
                return item, parts
        if isinstance(last, Unreachable):
            self._unreachable += 1
            if self._unreachable >= UNREACHABLE_ITEMS:
                raise last
        raise ItemLost(type(last).__name__, "it could not be read to its end") from last

    def _whole(self, draft: Draft, item: Item, like: Row | None, source: Reading) -> tuple[PartRef, ...]:
        try:
            return tuple(self._parts(draft, item, like, source))
        except SliceOver:
            if self.deadline.now() - source.began < timedelta(seconds=TOO_SLOW_SECONDS):
                raise  # it began late in this slice; the next one gives it more time
            raise TooSlow from None
        except ItemRefused as refused:
            raise ItemLost("ItemRefused", _words(refused)) from refused
        finally:
            source.close()
            if source in self._open:
                self._open.remove(source)

    def _parts(self, draft: Draft, item: Item, like: Row | None, source: Reading) -> Iterator[PartRef]:
        for number, part in enumerate(source.parts()):
            size = item.size if number == 0 and part.media == "file" else 0
            with self.gate.part(part.chunks, self.deadline) as chunks:
                stored = draft.part(Part(part.name, part.media, chunks), like, size)
            if number == 0 and _short(part, stored.size, item.size):
                raise Truncated("the content ended before its announced size")
            yield stored


def _short(part: Part, got: int, announced: int) -> bool:
    """Whether less came than announced. A mail's announced size is the mailbox's, not that of its MIME form."""
    return got < announced if part.media == "file" else got == 0 and announced > 0


def _words(error: ItemRefused) -> str:
    code = error.code or (str(error.status) if error.status else "")
    return f"the source will not give it ({code})" if code else "the source will not give it"
