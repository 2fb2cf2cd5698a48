"""Customers of a partner."""

from __future__ import annotations

from aws_lambda_powertools.event_handler import Request, Response

from arche.model.tenancy import Customer
from arche.operations import customers
from arche.operations.refusals import Stale
from functions.api import desk, shapes
from functions.api.gate import Caller
from functions.api.paging import Cursor, Limit, Place, fingerprint
from functions.api.repeat import JSON, repeatable
from functions.api.routes import new_router

router = new_router()


def shape(customer: Customer) -> shapes.Customer:
    """Show a customer to a caller."""
    return shapes.Customer(
        customer=customer.label,
        alias=customer.alias,
        name=customer.name,
        state=customer.state,
        created=customer.created,
    )


@router.post(
    "/v1/customers", responses=shapes.answers(shapes.Customer, 201), summary="Create a customer", tags=["customers"]
)
def create(
    body: shapes.NewCustomer, who: Caller, request: Request, key: shapes.IdempotencyKey = None
) -> Response[shapes.Customer]:
    """Create a customer from an alias or a name."""
    front = desk.front()

    def do() -> tuple[int, shapes.Customer, str]:
        made = customers.create(front.tenancy, who, name=body.name, alias=body.alias, now=desk.now())
        return 201, shape(made), f"/v1/customers/{made.label}"

    return repeatable(front.work, request, who, key, do)


@router.get("/v1/customers", responses=shapes.answers(shapes.Customers), summary="List customers", tags=["customers"])
def every(who: Caller, cursor: Cursor = None, limit: Limit = 50) -> shapes.Customers:
    """Read a page of the partner's customers."""
    place = Place.of(who, "customers")
    found, after = customers.page(desk.front().tenancy, who, after=place.position(cursor), limit=limit)
    return shapes.Customers(customers=[shape(one) for one in found], next=place.cursor(after))


@router.get(
    "/v1/customers/<customer>", responses=shapes.answers(shapes.Customer), summary="One customer", tags=["customers"]
)
def one(customer: shapes.CustomerLabel, who: Caller) -> Response[shapes.Customer]:
    """One customer, with its ETag."""
    return _tagged(shape(customers.one(desk.front().tenancy, who, customer)))


@router.patch(
    "/v1/customers/<customer>",
    responses=shapes.answers(shapes.Customer),
    summary="Change name and alias",
    tags=["customers"],
)
def edit(
    customer: shapes.CustomerLabel, body: shapes.CustomerEdit, who: Caller, if_match: shapes.IfMatch
) -> Response[shapes.Customer]:
    """Write name and alias anew, if the customer is still as it was read."""
    tenancy = desk.front().tenancy
    seen = customers.one(tenancy, who, customer)
    if fingerprint(shape(seen).model_dump()) != if_match:
        raise Stale
    return _tagged(shape(customers.edit(tenancy, who, seen, name=body.name, alias=body.alias)))


def _tagged(body: shapes.Customer) -> Response[shapes.Customer]:
    return Response(200, JSON, body, {"ETag": fingerprint(body.model_dump())})
