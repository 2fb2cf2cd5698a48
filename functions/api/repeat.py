"""`Idempotency-Key` on POST: the answer of the first time, status and headers included."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TypeVar

from aws_lambda_powertools.event_handler import Request, Response

from arche.model.listing import Answer
from arche.model.tenancy import Member
from arche.operations.front_ports import WorkBook
from arche.operations.once import once
from functions.api import desk
from functions.api.shapes import Shape

S = TypeVar("S", bound=Shape)
JSON = "application/json"


def repeatable(
    work: WorkBook, request: Request, who: Member, key: str | None, do: Callable[[], tuple[int, S, str]]
) -> Response[S]:
    """Do it once per key. ``do`` returns status, body and the Location ("" for none); without a key it is just done."""

    def first_time() -> Answer:
        status, body, location = do()
        return Answer(status, {"Location": location} if location else {}, body.model_dump_json())

    if key is None:
        answer = first_time()
    else:
        asked = (request.method, request.resolved_event.path, request.body or "")
        answer = once(work, who, key, asked, now=desk.now(), do=first_time)
    return Response(answer.status, JSON, json.loads(answer.body), dict(answer.headers))
