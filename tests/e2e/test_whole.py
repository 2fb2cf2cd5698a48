"""The main job and its bad weather through the deployed stacks, on a small world."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from localcloud.cloud import Cloud
from localcloud.demo.run import Story
from simulators.frame.control import Control
from tests.weather.cases import CASES, Case
from tests.weather.stage import EAST, NORTH, SOUTH, WEST, Stage

pytestmark = pytest.mark.cloud


def story(cloud: Cloud, domain: str) -> Story:
    tenant = next(one for one in Control(cloud.control).act("tenants") if one["domain"] == domain)
    return Story(cloud, tenant, lambda _line: None)


def test_a_customer_is_backed_up_purged_and_given_back_without_a_difference(cloud: Cloud) -> None:
    with closing(story(cloud, EAST)) as told:
        sums = told.tell(0)
    assert sums.differences == []
    assert sums.accounts == 4
    assert sums.backed_up == 24
    assert sums.deleted_at_source > 5
    assert sums.restored == sums.deleted_at_source
    assert sums.incremental > 0
    assert sums.verdict.fields > 100
    assert sums.declared_loss >= sums.restored


def test_altered_mails_are_found(cloud: Cloud) -> None:
    with closing(story(cloud, WEST)) as told:
        sums = told.tell(3)
    assert len(sums.differences) == 3
    assert all("subject" in one for one in sums.differences)


CONTENT = ("ost.example", "west.example", "emil", "fritz", "gerda", "Vorgang", "Zeile 1", "Ünterlagen", "Nachtrag")


def test_no_name_and_no_content_in_logs_state_keys_and_rows(cloud: Cloud) -> None:
    """After the stories above: names live in the directory table, content in sealed objects, and nowhere else."""
    seen = {
        "logs": "".join(event["message"] for event in _log_events(cloud)),
        "state": "".join(_histories(cloud)),
        "object keys": "".join(_object_keys(cloud)),
        "rows": "".join(_rows(cloud)),
    }
    assert all(len(text) > 1000 for text in seen.values()), {where: len(text) for where, text in seen.items()}
    found = {(where, word) for where, text in seen.items() for word in CONTENT if word in text}
    assert found == set()


def _log_events(cloud: Cloud) -> Iterator[dict[str, Any]]:
    logs = cloud.client("logs")
    for group in logs.describe_log_groups()["logGroups"]:
        for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"]):
            yield from page["events"]


def _histories(cloud: Cloud) -> Iterator[str]:
    machines = cloud.client("stepfunctions")
    for machine in machines.list_state_machines()["stateMachines"]:
        for execution in machines.list_executions(stateMachineArn=machine["stateMachineArn"])["executions"]:
            history = machines.get_execution_history(executionArn=execution["executionArn"], maxResults=1000)
            yield json.dumps(history["events"], default=str)


def _object_keys(cloud: Cloud) -> Iterator[str]:
    s3 = cloud.client("s3")
    for bucket in s3.list_buckets()["Buckets"]:
        if "cdk" in bucket["Name"]:
            continue
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket["Name"]):
            yield from (entry["Key"] for entry in page.get("Contents", ()))


def _rows(cloud: Cloud) -> Iterator[str]:
    dynamodb = cloud.client("dynamodb")
    for table in ("TenancyTableName", "IndexTableName", "WorkTableName"):
        for page in dynamodb.get_paginator("scan").paginate(TableName=cloud.outputs[table]):
            yield json.dumps(page["Items"], default=str, ensure_ascii=False)


@pytest.fixture(scope="module")
def stage(cloud: Cloud) -> Iterator[Stage]:
    with closing(Stage.build(cloud)) as built:
        for domain in (NORTH, SOUTH):
            assert built.back_up(domain)["state"] == "done"
        yield built


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_weather(stage: Stage, case: Case) -> None:
    try:
        seen = list(case.run(stage))
    finally:
        stage.control.clear()
    assert seen
    assert [text for text, good in seen if not good] == []
