"""Cursors: opaque to the caller, bound to the partner and to the query that made them.

A cursor carries no right. It names a position within a list that the caller may read anyway: the partition always
comes from the caller's own scope, so a forged position reads nothing that a forged query could not. The bond keeps
a cursor from being used, by mistake or on purpose, with another partner, customer, route or filter.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from aws_lambda_powertools.event_handler.openapi.params import Query

from arche.model.tenancy import Member
from arche.operations.refusals import Invalid

Cursor = Annotated[str | None, Query(max_length=4096, description="`next` of the page before")]
Limit = Annotated[int, Query(ge=1, le=200, description="Most entries on a page")]
_BOND: Final = 16
#: DynamoDB's longest sort key, in bytes.
_LONGEST: Final = 1024


@dataclass(frozen=True, slots=True)
class Place:
    """Makes and reads the cursors of one query: who asks, which route, which filters."""

    bond: str

    @classmethod
    def of(cls, member: Member, route: str, **filters: str | int | None) -> Place:
        """Bind to ``filters``: the values that decide what is in the list, the limit not among them."""
        parts = [member.partner, route, *(f"{name}={value}" for name, value in sorted(filters.items()))]
        return cls(hashlib.sha256(json.dumps(parts).encode()).hexdigest()[: 2 * _BOND])

    def cursor(self, position: str | None) -> str | None:
        """Cursor for a position (None = there is no further page)."""
        if not position:
            return None
        return base64.urlsafe_b64encode(json.dumps([self.bond, position]).encode()).decode().rstrip("=")

    def position(self, cursor: str | None) -> str:
        """Inverse of ``cursor`` ("" = from the start). Raises Invalid for anything not made here for this query."""
        if not cursor:
            return ""
        try:
            found = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        except (ValueError, binascii.Error):
            found = None
        match found:
            case [str(bond), str(position)] if (
                bond == self.bond and 0 < len(position.encode(errors="replace")) <= _LONGEST
            ):
                return position
        raise Invalid(
            "The cursor belongs to another list or is damaged. Ask for the first page again, without a cursor.",
            code="cursor_invalid",
        )


def fingerprint(value: Mapping[str, Any]) -> str:
    """Strong entity tag of a representation, quoted as in the ETag header."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'
