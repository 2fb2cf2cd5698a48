"""As much of the States Language as our machines use, run in this process on a clock that jumps.

Strict where the service is: an unknown field, a path that leads nowhere or an error without a Catch ends the execution.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

KNOWN = {
    "Task": {"Resource", "Parameters", "ResultSelector", "ResultPath", "Retry", "Catch"},
    "Choice": {"Choices", "Default"},
    "Wait": {"TimestampPath"},
    "Pass": {"Result", "ResultPath", "Parameters"},
    "Parallel": {"Branches", "ResultPath", "Retry", "Catch"},
    "Map": {"ItemReader", "ItemProcessor", "ToleratedFailurePercentage", "ResultPath", "Catch"},
    "Succeed": set(),
    "Fail": {"Error", "Cause"},
}


class Failed(Exception):  # noqa: N818 - the name says what happened
    """An execution failed with this error name."""

    def __init__(self, error: str, cause: str = "") -> None:
        super().__init__(f"{error}: {cause}")
        self.error = error


@dataclass
class Interpreter:
    """``tasks`` by resource; ``lines`` reads a list by its key; ``wait`` lets the clock jump to a moment."""

    tasks: Mapping[str, Callable[[dict], Any]]
    lines: Callable[[str], list[dict]]
    wait: Callable[[str], None]
    context: dict[str, Any] = field(default_factory=lambda: {"Execution": {"Name": "e-1", "Id": "arn:e-1"}})
    events: int = 0
    children: list[int] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def run(self, machine: dict, data: Any) -> Any:
        name = machine["StartAt"]
        while True:
            state = machine["States"][name]
            unknown = set(state) - KNOWN[state["Type"]] - {"Type", "Comment", "Next", "End"}
            assert not unknown, f"{name}: {unknown}"
            self.events += 2
            assert len(json.dumps(data)) < 262_144, name
            try:
                data, following = self._step(state, copy.deepcopy(data))
            except Failed as failed:
                catch = next((c for c in state.get("Catch", []) if _matches(failed.error, c["ErrorEquals"])), None)
                if catch is None:
                    raise
                data = _put(data, catch.get("ResultPath", "$"), {"Error": failed.error, "Cause": str(failed)})
                following = catch["Next"]
            if following is None:
                return data
            name = following

    def _step(self, state: dict, data: Any) -> tuple[Any, str | None]:  # noqa: PLR0911 - one per type
        onward = state.get("Next")
        match state["Type"]:
            case "Succeed":
                return data, None
            case "Fail":
                raise Failed(state["Error"], state["Cause"])
            case "Choice":
                chosen = next((c["Next"] for c in state["Choices"] if _true(c, data)), state.get("Default"))
                assert chosen, "States.NoChoiceMatched"
                return data, chosen
            case "Wait":
                self.wait(_get(data, state["TimestampPath"]))
                return data, onward
            case "Pass":
                given = state["Result"] if "Result" in state else self._fill(state.get("Parameters", data), data)
                return _put(data, state.get("ResultPath", "$"), given), onward
            case "Task":
                made = self._task(state, self._fill(state["Parameters"], data) if "Parameters" in state else data)
                if "ResultSelector" in state:
                    made = self._fill(state["ResultSelector"], made)
                return _put(data, state.get("ResultPath", "$"), made), onward
            case "Parallel":
                made = [self.run(branch, copy.deepcopy(data)) for branch in state["Branches"]]
                return _put(data, state.get("ResultPath", "$"), made), onward
            case "Map":
                return _put(data, state.get("ResultPath", "$"), self._map(state, data)), onward
        raise AssertionError(state["Type"])

    def _map(self, state: dict, data: Any) -> list[Any]:
        reader = self._fill(state["ItemReader"]["Parameters"], data)
        results = []
        for line in self.lines(reader["Key"]):
            child = Interpreter(self.tasks, self.lines, self.wait, self.context)
            try:
                results.append(child.run(state["ItemProcessor"], line))
            except Failed as failed:
                self.failures.append(failed.error)  # tolerated
            self.children.append(child.events)
            self.failures += child.failures
        return results

    def _task(self, state: dict, given: Any) -> Any:
        tried: dict[int, int] = {}
        while True:
            self.events += 3
            try:
                return json.loads(json.dumps(self.tasks[state["Resource"]](json.loads(json.dumps(given)))))
            except Failed as failed:
                error = failed
            except Exception as raised:  # noqa: BLE001 - Lambda answers with the class name
                error = Failed(type(raised).__name__, "")
            number, rule = next(
                ((n, r) for n, r in enumerate(state.get("Retry", [])) if _matches(error.error, r["ErrorEquals"])),
                (-1, {"MaxAttempts": 0}),
            )
            tried[number] = tried.get(number, 0) + 1
            if tried[number] > rule["MaxAttempts"]:
                raise error

    def _fill(self, template: Any, data: Any) -> Any:
        if isinstance(template, dict):
            filled = {}
            for key, value in template.items():
                if key.endswith(".$"):
                    filled[key[:-2]] = self._path(value, data)
                else:
                    filled[key] = self._fill(value, data)
            return filled
        return template

    def _path(self, text: str, data: Any) -> Any:
        formatted = re.fullmatch(r"States\.Format\('([^']*)', (\$[\w.]*)\)", text)
        if formatted:
            return formatted[1].replace("{}", str(_get(data, formatted[2])), 1)
        return _get(self.context, text[1:]) if text.startswith("$$") else _get(data, text)


def _matches(error: str, names: list[str]) -> bool:
    return error in names or "States.ALL" in names


def _get(data: Any, path: str) -> Any:
    assert path.startswith("$"), path
    for step in filter(None, path[1:].split(".")):
        if not isinstance(data, dict) or step not in data:
            raise Failed("States.Runtime", f"{path} leads nowhere")
        data = data[step]
    return data


def _put(data: Any, path: str | None, value: Any) -> Any:
    if path is None:
        return data
    if path == "$":
        return value
    changed = copy.deepcopy(data)
    *steps, last = path[2:].split(".")
    place = changed
    for step in steps:
        place = place.setdefault(step, {})
    place[last] = value
    return changed


def _true(choice: dict, data: Any) -> bool:
    if "And" in choice:
        return all(_true(one, data) for one in choice["And"])
    value = _get(data, choice["Variable"])
    for name, test in {
        "StringEquals": lambda wanted: value == wanted,
        "BooleanEquals": lambda wanted: value is wanted,
        "NumericEquals": lambda wanted: value == wanted,
        "NumericGreaterThan": lambda wanted: value > wanted,
        "NumericGreaterThanEquals": lambda wanted: value >= wanted,
    }.items():
        if name in choice:
            return bool(test(choice[name]))
    raise AssertionError(choice)
