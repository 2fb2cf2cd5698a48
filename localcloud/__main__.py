"""``python -m localcloud up|down|status|demo``."""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
import time
from pathlib import Path

from localcloud.children import Refused, command_of
from localcloud.cloud import Cloud
from localcloud.record import Record
from localcloud.toolkit import ROOT

HOME = ROOT / ".local"
_MARK = "localcloud"


def say(line: str) -> None:
    """One line of progress."""
    print(line, flush=True)


def up(home: Path, world: Path | None, *, fresh: bool, still: bool, context: dict[str, str]) -> int:
    """Start, deploy, and wait for Ctrl-C (or ``down``)."""
    cloud = Cloud(home, world=world, fresh=fresh, schedules=not still, context=context, say=say)
    with cloud:
        member = cloud.record.member
        say(f"log-in: {member['email']}  password: in {home / 'state.json'}")
        say("Ctrl-C ends it; what was made is kept for the next start")
        while cloud.alive():
            time.sleep(0.5)
        raise Refused(f"a process ended by itself; its log is in {home / 'logs'}")


def down(home: Path) -> int:
    """End a running cloud."""
    record = Record.read(home / "state.json")
    if _MARK not in command_of(record.pid):
        say("nothing runs here")
        return 0
    os.kill(record.pid, signal.SIGTERM)
    while _MARK in command_of(record.pid):
        time.sleep(0.2)
    say("stopped")
    return 0


def status(home: Path) -> int:
    """Say what runs. Exit code 0 if a cloud is ready."""
    record = Record.read(home / "state.json")
    running = _MARK in command_of(record.pid)
    if not running or record.phase != "ready":
        say(f"not ready ({record.phase if running or record.phase in {'new', 'stopped'} else 'interrupted'})")
        return 1
    say(f"ready: API {record.outputs['ApiUrl']}  AWS {record.endpoint}  simulators {record.control}")
    return 0


def main(arguments: list[str]) -> int:
    """Read the arguments and do it. A refusal is one line and exit code 1."""
    if arguments[:1] == ["demo"]:
        demo = importlib.import_module("localcloud.demo.__main__")
        return int(demo.main(arguments[1:]))
    parser = argparse.ArgumentParser(prog="python -m localcloud", description="The embedded cloud.")
    parser.add_argument("command", choices=["up", "down", "status", "demo"])
    parser.add_argument("--fresh", action="store_true", help="forget what earlier starts kept")
    parser.add_argument(
        "-c", "--context", action="append", default=[], type=_option, help="option of the stacks: key=value"
    )
    parser.add_argument("--still", action="store_true", help="no slot and no daily work starts by itself")
    parser.add_argument("--world", type=Path, help="folder with the platforms' data (see README)")
    parser.add_argument("--home", type=Path, default=HOME, help="where everything is kept")
    given = parser.parse_args(arguments)
    if given.world is not None and not given.world.is_dir():
        parser.error(f"--world {given.world} is no directory")
    # SIGINT too: a shell starts what it puts into the background with SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        if given.command == "up":
            return up(given.home, given.world, fresh=given.fresh, still=given.still, context=dict(given.context))
        return down(given.home) if given.command == "down" else status(given.home)
    except Refused as refused:
        sys.stderr.write(f"localcloud: {refused}\n")
        return 1
    except KeyboardInterrupt:
        return 130 if given.command != "up" else 0


def _option(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text} is not key=value")
    return key, value


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
