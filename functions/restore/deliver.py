"""Entry of `deliver`: gives the items of one batch back. The only function that uses the restore app."""

from __future__ import annotations

from functools import cache
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from arche.aws import telemetry, wiring
from arche.aws.settings import WorkerSettings
from arche.model.deadline import Deadline
from arche.operations import deliver


@cache
def logger() -> Logger:
    """Structured log of this function."""
    return telemetry.logger("deliver")


@telemetry.guarded
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer the line of the work list with ``status`` (``done``, ``continue``, ``later``) and ``at``."""
    ports = wiring.restore_ports(WorkerSettings.from_env(), event)
    deadline = Deadline.after(context.get_remaining_time_in_millis() / 1000, ports.now)
    answer = deliver.deliver(event, ports, deadline)
    logger().info("slice", customer=event["customer"], job=event["job"], batch=event["batch"], status=answer["status"])
    return answer
