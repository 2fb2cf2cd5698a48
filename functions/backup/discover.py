"""Entry of discovery: one connection on demand, or all live ones once a day."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from arche.aws import telemetry, wiring
from arche.aws.settings import DiscoverSettings
from arche.model import labels
from arche.operations import discover

_SPARE_MS: Final = 60_000


@cache
def logger() -> Logger:
    """Structured log of this function."""
    return telemetry.logger("discover")


@telemetry.guarded
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """``{"daily": true}``, or ``{"run", "lease", "customer", "connection", "job", "confirm"}``; answers numbers."""
    ports = wiring.discover_ports(DiscoverSettings.from_env())
    if event.get("daily"):
        ended = discover.daily(
            ports,
            now=lambda: datetime.now(UTC),
            deadline=lambda: context.get_remaining_time_in_millis() < _SPARE_MS,
        )
        logger().info("daily discovery", extra={"ended": ended})
        return dict(ended)
    found = discover.run(
        ports,
        labels.require_customer(str(event["customer"])),
        labels.require_connection(str(event["connection"])),
        str(event["lease"]),
        confirm=int(event.get("confirm", 0)),
        now=datetime.now(UTC),
    )
    logger().info("discovery", customer=event["customer"], connection=event["connection"], state=found.state)
    return found.as_dict()
