"""The two commands of the README, each in a clone of its own of what is committed, timed as a stranger would."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
COMMANDS: Final = {"readme_demo": ["make", "demo", "ONCE=1"], "readme_test": ["make", "test"]}
_SHOWN: Final = 20
_LEFT_OUT: Final = ("PYTHONPATH", "VIRTUAL_ENV", "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "SCALE", "PART", "SKIP_README")


def timed(command: list[str], folder: Path) -> tuple[float, int]:
    """Clone HEAD into ``folder``, run the command there, its setup included. Returns seconds and exit code."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    environment = {name: value for name, value in os.environ.items() if name not in _LEFT_OUT}
    log = folder.with_suffix(".log")
    began = time.monotonic()
    with log.open("wb") as sink:
        done = subprocess.run(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, check=False
        )
    seconds = time.monotonic() - began
    if done.returncode != 0:
        last = log.read_text(errors="replace").splitlines()[-_SHOWN:]
        print(f"`{' '.join(command)}` ended with {done.returncode}:", *last, sep="\n  ", file=sys.stderr)
    return seconds, done.returncode
