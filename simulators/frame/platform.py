"""How a platform plugs in: ``build(simulation) -> Platform``."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from simulators.frame.calls import Call, CallLog
from simulators.frame.chance import Chance
from simulators.frame.clock import Clock
from simulators.frame.faults import FaultPlan, Switch
from simulators.frame.state import State


@dataclass(frozen=True)
class Action:
    """Something the customer's administrator can do at the vendor, by hand: add a user, purge a mail.

    ``run`` takes keyword arguments that came as JSON and returns what can be sent as JSON. It raises
    LookupError for what is not there and ValueError for what makes no sense.
    """

    note: str
    run: Callable[..., Any]


def plain_refusal(_call: Call, status: int, note: str) -> Response:
    """Return a refusal for platforms that have no form of their own."""
    return JSONResponse({"error": note}, status_code=status)


def describe_nothing(_call: Call, _headers: Mapping[str, str]) -> None:
    """Leave template, tenant and app empty."""


@dataclass
class Platform:
    """One vendor on the wire.

    ``hosts``: exact names, or ``*.suffix``. ``app``: an ASGI app; ``scope["state"]["call"]`` is the ``Call``, and
    what it writes there (template, tenant, app, request_id, labels) goes to the log.
    ``describe(call, headers)`` runs before the app and before the frame's own faults, so that these can match
    template, tenant and app; it must not refuse anything.
    ``refuse(call, status, note)`` gives a 429 or 5xx of the frame's faults in the vendor's form.
    """

    name: str
    hosts: Sequence[str]
    app: ASGIApp
    switches: Sequence[Switch] = ()
    actions: Mapping[str, Action] = field(default_factory=dict)
    describe: Callable[[Call, Mapping[str, str]], None] = describe_nothing
    refuse: Callable[[Call, int, str], Response] = plain_refusal

    def claims(self, host: str) -> bool:
        """Whether this platform answers for ``host`` (lower case, no port)."""
        return any(fnmatch.fnmatchcase(host, pattern) for pattern in self.hosts)


@dataclass
class Simulation:
    """What the frame gives to a platform. ``world``: directory with ``<platform>/...``, or None for a seeded one."""

    clock: Clock
    chance: Chance
    faults: FaultPlan
    calls: CallLog
    state: State
    world: Path | None = None
    platforms: list[Platform] = field(default_factory=list)

    @property
    def seed(self) -> int:
        """The one seed of ids, orders and the made-up world."""
        return self.chance.seed

    def platform(self, host: str) -> Platform | None:
        """Who answers for a host; None if nobody does."""
        return next((platform for platform in self.platforms if platform.claims(host)), None)


Build = Callable[[Simulation], Platform]
