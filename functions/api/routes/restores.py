"""Restores: a dry run first, then the start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.event_handler import Request, Response

from arche.model.restore import RestoreJob
from arche.operations import jobs, restores_request
from functions.api import desk, shapes
from functions.api.gate import Caller
from functions.api.refs import from_ref
from functions.api.repeat import repeatable
from functions.api.routes import new_router

router = new_router()
_BASE = "/v1/customers/<customer>/restores"


def shape(job: RestoreJob) -> shapes.Restore:
    """Show a restore to a caller. Plan and report hold numbers and sentences, no content."""
    return shapes.Restore(
        job=job.id,
        state=job.state,
        started=job.started,
        account=job.request.account,
        target_account=job.request.target,
        connection=job.connection,
        snapshot=int(job.plan.get("seq") or job.request.seq),
        message=job.message,
        plan=shapes.RestorePlan.model_validate(_known(shapes.RestorePlan, job.plan)) if job.plan else None,
        report=shapes.RestoreReport.model_validate(_known(shapes.RestoreReport, job.report)) if job.report else None,
    )


def _known(model: type[shapes.Shape], row: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what machines alone need."""
    return {name: row[name] for name in model.model_fields if name in row}


def _location(job: RestoreJob) -> str:
    return f"/v1/customers/{job.customer}/restores/{job.id}"


@router.post(
    _BASE,
    responses=shapes.answers(shapes.Restore, 202, "Accepted; poll until it is planned"),
    summary="Plan a restore (dry run)",
    tags=["restores"],
)
def plan(
    *,
    customer: shapes.CustomerLabel,
    body: shapes.NewRestore,
    who: Caller,
    request: Request,
    key: shapes.IdempotencyKey = None,
) -> Response[shapes.Restore]:
    """Find out what would be given back, where to, with which conflicts and losses. Nothing is written yet."""
    front = desk.front()

    def do() -> tuple[int, shapes.Restore, str]:
        wanted = restores_request.wish(
            account=body.account,
            items=[{"service": one.service, "id": from_ref(one.id)} for one in body.items],
            folders=[{"service": one.service, "id": from_ref(one.id)} for one in body.folders],
            whole=body.whole,
            target_account=body.target_account,
            into=from_ref(body.into),
            new_folder=body.new_folder,
            conflict=body.conflict,
            undo=body.undo,
        )
        job = restores_request.plan(
            front, who, customer, wanted, at=body.at, job=jobs.draw(who, "restore", key), now=desk.now()
        )
        return 202, shape(job), _location(job)

    return repeatable(front.work, request, who, key, do)


@router.get(f"{_BASE}/<job>", responses=shapes.answers(shapes.Restore), summary="One restore", tags=["restores"])
def one(customer: shapes.CustomerLabel, job: shapes.JobId, who: Caller) -> shapes.Restore:
    """One restore: its plan, how far it is, its report."""
    front = desk.front()
    return shape(restores_request.one(front.tenancy, front.work, who, customer, job))


@router.post(
    f"{_BASE}/<job>/start",
    responses=shapes.answers(shapes.Restore, 202, "Accepted; poll the restore"),
    summary="Start a planned restore",
    tags=["restores"],
)
def start(
    *,
    customer: shapes.CustomerLabel,
    job: shapes.JobId,
    who: Caller,
    request: Request,
    key: shapes.IdempotencyKey = None,
) -> Response[shapes.Restore]:
    """Carry out what was planned."""
    front = desk.front()

    def do() -> tuple[int, shapes.Restore, str]:
        started = restores_request.start(front, who, customer, job, now=desk.now())
        return 202, shape(started), _location(started)

    return repeatable(front.work, request, who, key, do)
