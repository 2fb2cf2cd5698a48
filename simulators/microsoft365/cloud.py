"""The Microsoft cloud of the simulation: what its parts (login, directory, mail) share and register with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp

from simulators.frame.calls import Call
from simulators.frame.faults import Switch
from simulators.frame.platform import Action, Simulation
from simulators.microsoft365.directory import Directory
from simulators.microsoft365.gateway import Gateway
from simulators.microsoft365.graph import Handler


@dataclass
class Cloud:
    """A part is a module with ``install(cloud)``: it adds routes, hosts, switches and actions."""

    simulation: Simulation
    directory: Directory
    gateway: Gateway
    hosts: dict[str, ASGIApp] = field(default_factory=dict)
    describers: dict[str, Callable[[Call], None]] = field(default_factory=dict)
    switches: list[Switch] = field(default_factory=list)
    actions: dict[str, Action] = field(default_factory=dict)

    def route(self, method: str, template: str, handler: Handler, *, permissions: str | None = None) -> None:
        """Answer ``method`` on ``template`` (``/users/{user}/messages/{message}``), for v1.0.

        Permissions come from Microsoft's list, under the same path with ``{id}`` for every brace;
        ``permissions`` names another path of that list where the template has none of its own.
        """
        self.gateway.route(method, template, handler, permissions=permissions)

    def host(self, pattern: str, app: ASGIApp, describe: Callable[[Call], None] | None = None) -> None:
        """Answer for one more host (or ``*.suffix``) with an ASGI app.

        ``describe`` fills template, tenant and app of a call to this very host before any fault is looked up.
        """
        self.hosts[pattern] = app
        if describe is not None:
            self.describers[pattern] = describe

    def switch(self, name: str, note: str, /, **parameters: Any) -> None:
        """Make a fault known; ``parameters`` are the defaults."""
        self.switches.append(Switch(name, note, parameters))

    def action(self, name: str, note: str, run: Callable[..., Any]) -> None:
        """Make something known that the customer's administrator does by hand."""
        self.actions[name] = Action(note, run)
