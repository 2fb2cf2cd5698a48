"""``$batch``: what it takes, in which order it runs, and that each step stands alone."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.simulators.clients import GRAPH, Tenant, tenant_without_mail


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Tenant]:
    with tenant_without_mail(tmp_path) as made:
        yield made


def step(number: int, url: str = "/organization", **more: Any) -> dict[str, Any]:
    return {"id": str(number), "method": "GET", "url": url} | more


def run(cloud: Tenant, *steps: dict[str, Any]) -> dict[str, dict[str, Any]]:
    answer = cloud.post("/$batch", {"requests": list(steps)})
    assert answer.status_code == 200, answer.text
    responses = answer.json()["responses"]
    found = {response["id"]: response for response in responses}
    assert len(found) == len(responses) == len(steps)
    return found


def test_steps_stand_alone(cloud: Tenant) -> None:
    found = run(
        cloud,
        step(1, "/users?$top=2&$select=id"),
        step(2, "users/nobody"),
        step(3, "/domains"),
        step(4, "/inventions"),
        step(5, "/users", method="PUT", body={}, headers={"Content-Type": "application/json"}),
    )
    assert [found[str(number)]["status"] for number in range(1, 6)] == [200, 404, 200, 400, 405]
    assert len(found["1"]["body"]["value"]) == 2
    assert found["2"]["body"]["error"]["code"] == "Request_ResourceNotFound"
    ids = {response["headers"]["request-id"] for response in found.values()}
    assert len(ids) == 5
    assert found["1"]["headers"]["Content-Type"].startswith("application/json")


def test_twenty_in_any_order_and_not_one_more(cloud: Tenant) -> None:
    answer = cloud.post("/$batch", {"requests": [step(number) for number in range(20)]}).json()["responses"]
    assert [response["id"] for response in answer] != sorted((response["id"] for response in answer), key=int)
    refusal = cloud.post("/$batch", {"requests": [step(number) for number in range(21)]})
    assert (refusal.status_code, refusal.json()["error"]["code"]) == (400, "BadRequest")


@pytest.mark.parametrize(
    "steps",
    [
        [],
        [step(1), step(1)],
        [{"method": "GET", "url": "/users"}],
        [{"id": 1, "method": "GET", "url": "/users"}],
        [step(1, "https://graph.microsoft.com/v1.0/users")],
        [step(1, "//evil.example/users")],
        [step(1, method="TRACE")],
        [step(1, body={"a": 1}, method="POST")],
        [step(1, dependsOn=["2"])],
        [step(1), step(2, dependsOn=["1"]), step(3)],
        [step(1), step(2, dependsOn=["1"]), step(3, dependsOn=["1"]), step(4, dependsOn=["2"])],
        [step(1), step(2), step(3, dependsOn=["1", "2"])],
        [step(1, dependsOn=["2"]), step(2, dependsOn=["1"])],
        "nonsense",
    ],
)
def test_batches_that_are_refused_as_a_whole(cloud: Tenant, steps: Any) -> None:
    answer = cloud.post("/$batch", {"requests": steps})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "BadRequest"), answer.text
    assert cloud.control.count(template="/organization") == 0


def test_no_body_no_bearer_no_other_method(cloud: Tenant) -> None:
    assert cloud.client.post(f"{GRAPH}/$batch", headers=cloud.headers(), content=b"").status_code == 400
    assert cloud.client.post(f"{GRAPH}/$batch", json={"requests": [step(1)]}).status_code == 401
    assert cloud.client.get(f"{GRAPH}/$batch", headers=cloud.headers()).status_code == 405


def test_a_batch_in_a_batch(cloud: Tenant) -> None:
    inner = step(
        1, "/$batch", method="POST", body={"requests": [step(2)]}, headers={"Content-Type": "application/json"}
    )
    assert run(cloud, inner)["1"]["status"] == 400


def test_a_chain_runs_in_order_and_breaks_where_a_step_fails(cloud: Tenant) -> None:
    mark = cloud.control.mark()
    chain = [
        step(1, "/organization"),
        step(2, "/domains"),
        step(3, "/users/nobody"),
        step(4, "/domains"),
        step(5, "/users"),
    ]
    for before, entry in itertools.pairwise(chain):
        entry["dependsOn"] = [before["id"]]
    found = run(cloud, *chain)
    assert [found[str(number)]["status"] for number in range(1, 6)] == [200, 200, 404, 424, 424]
    templates = [call["template"] for call in cloud.control.calls(since=mark) if call.get("parent")]
    assert templates == ["/organization", "/domains", "/users/{id}"]


def test_all_on_one_parent(cloud: Tenant) -> None:
    steps = [step(1, "/users/nobody"), *(step(number, dependsOn=["1"]) for number in range(2, 5))]
    assert sorted(response["status"] for response in run(cloud, *steps).values()) == [404, 424, 424, 424]


def test_one_step_is_throttled_and_the_batch_is_not(cloud: Tenant) -> None:
    cloud.control.fault("throttle_429", scope={"template": "/domains"}, count=1, retry_after="3.5")
    found = run(cloud, step(1), step(2, "/domains"), step(3, "/domains"))
    assert sorted(response["status"] for response in found.values()) == [200, 200, 429]
    (throttled,) = [response for response in found.values() if response["status"] == 429]
    assert {name.lower(): value for name, value in throttled["headers"].items()}["retry-after"] == "3.5"
    assert throttled["body"]["error"]["code"] == "TooManyRequests"


def test_steps_are_in_the_log_under_their_batch(cloud: Tenant) -> None:
    mark = cloud.control.mark()
    run(cloud, step(1), step(2, "/users?$select=id"))
    calls = cloud.control.calls(since=mark)
    (batch,) = [call for call in calls if call["template"] == "/$batch"]
    inner = [call for call in calls if call.get("parent") == batch["request_id"]]
    assert sorted(call["template"] for call in inner) == ["/organization", "/users"]
    assert all(call["tenant"] == cloud.id and call["status"] == 200 for call in inner)
