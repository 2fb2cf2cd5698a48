"""Entry of `plan`: what a restore would do, and its batches."""

from __future__ import annotations

from functools import cache
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from arche.aws import telemetry, wiring
from arche.aws.settings import WorkerSettings
from arche.operations import plan


@cache
def logger() -> Logger:
    """Structured log of this function."""
    return telemetry.logger("plan")


@telemetry.guarded
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Answer the event with ``next`` (``end``, ``undo``, ``deliver``), the undo backup's input and the batches."""
    answer = plan.plan(event, wiring.restore_ports(WorkerSettings.from_env(), event))
    logger().info("plan", customer=event["customer"], job=event["job"], next=answer["next"])
    return answer
