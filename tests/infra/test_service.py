"""API, machines and schedules as deployed."""

from __future__ import annotations

import json

import pytest

from infra.machines import definition
from infra.options import ROOT, OptionRefused


def _routes(assembly) -> dict[str, dict]:
    found = assembly.resources("ArcheService", "AWS::ApiGatewayV2::Route").values()
    return {route["Properties"]["RouteKey"]: route["Properties"] for route in found}


def test_only_the_callback_needs_no_token(assembly):
    routes = _routes(assembly)
    free = {key for key, route in routes.items() if route.get("AuthorizationType") != "JWT"}
    assert free == {"GET /v1/consents/callback"}


def test_tokens_are_those_of_the_pool(assembly):
    (authorizer,) = assembly.resources("ArcheService", "AWS::ApiGatewayV2::Authorizer").values()
    assert "UserPool" in json.dumps(authorizer["Properties"]["JwtConfiguration"]["Issuer"])
    assert len(authorizer["Properties"]["JwtConfiguration"]["Audience"]) == 1


def test_content_goes_to_the_content_function(assembly):
    targets = {}
    integrations = assembly.resources("ArcheService", "AWS::ApiGatewayV2::Integration")
    for key, route in _routes(assembly).items():
        name = route["Target"]["Fn::Join"][1][1]["Ref"]
        function = json.dumps(integrations[name]["Properties"]["IntegrationUri"])
        targets[key] = "content" if "ApiContent" in function else "main"
    account = "/v1/customers/{customer}/accounts/{account}"
    assert {key for key, target in targets.items() if target == "content"} == {
        f"GET {account}/folders",
        f"GET {account}/items",
        f"GET {account}/items/{{service}}/{{item}}",
        f"GET {account}/items/{{service}}/{{item}}/content",
        "GET /v1/customers/{customer}/restores/{job}/results",
    }
    assert targets["POST /v1/{proxy+}"] == "main"


def test_access_log_holds_neither_paths_nor_people(assembly):
    (stage,) = assembly.resources("ArcheService", "AWS::ApiGatewayV2::Stage").values()
    written = json.loads(stage["Properties"]["AccessLogSettings"]["Format"])
    for word in ("path", "sourceIp", "claims", "userAgent"):
        assert word not in json.dumps(written)
    assert stage["Properties"]["DefaultRouteSettings"]["ThrottlingRateLimit"] > 0


def test_slots_of_a_day(assembly):
    schedules = [s["Properties"] for s in assembly.resources("ArcheService", "AWS::Scheduler::Schedule").values()]
    slots = {}
    for schedule in schedules:
        if schedule["Name"].startswith("arche-slot-"):
            slots[schedule["ScheduleExpression"]] = json.loads(schedule["Target"]["Input"])["slot"]
        assert "DeadLetterConfig" in schedule["Target"], schedule["Name"]
        assert schedule["State"] == "ENABLED"
    assert slots == {f"cron(0 {hour} * * ? *)": f"{hour:02d}" for hour in range(24)}
    assert {s["Name"] for s in schedules} >= {"arche-discovery", "arche-metering"}


def _machines(assembly) -> dict[str, dict]:
    found = assembly.resources("ArcheService", "AWS::StepFunctions::StateMachine").values()
    return {machine["Properties"]["StateMachineName"]: machine["Properties"] for machine in found}


def test_machines_are_logged_without_data(assembly):
    for machine in _machines(assembly).values():
        assert machine["StateMachineType"] == "STANDARD"
        assert machine["LoggingConfiguration"]["Level"] == "ALL"
        assert machine["LoggingConfiguration"]["IncludeExecutionData"] is False


def test_every_placeholder_is_filled_and_none_is_idle(assembly):
    for name, machine in _machines(assembly).items():
        wanted = set(_placeholders(machine["DefinitionString"]))
        given = set(machine["DefinitionSubstitutions"])
        assert wanted <= given, name
    used = {p for m in _machines(assembly).values() for p in _placeholders(m["DefinitionString"])}
    assert {"ScheduleArn", "CollectShortArn", "CollectLongArn", "SealArn", "PlanArn", "DeliverArn", "ReportArn"} <= used


def _placeholders(text: str) -> list[str]:
    return [part.split("}")[0] for part in text.split("${")[1:]]


def test_every_distributed_map_has_a_limit(assembly):
    for name, machine in _machines(assembly).items():
        for state in _maps(json.loads(machine["DefinitionString"])["States"]):
            assert state["MaxConcurrency"] > 0, name


def _maps(states: dict):
    for state in states.values():
        for branch in state.get("Branches", []):
            yield from _maps(branch["States"])
        if "ItemProcessor" in state:
            if state["ItemProcessor"].get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED":
                yield state
            yield from _maps(state["ItemProcessor"]["States"])


def test_a_map_without_a_figure_is_refused():
    with pytest.raises(OptionRefused, match="Increments"):
        definition(ROOT / "infra" / "machines" / "backup.asl.json", {"Firsts": 1})


def test_dead_letters_and_failed_runs_alarm(assembly):
    alarms = [a["Properties"] for a in assembly.resources("ArcheService", "AWS::CloudWatch::Alarm").values()]
    metrics = {alarm["MetricName"] for alarm in alarms}
    assert {"Errors", "ExecutionsFailed", "ExecutionsTimedOut", "ApproximateNumberOfMessagesVisible"} <= metrics
    assert all(alarm["AlarmActions"] for alarm in alarms)
    board = json.dumps(assembly.resources("ArcheService", "AWS::CloudWatch::Dashboard"))
    assert "customer" not in board
