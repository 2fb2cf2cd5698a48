"""Starting and refusing: each obstacle is one line with a way out. No process is started here."""

from __future__ import annotations

import json
import stat

import pytest

from localcloud import __main__ as command
from localcloud import toolkit
from localcloud.children import Refused
from localcloud.cloud import Cloud
from localcloud.record import Record, hold


@pytest.fixture
def tools(monkeypatch):
    """Node, CDK and layer are there, whatever this machine has."""
    monkeypatch.setattr(toolkit, "require", lambda: None)


def _refusal(cloud: Cloud) -> str:
    with pytest.raises(Refused) as refused:
        cloud.start()
    cloud.stop()
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    "record",
    [
        Record(phase="starting"),
        Record(phase="starting", whole=True),
        Record(phase="stopped", whole=False),
        Record(phase="ready", whole=True),
    ],
)
def test_after_an_interrupted_start_fresh_is_asked_for(tools, tmp_path, record):
    record.write(tmp_path / "state.json")
    assert "--fresh" in _refusal(Cloud(tmp_path))


def test_another_world_is_not_mixed_in(tools, tmp_path):
    Record(phase="stopped", whole=True, world="/worlds/a").write(tmp_path / "state.json")
    assert "another world" in _refusal(Cloud(tmp_path))


def test_two_at_once_are_refused_with_the_first_ones_number(tools, tmp_path):
    Record(phase="ready", whole=True, pid=4711).write(tmp_path / "state.json")
    with hold(tmp_path):
        said = _refusal(Cloud(tmp_path))
    assert "4711" in said
    assert "kill 4711" in said


def test_lock_is_free_again_after_a_refusal(tools, tmp_path):
    Record(phase="starting").write(tmp_path / "state.json")
    _refusal(Cloud(tmp_path))
    with hold(tmp_path):
        pass


def test_a_torn_record_is_an_empty_one(tmp_path):
    path = tmp_path / "state.json"
    path.write_text('{"phase": "rea')
    assert Record.read(path) == Record()
    path.write_text("[]")
    assert Record.read(path) == Record()
    assert Record.read(tmp_path / "absent.json") == Record()


def test_record_is_its_owners_alone(tmp_path):
    path = tmp_path / "state.json"
    Record(member={"password": "x"}).write(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Record.read(path).member == {"password": "x"}


def test_port_is_kept_while_it_is_free(tmp_path, monkeypatch):
    cloud = Cloud(tmp_path)
    cloud.record.ports = {"emulator": 4711}
    monkeypatch.setattr("localcloud.cloud.in_use", lambda _port: False)
    assert cloud._port("emulator") == 4711
    monkeypatch.setattr("localcloud.cloud.in_use", lambda _port: True)
    moved = cloud._port("emulator")
    assert moved != 4711
    assert cloud.record.ports == {"emulator": moved}


def test_running_needs_one_that_is_ready(tmp_path):
    with pytest.raises(Refused, match="localcloud up"):
        Cloud.running(tmp_path)


def test_missing_node(monkeypatch):
    monkeypatch.setattr(toolkit.shutil, "which", lambda _name: None)
    with pytest.raises(Refused, match="Node is missing: install 20"):
        toolkit.require()


def test_old_node(monkeypatch, tmp_path):
    node = tmp_path / "node"
    node.write_text("#!/bin/sh\necho v18.1.0\n")
    node.chmod(0o755)
    monkeypatch.setattr(toolkit.shutil, "which", lambda _name: str(node))
    with pytest.raises(Refused, match=r"Node v18\.1\.0 is too old"):
        toolkit.require()


def test_missing_command_line_and_layer(monkeypatch, tmp_path):
    monkeypatch.setattr(toolkit, "_CDK", tmp_path / "cdk")
    with pytest.raises(Refused, match="npm ci"):
        toolkit.require()
    (tmp_path / "cdk").touch()
    monkeypatch.setattr(toolkit, "_CDK", tmp_path / "cdk")
    monkeypatch.setattr(toolkit, "_VENDOR", tmp_path / "vendor")
    with pytest.raises(Refused, match=r"layers/build\.py --local"):
        toolkit.require()


def test_reason_of_a_failed_deployment():
    assert toolkit.reason(["a", "ArcheData | UPDATE_FAILED | no such key", "at line 3", ""]) == (
        "ArcheData | UPDATE_FAILED | no such key"
    )
    assert toolkit.reason(["only this"]) == "only this"
    assert toolkit.reason([]) == "it said nothing"


def test_status_and_down_without_a_cloud(tmp_path, capsys):
    assert command.main(["status", "--home", str(tmp_path)]) == 1
    assert command.main(["down", "--home", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "not ready (new)\nnothing runs here\n"


def test_status_tells_an_interrupted_start(tmp_path, capsys):
    Record(phase="starting", pid=2**22 + 1).write(tmp_path / "state.json")
    assert command.main(["status", "--home", str(tmp_path)]) == 1
    assert "interrupted" in capsys.readouterr().out


def test_a_refusal_is_one_line_and_exit_code_1(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(toolkit.shutil, "which", lambda _name: None)
    assert command.main(["up", "--home", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("localcloud: Node is missing")
    assert said.count("\n") == 1


@pytest.mark.parametrize("arguments", [["up", "--world", "/nowhere"], ["up", "-c", "nothing"], ["sideways"]])
def test_arguments_that_make_no_sense(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    assert ended.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_options_are_those_of_any_deployment(tmp_path):
    from infra.options import Options

    cloud = Cloud(tmp_path, schedules=False, context={"log_days": "30"})
    given = cloud._options()
    assert set(given) <= set(Options.__dataclass_fields__)
    assert given["schedules"] == "off"
    assert given["log_days"] == "30"
    assert json.loads(given["tags"]) == {"ms-custom-id": "a4c4e000"}
