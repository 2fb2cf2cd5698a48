"""cdk-nag: nothing is found that is not acknowledged, and nothing is acknowledged that is not found."""

from __future__ import annotations

import pytest

from infra import acknowledged
from tests.infra.conftest import Assembly, synthesize


def test_nothing_is_found(assembly):
    assert assembly.violations() == set()


def test_every_acknowledgement_is_needed(tmp_path, monkeypatch):
    kept = []

    class Recorder:
        def __init__(self, construct) -> None:
            self._path = construct.node.path

        @classmethod
        def of(cls, construct):
            return cls(construct)

        def acknowledge(self, given) -> None:
            kept.append((self._path, given.id.removeprefix("AwsSolutions::"), given.reason))

    monkeypatch.setattr(acknowledged, "Validations", Recorder)
    with pytest.raises(Exception, match="ValidationFailed"):
        synthesize(tmp_path / "out", default_rules=False)
    found = Assembly(tmp_path / "out").violations()
    stale = [
        (path, rule) for path, rule, _reason in kept if not any(p.startswith(path) and r == rule for p, r in found)
    ]
    assert stale == []
    assert all(len(reason.split()) >= 5 for _path, _rule, reason in kept)


def test_an_acknowledgement_needs_a_reason():
    class Construct:
        class node:  # noqa: N801 - the shape of a construct
            path = "Somewhere"

    with pytest.raises(ValueError, match="without a reason"):
        acknowledged.acknowledge(Construct, "L1", "because")
