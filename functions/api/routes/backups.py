"""Backup now."""

from __future__ import annotations

from aws_lambda_powertools.event_handler import Request, Response

from arche.operations import backups_now, jobs
from functions.api import desk, shapes
from functions.api.gate import Caller
from functions.api.repeat import repeatable
from functions.api.routes import jobs as job_routes
from functions.api.routes import new_router

router = new_router()


@router.post(
    "/v1/customers/<customer>/backups",
    responses=shapes.answers(shapes.Job, 202, "Accepted; poll the job"),
    summary="Back up now",
    tags=["backups"],
)
def backup_now(
    *,
    customer: shapes.CustomerLabel,
    body: shapes.BackupNow,
    who: Caller,
    request: Request,
    key: shapes.IdempotencyKey = None,
) -> Response[shapes.Job]:
    """Start a run outside the slots."""
    front = desk.front()

    def do() -> tuple[int, shapes.Job, str]:
        job = backups_now.request(
            front,
            who,
            customer,
            chosen=body.accounts or [],
            connection=body.connection,
            job=jobs.draw(who, "backup", key),
            now=desk.now(),
        )
        return 202, job_routes.shape(job), job_routes.location(job)

    return repeatable(front.work, request, who, key, do)
