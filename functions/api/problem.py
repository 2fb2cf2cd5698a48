"""Errors as RFC 9457 problem details: one shape, stable codes, and a next step in ``detail``."""

from __future__ import annotations

import json
import re
import traceback
from http import HTTPStatus
from typing import Any, Final

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestUnsupportedContentType, RequestValidationError
from pydantic import BaseModel, ConfigDict, Field

from arche.aws.errors import AwsError, AwsUnavailable
from arche.aws.settings import SettingsMissing
from arche.catalog import errors as rows
from arche.operations.access import AccessRefused
from arche.operations.refusals import Conflict, Invalid, NotAllowed, NotFound, Refusal, Stale, Unavailable

MEDIA: Final = "application/problem+json"
_STATUS: Final[dict[type[Refusal], HTTPStatus]] = {
    NotFound: HTTPStatus.NOT_FOUND,
    NotAllowed: HTTPStatus.FORBIDDEN,
    Invalid: HTTPStatus.UNPROCESSABLE_ENTITY,
    Conflict: HTTPStatus.CONFLICT,
    Stale: HTTPStatus.PRECONDITION_FAILED,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}
_FAULTS_SHOWN: Final = 10
_PLAIN: Final = re.compile(r"[A-Za-z0-9_.\-]{1,60}")


class Fault(BaseModel):
    """One field of the request that was not accepted."""

    model_config = ConfigDict(extra="forbid")
    where: str = Field(max_length=300, description="Place in the request, such as body.name or query.limit")
    what: str = Field(max_length=100, description="Kind of fault, such as string_too_long or extra_forbidden")
    why: str = Field(default="", max_length=300, description="What would be right, in a sentence")


class Problem(BaseModel):
    """Why a request was not done, and what to do next."""

    model_config = ConfigDict(extra="forbid")
    type: str = Field(max_length=100, description="urn:arche:problem: and the code")
    title: str = Field(max_length=100)
    status: int = Field(ge=400, le=599)
    detail: str = Field(max_length=500, description="What happened and what to do next")
    code: str = Field(max_length=60, description="Stable; programs decide by it")
    instance: str = Field(max_length=1024, description="Path of the request")
    errors: list[Fault] = Field(default_factory=list, max_length=_FAULTS_SHOWN)


def problem(
    status: HTTPStatus,
    code: str,
    detail: str,
    instance: str,
    *,
    errors: list[Fault] | None = None,
    headers: dict[str, str] | None = None,
) -> Response[str]:
    """Make the response. ``instance`` is the request's path."""
    body: dict[str, Any] = {
        "type": f"urn:arche:problem:{code}",
        "title": status.phrase,
        "status": int(status),
        "detail": detail,
        "code": code,
        "instance": instance[:1024],
    }
    if errors:
        body["errors"] = [fault.model_dump() for fault in errors[:_FAULTS_SHOWN]]
    all_headers: dict[str, str | list[str]] = {"Cache-Control": "no-store", **(headers or {})}
    return Response(int(status), MEDIA, json.dumps(body, ensure_ascii=False), all_headers)


def answer_to(error: Exception, instance: str, logger: Logger) -> Response[str]:
    """Make the response to any exception. What is not foreseen is logged without its message: that may hold content."""
    error = _refusal(error)
    if isinstance(error, Refusal):
        status = next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), HTTPStatus.BAD_REQUEST)
        wait = {"Retry-After": str(error.after)} if isinstance(error, Unavailable) else None
        return problem(status, error.code, error.detail, instance, headers=wait)
    if isinstance(error, RequestUnsupportedContentType):
        return unsupported_media(instance)
    if isinstance(error, RequestValidationError):
        return _invalid(error, instance)
    frames = traceback.extract_tb(error.__traceback__)
    logger.error(
        "unforeseen error",
        error=type(error).__name__,
        # These two are ours and hold names of settings and of AWS's codes only.
        text=str(error) if isinstance(error, (AwsError, SettingsMissing)) else "",
        at=[f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in frames[-6:]],
    )
    detail = "Something failed on our side. Try again; if it stays so, tell the operator the time and this path."
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", detail, instance)


def _refusal(error: Exception) -> Exception:
    """Errors of the tables and of the resolver in the words of the operations; anything else as it is."""
    match error:
        case rows.NotFound() | NotFoundError():
            return NotFound()
        case rows.BadCursor():
            return Invalid(
                "The cursor is damaged. Ask for the first page again, without a cursor.", code="cursor_invalid"
            )
        case rows.Busy() | AwsUnavailable():
            return Unavailable("The cloud did not answer. Try again in some seconds.")
        case AccessRefused():
            # The lease of the last look was closed meanwhile; the next quarter of an hour has its own.
            return Unavailable("This is not open for reading just now. Try again in some minutes.", after=300)
        case rows.Conflict():
            return Conflict("This was changed by someone else at the same moment. Read it again and try again.")
    return error


def unsupported_media(instance: str) -> Response[str]:
    """Make the response to a body that is not JSON."""
    detail = "Bodies are JSON. Send Content-Type: application/json."
    return problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail, instance)


def not_text(instance: str) -> Response[str]:
    """Make the response to a body that is not UTF-8."""
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_request", "Bodies are JSON in UTF-8.", instance)


def too_large(limit: int, instance: str) -> Response[str]:
    """Make the response to a body above the limit (bytes)."""
    detail = f"The body is larger than {limit} bytes. Split the request."
    return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "request_too_large", detail, instance)


def _invalid(error: RequestValidationError, instance: str) -> Response[str]:
    faults = [
        Fault(
            where=_place(fault.get("loc", ())),
            what=str(fault.get("type", "invalid"))[:100],
            why=str(fault.get("msg", ""))[:300],
        )
        for fault in error.errors()
    ]
    if any(fault.where.startswith("path.") for fault in faults):
        # A malformed id is nobody's id: it answers as every other unknown one.
        missing = NotFound()
        return problem(HTTPStatus.NOT_FOUND, missing.code, missing.detail, instance)
    detail = (
        "The request does not have the wanted form. See `errors` for the places and docs/openapi.json for the form."
    )
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_request", detail, instance, errors=faults)


def _place(location: Any) -> str:
    """Dotted place; what a caller made up (names of extra fields) is shown only if it is plain."""
    return ".".join(str(part) if _PLAIN.fullmatch(str(part)) else "?" for part in location)[:300]
