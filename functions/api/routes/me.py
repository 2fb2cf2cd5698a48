"""Who is asking."""

from __future__ import annotations

from typing import Annotated

from aws_lambda_powertools.event_handler import Router
from aws_lambda_powertools.event_handler.depends import Depends

from arche.operations.members import Member, rights_of
from functions.api import shapes
from functions.api.gate import caller

router = Router()


@router.get("/v1/me", responses=shapes.answers(shapes.Me), summary="Who is asking", tags=["me"])
def me(who: Annotated[Member, Depends(caller)]) -> shapes.Me:
    """Partner, role and rights of the caller."""
    return shapes.Me(partner=who.partner, role=who.role, sees_content=who.sees_content, may=sorted(rights_of(who)))
