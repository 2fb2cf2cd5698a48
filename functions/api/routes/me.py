"""Who is asking."""

from __future__ import annotations

from aws_lambda_powertools.event_handler.api_gateway import Router

from functions.api import shapes
from functions.api.gate import Caller

router = Router()


@router.get("/v1/me", responses=shapes.answers(shapes.Me), summary="Who is asking", tags=["me"])
def me(who: Caller) -> shapes.Me:
    """Partner, role and rights of the caller."""
    return shapes.Me(partner=who.partner, role=who.role, sees_content=who.sees_content, may=sorted(who.rights))
