"""`meter`: once a day, what each customer has under protection, as one usage row. Reads the index, no vault."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from arche.model.usage import Usage
from arche.model.work import AccountRow, Head


class MeterBook(Protocol):
    """Rows of all customers, as far as `meter` reads and writes them."""

    def customers(self) -> Iterator[str]:
        """Labels of all customers, whatever their state."""
        ...

    def protected(self, customer: str) -> Iterator[tuple[AccountRow, Head | None]]:
        """All accounts of a customer, active or not, with their cached heads."""
        ...

    def put_usage(self, usage: Usage) -> None:
        """Write ``USAGE#{date}`` of the customer, over an earlier one of that day."""
        ...


@dataclass(frozen=True, slots=True)
class MeterPorts:
    """What `meter` needs."""

    book: MeterBook
    now: Callable[[], datetime]


def meter(ports: MeterPorts) -> int:
    """Write the usage rows of today (UTC) and answer their number. Repeating it on one day replaces them."""
    date = f"{ports.now():%Y-%m-%d}"
    count = 0
    for customer in ports.book.customers():
        ports.book.put_usage(_usage(customer, date, ports.book))
        count += 1
    return count


def _usage(customer: str, date: str, book: MeterBook) -> Usage:
    accounts: dict[str, int] = {}
    waiting = archived = items = stored = 0
    for row, head in book.protected(customer):
        if head is not None:
            items += head.items
            stored += head.stored_bytes
        if not row.active:
            archived += head is not None
        elif head is None:
            waiting += 1
        else:
            accounts[row.kind] = accounts.get(row.kind, 0) + 1
    return Usage(customer, date, accounts, waiting, archived, items, stored)
