"""The state machines as files: every state can be reached, every name they use exists, nothing fails unseen."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from arche.operations.collect import LeaseClosed
from arche.operations.deliver import JobClosed
from arche.providers import errors

MACHINES = Path("infra/machines")
SUBSTITUTIONS = {
    "ScheduleArn",
    "CollectShortArn",
    "CollectLongArn",
    "SealArn",
    "DiscoverArn",
    "PlanArn",
    "DeliverArn",
    "ReportArn",
    "BackupMachineArn",
    "WorkBucket",
}
OURS = {name for name, kind in inspect.getmembers(errors, inspect.isclass)} | {LeaseClosed.__name__, JobClosed.__name__}
LAMBDA = {
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.TooManyRequestsException",
}


def load(name: str) -> dict:
    return json.loads((MACHINES / f"{name}.asl.json").read_text())


def machines(machine: dict, name: str = "", kind: str = "STANDARD") -> Iterator[tuple[str, str, dict]]:
    """A machine and all machines inside of it, each with the way in and its kind."""
    yield name, kind, machine
    for state_name, state in machine["States"].items():
        for branch in state.get("Branches", []):
            yield from machines(branch, f"{name}/{state_name}", kind)
        if "ItemProcessor" in state:
            inner = state["ItemProcessor"]
            yield from machines(inner, f"{name}/{state_name}", inner["ProcessorConfig"].get("ExecutionType", kind))


def states(name: str) -> Iterator[tuple[str, str, dict]]:
    for _, kind, machine in machines(load(name)):
        for state_name, state in machine["States"].items():
            yield state_name, kind, state


def onward(state: dict) -> set[str]:
    nexts = {state.get("Next"), state.get("Default")}
    nexts |= {choice["Next"] for choice in state.get("Choices", [])}
    nexts |= {catch["Next"] for catch in state.get("Catch", [])}
    return {name for name in nexts if name}


@pytest.mark.parametrize("name", ["backup", "restore"])
def test_every_state_is_reached_and_every_way_leads_somewhere(name):
    for way, _kind, machine in machines(load(name)):
        every = machine["States"]
        reached, queue = set(), [machine["StartAt"]]
        while queue:
            state = queue.pop()
            assert state in every, f"{way}: {state} does not exist"
            if state not in reached:
                reached.add(state)
                queue += onward(every[state])
        assert reached == set(every), f"{way}: {set(every) - reached} cannot be reached"
        for state_name, state in every.items():
            ends = state.get("End") or state["Type"] in {"Succeed", "Fail", "Choice"}
            assert ends or "Next" in state, state_name


@pytest.mark.parametrize("name", ["backup", "restore"])
def test_every_error_name_is_a_class_that_ends_a_task(name):
    for state_name, _kind, state in states(name):
        for rule in (*state.get("Retry", []), *state.get("Catch", [])):
            for error in rule["ErrorEquals"]:
                assert error in OURS | LAMBDA | {"States.ALL"}, f"{state_name}: {error}"
        for place, rule in enumerate(state.get("Retry", [])):
            if "States.ALL" in rule["ErrorEquals"]:
                assert place == len(state["Retry"]) - 1, f"{state_name}: States.ALL comes last"


@pytest.mark.parametrize("name", ["backup", "restore"])
def test_retries_are_jittered_and_bounded(name):
    for state_name, _kind, state in states(name):
        for rule in state.get("Retry", []):
            if rule["MaxAttempts"]:
                assert rule["JitterStrategy"] == "FULL", state_name
                assert rule["BackoffRate"] > 1, state_name
                assert rule["MaxAttempts"] <= 6, state_name


@pytest.mark.parametrize("name", ["backup", "restore"])
def test_lambda_tasks_survive_the_service_and_closed_doors_are_not_knocked_at_again(name):
    for state_name, _kind, state in states(name):
        if state["Type"] != "Task" or not state["Resource"].startswith("${"):
            continue
        assert set(state["Retry"][0]["ErrorEquals"]) >= LAMBDA, state_name
        if state["Resource"] in {"${CollectShortArn}", "${CollectLongArn}", "${DeliverArn}"}:
            never = {e for rule in state["Retry"] if rule["MaxAttempts"] == 0 for e in rule["ErrorEquals"]}
            assert {"CredentialRejected", "Forbidden"} <= never, state_name
            assert any("Unreachable" in rule["ErrorEquals"] for rule in state["Retry"]), state_name


@pytest.mark.parametrize("name", ["backup", "restore"])
def test_only_known_substitutions_and_no_address_are_in_the_file(name):
    text = (MACHINES / f"{name}.asl.json").read_text()
    assert set(re.findall(r"\$\{(\w+)\}", text)) <= SUBSTITUTIONS
    assert "arn:aws:lambda" not in text
    assert ("BackupMachineArn" in text) == (name == "restore")


@pytest.mark.parametrize("name", ["backup", "restore"])
def test_only_standard_machines_wait_and_only_until_a_moment(name):
    for state_name, kind, state in states(name):
        if state["Type"] == "Wait":
            assert kind == "STANDARD", state_name
            assert set(state) & {"Seconds", "SecondsPath", "Timestamp"} == set(), state_name
            assert state["TimestampPath"] == "$.at"


def test_maps_are_distributed_read_lines_and_fail_for_nobody():
    found = {}
    for name in ("backup", "restore"):
        for state_name, _kind, state in states(name):
            if state["Type"] == "Map":
                found[state_name] = state["ItemProcessor"]["ProcessorConfig"]["ExecutionType"]
                assert state["ItemProcessor"]["ProcessorConfig"]["Mode"] == "DISTRIBUTED"
                assert state["ToleratedFailurePercentage"] == 100
                assert state["ItemReader"]["ReaderConfig"] == {"InputType": "JSONL"}
                assert state["ItemReader"]["Parameters"]["Bucket"] == "${WorkBucket}"
                assert state["ResultPath"] is None
    assert found == {"Increments": "EXPRESS", "Rest": "STANDARD", "Firsts": "STANDARD", "Deliver": "STANDARD"}


def test_children_of_a_map_end_with_a_digit():
    for name in ("backup", "restore"):
        for way, _kind, machine in machines(load(name)):
            for state in machine["States"].values() if "ProcessorConfig" in machine else ():
                if state.get("End"):
                    assert state["Result"] == 1, way


def test_a_child_stays_far_below_the_history_limit():
    for _name, _kind, state in states("backup"):
        for choice in state.get("Choices", []):
            if choice.get("Variable") == "$.slices":
                # collect 5 events, choice 2, wait 2, for each slice; a retry of collect adds 3
                assert choice["NumericGreaterThanEquals"] * (5 + 2 + 2) <= 10_000


def test_whatever_happens_a_run_is_closed_and_a_restore_is_reported():
    backup, restore = load("backup")["States"], load("restore")["States"]
    assert backup["Work"]["Catch"][0] == {"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Close"}
    assert backup["Work"]["Next"] == "Close"
    assert restore["Deliver"]["Catch"][0]["Next"] == "Report"
    assert restore["Undo"]["Catch"][0]["Next"] == "UndoFailed"
    assert restore["UndoFailed"]["Next"] == "Report"
