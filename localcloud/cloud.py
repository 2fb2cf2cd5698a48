"""``Cloud``: start the emulator and the simulators, deploy the stacks, stop everything.

Used by ``python -m localcloud``, the demo, the tests and the bench::

    with Cloud(Path(".local"), fresh=True) as cloud:      # start, deploy, stop at the end
        cloud.outputs["ApiUrl"], cloud.client("s3"), cloud.token()
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import boto3

from localcloud import apps, gaps, people, servers, toolkit
from localcloud.children import LOOPBACK, Child, Refused, end_leftover, free_port, in_use
from localcloud.record import Record, hold
from localcloud.toolkit import REGION
from simulators.frame.control import Control

API_ID = "a4c4e000"
"""Id of the API, chosen by a tag, so that its address is known before it is made (it is a setting of functions)."""
_PATIENCE = 30.0
_SECRET = "test"  # noqa: S105 - the emulator's name for the owner of the account


class Cloud:
    """An embedded cloud in the folder ``home``.

    ``world``: folder with the platforms' data instead of the made-up one. ``fresh``: forget all that was kept.
    ``schedules``: whether slots and daily work start by themselves. ``context``: further options of the stacks.
    ``say`` is told what happens, in short lines. Raises Refused (one line) when something is in the way.
    """

    def __init__(
        self,
        home: Path,
        *,
        world: Path | None = None,
        fresh: bool = False,
        schedules: bool = True,
        context: Mapping[str, str] | None = None,
        say: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self.home = home.resolve()
        self.world = world.resolve() if world else None
        self._fresh = fresh
        self._schedules = schedules
        self._context = dict(context or {})
        self._begun = time.monotonic()
        self._told = say
        self._children: list[Child] = []
        self._lock: IO[str] | None = None
        self.record = Record()

    def __enter__(self) -> Self:
        try:
            self.start()
            self.deploy()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @classmethod
    def running(cls, home: Path) -> Self:
        """The cloud that another process runs in ``home``; that one stops it. Raises Refused if none is ready."""
        cloud = cls(home)
        cloud.record = Record.read(cloud._path)
        if cloud.record.phase != "ready" or not _soon(lambda: servers.answers(cloud.endpoint)):
            raise Refused(f"no embedded cloud is ready in {home}: start one with `python -m localcloud up`")
        return cloud

    @property
    def endpoint(self) -> str:
        """URL of the AWS API."""
        return self.record.endpoint

    @property
    def outputs(self) -> Mapping[str, str]:
        """Outputs of all stacks, by their name."""
        return self.record.outputs

    @property
    def control(self) -> str:
        """URL of the simulators' control API (``simulators.frame.control.Control``)."""
        return self.record.control

    @property
    def proxy(self) -> str:
        """URL of the proxy in front of the simulators."""
        return self.record.proxy

    @property
    def ca(self) -> Path:
        """Certificate of the CA that the simulators' certificates come from."""
        return Path(self.record.ca)

    def client(self, service: str) -> Any:
        """A boto3 client with the rights of the account's owner."""
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=_SECRET,
            aws_secret_access_key=_SECRET,
        )

    def token(self) -> str:
        """A fresh access token of the local partner's administrator, for the API."""
        return people.sign_in(self.client("cognito-idp"), self.outputs, self.record.member)

    def start(self) -> None:
        """Start emulator and simulators, and wait until both answer."""
        toolkit.require()
        self._lock = hold(self.home)
        earlier = Record.read(self._path)
        self._end_leftovers(earlier)
        if self._fresh:
            self._forget()
            earlier = Record()
        elif earlier.phase != "new" and not (earlier.whole and earlier.phase == "stopped"):
            raise Refused(
                f"the last start in {self.home} was interrupted and may be incomplete; begin anew with --fresh "
                "(`make demo FRESH=1`, `python -m localcloud up --fresh`)",
            )
        elif earlier.whole and earlier.world != (str(self.world) if self.world else ""):
            raise Refused(
                f"{self.home} was made with another world; begin anew with --fresh (FRESH=1) or name the same"
            )
        self.record = earlier
        self.record.phase = "starting"
        self._begin_emulator()
        self._begin_simulators()

    def deploy(self) -> None:
        """Deploy the stacks, apply what the emulator leaves out, make the local partner and the app registrations."""
        deployed = toolkit.Toolkit(self.home, self.endpoint, self._options())
        self.say("stacks: synthesize")
        deployed.synthesize()
        self.say("stacks: deploy")
        if not self.record.outputs:
            deployed.bootstrap()
        self.record.outputs = deployed.deploy()
        treated = gaps.apply(deployed.assembly, self.client("cloudformation"), self.client("s3"))
        self.say(f"stacks: deployed; {treated} buckets got lifecycle, encryption and lock")
        self.record.member = people.partner(self.client("cognito-idp"), self.outputs, self.endpoint, self.record.member)
        self.record.apps = apps.register(
            Control(self.control),
            self.client("kms"),
            self.outputs,
            endpoint=self.endpoint,
            earlier=self.record.apps,
        )
        self.record.phase = "ready"
        self.record.whole = True
        self._write()
        self.say(f"ready: {self.outputs['ApiUrl']}")

    def stop(self) -> None:
        """End what was started, the emulator last: it writes its state then. Does nothing a second time.

        An impatient second Ctrl-C does not stop the stopping: the state would be lost.
        """
        with _patience():
            self._stop()

    def _stop(self) -> None:
        clean = all(list(map(Child.stop, reversed(self._children))))
        if self._children:
            self.say("stopped")
            self.record.phase = "stopped"
            self.record.whole = self.record.whole and clean
            self._children = []
            self._write()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def alive(self) -> bool:
        """Whether everything that was started still runs."""
        return all(child.alive() for child in self._children)

    def say(self, line: str) -> None:
        """Tell how far it is, with the seconds since the beginning."""
        self._told(f"[{time.monotonic() - self._begun:5.1f} s] {line}")

    @property
    def _path(self) -> Path:
        return self.home / "state.json"

    def _write(self) -> None:
        self.record.pid = os.getpid() if self._children else 0
        self.record.children = {child.name: child.pid for child in self._children}
        self.record.write(self._path)

    def _options(self) -> dict[str, str]:
        """The context of the deployment. Each is an option that a deployment to AWS has too."""
        return {
            "architecture": toolkit.architecture(),
            "vendor_layer": "layers/vendor/python/local/layer.zip",
            "deploy_with": "cli-credentials",
            "check": "no",
            "mfa": "optional",
            "script_client": "yes",
            "schedules": "on" if self._schedules else "off",
            "public_url": f"{self.endpoint}/_aws/execute-api/{API_ID}/$default",
            "tags": json.dumps({"ms-custom-id": API_ID}),
            "egress_proxy": self.proxy,
            "no_proxy": f"{LOOPBACK},localhost",
            "ca_bundle": str(self.ca),
            "concurrency": json.dumps({"Increments": 4, "Firsts": 4, "Rest": 4, "Deliver": 4}),
            **self._context,
        }

    def _port(self, name: str) -> int:
        """The port of an earlier start if it is free: addresses stay in what was deployed. Else a new one."""
        port = self.record.ports.get(name, 0)
        if not port or in_use(port):
            port = free_port()
        self.record.ports[name] = port
        return port

    def _begin_emulator(self) -> None:
        port = self._port("emulator")
        self.record.endpoint = f"http://{LOOPBACK}:{port}"
        self.say("emulator: start")
        child = servers.emulator(self.home, port)
        self._children.append(child)
        self._write()
        servers.await_emulator(child, self.endpoint)

    def _begin_simulators(self) -> None:
        self.say("simulators: start")
        child = servers.simulators(self.home, self.world)
        self._children.append(child)
        self._write()
        found = servers.await_simulators(child, self.home)
        self.record.proxy, self.record.ca, self.record.control = found["proxy"], found["ca"], found["control"]
        self.record.world = str(self.world) if self.world else ""
        self._write()

    def _end_leftovers(self, earlier: Record) -> None:
        for name, pid in earlier.children.items():
            if end_leftover(pid, servers.MARKS[name]):
                self.say(f"{name}: process {pid} of an earlier start was still running and was ended")

    def _forget(self) -> None:
        for name in ("emulator", "simulators", "cdk.out", "logs"):
            shutil.rmtree(self.home / name, ignore_errors=True)
        self._path.unlink(missing_ok=True)


@contextmanager
def _patience() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _soon(condition: Callable[[], bool]) -> bool:
    """Whether something becomes so within some seconds: a busy machine may keep a server from answering at once."""
    until = time.monotonic() + _PATIENCE
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.2)
    return True
