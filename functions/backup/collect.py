"""Entry of `collect`: one slice of work on the accounts of a batch. Deployed twice, short and long."""

from __future__ import annotations

from functools import cache
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from arche.aws import telemetry, wiring
from arche.aws.settings import WorkerSettings
from arche.model.deadline import Deadline
from arche.model.work import Batch
from arche.operations import collect


@cache
def logger() -> Logger:
    """Structured log of this function."""
    return telemetry.logger("collect")


@telemetry.guarded
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer the batch with ``status``, ``at`` and the number of ``slices`` so far.

    An error keeps its class name: Step Functions reads it as the name of the error.
    """
    batch = Batch.from_event(event)
    log = logger()
    log.append_keys(run=batch.run, customer=batch.customer, connection=batch.connection)
    ports = wiring.collect_ports(WorkerSettings.from_env(), event)
    deadline = Deadline.after(context.get_remaining_time_in_millis() / 1000, ports.now)
    came_to = collect.collect(batch, ports, deadline)
    log.info("slice", accounts=list(batch.accounts), status=came_to.status, at=came_to.at)
    return {**came_to.as_event(), "slices": int(event.get("slices", 0)) + 1}
