"""What the measurements make of what they see."""

from __future__ import annotations

from collections import Counter

import pytest

from bench import history, main_job, readme
from bench.history import History
from bench.mailboxes import Cost
from bench.processes import Unmeasurable, Watch
from localcloud.traffic import count, kind_of, mark, recording

MIB = 1 << 20


def cost(**seen):
    base = {"seconds": 2.0, "items": 10, "bytes": 4_000_000, "calls": 20, "stored": Counter(), "work": Counter()}
    return Cost(**(base | {"memory": {}, "history": History(1, 1, 1)} | seen))


def test_the_largest_worker_of_all_runs_counts():
    runs = [
        cost(memory={"arche-backup-collect-long": 100 * MIB, "arche-api-main": 900 * MIB}),
        cost(memory={"arche-backup-collect-short": 257 * MIB, "arche-backup-collect-long": 90 * MIB}),
    ]
    assert main_job._memory(*runs).value == 257
    assert not main_job._memory(*runs).ok
    assert main_job._memory(runs[0]).ok


def test_a_worker_that_nobody_saw_is_no_good_figure():
    with pytest.raises(Unmeasurable, match="nothing was measured"):
        main_job._memory(cost(memory={"arche-backup-collect-long": MIB}), cost(memory={"arche-api-main": MIB}))


def test_pace_and_puts():
    figures = main_job._pace("first", cost())
    assert {name: figure.value for name, figure in figures.items()} == {
        "first_seconds": 2.0,
        "first_items_per_s": 5.0,
        "first_mb_per_s": 2.0,
    }
    # The calls of an upload in parts are billed as PUT too.
    assert main_job._puts(cost(stored=Counter(PUT=2, POST=2, GET=9, LIST=1))) == 4


def test_the_usual_limit_makes_more_slices():
    assert main_job._patient_history(1) < main_job._patient_history(500_000) < main_job.EVENTS
    # 53 windows of 10 minutes, 36 slices of 15 minutes, and the seal.
    assert main_job._patient_history(500_000) == history.bound(53 + 36 + 1)


class States:
    """Step Functions as far as it is asked; the newest execution is the second."""

    def __init__(self):
        self.tasks = {"old": 9, "parent": 3, "short": 2, "long": 5}

    def list_executions(self, **_):
        listed = [("parent", 2, None), ("long", 3, "map"), ("old", 1, None)]
        return {"executions": [{"executionArn": a, "startDate": d, "mapRunArn": m} for a, d, m in listed]}

    def describe_execution(self, **_):
        return {"status": "SUCCEEDED"}

    def list_map_runs(self, **_):
        return {"mapRuns": [{"mapRunArn": "map"}]}

    def get_paginator(self, name):
        self.paging = name
        return self

    def paginate(self, mapRunArn="", executionArn="", **_):  # noqa: N803 - AWS's own names
        if self.paging == "list_executions":
            return [{"executions": [{"executionArn": "short"}]}, {"executions": [{"executionArn": "long"}]}]
        task = [{"events": [{"type": "TaskScheduled"}, {"type": "TaskSucceeded"}]}]
        return task * self.tasks[executionArn]


def test_history_of_the_newest_execution_and_its_longest_child():
    found = history.newest(States(), "machine")
    assert found == History(history.bound(3, 1), history.bound(5), 4)


@pytest.fixture
def proc(tmp_path):
    """A /proc with the emulator (7), two workers and a child that is no function."""
    children = {8: (b"arche-backup-collect-long", 200), 9: (b"arche-api-main", 80), 10: (b"", 999)}
    for pid, (name, held) in children.items():
        folder = tmp_path / str(pid)
        folder.mkdir()
        told = b"A=b\0AWS_LAMBDA_FUNCTION_NAME=" + name + b"\0" if name else b"A=b\0"
        (folder / "environ").write_bytes(told)
        (folder / "smaps_rollup").write_text(f"Rss: 1 kB\nPss:    {held * 1024} kB\nPss_Dirty: 1 kB\n")
        (folder / "status").write_text(f"Name: python\nVmHWM:   {held * 1024 + 1024} kB\n")
    task = tmp_path / "7" / "task" / "7"
    task.mkdir(parents=True)
    (task / "children").write_text("8 9 10 ")
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "smaps_rollup").touch()
    return tmp_path


def test_memory_is_the_peak_by_function_since_it_was_taken(proc):
    watch = Watch(7, proc)
    watch.sample()
    (proc / "8" / "smaps_rollup").write_text(f"Pss: {150 * 1024} kB\n")
    watch.sample()
    assert watch.take() == {"arche-backup-collect-long": 200 * MIB, "arche-api-main": 80 * MIB}
    watch.sample()
    assert watch.take()["arche-backup-collect-long"] == 150 * MIB
    assert watch.high_water()["arche-backup-collect-long"] == 201 * MIB


def test_a_process_that_goes_meanwhile_is_nothing(proc):
    watch = Watch(7, proc)
    watch.sample()
    (proc / "9" / "smaps_rollup").unlink()
    (proc / "7" / "task" / "7" / "children").write_text("9 11")
    watch.take()
    watch.sample()
    assert watch.take() == {"arche-api-main": 0}
    assert Watch(12, proc).take() == {}


def test_without_the_kernels_figures_it_says_so(tmp_path):
    with pytest.raises(Unmeasurable, match="on Linux"):
        Watch(7, tmp_path)


@pytest.mark.parametrize(
    ("request_", "kind"),
    [
        (("PUT", "/vault/p0/K-1/x", {}), ("vault", "PUT")),
        (("POST", "/vault/p0/K-1/x", {"uploads": [""]}), ("vault", "POST")),
        (("GET", "/vault/p0/K-1/x", {"versionId": ["1"]}), ("vault", "GET")),
        (("HEAD", "/vault/x", {}), ("vault", "HEAD")),
        (("GET", "/vault", {}), ("vault", "LIST")),
        (("GET", "/vault/", {"list-type": ["2"], "prefix": ["p0/"]}), ("vault", "LIST")),
        (("GET", "/vault", {"versioning": [""]}), ("vault", "BUCKET")),
        (("PUT", "/vault", {}), ("vault", "BUCKET")),
        (("GET", "/", {}), ("", "BUCKET")),
    ],
)
def test_kinds_of_requests(request_, kind):
    assert kind_of(*request_) == kind


def test_every_request_leaves_a_line_even_one_that_fails(tmp_path):
    import asyncio

    file = tmp_path / "state" / "requests.jsonl"

    async def serve(method, path, *_args, **_kwargs):
        if "bad" in path:
            raise RuntimeError(method)
        return path

    wrapped = recording(serve, file)
    assert asyncio.run(wrapped("PUT", "/vault/a", {}, b"", {})) == "/vault/a"
    since = mark(file)
    with pytest.raises(RuntimeError):
        asyncio.run(wrapped("PUT", "/vault/bad", {}, b"", {}, signed_path="x"))
    asyncio.run(wrapped("GET", "/keys", {}, b"", {"list-type": ["2"]}))
    assert count(file, since) == {("vault", "PUT"): 1, ("keys", "LIST"): 1}
    assert count(file)["vault", "PUT"] == 2


def test_a_command_of_the_readme_runs_in_a_clone_and_tells_its_end(tmp_path, monkeypatch, capsys):
    source = tmp_path / "source"
    source.mkdir()
    for command in (["init", "-q"], ["config", "user.email", "a@b.example"], ["config", "user.name", "A"]):
        readme.subprocess.run(["git", "-C", str(source), *command], check=True)
    (source / "file").write_text("committed")
    readme.subprocess.run(["git", "-C", str(source), "add", "file"], check=True)
    readme.subprocess.run(["git", "-C", str(source), "commit", "-q", "-m", "one"], check=True)
    (source / "file").write_text("not committed")
    monkeypatch.setattr(readme, "ROOT", source)
    monkeypatch.setenv("MAKEFLAGS", "w")
    good = ["sh", "-c", 'test "$(cat file)" = committed && test -z "$MAKEFLAGS"']
    took, code = readme.timed(good, tmp_path / "one")
    assert (took >= 0, code) == (True, 0)
    assert readme.timed(["sh", "-c", "echo what went wrong; exit 3"], tmp_path / "two")[1] == 3
    assert "what went wrong" in capsys.readouterr().err
