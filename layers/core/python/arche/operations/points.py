"""Restore points as the index lists them: which one stands for an instant, and what each holds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from arche.model.tenancy import Member
from arche.model.work import RunRecord, iso
from arche.operations import accounts as accounts_of
from arche.operations.front_ports import AccountBook, TenancyBook
from arche.operations.members import customer_of
from arche.operations.refusals import Invalid

_NUMBER: Final = re.compile(r"[1-9]\d{0,11}")
_STEP: Final = 100


def page(
    tenancy: TenancyBook, accounts: AccountBook, member: Member, customer: str, account: str, *, after: str, limit: int
) -> tuple[Sequence[RunRecord], str]:
    """Read a page of an account's restore points, newest first. Runs that found nothing new are no points.

    A page may be shorter than ``limit``, even empty, while there is a next one. Raises NotAllowed, NotFound.
    """
    records, after = runs(tenancy, accounts, member, customer, account, after=after, limit=limit)
    return [record for record in records if record.outcome == "snapshot"], after


def runs(
    tenancy: TenancyBook, accounts: AccountBook, member: Member, customer: str, account: str, *, after: str, limit: int
) -> tuple[Sequence[RunRecord], str]:
    """Read a page of an account's runs, newest first: those that made a point, found nothing new, or went wrong.

    Raises NotAllowed, NotFound.
    """
    customer_of(tenancy, member, customer, "read")
    accounts_of.one(accounts, customer, account)
    return accounts.run_records(customer, account, until="", after=after, limit=limit)


def seq_at(accounts: AccountBook, customer: str, account: str, at: str) -> int:
    """Give the restore point that ``at`` means: a number, an instant (ISO 8601), or "" for the newest, which is 0.

    Raises Invalid for anything else, and when nothing was backed up by then.
    """
    if not at:
        return 0
    if _NUMBER.fullmatch(at):
        return int(at)
    instant = iso(_instant(at))
    for record in _until(accounts, customer, account, instant):
        # A point shows the state of its commit, so one that was still being read at that instant is too new.
        if record.outcome == "snapshot" and record.ended <= instant:
            return record.seq
    raise Invalid("Nothing was backed up by then. List the snapshots and choose one of them.", code="no_restore_point")


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(
            "`at` is the number of a snapshot or an instant such as 2026-11-24T06:00:00Z.", code="invalid_instant"
        ) from None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _until(accounts: AccountBook, customer: str, account: str, until: str) -> Iterator[RunRecord]:
    after = ""
    while True:
        records, after = accounts.run_records(customer, account, until=until, after=after, limit=_STEP)
        yield from records
        if not after:
            return
