"""Events in the history of an execution and of its children, as Step Functions' own API lists them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final

_PATIENCE_SECONDS: Final = 60


@dataclass(frozen=True)
class History:
    """``parent``: events of the execution; ``child``: events of the longest child of its distributed maps."""

    parent: int
    child: int


def newest(states: Any, machine: str) -> History:
    """Measure the newest execution of a machine, when it has ended."""
    execution = states.list_executions(stateMachineArn=machine, maxResults=1000)["executions"]
    arn = max((one for one in execution if not one.get("mapRunArn")), key=lambda one: one["startDate"])["executionArn"]
    until = time.monotonic() + _PATIENCE_SECONDS
    while states.describe_execution(executionArn=arn)["status"] == "RUNNING" and time.monotonic() < until:
        time.sleep(0.2)
    children = [
        child["executionArn"]
        for run in states.list_map_runs(executionArn=arn)["mapRuns"]
        for page in states.get_paginator("list_executions").paginate(mapRunArn=run["mapRunArn"])
        for child in page["executions"]
    ]
    return History(events(states, arn), max((events(states, child) for child in children), default=0))


def events(states: Any, execution: str) -> int:
    """Count the events of one execution."""
    pages = states.get_paginator("get_execution_history").paginate(
        executionArn=execution, includeExecutionData=False, PaginationConfig={"PageSize": 1000}
    )
    return sum(len(page["events"]) for page in pages)
