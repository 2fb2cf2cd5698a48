"""How each item of a restore ended. In the content function: the results lie in the customer's part of a bucket."""

from __future__ import annotations

from arche.operations import restore_results
from functions.api import desk, shapes
from functions.api.gate import Caller
from functions.api.paging import Cursor, Limit, Place
from functions.api.refs import to_ref
from functions.api.routes import new_router

router = new_router()


@router.get(
    "/v1/customers/<customer>/restores/<job>/results",
    responses=shapes.answers(shapes.Results),
    summary="How each item ended",
    tags=["restores"],
)
def every(
    customer: shapes.CustomerLabel, job: shapes.JobId, who: Caller, cursor: Cursor = None, limit: Limit = 200
) -> shapes.Results:
    """Read a page of results, by the provider's ids; no names."""
    place = Place.of(who, "results", customer=customer, job=job)
    found, after = restore_results.page(
        desk.content(), who, customer, job, after=place.position(cursor), limit=limit, now=desk.now()
    )
    results = [
        shapes.Result(
            service=one.service,
            id=to_ref(one.id),
            action=one.action,
            new_id=to_ref(one.new_id),
            verified=one.verified,
            message=one.message,
            losses=[shapes.Loss(field=field, reason=reason) for field, reason in one.losses],
        )
        for one in found
    ]
    return shapes.Results(results=results, next=place.cursor(after))
