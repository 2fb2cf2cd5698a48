"""Functions as deployed: where they run, what they are told, what they carry."""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import tomllib

import pytest
from packaging.specifiers import SpecifierSet

from arche.aws.settings import SETTINGS_BY_HANDLER
from infra.lambdas import ALLOCATOR
from infra.options import ROOT, OptionRefused, Options
from tests.infra.conftest import synthesize


def _functions(assembly) -> dict[str, dict]:
    found = assembly.resources("ArcheService", "AWS::Lambda::Function").values()
    return {function["Properties"]["FunctionName"]: function["Properties"] for function in found}


_OPERATORS = ("command", "doctor", "deployment", "members")
"""Modules of the operator's command line: they run on its machine, with all of boto3."""


def _module(function: dict) -> str:
    return function["Handler"].removesuffix(".lambda_handler")


@pytest.fixture(scope="module")
def build():
    spec = importlib.util.spec_from_file_location("layers_build", ROOT / "layers" / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_module_is_deployed(assembly):
    assert {_module(f) for f in _functions(assembly).values()} == set(SETTINGS_BY_HANDLER)


@pytest.mark.parametrize("module", sorted(SETTINGS_BY_HANDLER))
def test_environment_is_the_settings(assembly, module):
    for name, function in _functions(assembly).items():
        if _module(function) == module:
            told = set(function["Environment"]["Variables"])
            assert told - set(ALLOCATOR) == set(SETTINGS_BY_HANDLER[module].variables().values()), name
            assert set(ALLOCATOR) < told


@pytest.mark.parametrize("module", sorted(SETTINGS_BY_HANDLER))
def test_handler_can_be_imported(module):
    assert callable(importlib.import_module(module).lambda_handler)


def test_collect_runs_short_and_long(assembly):
    functions = _functions(assembly)
    short, long = functions["arche-backup-collect-short"], functions["arche-backup-collect-long"]
    assert short["Handler"] == long["Handler"] == "functions.backup.collect.lambda_handler"
    assert (short["Timeout"], long["Timeout"]) == (240, 900)
    assert (short["MemorySize"], long["MemorySize"]) == (256, 256)


def test_runtime_layer_and_project_agree(assembly, build):
    supported = SpecifierSet(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"])
    for name, function in _functions(assembly).items():
        assert function["Runtime"] == f"python{build.PYTHON_VERSION}", name
        assert function["Architectures"] == ["arm64"], name
        assert len(function["Layers"]) == 2, name
    assert build.PLATFORM.endswith("aarch64")
    assert build.PYTHON_VERSION in supported
    for layer in assembly.resources("ArcheService", "AWS::Lambda::LayerVersion").values():
        assert layer["Properties"]["CompatibleRuntimes"] == [f"python{build.PYTHON_VERSION}"]
        assert layer["Properties"]["CompatibleArchitectures"] == ["arm64"]


def test_layer_keeps_the_api_models_that_are_used(build):
    used = set()
    for folder in ("layers/core/python/arche/aws", "functions"):
        for path in (ROOT / folder).rglob("*.py"):
            if path.stem.startswith(_OPERATORS):
                continue
            text = path.read_text()
            used.update(re.findall(r"client\([^)\"]*\"([a-z0-9-]+)\"", text))
            used.update(name.replace("_", "-") for name in re.findall(r"from mypy_boto3_(\w+) import", text))
    assert used
    assert used <= build.BOTOCORE_SERVICES


def test_each_function_has_a_role_and_a_log_that_ends(assembly):
    roles = [json.dumps(f["Role"]) for f in _functions(assembly).values()]
    assert len(set(roles)) == len(roles)
    groups = assembly.resources("ArcheService", "AWS::Logs::LogGroup").values()
    assert {group["Properties"]["RetentionInDays"] for group in groups} == {90}
    named = {group["Properties"]["LogGroupName"] for group in groups}
    assert {f"/aws/lambda/{name}" for name in _functions(assembly)} <= named


def test_each_function_is_watched(assembly):
    alarms = str(assembly.resources("ArcheService", "AWS::CloudWatch::Alarm"))
    for logical_id in assembly.resources("ArcheService", "AWS::Lambda::Function"):
        assert logical_id in alarms


def test_asset_is_one_folder_under_its_dotted_name(assembly):
    assets = [path for path in assembly.folder.glob("asset.*") if (path / "functions").is_dir()]
    assert len(assets) == 5
    for asset in assets:
        assert {path.name for path in asset.iterdir()} == {"functions"}
        inside = {path.name for path in (asset / "functions").iterdir()}
        assert "__init__.py" in inside
        assert len(inside) == 2, inside
        assert not list(asset.rglob("*.pyc"))


def test_core_layer_is_our_code_alone(assembly):
    (core,) = [path for path in assembly.folder.glob("asset.*") if (path / "python" / "arche").is_dir()]
    assert [path.name for path in core.iterdir()] == ["python"]
    assert [path.name for path in (core / "python").iterdir()] == ["arche"]
    assert not list(core.rglob("*.pyc"))


def test_options_reach_the_functions(tmp_path):
    given = {
        "egress_proxy": "http://127.0.0.1:1",
        "ca_bundle": "/opt/ca.pem",
        "reserved": {"api-main": 3},
        "architecture": "x86_64",
        "schedules": "off",
        "check": "no",
        "tags": {"cost-centre": "7"},
    }
    functions = _functions(synthesized := synthesize(tmp_path / "out", default_rules=False, **given))
    collect = functions["arche-backup-collect-long"]["Environment"]["Variables"]
    assert collect["HTTPS_PROXY"] == "http://127.0.0.1:1"
    assert collect["SSL_CERT_FILE"] == "/opt/ca.pem"
    assert "127.0.0.1" in collect["NO_PROXY"]
    assert "HTTPS_PROXY" not in functions["arche-access-grant"]["Environment"]["Variables"]
    assert functions["arche-api-main"]["ReservedConcurrentExecutions"] == 3
    assert {f["Architectures"][0] for f in functions.values()} == {"x86_64"}
    schedules = synthesized.resources("ArcheService", "AWS::Scheduler::Schedule").values()
    assert {schedule["Properties"]["State"] for schedule in schedules} == {"DISABLED"}
    assert {"Key": "cost-centre", "Value": "7"} in functions["arche-api-main"]["Tags"]


@pytest.mark.parametrize(
    ("context", "message"),
    [
        ({"mfa": "off"}, "mfa=off"),
        ({"log_days": "12"}, "log_days=12"),
        ({"log_days": "many"}, "no whole number"),
        ({"concurrency": "12"}, "no JSON object"),
        ({"concurrency": '{"Firsts": "many"}'}, "no JSON object"),
        ({"second_region": "eu-west-1"}, "say both"),
        ({"second_region": "eu-west-1", "region": "eu-west-1"}, "say both"),
    ],
)
def test_options_are_refused_in_one_line(context, message):
    class Node:
        @staticmethod
        def try_get_context(name):
            return context.get(name)

    with pytest.raises(OptionRefused, match=message) as refused:
        Options.read(Node)
    assert "\n" not in str(refused.value)
