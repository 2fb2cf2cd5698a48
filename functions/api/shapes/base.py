"""Bounds and bases that all shapes share, and the answers that all operations share."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from aws_lambda_powertools.event_handler.openapi.params import Header, Path
from pydantic import BaseModel, ConfigDict, Field

from functions.api.problem import Problem

LINE: Final = r"^[^\p{Cc}\u2028\u2029\u202A-\u202E\u2066-\u2069]*$"

CustomerLabel = Annotated[str, Path(pattern=r"^K-\d{4,8}$", max_length=10)]
ConnectionLabel = Annotated[str, Path(pattern=r"^C-\d{2,6}$", max_length=8)]
AccountLabel = Annotated[str, Path(pattern=r"^A-\d{4,9}$", max_length=11)]
JobId = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9-]{7,63}$", max_length=64)]
ServiceName = Annotated[str, Path(pattern=r"^[a-z]{2,20}$", max_length=20)]
ItemId = Annotated[str, Path(max_length=1024, description="`id` of an entry, as the list gives it")]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[A-Za-z0-9._~:-]{1,100}$",
        description="The same key with the same request answers as the first time, for 24 hours",
    ),
]
IfMatch = Annotated[str, Header(alias="If-Match", pattern=r'^"[0-9a-f]{32}"$', description="ETag of what was read")]

Line = Annotated[str, Field(max_length=200, pattern=LINE)]
Label = Annotated[str, Field(max_length=11)]
Moment = Annotated[str, Field(max_length=30, description="ISO 8601, UTC", json_schema_extra={"format": "date-time"})]
AccountRef = Annotated[str, Field(pattern=r"^A-\d{4,9}$", max_length=11)]
Colour = Literal["green", "amber", "red", "grey"]
Conflict = Literal["skip", "rename", "keep_both", "replace"]


class Shape(BaseModel):
    """Base: refuses unknown fields."""

    model_config = ConfigDict(extra="forbid")


ERROR_STATUSES: Final = (403, 404, 409, 412, 413, 415, 422, 500, 503)
"""Every operation may answer with these; each body is a Problem."""


class Unauthorized(BaseModel):
    """What the gateway itself answers to a missing or stale token."""

    message: str = Field(max_length=100)


def answers(model: type[BaseModel], status: int = 200, description: str = "Done") -> dict[int, Any]:
    """Give the ``responses`` of an operation: one success with its model, and the errors that all share."""
    errors = {code: problems("See `code` and `detail`") for code in ERROR_STATUSES}
    return {
        status: {"description": description, "content": {"application/json": {"model": model}}},
        401: {"description": "No valid token", "content": {"application/json": {"model": Unauthorized}}},
        **errors,
    }


def problems(description: str) -> dict[str, Any]:
    """Give the ``responses`` entry of an error."""
    return {"description": description, "content": {"application/problem+json": {"model": Problem}}}
