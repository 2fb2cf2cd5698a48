"""How each item of a restore ended, page by page from the customer's part of the work bucket."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from arche.model.restore import Result
from arche.model.tenancy import Member
from arche.operations.browse import lease
from arche.operations.deliver_journal import read_results
from arche.operations.front_ports import ContentPorts
from arche.operations.members import customer_of
from arche.operations.plan_batches import results_prefix
from arche.operations.refusals import Invalid, NotFound

#: Batch and item within it, both counted from 1: the last one that was shown.
_POSITION: Final = re.compile(r"([1-9]\d{0,6})\.(\d{1,6})")


def page(
    ports: ContentPorts, member: Member, customer: str, job: str, *, after: str, limit: int, now: datetime
) -> tuple[Sequence[Result], str]:
    """Read a page of results and the position after it, each item once with its last word.

    Items that have no result yet are not in it. Raises NotAllowed, NotFound, Invalid for a damaged position.
    """
    customer_of(ports.tenancy, member, customer, "read")
    restore = ports.work.restore(customer, job)
    if restore is None:
        raise NotFound
    batch, shown = _position(after)
    held = lease(ports, member, customer, restore.connection, account=restore.request.target, now=now)
    work = ports.open(held).work
    found: list[Result] = []
    for number in range(batch, int(restore.plan.get("batches", 0)) + 1):
        # A batch that was tried twice may name an item twice; the later word counts, as in the report.
        ended = {result.id: result for result in read_results(work, results_prefix(customer, job, number))}
        for count, result in enumerate(ended.values(), 1):
            if number == batch and count <= shown:
                continue
            if len(found) == limit:
                return found, f"{number}.{count - 1}"
            found.append(result)
    return found, ""


def _position(after: str) -> tuple[int, int]:
    if not after:
        return 1, 0
    found = _POSITION.fullmatch(after)
    if found is None:
        raise Invalid("The cursor is damaged. Ask for the first page again, without a cursor.", code="cursor_invalid")
    return int(found[1]), int(found[2])
