"""How each item of a restore ended, read page by page from the customer's part of the work bucket."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime

from arche.model.restore import Result
from arche.model.tenancy import Member
from arche.operations.browse import lease
from arche.operations.front_ports import ContentPorts
from arche.operations.members import customer_of
from arche.operations.refusals import Invalid, NotFound


def page(
    ports: ContentPorts, member: Member, customer: str, job: str, *, after: str, limit: int, now: datetime
) -> tuple[Sequence[Result], str]:
    """Read a page of results and the position after it. Raises NotAllowed, NotFound, Invalid for a damaged position."""
    customer_of(ports.tenancy, member, customer, "read")
    restore = ports.work.restore(customer, job)
    if restore is None:
        raise NotFound
    held = lease(ports, member, customer, restore.connection, account=restore.request.target, now=now)
    work = ports.open(held).work
    key, line = _position(after)
    prefix = f"{customer}/{job}/results/"
    found: list[Result] = []
    for name in _from(work.list(prefix, after=key), key if line else ""):
        lines = work.read(name).splitlines()
        start = line if name == key else 0
        for number, text in enumerate(lines[start:], start + 1):
            found.append(Result.from_dict(json.loads(text)))
            if len(found) == limit:
                return found, f"{number} {name}"
    return found, ""


def _from(names: Iterator[str], first: str) -> Iterator[str]:
    if first:
        yield first
    yield from names


def _position(after: str) -> tuple[str, int]:
    if not after:
        return "", 0
    line, _, key = after.partition(" ")
    if not line.isdecimal() or not key:
        raise Invalid("The cursor is damaged. Ask for the first page again, without a cursor.", code="cursor_invalid")
    return key, int(line)
