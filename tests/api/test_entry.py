"""The two entries as they are deployed: ports from the environment, made at the first request and kept."""

from __future__ import annotations

import pytest

from arche.aws.settings import ContentSettings, MainSettings, SettingsMissing
from functions.api import content, desk, main
from tests.api.conftest import REGION, TABLES, Context, event_of

ENTRIES = [
    (main.lambda_handler, MainSettings, ("GET", "/v1/me")),
    (content.lambda_handler, ContentSettings, ("GET", "/v1/customers/K-999999/accounts/A-0001/items")),
]


@pytest.fixture
def deployed(world, monkeypatch):
    """The environment of a deployment, and no port made yet."""
    monkeypatch.undo()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_REGION", REGION)
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        for settings in (MainSettings, ContentSettings):
            for field, variable in settings.variables().items():
                patch.setenv(variable, getattr(TABLES, field.removesuffix("_table"), "") or f"https://{field}.example")
        forget()
        yield patch
        forget()


def forget():
    for made in (desk.front, desk.content):
        made.cache_clear()


@pytest.mark.parametrize(("handler", "settings", "asked"), ENTRIES)
def test_an_entry_answers_with_its_own_ports(deployed, handler, settings, asked):
    query = {"service": "exchange"}
    answer = handler(event_of(*asked, query=query), Context())
    assert answer["statusCode"] == (200 if asked[1] == "/v1/me" else 404)
    assert handler(event_of(*asked, query=query, who="stranger"), Context())["statusCode"] == 403


@pytest.mark.parametrize(("handler", "settings", "asked"), ENTRIES)
def test_a_missing_setting_is_an_error_of_ours(deployed, handler, settings, asked, caplog):
    deployed.delenv(settings.variables()["tenancy_table"])
    answer = handler(event_of(*asked), Context())
    assert answer["statusCode"] == 500
    assert "ARCHE_" not in answer["body"]
    assert caplog.records[-1].error == SettingsMissing.__name__


def test_entries_are_short():
    for module in (main, content):
        with open(module.__file__, encoding="utf-8") as source:  # noqa: PTH123 - a module's path is a text
            assert len(source.readlines()) <= 60
