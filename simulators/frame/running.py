"""Start and stop the simulators: in a thread for tests, in the foreground for everybody else."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from simulators.frame import weather
from simulators.frame.calls import Call, CallLog
from simulators.frame.chance import Chance
from simulators.frame.clock import Clock
from simulators.frame.control import Control
from simulators.frame.desk import desk
from simulators.frame.dispatch import Dispatch
from simulators.frame.door import Door, Http, authority, loopback_listener, server_context
from simulators.frame.faults import FaultPlan
from simulators.frame.platform import Build, Simulation
from simulators.frame.state import State


class SimulatorCrashedError(Exception):
    """A platform raised while it served a call: a bug of the simulator, with its traceback."""


class OtherWorldError(Exception):
    """The state directory was made from another world or seed."""


@dataclass(frozen=True)
class Running:
    """Where the simulators are. ``proxy`` and ``control`` are URLs' owners on loopback, ``ca`` a PEM file.

    ``simulation`` is for looking from the test's own thread only while no call is under way; prefer ``control``.
    """

    proxy: str
    ca: Path
    control: Control
    simulation: Simulation


@contextlib.asynccontextmanager
async def serving(
    builds: Sequence[Build], state: Path, *, world: Path | None = None, seed: int = 1, fresh: bool = False
) -> AsyncIterator[tuple[Running, Dispatch]]:
    """Serve until the block ends. Everything of the platforms runs in this event loop's thread."""
    async with contextlib.AsyncExitStack() as ends:
        kept = State(state, fresh=fresh)
        ends.callback(kept.close)
        _same_world(kept, world, seed)
        chance, log = Chance(seed), CallLog(state / "calls.jsonl")
        ends.callback(log.close)
        simulation = Simulation(Clock(kept.keep), chance, FaultPlan(chance), log, kept, world=world)
        simulation.faults.register(weather.SWITCHES)
        for build in builds:
            platform = build(simulation)
            simulation.platforms.append(platform)
            simulation.faults.register(platform.switches)
        kept.commit()
        dispatch = Dispatch(simulation)
        door, ca = await _open_door(simulation, dispatch, ends)
        control = await _open_desk(simulation, dispatch, ends)
        yield Running(door.url, ca, control, simulation), dispatch


def _same_world(kept: State, world: Path | None, seed: int) -> None:
    """Refuse a state directory that was filled from elsewhere: it would go on serving the old world."""
    wanted = f"{'made up' if world is None else world.resolve()}, seed {seed}"
    made = kept.keep("world") or kept.keep("world", wanted)
    if made != wanted:
        raise OtherWorldError(f"{kept.folder} holds another world ({made}); use --fresh or another state directory")


async def _open_door(simulation: Simulation, dispatch: Dispatch, ends: contextlib.AsyncExitStack) -> tuple[Door, Path]:
    certificates, ca = authority(simulation.state.folder)
    hosts = [host for platform in simulation.platforms for host in platform.hosts]

    def refused(target: str) -> None:
        simulation.calls.add(
            Call("CONNECT", target, "", at=simulation.clock.now(), template="CONNECT", status=403, refused=True)
        )

    http = Http(dispatch)
    ends.push_async_callback(http.close)
    door = Door(http, server_context(certificates, hosts), lambda host: simulation.platform(host) is not None, refused)
    ends.push_async_callback(door.close)
    accepting = asyncio.create_task(door.accept())

    async def stop() -> None:
        accepting.cancel()
        await asyncio.gather(accepting, return_exceptions=True)

    ends.push_async_callback(stop)
    return door, ca


async def _open_desk(simulation: Simulation, dispatch: Dispatch, ends: contextlib.AsyncExitStack) -> Control:
    http = Http(desk(simulation, dispatch))
    ends.push_async_callback(http.close)
    listener = loopback_listener()
    server = await asyncio.get_running_loop().create_server(http.protocol, sock=listener)
    ends.callback(server.close)
    return Control(f"http://127.0.0.1:{listener.getsockname()[1]}")


@contextlib.contextmanager
def running(
    state: Path,
    *,
    world: Path | None = None,
    seed: int = 1,
    fresh: bool = False,
    builds: Sequence[Build] | None = None,
) -> Iterator[Running]:
    """Run the simulators in a thread of this process.

    ``builds`` are the platforms (default: all). Raises SimulatorCrashedError at the end if a platform raised
    while it served a call, so that no test passes over a broken simulator.
    """
    if builds is None:
        from simulators.platforms import BUILDS  # noqa: PLC0415 - the frame must not need the platforms

        builds = BUILDS
    started = threading.Event()
    there: list[Running] = []
    stops: list[Callable[[], object]] = []
    failures: list[BaseException] = []
    crashes: list[str] = []

    async def main() -> None:
        async with serving(builds, state, world=world, seed=seed, fresh=fresh) as (run, dispatch):
            stop = asyncio.Event()
            loop = asyncio.get_running_loop()
            there.append(run)
            stops.append(lambda: loop.call_soon_threadsafe(stop.set))
            started.set()
            await stop.wait()
            crashes.extend(dispatch.crashes)

    def body() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            failures.append(error)
        finally:
            started.set()

    thread = threading.Thread(target=body, name="simulators", daemon=True)
    thread.start()
    started.wait()
    if failures:
        thread.join()
        raise failures[0]
    try:
        yield there[0]
    except BaseException as error:
        for crash in there[0].control.crashes():
            error.add_note(f"the simulator crashed: {crash}")
        raise
    finally:
        stops[0]()
        thread.join()
    if failures:
        raise failures[0]
    if crashes:
        raise SimulatorCrashedError("\n".join(crashes))
