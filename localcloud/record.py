"""``state.json``: what is running, where, and how far the last start came."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Self

from localcloud.children import Refused


@dataclass(slots=True)
class Record:
    """Written at each step of a start, so that an interrupted one is recognised."""

    phase: str = "new"
    """``new``, ``starting``, ``ready`` or ``stopped``."""
    whole: bool = False
    """A start once came to ``ready``, and every end since then was clean."""
    pid: int = 0
    children: dict[str, int] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    endpoint: str = ""
    proxy: str = ""
    ca: str = ""
    control: str = ""
    world: str = ""
    outputs: dict[str, str] = field(default_factory=dict)
    member: dict[str, str] = field(default_factory=dict)
    apps: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read it; an absent or torn file is an empty record."""
        try:
            values = json.loads(path.read_text())
            return cls(**{name: values[name] for name in cls.__dataclass_fields__ if name in values})
        except (OSError, ValueError, TypeError, AttributeError):
            return cls()

    def write(self, path: Path) -> None:
        """Write it in one piece, readable by its owner alone: it holds the password of the local member."""
        draft = path.with_suffix(".draft")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(asdict(self), file, indent=1)
        draft.replace(path)


def hold(home: Path) -> IO[str]:
    """Take the lock of ``home`` until the returned file is closed. Raises Refused if another process has it."""
    home.mkdir(parents=True, exist_ok=True)
    file = (home / "lock").open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        pid = Record.read(home / "state.json").pid
        raise Refused(
            f"an embedded cloud already runs in {home}; end it with Ctrl-C where it runs, or with `kill {pid}`",
        ) from None
    return file
