"""The main job and its bad weather through the deployed stacks, on a small world."""

from __future__ import annotations

import pytest

from localcloud.cloud import Cloud
from localcloud.demo.run import Story
from simulators.frame.control import Control
from tests.weather.cases import CASES, Case
from tests.weather.stage import EAST, NORTH, SOUTH, WEST, Stage

pytestmark = [pytest.mark.cloud, pytest.mark.xdist_group("cloud")]


def story(cloud: Cloud, domain: str) -> Story:
    tenant = next(one for one in Control(cloud.control).act("tenants") if one["domain"] == domain)
    return Story(cloud, tenant, lambda _line: None)


def test_a_customer_is_backed_up_purged_and_given_back_without_a_difference(cloud: Cloud) -> None:
    told = story(cloud, EAST)
    sums = told.tell(0)
    told.close()
    assert sums.differences == []
    assert sums.accounts == 4
    assert sums.backed_up == 24
    assert sums.deleted_at_source > 5
    assert sums.restored == sums.deleted_at_source
    assert sums.incremental > 0
    assert sums.verdict.fields > 100
    assert sums.declared_loss >= sums.restored


def test_altered_mails_are_found(cloud: Cloud) -> None:
    told = story(cloud, WEST)
    sums = told.tell(3)
    told.close()
    assert len(sums.differences) == 3
    assert all("subject" in one for one in sums.differences)


@pytest.fixture(scope="module")
def stage(cloud: Cloud) -> Stage:
    built = Stage.build(cloud)
    for domain in (NORTH, SOUTH):
        assert built.back_up(domain)["state"] == "done"
    return built


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_weather(stage: Stage, case: Case) -> None:
    try:
        seen = list(case.run(stage))
    finally:
        stage.control.clear()
    assert seen
    assert [text for text, good in seen if not good] == []
