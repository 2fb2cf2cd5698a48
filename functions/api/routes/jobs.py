"""Jobs: long work and how far it is."""

from __future__ import annotations

from arche.model.tenancy import Job
from arche.operations import jobs
from functions.api import desk, shapes
from functions.api.gate import Caller
from functions.api.paging import Cursor, Limit, Place
from functions.api.routes import new_router

router = new_router()


def shape(job: Job) -> shapes.Job:
    """Show a job to a caller."""
    return shapes.Job(
        job=job.id,
        kind=job.kind,
        state=job.state,
        created=job.created,
        message=job.message,
        accounts=job.accounts,
        accounts_done=job.accounts_done,
        colours=dict(job.colours),
    )


def location(job: Job) -> str:
    """Path of a job."""
    return f"/v1/customers/{job.customer}/jobs/{job.id}"


@router.get("/v1/customers/<customer>/jobs", responses=shapes.answers(shapes.Jobs), summary="List jobs", tags=["jobs"])
def every(customer: shapes.CustomerLabel, who: Caller, cursor: Cursor = None, limit: Limit = 50) -> shapes.Jobs:
    """Read a page of a customer's jobs, newest first."""
    front, place = desk.front(), Place.of(who, "jobs", customer=customer)
    found, after = jobs.page(front.tenancy, front.work, who, customer, after=place.position(cursor), limit=limit)
    return shapes.Jobs(jobs=[shape(one) for one in found], next=place.cursor(after))


@router.get(
    "/v1/customers/<customer>/jobs/<job>", responses=shapes.answers(shapes.Job), summary="One job", tags=["jobs"]
)
def one(customer: shapes.CustomerLabel, job: shapes.JobId, who: Caller) -> shapes.Job:
    """One job."""
    front = desk.front()
    return shape(jobs.one(front.tenancy, front.work, who, customer, job))
