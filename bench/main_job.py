"""The main job's figures: requests, memory, history and pace of backups through the real functions.

``SCALE`` (default 1) scales the 250,000 mails of the large mailbox; ``SKIP_README=1`` leaves out the two commands of
the README. docs/performance.md has the rules of the run.
"""

from __future__ import annotations

import math
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from arche.providers.registry import platform
from bench import history
from bench.figures import Figure
from bench.mailboxes import Bench, Cost
from bench.processes import Unmeasurable, Watch
from bench.readme import COMMANDS, timed
from localcloud.cloud import Cloud

LARGE: Final = 250_000
NEW_MAILS: Final = 20
"""Mails that arrive in each mailbox before an incremental run."""
MEMORY: Final = 256
"""What Lambda calls 256 MB is MiB."""
MIB: Final = 1 << 20
EVENTS: Final = 25_000
SLICE_SECONDS: Final = 900
"""Time that the long worker has."""
_COLLECT: Final = "collect"


def measure() -> dict[str, Figure]:
    """Run everything and return the figures."""
    scale = float(os.environ.get("SCALE") or 1)
    figures: dict[str, Figure] = {}
    with tempfile.TemporaryDirectory(prefix="arche-bench-") as folder:
        home = Path(folder) / "cloud"
        with (
            Cloud(home, fresh=True, schedules=False, say=say) as cloud,
            Watch(cloud.record.children["emulator"]) as watch,
        ):
            bench = Bench(cloud, watch)
            figures |= _seeded(bench)
            figures |= _large(bench, int(LARGE * scale))
            figures["worker_high_water"] = Figure(_largest(watch.high_water()) / MIB, "MiB")
            bench.close()
        if not os.environ.get("SKIP_README"):
            for name, command in COMMANDS.items():
                say(f"readme: {' '.join(command)} in a clean clone")
                took, code = timed(command, Path(folder) / name)
                figures[f"{name}_seconds"] = Figure(took, "s")
                figures[f"{name}_exit"] = Figure(code, "code", "<=", 0)
    return figures


def say(line: str) -> None:
    """Tell how far it is."""
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True, file=sys.stderr)


def _seeded(bench: Bench) -> dict[str, Figure]:
    """Back up the made-up company: all for the first time, all with news, one with news, all without any."""
    users = sorted(bench.customer.accounts)
    say(f"seeded world: first backup of {len(users)} accounts")
    first = bench.run()
    for user in users:
        bench.deliver(user, NEW_MAILS)
    say("seeded world: incremental runs, then one without change")
    incremental = bench.run()
    bench.deliver(users[0], NEW_MAILS)
    one = bench.run(users[0])
    quiet = bench.run()
    return {
        "no_change_put": Figure(_puts(quiet), "PUT", "<=", 0),
        "no_change_list": Figure(quiet.stored["LIST"], "LIST"),
        "no_change_work_put": Figure(quiet.work["PUT"] + quiet.work["POST"], "PUT"),
        "no_change_seconds": Figure(quiet.seconds, "s"),
        "incremental_put": Figure(_puts(one), "PUT", "<=", 3),
        "incremental_list": Figure(one.stored["LIST"], "LIST", "<=", 0),
        "incremental_get": Figure(one.stored["GET"], "GET"),
        "incremental_work_put": Figure(one.work["PUT"] + one.work["POST"], "PUT"),
        **_pace("first", first),
        **_pace("incremental", incremental),
        "seeded_worker_memory": _memory(first, incremental, one, quiet),
    }


def _large(bench: Bench, count: int) -> dict[str, Figure]:
    """Back up one mailbox with very many mails: first, with news, without any."""
    say(f"large mailbox: making {count} mails")
    user = bench.large_mailbox(count)
    bench.lift_limits()
    say("large mailbox: first backup")
    first = bench.run(user)
    say(f"large mailbox: {first.items} mails in {first.seconds:.0f} s; incremental and quiet runs")
    bench.deliver(user, NEW_MAILS)
    incremental = bench.run(user)
    quiet = bench.run(user)
    return {
        "large_items": Figure(first.items, "mails"),
        **_pace("large_first", first),
        "large_incremental_put": Figure(_puts(incremental), "PUT", "<=", 3),
        "large_no_change_put": Figure(_puts(quiet), "PUT", "<=", 0),
        "large_incremental_seconds": Figure(incremental.seconds, "s"),
        "large_no_change_seconds": Figure(quiet.seconds, "s"),
        "worker_memory_first": _memory(first),
        "worker_memory_incremental": _memory(incremental),
        "worker_memory_no_change": _memory(quiet),
        "seal_memory": Figure(_largest(first.memory, "seal") / MIB, "MiB", "<=", MEMORY),
        "large_slices": Figure(first.history.slices, "slices"),
        "history_parent": Figure(first.history.parent, "events", "<=", EVENTS),
        "history_child": Figure(first.history.child, "events", "<=", EVENTS),
        "history_child_usual_limit": Figure(_patient_history(first.calls), "events", "<=", EVENTS),
    }


def _patient_history(calls: int) -> int:
    """Bound the child's events under the vendor's usual limit: slices ended by each window, and by their own time."""
    usual = platform("microsoft365").local["mailbox"]
    windows = math.ceil(calls / usual.units)
    return history.bound(tasks=windows + math.ceil(windows * usual.seconds / SLICE_SECONDS) + 1)


def _puts(cost: Cost) -> int:
    """Count requests that S3 bills as PUT: whole objects, and the calls of an upload in parts."""
    return cost.stored["PUT"] + cost.stored["POST"]


def _pace(name: str, cost: Cost) -> dict[str, Figure]:
    return {
        f"{name}_seconds": Figure(cost.seconds, "s"),
        f"{name}_items_per_s": Figure(cost.items / cost.seconds, "items/s"),
        f"{name}_mb_per_s": Figure(cost.bytes / 1e6 / cost.seconds, "MB/s"),
    }


def _memory(*costs: Cost) -> Figure:
    """Find the largest worker of all runs. Raises Unmeasurable if one's worker was never seen."""
    peaks = [_largest(cost.memory) for cost in costs]
    if not all(peaks):
        raise Unmeasurable("a run ended without its worker having been seen: nothing was measured")
    return Figure(max(peaks) / MIB, "MiB", "<=", MEMORY)


def _largest(memory: dict[str, int], kind: str = _COLLECT) -> int:
    return max((held for name, held in memory.items() if kind in name), default=0)
