"""The two commands of the README, each in a clone of its own of what is committed, timed as a stranger would."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
COMMANDS: Final = {"readme_demo_seconds": ["make", "demo", "ONCE=1"], "readme_test_seconds": ["make", "test"]}
_LEFT_OUT: Final = ("PYTHONPATH", "VIRTUAL_ENV", "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "SCALE", "PART", "SKIP_README")


class CommandFailed(Exception):  # noqa: N818 - the name says what happened
    """A command of the README ended with another code than 0."""


def seconds(command: list[str], folder: Path) -> float:
    """Clone HEAD into ``folder``, run the command there, its setup included. Raises CommandFailed."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    environment = {name: value for name, value in os.environ.items() if name not in _LEFT_OUT}
    log = folder.with_suffix(".log")
    began = time.monotonic()
    with log.open("wb") as sink:
        done = subprocess.run(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, check=False
        )
    if done.returncode != 0:
        lines = log.read_text(errors="replace").splitlines()
        raise CommandFailed(f"`{' '.join(command)}` ended with {done.returncode}: {' / '.join(lines[-3:])[:600]}")
    return time.monotonic() - began
