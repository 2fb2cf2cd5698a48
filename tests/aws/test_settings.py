"""Settings: each missing variable is named; nothing has a default."""

from __future__ import annotations

import pytest

from arche.aws.settings import SETTINGS_BY_HANDLER, ContentSettings, MainSettings, SettingsMissing, WorkerSettings


def test_every_missing_variable_is_named():
    env = dict.fromkeys(WorkerSettings.variables().values(), "x")
    del env["ARCHE_VAULT_BUCKET"]
    env["ARCHE_GRANT_FUNCTION"] = ""
    with pytest.raises(SettingsMissing) as caught:
        WorkerSettings.from_env(env)
    assert "worker needs ARCHE_VAULT_BUCKET, ARCHE_GRANT_FUNCTION," in str(caught.value)


@pytest.mark.parametrize("kind", sorted(set(SETTINGS_BY_HANDLER.values()), key=lambda kind: kind.__name__))
def test_every_field_comes_from_its_own_variable(kind):
    env = {name: f"value of {name}" for name in kind.variables().values()}
    read = kind.from_env(env)
    for field, name in kind.variables().items():
        assert getattr(read, field) == f"value of {name}"
        assert name == f"ARCHE_{field.upper()}"


def test_the_process_environment_is_read(monkeypatch):
    for name in MainSettings.variables().values():
        monkeypatch.setenv(name, "x")
    assert MainSettings.from_env().public_url == "x"


def test_content_starts_no_discovery():
    assert set(MainSettings.variables()) - set(ContentSettings.variables()) == {"discover_function"}


def test_only_grant_knows_the_data_roles_and_only_token_the_app_keys():
    for handler, kind in SETTINGS_BY_HANDLER.items():
        names = set(kind.variables())
        assert ("writer_role" in names) == (handler == "functions.access.grant")
        assert ("app_key" in names) == (handler == "functions.access.token")
        assert "vault_bucket" not in names or handler != "functions.api.main"
