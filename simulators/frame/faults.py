"""The fault plan: named switches, each described by the platform that obeys it, set with a scope."""

from __future__ import annotations

import fnmatch
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from simulators.frame.calls import Call
from simulators.frame.chance import Chance


class UnknownSwitchError(LookupError):
    """Nobody obeys a switch of that name, or it has no such parameter."""


@dataclass(frozen=True)
class Switch:
    """A fault that can be turned on. ``parameters`` maps each name to its default; ``note`` says what it does."""

    name: str
    note: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Fault:
    """A switch that is on. ``scope`` maps facts of a call (see ``Call.facts``) to glob patterns, ``|`` between several.

    It strikes the calls in scope after the first ``after`` ones, at most ``count`` times (None: for ever), each with
    ``probability``. ``blind``: names in the scope that a call did not have when it was looked at, so that a scope that
    can never match is found by looking at the listed faults.
    """

    id: str
    name: str
    scope: dict[str, str]
    parameters: dict[str, Any]
    count: int | None = None
    after: int = 0
    probability: float = 1.0
    seen: int = 0
    struck: int = 0
    blind: list[str] = field(default_factory=list)

    def matches(self, facts: Mapping[str, str]) -> bool:
        """Whether a call with these facts is in scope. A fact that the call does not have matches ``*`` alone."""
        return all(
            any(fnmatch.fnmatchcase(facts.get(key, ""), choice) for choice in pattern.split("|"))
            for key, pattern in self.scope.items()
        )


class FaultPlan:
    """All switches and those that are on."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self._switches: dict[str, Switch] = {}
        self._on: dict[str, Fault] = {}
        self._ids = itertools.count(1)

    def register(self, switches: Iterable[Switch]) -> None:
        """Make switches known. Raises ValueError if a name is taken."""
        for switch in switches:
            if switch.name in self._switches:
                raise ValueError(f"two switches are named {switch.name}")
            self._switches[switch.name] = switch

    def switches(self) -> list[Switch]:
        """Every known switch, by name."""
        return [self._switches[name] for name in sorted(self._switches)]

    def set(
        self,
        name: str,
        scope: Mapping[str, str] | None = None,
        *,
        count: int | None = None,
        after: int = 0,
        probability: float = 1.0,
        **parameters: Any,
    ) -> Fault:
        """Turn a switch on. Raises UnknownSwitchError for a name or parameter that nobody obeys."""
        switch = self._switches.get(name)
        if switch is None:
            raise UnknownSwitchError(f"no switch is named {name}; known: {', '.join(sorted(self._switches))}")
        unknown = set(parameters) - set(switch.parameters)
        if unknown:
            raise UnknownSwitchError(f"{name} has no parameter {', '.join(sorted(unknown))}")
        fault = Fault(
            id=f"f{next(self._ids)}",
            name=name,
            scope=dict(scope or {}),
            parameters=dict(switch.parameters) | parameters,
            count=count,
            after=after,
            probability=probability,
        )
        self._on[fault.id] = fault
        return fault

    def clear(self, fault_id: str | None = None) -> int:
        """Turn one fault off, or all; how many were on."""
        if fault_id is None:
            number = len(self._on)
            self._on.clear()
            return number
        return 1 if self._on.pop(fault_id, None) else 0

    def active(self) -> list[Fault]:
        """Return what is on, spent ones included (``struck`` tells how often)."""
        return list(self._on.values())

    def strike(self, name: str, call: Call, **more: str) -> Fault | None:
        """Return the fault of that name that strikes this call, if any; uses up one of its count.

        ``more`` adds facts for this question alone (``mailbox=...``). Raises UnknownSwitchError if ``name`` was
        never registered, so that a typing error in a platform does not pass unseen.
        """
        if name not in self._switches:
            raise UnknownSwitchError(f"no switch is named {name}")
        if not self._on:
            return None
        facts = call.facts() | more
        for fault in self._on.values():
            if fault.name != name:
                continue
            fault.blind += [key for key in fault.scope if key not in facts and key not in fault.blind]
            if not fault.matches(facts):
                continue
            fault.seen += 1
            spent = fault.count is not None and fault.struck >= fault.count
            if fault.seen <= fault.after or spent:
                continue
            if fault.probability < 1 and self._chance.stream("fault", fault.id).random() >= fault.probability:
                continue
            fault.struck += 1
            call.faults.append(name)
            return fault
        return None
