"""Entry of the API's main function: everything but content. No KMS, no vault."""

from __future__ import annotations

from functools import cache
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.utilities.typing import LambdaContext

from arche.aws import telemetry
from functions.api import desk
from functions.api.gate import answer, resolver
from functions.api.routes import accounts, backups, connections, consents, customers, jobs, me, restores, snapshots

ROUTERS = [
    me.router,
    customers.router,
    connections.router,
    consents.router,
    accounts.router,
    backups.router,
    snapshots.router,
    restores.router,
    jobs.router,
]


@cache
def logger() -> Logger:
    """Structured log of this function."""
    return telemetry.logger("api-main")


@cache
def app() -> APIGatewayHttpResolver:
    """Make the routes of this function."""
    return resolver(ROUTERS, logger())


def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer an HTTP API event (payload 2.0)."""
    return answer(app(), event, context, tenancy=lambda: desk.front().tenancy, logger=logger())
