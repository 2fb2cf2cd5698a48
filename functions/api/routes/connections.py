"""Connections of a customer, their consents and discoveries."""

from __future__ import annotations

from datetime import UTC, datetime

from aws_lambda_powertools.event_handler import Request, Response

from arche.model.tenancy import ConnectionRecord, Consent
from arche.model.work import iso
from arche.operations import connections, discover, jobs
from arche.operations.members import customer_of
from functions.api import desk, shapes
from functions.api.gate import Caller
from functions.api.repeat import repeatable
from functions.api.routes import jobs as job_routes
from functions.api.routes import new_router

router = new_router()
_BASE = "/v1/customers/<customer>/connections"


def _fields(record: ConnectionRecord) -> dict[str, object]:
    return {
        "connection": record.label,
        "platform": record.platform,
        "state": record.state,
        "tenant": record.tenant,
        "restore_ready": record.restore_ready,
        "discovery": record.discovery,
        "discovered": record.discovered or None,
        "leaving": record.leaving,
        "reason": record.reason,
        "message": record.message,
        "created": record.created,
    }


def _pending(record: ConnectionRecord, asked: Consent, url: str) -> shapes.PendingConnection:
    expires = iso(datetime.fromtimestamp(asked.expires, UTC))
    return shapes.PendingConnection.model_validate({**_fields(record), "consent_url": url, "expires": expires})


@router.post(
    _BASE,
    responses=shapes.answers(shapes.PendingConnection, 201),
    summary="Connect a cloud tenant",
    tags=["connections"],
)
def create(
    *,
    customer: shapes.CustomerLabel,
    body: shapes.NewConnection,
    who: Caller,
    request: Request,
    key: shapes.IdempotencyKey = None,
) -> Response[shapes.PendingConnection]:
    """Create a pending connection; an administrator of the tenant opens `consent_url`."""
    front = desk.front()

    def do() -> tuple[int, shapes.PendingConnection, str]:
        record, asked, url = connections.create(
            front, who, customer, platform=body.platform, language=body.language, now=desk.now()
        )
        return 201, _pending(record, asked, url), f"/v1/customers/{customer}/connections/{record.label}"

    return repeatable(front.work, request, who, key, do)


@router.get(_BASE, responses=shapes.answers(shapes.Connections), summary="List connections", tags=["connections"])
def every(customer: shapes.CustomerLabel, who: Caller) -> shapes.Connections:
    """All connections of a customer."""
    found = connections.every(desk.front().tenancy, who, customer)
    return shapes.Connections(connections=[shapes.Connection.model_validate(_fields(one)) for one in found])


@router.get(
    f"{_BASE}/<connection>",
    responses=shapes.answers(shapes.Connection),
    summary="One connection",
    tags=["connections"],
)
def one(customer: shapes.CustomerLabel, connection: shapes.ConnectionLabel, who: Caller) -> shapes.Connection:
    """One connection: its state, and what to do if it is red."""
    tenancy = desk.front().tenancy
    customer_of(tenancy, who, customer, "read")
    return shapes.Connection.model_validate(_fields(connections.one(tenancy, customer, connection)))


@router.post(
    f"{_BASE}/<connection>/reconsent",
    responses=shapes.answers(shapes.PendingConnection),
    summary="Ask for consent again, or for the restore app",
    tags=["connections"],
)
def reconsent(
    *,
    customer: shapes.CustomerLabel,
    connection: shapes.ConnectionLabel,
    body: shapes.Reconsent,
    who: Caller,
    request: Request,
    key: shapes.IdempotencyKey = None,
) -> Response[shapes.PendingConnection]:
    """Give a new link for an administrator of the same tenant."""
    front = desk.front()

    def do() -> tuple[int, shapes.PendingConnection, str]:
        record, asked, url = connections.reconsent(
            front, who, customer, connection, app=body.app, language=body.language, now=desk.now()
        )
        return 200, _pending(record, asked, url), ""

    return repeatable(front.work, request, who, key, do)


@router.post(
    f"{_BASE}/<connection>/discover",
    responses=shapes.answers(shapes.Job, 202, "Accepted; poll the job"),
    summary="Look who is there",
    tags=["connections"],
)
def discovery(
    *,
    customer: shapes.CustomerLabel,
    connection: shapes.ConnectionLabel,
    body: shapes.DiscoverRequest,
    who: Caller,
    request: Request,
    key: shapes.IdempotencyKey = None,
) -> Response[shapes.Job]:
    """Start a discovery of the tenant's accounts."""
    front = desk.front()

    def do() -> tuple[int, shapes.Job, str]:
        job = discover.request(
            front,
            who,
            customer,
            connection,
            confirm=body.confirm_leaving,
            job=jobs.draw(who, "discover", key),
            now=desk.now(),
        )
        return 202, job_routes.shape(job), job_routes.location(job)

    return repeatable(front.work, request, who, key, do)
