"""Routes by noun: each maps a request to one operation and its result to a shape."""

from __future__ import annotations

from aws_lambda_powertools.event_handler.api_gateway import Router


def new_router() -> Router:
    """Make the router of one noun."""
    # The constructor takes nothing and has no annotation of its return.
    return Router()  # type: ignore[no-untyped-call]
