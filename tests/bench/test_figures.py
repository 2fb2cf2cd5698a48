"""A part's figures: a missed target ends with 1, the file is flat and never an old one."""

from __future__ import annotations

import json
import sys
import types

import pytest

from bench import __main__ as bench
from bench import figures
from bench.figures import Figure


@pytest.fixture(autouse=True)
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "RESULTS", tmp_path / "results")
    return tmp_path / "results" / "main-job.json"


def run(monkeypatch, measure, *arguments):
    monkeypatch.setitem(sys.modules, "bench.main_job", types.SimpleNamespace(measure=measure))
    monkeypatch.setattr(sys, "argv", ["bench", *arguments])
    return bench.main()


def test_all_met(monkeypatch, capsys, results):
    measured = {"puts": Figure(3, "PUT", "<=", 3), "seconds": Figure(1.2345, "s")}
    assert run(monkeypatch, lambda: measured, "main-job") == 0
    assert json.loads(results.read_text()) == {
        "puts": {"value": 3, "unit": "PUT", "target": "<= 3 PUT", "ok": True},
        "seconds": {"value": 1.2345, "unit": "s", "target": "-", "ok": True},
    }
    table = capsys.readouterr().out.splitlines()
    assert table[1].split() == ["puts", "3", "PUT", "<=", "3", "PUT", "yes"]
    assert table[2].split() == ["seconds", "1.234", "s", "-", "yes"]


@pytest.mark.parametrize(
    ("figure", "ok"),
    [
        (Figure(4, "PUT", "<=", 3), False),
        (Figure(2, "x", ">=", 3), False),
        (Figure(3, "x", ">=", 3), True),
        (Figure(1, "x", "==", 0), False),
        (Figure(0, "x", "==", 0), True),
        (Figure(10**9, "x"), True),
    ],
)
def test_a_missed_target_ends_with_1(monkeypatch, capsys, results, figure, ok):
    assert run(monkeypatch, lambda: {"fine": Figure(1, "x"), "this": figure}) == (0 if ok else 1)
    assert json.loads(results.read_text())["this"]["ok"] is ok
    assert capsys.readouterr().out.splitlines()[-1].endswith("yes" if ok else "NO")


def test_a_run_that_dies_leaves_no_old_file(monkeypatch, results):
    results.parent.mkdir()
    results.write_text("{}")

    def dies():
        assert not results.exists()
        raise RuntimeError("on its way")

    with pytest.raises(RuntimeError):
        run(monkeypatch, dies)
    assert not results.exists()


def test_an_unknown_part_is_refused(monkeypatch, capsys):
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, dict, "no-such-part")
    assert ended.value.code == 2
    assert "no-such-part" in capsys.readouterr().err
