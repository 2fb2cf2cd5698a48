"""Who is asking."""

from __future__ import annotations

from functions.api import shapes
from functions.api.gate import Caller
from functions.api.routes import new_router

router = new_router()


@router.get("/v1/me", responses=shapes.answers(shapes.Me), summary="Who is asking", tags=["me"])
def me(who: Caller) -> shapes.Me:
    """Partner, role and rights of the caller."""
    return shapes.Me(partner=who.partner, role=who.role, sees_content=who.sees_content, may=sorted(who.rights))
