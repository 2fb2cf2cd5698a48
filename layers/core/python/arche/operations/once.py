"""The same request with the same key is done once and answered the same for 24 hours."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import datetime

from arche.model.listing import Answer
from arche.model.tenancy import Member
from arche.operations.front_ports import WorkBook
from arche.operations.refusals import Conflict, Invalid


def once(
    work: WorkBook, member: Member, key: str, request: tuple[str, str, str], *, now: datetime, do: Callable[[], Answer]
) -> Answer:
    """Answer of ``do``, or the stored one of an earlier call. ``request`` is method, path and body.

    A refused request stores nothing: it may be tried again with the same key. Raises Invalid if the key came with
    another request before, Conflict while the first one is being worked on, and whatever ``do`` raises.
    """
    fingerprint = hashlib.sha256(json.dumps([member.sub, *request]).encode()).hexdigest()
    claimed = work.claim_key(member.partner, key, fingerprint, int(now.timestamp()))
    if isinstance(claimed, Answer):
        return claimed
    if claimed == "other":
        raise Invalid(
            "This Idempotency-Key came with another request before. Draw a new key.", code="idempotency_key_reused"
        )
    if claimed == "busy":
        raise Conflict(
            "The same request is being worked on. Try again in a moment with the same key.",
            code="idempotency_key_in_use",
        )
    try:
        answer = do()
    except Exception:
        work.release_key(member.partner, key)
        raise
    work.store_answer(member.partner, key, answer)
    return answer
