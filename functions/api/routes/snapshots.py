"""Restore points of an account."""

from __future__ import annotations

from arche.model.work import RunRecord
from arche.operations import points
from functions.api import desk, shapes
from functions.api.gate import Caller
from functions.api.paging import Cursor, Limit, Place
from functions.api.routes import new_router

router = new_router()


def shape(record: RunRecord) -> shapes.Snapshot:
    """Show a restore point to a caller."""
    return shapes.Snapshot(
        snapshot=record.seq,
        taken=record.ended,
        started=record.started,
        colour=record.colour.value,
        items=record.items,
        stored_bytes=record.stored_bytes,
        services=_services(record),
        problems=_problems(record),
    )


def _services(record: RunRecord) -> dict[str, shapes.Counts]:
    return {name: shapes.Counts.model_validate(counts) for name, counts in record.counts.items()}


def _problems(record: RunRecord) -> list[shapes.RunProblem]:
    return [
        shapes.RunProblem(code=one.code, message=one.message, count=one.count, service=one.service)
        for one in record.problems[:50]
    ]


@router.get(
    "/v1/customers/<customer>/accounts/<account>/snapshots",
    responses=shapes.answers(shapes.Snapshots),
    summary="List restore points",
    tags=["snapshots"],
)
def every(
    *,
    customer: shapes.CustomerLabel,
    account: shapes.AccountLabel,
    who: Caller,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> shapes.Snapshots:
    """Read a page of restore points, newest first; it may be short, or empty, while there is a next one."""
    front, place = desk.front(), Place.of(who, "snapshots", customer=customer, account=account)
    found, after = points.page(
        front.tenancy, front.accounts, who, customer, account, after=place.position(cursor), limit=limit
    )
    return shapes.Snapshots(snapshots=[shape(one) for one in found], next=place.cursor(after))


@router.get(
    "/v1/customers/<customer>/accounts/<account>/runs",
    responses=shapes.answers(shapes.AccountRuns),
    summary="List runs",
    tags=["snapshots"],
)
def runs(
    customer: shapes.CustomerLabel,
    account: shapes.AccountLabel,
    who: Caller,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> shapes.AccountRuns:
    """Page through the runs, newest first: also those that found nothing new, or went wrong and say why."""
    front, place = desk.front(), Place.of(who, "runs", customer=customer, account=account)
    found, after = points.runs(
        front.tenancy, front.accounts, who, customer, account, after=place.position(cursor), limit=limit
    )
    listed = [
        shapes.AccountRun(
            run=one.run,
            started=one.started,
            ended=one.ended,
            colour=one.colour.value,
            outcome=one.outcome,
            snapshot=one.seq if one.outcome == "snapshot" else None,
            services=_services(one),
            problems=_problems(one),
        )
        for one in found
    ]
    return shapes.AccountRuns(runs=listed, next=place.cursor(after))
