"""Entry of `schedule`: opens, continues and closes the runs of the machine `backup`."""

from __future__ import annotations

from functools import cache
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from arche.aws import telemetry, wiring
from arche.aws.settings import ScheduleSettings
from arche.operations import schedule


@cache
def logger() -> Logger:
    """Structured log of this function."""
    return telemetry.logger("schedule")


@telemetry.guarded
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Take a step of ``operations.schedule``; the machine's own input comes as ``{"input", "execution"}``."""
    step = {**event["input"], "execution": event["execution"]} if "input" in event else event
    answer = schedule.schedule(step, wiring.schedule_ports(ScheduleSettings.from_env()))
    logger().info("step", **{key: value for key, value in answer.items() if not key.endswith("_key")})
    return answer
