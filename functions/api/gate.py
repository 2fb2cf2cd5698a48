"""The way in and out of both API functions: limits before anything is parsed, who is asking, safe headers after.

Who may do what comes from the claims that the authorizer verified and from the membership table, never from the
request. The authorizer has checked signature, issuer, audience and expiry before a function is called.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Annotated, Any, Final

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Request, Response
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.depends import Depends
from aws_lambda_powertools.utilities.typing import LambdaContext

from arche.model.tenancy import Member
from arche.operations.consent import Ending
from arche.operations.front_ports import TenancyBook
from arche.operations.members import member_of
from functions.api import pages
from functions.api.problem import answer_to, not_text, too_large, unsupported_media

BODY_LIMIT: Final = 64 * 1024
OPEN_PATHS: Final = frozenset({"/v1/consents/callback"})
_MEMBER: Final = "member"
_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
}


def resolver(routers: list[Router], logger: Logger) -> APIGatewayHttpResolver:
    """Make a resolver with the routes of ``routers``, validation on, and every error as problem+json."""
    app = APIGatewayHttpResolver(
        enable_validation=True,
        json_body_deserializer=_parse,
        # An answer of ours that has not its own form is our fault and not the caller's.
        response_validation_error_http_code=HTTPStatus.INTERNAL_SERVER_ERROR,
    )
    for router in routers:
        app.include_router(router)

    def to_problem(error: Exception) -> Response[str]:
        event = app.current_event.raw_event
        made = answer_to(error, path_of(event), logger)
        if path_of(event) not in OPEN_PATHS:
            return made
        # There a person looks at it, not a program.
        language = pages.preferred(app.current_event.headers.get("accept-language", ""))
        ending: Ending = "try_again" if made.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR else "link_used"
        return pages.page(ending, language, made.status_code)

    app.exception_handler(Exception)(to_problem)
    return app


def answer(
    app: APIGatewayHttpResolver,
    event: dict[str, Any],
    context: LambdaContext,
    *,
    tenancy: Callable[[], TenancyBook],
    logger: Logger,
) -> dict[str, Any]:
    """Answer one HTTP API event (payload 2.0)."""
    refused = _refused(event)
    if refused is not None:
        return _built(refused)
    path = path_of(event)
    if path not in OPEN_PATHS:
        try:
            app.append_context(  # type: ignore[no-untyped-call] # it has no annotation of its return
                **{_MEMBER: member_of(tenancy(), claims_of(event))}
            )
        except Exception as error:  # noqa: BLE001 - the last frame: whatever it is, the caller gets a problem
            return _built(answer_to(error, path, logger))
    return _with_headers(app.resolve(event, context))


def caller(request: Request) -> Member:
    """Give the member that asks. Use as ``Annotated[Member, Depends(caller)]``."""
    member: Member = request.context[_MEMBER]
    return member


Caller = Annotated[Member, Depends(caller)]
"""Parameter of a route: the member that asks."""


def claims_of(event: Mapping[str, Any]) -> Mapping[str, str]:
    """Claims that the JWT authorizer verified; empty if there was none."""
    authorizer = event.get("requestContext", {}).get("authorizer") or {}
    claims: Mapping[str, str] = (authorizer.get("jwt") or {}).get("claims") or {}
    return claims


def path_of(event: Mapping[str, Any]) -> str:
    """Path of the request, without the stage."""
    path = str(event.get("rawPath", "/"))
    stage = event.get("requestContext", {}).get("stage", "$default")
    return path.removeprefix(f"/{stage}") if stage != "$default" else path


def _parse(text: str) -> Any:
    """Parse JSON; what nests too deep for the parser is no JSON of ours."""
    try:
        return json.loads(text)
    except RecursionError:
        raise json.JSONDecodeError("nested too deep", "", 0) from None


def _refused(event: dict[str, Any]) -> Response[str] | None:
    """Refusals that need nothing but the raw event."""
    path = path_of(event)
    body = event.get("body")
    if not body:
        return None
    try:
        data = base64.b64decode(body, validate=True) if event.get("isBase64Encoded") else body.encode()
        data.decode()
    except (binascii.Error, UnicodeError):
        return not_text(path)
    if len(data) > BODY_LIMIT:
        return too_large(BODY_LIMIT, path)
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    media = headers.get("content-type", "").partition(";")[0].strip().lower()
    return None if media == "application/json" else unsupported_media(path)


def _built(response: Response[str]) -> dict[str, Any]:
    answered: dict[str, Any] = {
        "statusCode": response.status_code,
        "body": response.body,
        "isBase64Encoded": False,
        "headers": dict(response.headers),
        "cookies": [],
    }
    return _with_headers(answered)


def _with_headers(answered: dict[str, Any]) -> dict[str, Any]:
    answered["headers"] = {**_HEADERS, **answered.get("headers", {})}
    return answered
