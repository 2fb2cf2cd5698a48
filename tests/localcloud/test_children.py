"""Processes: watched starts, clean ends, leftovers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from localcloud.children import Child, Refused, command_of, end_leftover, free_port, in_use, plain_environment


def _child(tmp_path, code: str) -> Child:
    return Child(
        "thing",
        [sys.executable, "-c", code],
        env=plain_environment(),
        log=tmp_path / "logs" / "thing.log",
        cwd=tmp_path,
    )


def test_a_child_that_ends_at_once_is_told_with_its_last_line(tmp_path):
    child = _child(tmp_path, "print('first'); print('port is taken'); raise SystemExit(1)")
    with pytest.raises(Refused, match=r"thing ended at once: port is taken \(all of it: .*thing.log\)"):
        child.wait_until(lambda: False, 30)


def test_a_child_that_never_answers_is_told(tmp_path):
    child = _child(tmp_path, "import time; time.sleep(60)")
    try:
        with pytest.raises(Refused, match="thing did not answer within 0 s: it said nothing"):
            child.wait_until(lambda: False, 0)
    finally:
        assert child.stop()


def test_stop_is_clean_once_and_again(tmp_path):
    ready = tmp_path / "ready"
    child = _child(
        tmp_path,
        "import pathlib, signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (pathlib.Path('ended').touch(), sys.exit(0)))\n"
        "pathlib.Path('ready').touch()\n"
        "time.sleep(60)",
    )
    child.wait_until(ready.exists, 30)
    assert child.alive()
    assert child.stop()
    assert (tmp_path / "ended").exists()
    assert child.stop()
    assert not child.alive()


def test_one_that_ended_by_itself_did_not_end_cleanly(tmp_path):
    child = _child(tmp_path, "raise SystemExit(0)")
    child.wait_until(lambda: not child.alive(), 30)
    assert not child.stop()


def test_a_child_gets_nothing_of_ours_that_it_does_not_need(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    child = _child(tmp_path, "import os; print(sorted(os.environ))")
    child.wait_until(lambda: not child.alive(), 30)
    assert not {"AWS_PROFILE", "HTTPS_PROXY", "PYTHONPATH"} & set(eval(child.last_line()))  # noqa: S307 - our own output


def test_leftovers_are_ended_only_if_they_are_ours(tmp_path):
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        assert not end_leftover(stranger.pid, "localcloud.emulator")
        assert stranger.poll() is None
        # A leftover is nobody's child any more, so whoever started it reaps it here meanwhile.
        signal.signal(signal.SIGCHLD, lambda *_: stranger.poll())
        assert end_leftover(stranger.pid, "time.sleep(60)")
    finally:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        stranger.kill()
        stranger.wait()
    assert not end_leftover(2**22 + 1, "anything")


def test_command_of_a_process():
    assert "python" in command_of(os.getpid())
    assert command_of(2**22 + 1) == ""


def test_free_port_is_free():
    assert not in_use(free_port())


def test_port_in_use_is_seen():
    import socket

    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        assert in_use(server.getsockname()[1])
