"""Memory of function processes, read from the kernel beside them: their share of memory, sampled, and its high water.

The product is not asked. A function process is a child of the emulator that has Lambda's own variable with its name.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Final, Self

PERIOD: Final = 0.25
"""Seconds between two samples."""
_PROC: Final = Path("/proc")
_NAME: Final = b"AWS_LAMBDA_FUNCTION_NAME="


class Unmeasurable(Exception):  # noqa: N818 - the name says what happened
    """What is to be measured cannot be seen here."""


class Watch:
    """Samples every child of ``parent`` that is a function, until the block ends."""

    def __init__(self, parent: int, proc: Path = _PROC) -> None:
        if not (proc / "self" / "smaps_rollup").exists():
            raise Unmeasurable("memory is read from /proc/PID/smaps_rollup: run this part on Linux")
        self._parent = parent
        self._proc = proc
        self._names: dict[int, str] = {}
        self._peaks: dict[str, int] = {}
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def take(self) -> dict[str, int]:
        """Return the peak of each function since the last call, in bytes, and begin anew."""
        with self._lock:
            found, self._peaks = self._peaks, {}
        return found

    def high_water(self) -> dict[str, int]:
        """Return the most that a process of each function ever held, shared pages in full, in bytes (VmHWM)."""
        found: dict[str, int] = {}
        for pid, name in self._functions().items():
            held = _field(self._proc / str(pid) / "status", "VmHWM:")
            found[name] = max(found.get(name, 0), held)
        return found

    def sample(self) -> None:
        """Look once."""
        for pid, name in self._functions().items():
            held = _field(self._proc / str(pid) / "smaps_rollup", "Pss:")
            with self._lock:
                self._peaks[name] = max(self._peaks.get(name, 0), held)

    def _watch(self) -> None:
        while not self._over.wait(PERIOD):
            self.sample()

    def _functions(self) -> dict[int, str]:
        try:
            listed = (self._proc / str(self._parent) / "task").iterdir()
            children = {int(pid) for task in listed for pid in (task / "children").read_text().split()}
        except OSError:
            return {}
        self._names = {pid: name for pid, name in self._names.items() if pid in children}
        for pid in children - self._names.keys():
            if name := _function(self._proc / str(pid) / "environ"):
                self._names[pid] = name
        return self._names


def _function(environ: Path) -> str:
    try:
        entries = environ.read_bytes().split(b"\0")
    except OSError:
        return ""
    return next((entry[len(_NAME) :].decode() for entry in entries if entry.startswith(_NAME)), "")


def _field(file: Path, name: str) -> int:
    """One field of a file of the kernel, told in kB; 0 when the process is gone."""
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(name)), 0)
