"""``python -m localcloud demo``: the main job, for real, with a summary line and an exit code."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn

from localcloud.children import Refused
from localcloud.cloud import Cloud
from localcloud.demo.customer import SERVICE
from localcloud.demo.partner import ApiRefused, JobFailed
from localcloud.demo.run import COUNTED, Story, Sums
from localcloud.record import Record
from localcloud.toolkit import ROOT
from simulators.frame.control import Control

_SHOWN = 20


def say(line: str) -> None:
    """One line of progress."""
    print(line, flush=True)


def tell(cloud: Cloud, sabotage: int) -> list[Sums]:
    """Every tenant of the world in turn, a line for each platform and service."""
    told: list[Sums] = []
    left = sabotage
    for tenant in Control(cloud.control).act("tenants"):
        story = Story(cloud, tenant, cloud.say)
        try:
            sums = story.tell(left)
        finally:
            story.close()
        say(f"microsoft365 {SERVICE} {tenant['domain']} {sums.line()}")
        for difference in sums.differences[:_SHOWN]:
            say(f"  differs: {difference}")
        if len(sums.differences) > _SHOWN:
            say(f"  and {len(sums.differences) - _SHOWN} more")
        told.append(sums)
        left -= sums.altered
    if left:
        say(f"only {sabotage - left} mails were restored that could be altered, {sabotage} were wanted")
    return told


def total(told: list[Sums]) -> Sums:
    """Add up all tenants."""
    whole = Sums()
    for one in told:
        for name in COUNTED:
            setattr(whole, name, getattr(whole, name) + getattr(one, name))
        for verdict, part in ((whole.proof, one.proof), (whole.verdict, one.verdict)):
            verdict.fields += part.fields
            verdict.bytes += part.bytes
            verdict.differences += part.differences
    return whole


def main(arguments: list[str]) -> int:
    """Start, deploy, tell the story; stay up unless ``--once``."""
    parser = argparse.ArgumentParser(prog="python -m localcloud demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end with a summary line and an exit code")
    parser.add_argument("--world", type=Path, help="folder with your own data (see README)")
    parser.add_argument("--sabotage", type=int, default=0, help="alter so many restored mails before comparing")
    parser.add_argument("--fresh", action="store_true", help="forget what earlier starts kept")
    parser.add_argument("--home", type=Path, default=ROOT / ".local" / "demo", help="where everything is kept")
    given = parser.parse_args(arguments)
    if given.world is not None and not given.world.is_dir():
        parser.error(f"--world {given.world} is no directory")
    if given.world is not None and not any(given.world.glob("microsoft365/*/*/")):
        parser.error(f"--world {given.world} holds no microsoft365/<domain>/<user>/ (see README)")
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell starts background work with SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    try:
        story_told = given.home / "told"
        kept = story_told.exists() and Record.read(given.home / "state.json").whole and not (given.fresh or given.once)
        with Cloud(given.home, world=given.world, fresh=not kept, schedules=False, say=say) as cloud:
            if kept:
                say("demo: as it was left; FRESH=1 begins anew")
                _stay(cloud)
            story_told.unlink(missing_ok=True)
            sums = total(tell(cloud, given.sabotage))
            story_told.touch()
            good = (
                not sums.differences
                and given.sabotage == sums.altered == 0
                and sums.backed_up > 0
                and sums.restored > 0
            )
            say(f"demo {'ok' if good else 'failed'}: {sums.line()}")
            if not given.once:
                _stay(cloud)
            return 0 if good else 1
    except (Refused, ApiRefused, JobFailed) as stopped:
        sys.stderr.write(f"demo failed: {stopped}\n")
        return 1
    except KeyboardInterrupt:
        return 130


def _stay(cloud: Cloud) -> NoReturn:
    member = cloud.record.member
    say(f"API {cloud.outputs['ApiUrl']}/v1  log-in {member['email']}  password {member['password']}")
    say(f"AWS {cloud.endpoint}  simulators {cloud.control}  Ctrl-C ends it")
    while cloud.alive():
        time.sleep(0.5)
    raise Refused(f"a process ended by itself; its log is in {cloud.home / 'logs'}")
