"""Accounts of a customer and what is backed up."""

from __future__ import annotations

from typing import get_args

from aws_lambda_powertools.event_handler import Request, Response

from arche.model.listing import AccountListing
from arche.operations import accounts
from functions.api import desk, shapes
from functions.api.gate import Caller
from functions.api.paging import Cursor, Limit, Place
from functions.api.repeat import repeatable
from functions.api.routes import new_router

router = new_router()
_BASE = "/v1/customers/<customer>/accounts"


def shape(account: AccountListing) -> shapes.Account:
    """Show an account to a caller; grey before its first run."""
    return shapes.Account(
        account=account.label,
        connection=account.connection,
        kind=account.kind,
        name=account.name,
        address=account.address,
        provider_id=account.provider_id,
        services=list(account.services),
        active=account.active,
        present=not account.left,
        colour=next((colour for colour in get_args(shapes.Colour) if colour == account.colour), "grey"),
        last_run=account.last_run or None,
        last_snapshot=account.last_snapshot or None,
    )


@router.get(_BASE, responses=shapes.answers(shapes.Accounts), summary="List accounts", tags=["accounts"])
def every(customer: shapes.CustomerLabel, who: Caller, cursor: Cursor = None, limit: Limit = 50) -> shapes.Accounts:
    """Read a page of a customer's accounts."""
    front, place = desk.front(), Place.of(who, "accounts", customer=customer)
    found, after = accounts.page(
        front.tenancy, front.accounts, who, customer, after=place.position(cursor), limit=limit
    )
    return shapes.Accounts(accounts=[shape(one) for one in found], next=place.cursor(after))


@router.post(
    f"{_BASE}/activate",
    responses=shapes.answers(shapes.Activated),
    summary="Back accounts up from now on",
    tags=["accounts"],
)
def activate(
    *,
    customer: shapes.CustomerLabel,
    body: shapes.Activate,
    who: Caller,
    request: Request,
    key: shapes.IdempotencyKey = None,
) -> Response[shapes.Activated]:
    """All accounts that are present, or those named."""
    front = desk.front()

    def do() -> tuple[int, shapes.Activated, str]:
        done = accounts.activate(
            front.tenancy,
            front.accounts,
            who,
            customer,
            chosen=None if body.all else body.accounts,
            per_day=body.per_day,
            now=desk.now(),
        )
        return 200, shapes.Activated(activated=done.activated, already_active=done.already_active), ""

    return repeatable(front.work, request, who, key, do)
