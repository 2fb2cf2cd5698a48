"""Events in the history of an execution and of its children.

The emulator's own history leaves out events that AWS writes (states in children and branches, ``Started`` of a
function), so the figures are bounds: each task that ran, with all that AWS writes around it at most.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final

_PATIENCE_SECONDS: Final = 60
_TASK: Final = "TaskScheduled"
#: State entered, function scheduled, started, ended, state exited; then a Choice and a Wait, two events each.
_A_TASK: Final = 9
#: A branch's Choice, the Map's state, and start and end of its run.
_A_MAP: Final = 6
#: Start and end of the execution, and the states that are neither task nor map (Pass, Parallel, Succeed).
_THE_REST: Final = 14


@dataclass(frozen=True)
class History:
    """Events of the execution, of its longest child, and how many slices of work the longest child took."""

    parent: int
    child: int
    slices: int


def bound(tasks: int, maps: int = 0) -> int:
    """Return how many events AWS writes at most for an execution with so many tasks (each try counts) and maps."""
    return tasks * _A_TASK + maps * _A_MAP + _THE_REST


def newest(states: Any, machine: str) -> History:
    """Measure the newest execution of a machine, when it has ended."""
    found = states.list_executions(stateMachineArn=machine, maxResults=1000)["executions"]
    arn = max((one for one in found if not one.get("mapRunArn")), key=lambda one: one["startDate"])["executionArn"]
    until = time.monotonic() + _PATIENCE_SECONDS
    while states.describe_execution(executionArn=arn)["status"] == "RUNNING" and time.monotonic() < until:
        time.sleep(0.2)
    runs = states.list_map_runs(executionArn=arn)["mapRuns"]
    children = [
        child["executionArn"]
        for run in runs
        for page in states.get_paginator("list_executions").paginate(mapRunArn=run["mapRunArn"])
        for child in page["executions"]
    ]
    longest = max((tasks(states, child) for child in children), default=0)
    return History(bound(tasks(states, arn), len(runs)), bound(longest), max(0, longest - 1))


def tasks(states: Any, execution: str) -> int:
    """Count the tasks of one execution, every try of each."""
    pages = states.get_paginator("get_execution_history").paginate(
        executionArn=execution, includeExecutionData=False, PaginationConfig={"PageSize": 1000}
    )
    return sum(event["type"] == _TASK for page in pages for event in page["events"])
