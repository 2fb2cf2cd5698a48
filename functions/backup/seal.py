"""Entry of `seal`: restore points, records and figures for the accounts of a batch that are done."""

from __future__ import annotations

from functools import cache
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from arche.aws import telemetry, wiring
from arche.aws.settings import WorkerSettings
from arche.model.work import Batch
from arche.operations import seal


@cache
def logger() -> Logger:
    """Structured log of this function."""
    return telemetry.logger("seal")


@cache
def metrics() -> Metrics:
    """Figures of all customers together; labels are log fields, never dimensions."""
    return Metrics(namespace="arche", service="backup")


@telemetry.guarded
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Answer the batch with ``sealed``: accounts by colour."""
    batch = Batch.from_event(event)
    sealed = seal.seal(batch, wiring.seal_ports(WorkerSettings.from_env(), event))
    counts = sealed.counts.as_dict()
    logger().info("sealed", run=batch.run, customer=batch.customer, colours=dict(sealed.colours), items=counts)
    for colour, number in sealed.colours.items():
        metrics().add_metric(f"accounts_{colour}", MetricUnit.Count, number)
    for ending, number in counts.items():
        metrics().add_metric(f"items_{ending}", MetricUnit.Count, number)
    metrics().flush_metrics()
    return sealed.as_event()
