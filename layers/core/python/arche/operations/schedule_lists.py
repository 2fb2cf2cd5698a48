"""Work lists: accounts become batches of one connection, customers take turns, each batch is a line of JSONL."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator

from arche.model.work import BATCH_ACCOUNTS, AccountRow, Batch
from arche.vault import AlreadyExists, NoSuchObject, ObjectStore


def interleave(accounts: Iterable[AccountRow]) -> list[list[AccountRow]]:
    """Batches of at most eight accounts of one connection, in an order in which customers take turns.

    Within a customer its connections take turns, so the batches of one connection stand as far apart as they can.
    The order depends on nothing but the accounts.
    """
    by_customer: dict[str, dict[str, list[AccountRow]]] = {}
    for account in sorted(accounts, key=lambda row: (row.customer, row.connection, row.label)):
        by_customer.setdefault(account.customer, {}).setdefault(account.connection, []).append(account)
    turns = deque(
        deque(_turns([list(_cut(rows)) for rows in connections.values()])) for connections in by_customer.values()
    )
    return list(_turns([list(queue) for queue in turns]))


def _cut(rows: list[AccountRow]) -> Iterator[list[AccountRow]]:
    for start in range(0, len(rows), BATCH_ACCOUNTS):
        yield rows[start : start + BATCH_ACCOUNTS]


def _turns(queues: list[list[list[AccountRow]]]) -> Iterator[list[AccountRow]]:
    for turn in range(max(map(len, queues), default=0)):
        for queue in queues:
            if turn < len(queue):
                yield queue[turn]


def write_list(work: ObjectStore, key: str, batches: Iterable[Batch]) -> int:
    """Write a work list unless it is there already; answers its number of lines. An empty one is not written."""
    lines = [json.dumps(batch.as_event(), separators=(",", ":")) for batch in batches]
    if not lines:
        return 0
    try:
        work.create(key, ("\n".join(lines) + "\n").encode())
    except AlreadyExists:
        return sum(1 for _ in read_list(work, key))
    return len(lines)


def read_list(work: ObjectStore, key: str) -> Iterator[Batch]:
    """Batches of a work list; none if there is no such list."""
    try:
        data = work.read(key)
    except NoSuchObject:
        return
    for line in data.decode().splitlines():
        yield Batch.from_event(json.loads(line))
