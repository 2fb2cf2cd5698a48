"""``python -m simulators --state DIR [--world DIR] [--port-file FILE] [--seed N] [--fresh]``: run until told to end."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from simulators.frame.running import OtherWorldError, serving
from simulators.platforms import BUILDS


async def serve(state: Path, world: Path | None, port_file: Path | None, seed: int, *, fresh: bool) -> None:
    """Serve until SIGTERM or SIGINT; the port file appears when the door is open and goes when it closes."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with serving(BUILDS, state, world=world, seed=seed, fresh=fresh) as (run, dispatch):
        where = json.dumps({"proxy": run.proxy, "ca": str(run.ca), "control": run.control.url})
        if port_file is not None:
            # Renamed into place, so that nobody reads half a file.
            draft = port_file.with_name(f".{port_file.name}.{os.getpid()}")
            draft.write_text(where)
            draft.replace(port_file)
        sys.stdout.write(where + "\n")
        sys.stdout.flush()
        await stop.wait()
        if port_file is not None:
            await asyncio.to_thread(port_file.unlink, missing_ok=True)
        sys.stderr.writelines(f"the simulator crashed: {crash}\n" for crash in dispatch.crashes)


def main() -> int:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(prog="python -m simulators", description="The platforms on the wire, on loopback.")
    parser.add_argument("--state", type=Path, required=True, help="directory for databases, call log and CA")
    parser.add_argument("--world", type=Path, help="directory with <platform>/...; without it a seeded world is made")
    parser.add_argument("--port-file", type=Path, help="JSON with proxy, ca and control is written here when ready")
    parser.add_argument("--seed", type=int, default=1, help="seed of ids, orders and the made-up world")
    parser.add_argument("--fresh", action="store_true", help="forget the state, keep the CA")
    given = parser.parse_args()
    if given.world is not None and not given.world.is_dir():
        parser.error(f"--world {given.world} is no directory")
    state = given.state.resolve()
    try:
        asyncio.run(serve(state, given.world, given.port_file, given.seed, fresh=given.fresh))
    except OtherWorldError as error:
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
