"""The patches' own thinking; that they work is seen in test_embedded.py."""

from __future__ import annotations

import types

import pytest

from localcloud import emulator
from localcloud.emulator import EmulatorChanged, leading_keys

KEY = {"pk": {"S": "K-1"}, "sk": {"S": "x"}}
OTHER = {"pk": {"S": "K-2"}, "sk": {"S": "x"}}


@pytest.mark.parametrize(
    ("request_", "keys"),
    [
        ({"Key": KEY}, ["K-1"]),
        ({"Item": KEY}, ["K-1"]),
        (
            {
                "KeyConditionExpression": "#a = :b AND begins_with(sk, :c)",
                "ExpressionAttributeNames": {"#a": "pk"},
                "ExpressionAttributeValues": {":b": {"S": "K-1"}, ":c": {"S": "x"}},
            },
            ["K-1"],
        ),
        ({"KeyConditionExpression": "pk = :b", "ExpressionAttributeValues": {":b": {"S": "K-1"}}}, ["K-1"]),
        ({"RequestItems": {"t": {"Keys": [KEY, OTHER]}}}, ["K-1", "K-2"]),
        ({"RequestItems": {"t": [{"PutRequest": {"Item": KEY}}, {"DeleteRequest": {"Key": OTHER}}]}}, ["K-1", "K-2"]),
        ({"TransactItems": [{"Put": {"Item": KEY}}, {"ConditionCheck": {"Key": OTHER}}]}, ["K-1", "K-2"]),
        ({"TableName": "t"}, []),
        ({"Key": None, "RequestItems": None}, []),
    ],
)
def test_leading_keys(request_, keys):
    assert list(leading_keys(request_)) == keys


def test_another_version_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(emulator.importlib.metadata, "version", lambda _name: "9.9.9")
    with pytest.raises(EmulatorChanged, match=r"9\.9\.9 is installed"):
        emulator.patch(tmp_path / "layers")


def test_a_patch_without_its_place_is_refused():
    changed = types.SimpleNamespace(__name__="app")
    with pytest.raises(EmulatorChanged, match="pin_request_origin"):
        emulator.loopback_counts_as_tls(changed)
    with pytest.raises(EmulatorChanged, match="worker's script"):
        emulator.errors_keep_their_class(changed, changed)
    with pytest.raises(EmulatorChanged, match="layers"):
        emulator.layers_are_unpacked_once(changed, emulator.Path("unused"))
    with pytest.raises(EmulatorChanged, match="scheduler"):
        emulator.clock_is_looked_at_each_second(changed)


def test_a_changed_emulator_is_one_line_and_exit_code_2(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("STATE_DIR", str(tmp_path))
    monkeypatch.setattr(emulator.importlib.metadata, "version", lambda _name: "9.9.9")
    assert emulator.main() == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_sessions_are_seen_as_their_role():
    evaluator = types.SimpleNamespace(
        __name__="iam_evaluator", _resolve_condition_key=lambda key, context: context[key.lower()]
    )
    emulator.roles_have_their_arn(evaluator)
    session = {"aws:principalarn": "arn:aws:sts::1:assumed-role/path/arche-vault-writer/run-1", "aws:sourceip": "::1"}
    resolve = evaluator._resolve_condition_key
    assert resolve("aws:PrincipalArn", session) == "arn:aws:iam::1:role/path/arche-vault-writer"
    assert resolve("aws:SourceIp", session) == "::1"
    assert resolve("aws:PrincipalArn", {"aws:principalarn": "arn:aws:iam::1:root"}) == "arn:aws:iam::1:root"


def test_writes_carry_their_conditions():
    actions = types.SimpleNamespace(__name__="iam_actions", s3_service_context=lambda *_: {})
    emulator.writes_carry_their_conditions(actions)
    context = actions.s3_service_context
    assert context("s3:PutObject", {}, "/b/k", {"if-none-match": "*"}) == {
        "s3:ObjectCreationOperation": "true",
        "s3:if-none-match": "*",
    }
    assert context("s3:PutObject", {"partNumber": "1"}, "/b/k", {}) == {"s3:ObjectCreationOperation": "false"}
    locked = {"x-amz-object-lock-mode": "COMPLIANCE", "x-amz-object-lock-retain-until-date": "2999-01-01T00:00:00Z"}
    found = context("s3:PutObject", {}, "/b/k", locked)
    assert found["s3:object-lock-mode"] == "COMPLIANCE"
    assert int(found["s3:object-lock-remaining-retention-days"]) > 130
    assert context("s3:GetObject", {}, "/b/k", locked) == {}
