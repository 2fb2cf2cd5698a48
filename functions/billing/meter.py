"""Entry of `meter`: the daily usage rows."""

from __future__ import annotations

from functools import cache
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from arche.aws import telemetry, wiring
from arche.aws.settings import MeterSettings
from arche.operations import meter


@cache
def logger() -> Logger:
    """Structured log of this function."""
    return telemetry.logger("meter")


@telemetry.guarded
def lambda_handler(_event: dict[str, Any], _context: LambdaContext) -> dict[str, int]:
    """Answer the number of customers whose usage row of today was written."""
    customers = meter.meter(wiring.meter_ports(MeterSettings.from_env()))
    logger().info("usage", customers=customers)
    return {"customers": customers}
