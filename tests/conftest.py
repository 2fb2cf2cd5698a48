"""What several parts of the tests share: one embedded cloud per session."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from localcloud.cloud import Cloud
from localcloud.toolkit import ROOT
from tests.weather.stage import make_world

_START_SECONDS = 300


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A fresh deployment, shared by all workers of the session: the first one starts it, the last one ends it.

    Slots do not fire (``--still``), so nothing happens that a test did not ask for. Mark its users with ``cloud``.
    """
    alone = "PYTEST_XDIST_WORKER" not in os.environ
    base = tmp_path_factory.getbasetemp() if alone else tmp_path_factory.getbasetemp().parent
    home = base / "cloud"
    home.mkdir(exist_ok=True)
    process = None
    with _users(home, 1) as users:
        if users == 1:
            process = _start(home)
    try:
        yield Cloud.running(home)
    finally:
        with _users(home, -1) as users:
            if users == 0:
                _localcloud("down", "--home", str(home)).wait(90)
        if process is not None:
            # Whoever started it waits for its end, which the last user asks for.
            process.wait(600)


def _start(home: Path) -> subprocess.Popen[bytes]:
    log = home / "up.log"
    world = make_world(home / "world")
    process = _localcloud("up", "--fresh", "--still", "--home", str(home), "--world", str(world), log=log)
    limit = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < limit:
        if "] ready:" in log.read_text():
            return process
        time.sleep(0.2)
    process.terminate()
    process.wait(60)
    pytest.fail(f"the embedded cloud did not start: {log.read_text()[-2000:]}")


def _localcloud(*arguments: str, log: Path | None = None) -> subprocess.Popen[bytes]:
    paths = os.pathsep.join([str(ROOT), str(ROOT / "layers" / "core" / "python")])
    with (log or Path(os.devnull)).open("wb") as sink:
        return subprocess.Popen(
            [sys.executable, "-m", "localcloud", *arguments],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": paths},
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


@contextmanager
def _users(home: Path, change: int) -> Iterator[int]:
    """Count the workers that use it, under a lock: while one starts it, the others wait here."""
    with (home / "users.lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        counter = home / "users.json"
        users = (json.loads(counter.read_text()) if counter.exists() else 0) + change
        counter.write_text(json.dumps(users))
        yield users
