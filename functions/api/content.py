"""Entry of the API's content function: what may show or move people's content, or read a customer's own objects."""

from __future__ import annotations

from functools import cache
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.utilities.typing import LambdaContext

from arche.aws import telemetry
from functions.api import desk
from functions.api.gate import answer, resolver
from functions.api.routes import items, results

ROUTERS = [items.router, results.router]


@cache
def logger() -> Logger:
    """Structured log of this function."""
    return telemetry.logger("api-content")


@cache
def app() -> APIGatewayHttpResolver:
    """Make the routes of this function."""
    return resolver(ROUTERS, logger())


def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer an HTTP API event (payload 2.0)."""
    return answer(app(), event, context, tenancy=lambda: desk.content().tenancy, logger=logger())
