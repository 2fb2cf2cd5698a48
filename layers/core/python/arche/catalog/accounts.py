"""Accounts of customers: the index row, the names beside it, slots, heads and run records.

=========  ==================================  ===============================================================
table      pk, sk                              attributes
=========  ==================================  ===============================================================
index      {customer}, ACCOUNT#{A-..}          fields of AccountRow, left, slots, colour, last_run, last_snapshot
index      {customer}, SLOT#{06}#{A-..}        slot_shard (06#3), label: one row per hour of an active account
index      {customer}, IDENTITY#{C-..}#{id}    label: an immutable provider id has one label for ever
index      {customer}, HEAD#{A-..}             fields of Head
index      {customer}, RUN#{A-..}#{started}#{run}  fields of RunRecord
directory  {customer}, ACCOUNT#{A-..}          name, address, connection, provider_id (to make the index anew)
=========  ==================================  ===============================================================

An account may be due in several hours, and an index holds one entry per row: so each hour has a row of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from arche.catalog.connections import next_number
from arche.catalog.errors import ConditionFailed, Conflict, NotFound
from arche.catalog.table import Row, Rows
from arche.catalog.values import fields, record
from arche.catalog.writes import Delete, Put, Update, Write, absent, attr, setting, value
from arche.model import labels
from arche.model.listing import AccountListing
from arche.model.work import AccountRow, Head, RunRecord

SHARDS: Final = 8
_TRIES: Final = 4


class AccountBook:
    """Accounts, heads and run records. Fills ``operations.front_ports.AccountBook``."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def accounts(self, customer: str, after: str, limit: int) -> tuple[Sequence[AccountListing], str]:
        """Page of accounts and the position after it ("" = last page). Raises BadCursor."""
        rows, following = self._rows.page("index", customer, "ACCOUNT#", after=after, limit=limit)
        return self._listings(customer, rows), following

    def account(self, customer: str, label: str) -> AccountListing | None:
        """One account, or None."""
        row = self._rows.get("index", customer, f"ACCOUNT#{label}")
        return self._listings(customer, [row])[0] if row else None

    def of_connection(self, customer: str, connection: str) -> Iterator[AccountListing]:
        """All accounts of one connection."""
        rows = [row for row in self._rows.all("index", customer, "ACCOUNT#") if row["connection"] == connection]
        yield from self._listings(customer, rows)

    def add_account(self, account: AccountListing) -> AccountListing:
        """Create index and directory rows under the customer's next label (the argument's own is ignored).

        The provider id of a connection has one label for ever: a second call answers the first one's account.
        Raises NotFound for an unknown customer.
        """
        identity = f"IDENTITY#{account.connection}#{account.provider_id}"
        known = self._rows.get("index", account.customer, identity)
        if known is None:
            number = next_number(self._rows, account.customer, "accounts")
            made = replace(account, label=labels.account(number))
            try:
                self._rows.transact(
                    Put("index", made.customer, identity, {"label": made.label}, absent()),
                    Put("index", made.customer, f"ACCOUNT#{made.label}", _index_values(made), absent()),
                    Put("directory", made.customer, f"ACCOUNT#{made.label}", _names(made), absent()),
                    *_slot_writes(made.customer, made.label, set(), _hours(made)),
                )
            except ConditionFailed:
                known = self._rows.get("index", account.customer, identity)
            else:
                return made
        found = self.account(account.customer, known["label"]) if known else None
        if found is None:
            raise Conflict("the account was changed by another run at this moment; discover again")
        return found

    def put_account(self, account: AccountListing) -> None:
        """Write what discovery and activation decide, and nothing else of the rows. Raises NotFound, Conflict."""
        sk = f"ACCOUNT#{account.label}"
        decided = {
            "kind": account.kind,
            "services": list(account.services),
            "active": account.active,
            "activated": account.activated,
            "left": account.left,
            "slots": list(account.slots),
        }
        for _ in range(_TRIES):
            row = self._rows.get("index", account.customer, sk)
            if row is None:
                raise NotFound("there is no such account")
            before = set(row["slots"]) if row["active"] else set()
            same = (attr("slots") == value(row["slots"])) & (attr("active") == value(row["active"]))
            try:
                self._rows.transact(
                    Update("index", account.customer, sk, setting(decided), same),
                    Put("directory", account.customer, sk, _names(account)),
                    *_slot_writes(account.customer, account.label, before, _hours(account)),
                )
            except ConditionFailed:
                continue
            return
        raise Conflict("the account keeps changing; read it again")

    def head(self, customer: str, account: str) -> Head | None:
        """Read the cached head, or None."""
        return read_head(self._rows, customer, account)

    def run_records(
        self, customer: str, account: str, *, until: str, after: str, limit: int
    ) -> tuple[Sequence[RunRecord], str]:
        """Run records, newest first, of runs that started at or before ``until`` ("" = all). Raises BadCursor."""
        rows, following = self._rows.page(
            "index",
            customer,
            f"RUN#{account}#",
            # `~` sorts behind every character of an id, so runs that started in that very second are in.
            until=f"{until}#~" if until else "",
            after=after,
            limit=limit,
            newest_first=True,
        )
        return [record(RunRecord, row) for row in rows], following

    def _listings(self, customer: str, rows: Sequence[Row]) -> list[AccountListing]:
        names = self._rows.many("directory", [(customer, row["sk"]) for row in rows])
        unnamed = {"name": "", "address": ""}
        return [
            record(AccountListing, {**row, **_only_names(names.get((customer, row["sk"]), unnamed))}) for row in rows
        ]


def read_account(rows: Rows, customer: str, label: str) -> AccountRow | None:
    """Read an account's index row as workers see it, or None."""
    row = rows.get("index", customer, f"ACCOUNT#{label}")
    return record(AccountRow, row) if row else None


def read_head(rows: Rows, customer: str, account: str) -> Head | None:
    """Read the cached head of an account, or None."""
    row = rows.get("index", customer, f"HEAD#{account}")
    return record(Head, row) if row else None


def write_head(rows: Rows, customer: str, head: Head) -> None:
    """Write the cached head. A lower ``seq`` than the stored one is ignored."""
    newer = absent() | (attr("seq") <= value(head.seq))
    try:
        rows.put(Put("index", customer, f"HEAD#{head.account}", fields(head), newer))
    except ConditionFailed:
        return


def shard_of(customer: str, label: str, hour: str) -> str:
    """Partition of the index ``by_slot`` in which this account is due at an hour."""
    number = int.from_bytes(hashlib.sha256(f"{customer}/{label}".encode()).digest()[:4], "big") % SHARDS
    return f"{hour}#{number}"


def _hours(account: AccountListing) -> set[str]:
    return set(account.slots) if account.active else set()


def _slot_writes(customer: str, label: str, before: set[str], after: set[str]) -> list[Write]:
    def sk(hour: str) -> str:
        return f"SLOT#{hour}#{label}"

    puts: list[Write] = [
        Put("index", customer, sk(hour), {"slot_shard": shard_of(customer, label, hour), "label": label})
        for hour in sorted(after - before)
    ]
    return puts + [Delete("index", customer, sk(hour)) for hour in sorted(before - after)]


def _index_values(account: AccountListing) -> dict[str, Any]:
    values = fields(account)
    for name in ("name", "address"):
        del values[name]
    return {**values, "has_snapshot": False, "last_slot": "", "queued_slot": "", "open_run": ""}


def _names(account: AccountListing) -> dict[str, Any]:
    return {
        "name": account.name,
        "address": account.address,
        "connection": account.connection,
        "provider_id": account.provider_id,
    }


def _only_names(row: Row) -> Row:
    return {"name": row["name"], "address": row["address"]}
