"""Where a vendor sends an administrator's browser. Unauthenticated: the single-use state decides."""

from __future__ import annotations

from typing import Annotated, Any, Final

from aws_lambda_powertools.event_handler import Request, Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from arche.operations import consent
from functions.api import desk, pages
from functions.api.routes import new_router

router = new_router()
_HTML: Final[dict[str, Any]] = {"text/html": {"schema": {"type": "string"}}}
_RESPONSES: Final[dict[int, Any]] = {
    200: {"description": "Done; a page that says so", "content": _HTML},
    302: {"description": "On to the sign-in of an administrator", "content": _HTML},
    400: {"description": "A page that says what happened and what to do next", "content": _HTML},
    422: {"description": "The same, for a query longer than any vendor sends", "content": _HTML},
    500: {"description": "The same, for a fault of ours", "content": _HTML},
}
Text = Annotated[str | None, Query(max_length=8192)]


@router.get(
    "/v1/consents/callback",
    responses=_RESPONSES,
    summary="Next step of a consent",
    tags=["consents"],
    security=[{}],
)
def callback(
    request: Request,
    state: Text = None,
    code: Text = None,
    admin_consent: Text = None,
    error: Text = None,
) -> Response[str]:
    """Consent, then sign-in of an administrator, then the binding. What else is in the query is not read."""
    given = {"state": state, "code": code, "admin_consent": admin_consent, "error": error}
    query = {name: text for name, text in given.items() if text is not None}
    language = pages.preferred(request.headers.get("accept-language", ""))
    step = consent.callback(desk.front(), query, language=language, now=desk.now())
    if step.location:
        return Response(302, "text/html; charset=utf-8", "", {**pages.HEADERS, "Location": step.location})
    return pages.page(step.ending, step.language)
