"""Entry of `report`: sums a restore up and ends it, or sends what was cut off through another round."""

from __future__ import annotations

from functools import cache
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from arche.aws import telemetry, wiring
from arche.aws.settings import WorkerSettings
from arche.operations import report


@cache
def logger() -> Logger:
    """Structured log of this function."""
    return telemetry.logger("report")


@telemetry.guarded
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Answer the event with ``next`` (``deliver``, ``end``) and ``round``."""
    answer = report.report(event, wiring.restore_ports(WorkerSettings.from_env(), event))
    logger().info("report", customer=event["customer"], job=event["job"], next=answer["next"])
    return answer
