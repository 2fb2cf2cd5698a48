"""What a batch of a restore has begun and ended, in objects that are only ever created.

Before a group of items is touched its ids are written down, after it the results are. An item that was begun and has no
result is in doubt: the next try tells the room so, which then looks for what was written before it writes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from arche.model.restore import Result
from arche.operations.plan_batches import journal_prefix, results_prefix
from arche.vault import ObjectStore


class Journal:
    """Results and beginnings of one batch. ``attempt`` keeps the objects of each worker apart."""

    def __init__(self, work: ObjectStore, customer: str, job: str, number: int, attempt: str) -> None:
        self._work = work
        self._results = results_prefix(customer, job, number)
        self._begun = journal_prefix(customer, job, number)
        self._attempt = attempt
        self._groups = 0

    def read(self) -> tuple[dict[str, Result], set[str]]:
        """Results by item id, and the ids in doubt."""
        results = {result.id: result for result in read_results(self._work, self._results)}
        begun: dict[str, set[str]] = {}
        spared: dict[str, set[str]] = {}
        for key in self._work.list(self._begun):
            group, _, kind = key.removesuffix(".json").rpartition(".")
            (begun if kind == "begun" else spared)[group] = set(json.loads(self._work.read(key)))
        doubt = {item for group, items in begun.items() for item in items - spared.get(group, set())}
        return results, doubt - results.keys()

    def begin(self, items: Sequence[str]) -> None:
        """Write down which items are about to be written."""
        self._groups += 1
        self._work.create(f"{self._name(self._begun)}.begun.json", json.dumps(list(items)).encode())

    def end(self, results: Iterable[Result], untouched: Sequence[str] = ()) -> None:
        """Write down how they ended, and which of them were not touched after all."""
        lines = [json.dumps(result.as_dict(), separators=(",", ":")) for result in results]
        if lines:
            self._work.create(f"{self._name(self._results)}.jsonl", ("\n".join(lines) + "\n").encode())
        if untouched:
            self._work.create(f"{self._name(self._begun)}.spared.json", json.dumps(list(untouched)).encode())

    def _name(self, prefix: str) -> str:
        return f"{prefix}{self._attempt}-{self._groups:04d}"


def read_results(work: ObjectStore, prefix: str) -> Iterable[Result]:
    """Results below a prefix, in the order of their keys."""
    for key in work.list(prefix):
        for line in work.read(key).splitlines():
            yield Result.from_dict(json.loads(line))
