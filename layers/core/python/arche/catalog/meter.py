"""Usage per customer and day.

=====  ========================  =====================
table  pk, sk                    attributes
=====  ========================  =====================
index  {customer}, USAGE#{date}  fields of Usage
=====  ========================  =====================
"""

from __future__ import annotations

from collections.abc import Iterator

from arche.catalog.table import Rows
from arche.catalog.values import fields, record
from arche.catalog.writes import Put
from arche.model.usage import Usage
from arche.model.work import AccountRow, Head


class MeterBook:
    """Rows of all customers, as far as ``meter`` reads and writes them. Fills ``operations.meter.MeterBook``."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def customers(self) -> Iterator[str]:
        """Labels of all customers, whatever their state. Reads the whole tenancy table, once a day."""
        for row in self._rows.scan("tenancy", "CUSTOMER"):
            yield str(row["label"])

    def protected(self, customer: str) -> Iterator[tuple[AccountRow, Head | None]]:
        """All accounts of a customer, active or not, with their cached heads."""
        heads = {row["account"]: record(Head, row) for row in self._rows.all("index", customer, "HEAD#")}
        for row in self._rows.all("index", customer, "ACCOUNT#"):
            yield record(AccountRow, row), heads.get(row["label"])

    def put_usage(self, usage: Usage) -> None:
        """Write ``USAGE#{date}`` of the customer, over an earlier one of that day."""
        self._rows.put(Put("index", usage.customer, f"USAGE#{usage.date}", fields(usage)))

    def usage(self, customer: str, first: str, last: str) -> list[Usage]:
        """Usage rows of the days from ``first`` to ``last`` (ISO dates, both included)."""
        rows = self._rows.all("index", customer, "USAGE#")
        return [record(Usage, row) for row in rows if first <= row["date"] <= last]
