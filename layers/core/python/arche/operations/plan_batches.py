"""Batches of a restore: at most so many items and bytes of one folder, each in an object of its own.

State input and work list carry numbers only; the ids of items and folders are in the batch objects. Keys below
``{customer}/{job}/``: ``batches-{seq}.jsonl`` (the map's input), ``batches/{seq}-00001.json``, ``results/00001/…`` and
``journal/00001/…`` (`deliver`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from arche.model.restore import RestoreJob
from arche.operations.plan_selection import Selected
from arche.vault import AlreadyExists, ObjectStore, Row

BATCH_ITEMS = 100
BATCH_BYTES = 128 << 20


@dataclass(frozen=True, slots=True)
class RestoreBatch:
    """What `deliver` works on: items of one service that go to one folder. ``seq`` is the restore point."""

    number: int
    service: str
    seq: int
    path: tuple[Row, ...]
    items: tuple[str, ...]


def batch_key(customer: str, job: str, seq: int, number: int) -> str:
    """Key of a batch object."""
    return f"{customer}/{job}/batches/{seq}-{number:05d}.json"


def results_prefix(customer: str, job: str, number: int) -> str:
    """Prefix of the result objects of one batch."""
    return f"{customer}/{job}/results/{number:05d}/"


def journal_prefix(customer: str, job: str, number: int) -> str:
    """Prefix of the objects that say what a batch began."""
    return f"{customer}/{job}/journal/{number:05d}/"


class BatchWriter:
    """Gathers selected items into batches. Everything is only ever created, so planning twice is harmless."""

    def __init__(self, work: ObjectStore, job: RestoreJob, seq: int) -> None:
        self._work = work
        self._job = job
        self._seq = seq
        self._gathered: list[str] = []
        self._place: tuple[str, tuple[Row, ...]] = ("", ())
        self._bytes = 0
        self._count = 0
        self.list_key = f"{job.customer}/{job.id}/batches-{seq}.jsonl"

    def add(self, chosen: Selected) -> None:
        """Put an item into the batch at hand, or begin the next one. A folder without items makes a batch, too."""
        if chosen.row is None:
            self.flush()
            self._place = (chosen.service, chosen.path)
            self._write()
            return
        size = sum(part.size for part in chosen.row.parts)
        place = (chosen.service, chosen.path)
        if place != self._place or len(self._gathered) >= BATCH_ITEMS or self._bytes + size > BATCH_BYTES:
            self.flush()
        self._place = place
        self._gathered.append(chosen.row.id)
        self._bytes += size

    def flush(self) -> None:
        """Write the batch at hand, if there is one."""
        if self._gathered:
            self._write()

    def finish(self) -> int:
        """Write the last batch and the work list; answers the number of batches."""
        self.flush()
        job = self._job
        line = {"customer": job.customer, "job": job.id, "run": job.run, "lease": job.lease}
        line |= {"connection": job.connection}
        lines = [json.dumps({**line, "batch": number}, separators=(",", ":")) for number in range(1, self._count + 1)]
        if lines:
            self._create(self.list_key, ("\n".join(lines) + "\n").encode())
        return self._count

    def _write(self) -> None:
        self._count += 1
        service, path = self._place
        body = {"service": service, "path": [msgspec.to_builtins(row) for row in path], "items": self._gathered}
        self._create(batch_key(self._job.customer, self._job.id, self._seq, self._count), json.dumps(body).encode())
        self._gathered, self._bytes = [], 0

    def _create(self, key: str, data: bytes) -> None:
        try:
            self._work.create(key, data)
        except AlreadyExists:
            return  # an earlier try of this plan wrote the same: the restore point does not change


def read_batch(work: ObjectStore, customer: str, job: str, number: int, seq: int) -> RestoreBatch:
    """Read a batch back. Raises NoSuchObject."""
    body: Mapping[str, Any] = json.loads(work.read(batch_key(customer, job, seq, number)))
    path: Sequence[Any] = body["path"]
    return RestoreBatch(
        number=number,
        service=str(body["service"]),
        seq=seq,
        path=tuple(msgspec.convert(row, Row) for row in path),
        items=tuple(str(item) for item in body["items"]),
    )
