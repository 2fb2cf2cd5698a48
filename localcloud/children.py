"""Processes that the embedded cloud starts: free ports, watched starts, clean ends, what earlier starts left."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

LOOPBACK = "127.0.0.1"
_STOP_SECONDS = 30.0


class Refused(Exception):  # noqa: N818 - the name says what happened
    """The embedded cloud cannot go on. The message is one line: what happened, and what to do next."""


def free_port() -> int:
    """A port of the loopback interface that nobody uses now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def in_use(port: int) -> bool:
    """Whether somebody listens on the port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0


class Child:
    """One process with its log file, in a session of its own: Ctrl-C reaches us, and we end it in order."""

    def __init__(self, name: str, command: Sequence[str], *, env: Mapping[str, str], log: Path, cwd: Path) -> None:
        self.name = name
        self.log = log
        self._stopped = False
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as sink:
            self._process = subprocess.Popen(
                list(command),
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Wait for ``ready``. Raises Refused, with the last line of the log, if the process ends or time is up."""
        limit = time.monotonic() + seconds
        while not ready():
            if not self.alive():
                raise Refused(f"{self.name} ended at once: {self.last_line()} (all of it: {self.log})")
            if time.monotonic() > limit:
                raise Refused(
                    f"{self.name} did not answer within {seconds:.0f} s: {self.last_line()} (log: {self.log})"
                )
            time.sleep(0.05)

    def last_line(self) -> str:
        """The last line it said that is not empty."""
        lines = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        return lines[-1][:300] if lines else "it said nothing"

    def stop(self) -> bool:
        """Ask it to end, and wait. False if it had to be killed, or had ended by itself: then nothing was put away."""
        if self._stopped:
            return True
        self._stopped = True
        if not self.alive():
            return False
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(5)
            return False
        return True


def command_of(pid: int) -> str:
    """Command line of a process, "" if there is none. Asks ``ps``, which Linux and macOS have."""
    done = subprocess.run(["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def end_leftover(pid: int, mark: str) -> bool:
    """End a process of an earlier start if ``pid`` is still one: its command line holds ``mark``. True if it was."""
    if mark not in command_of(pid):
        return False
    os.kill(pid, signal.SIGTERM)
    limit = time.monotonic() + _STOP_SECONDS
    while mark in command_of(pid):
        if time.monotonic() > limit:
            os.kill(pid, signal.SIGKILL)
            break
        time.sleep(0.1)
    return True


def plain_environment(**extra: str) -> dict[str, str]:
    """What a child needs of ours and nothing else: no AWS profile, no proxy, no Python path of the caller."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TERM", "NVM_DIR", "VOLTA_HOME", "SystemRoot")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"PYTHONUNBUFFERED": "1"} | extra


def python() -> str:
    """The interpreter that everything runs on."""
    return sys.executable
