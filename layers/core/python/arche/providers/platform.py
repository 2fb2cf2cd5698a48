"""What a room tells about itself, and the session in which its services work."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import httpx

from arche.providers.budget import Allowance, Blocks, Budgeted, LeasedPurse, LocalPurse, Purse, Unlimited
from arche.providers.contract import Service
from arche.providers.http import Bearer, Call, Guard, Hosts, Recorded, client, egress
from arche.providers.patience import Backoff


@dataclass(frozen=True, slots=True)
class Session:
    """One connection's way to its provider: the tenant, a client that already carries the token, and patience."""

    tenant: str
    client: httpx.Client
    backoff: Backoff

    def close(self) -> None:
        """Close the connections."""
        self.client.close()


@dataclass(frozen=True, slots=True)
class Permissions:
    """What consent a service needs: for backups (read only), and all that a restore needs."""

    backup: tuple[str, ...]
    restore: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SharedBudget:
    """A budget that all workers of a tenant share: a block's units, and for how long a block is meant to last."""

    block: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Platform:
    """One platform, as data and the makers of its services.

    ``losses``: per kind of item, what a restore can never give back, as (field, reason). ``pace``: what the vendor
    lets one account take in a restore: calls an item costs, calls and bytes a second.
    """

    name: str
    title: str
    hosts: Hosts
    services: Mapping[str, Callable[[Session], Service]]
    permissions: Mapping[str, Permissions]
    losses: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    pace: tuple[float, float, float] = (3.0, 16.0, 500_000.0)
    local: Mapping[str, Allowance] = field(default_factory=dict)
    shared: Mapping[str, SharedBudget] = field(default_factory=dict)
    agent: str = "Arche"

    def service(self, name: str, session: Session) -> Service:
        """Make a service in a session. Raises KeyError for a service this platform does not have."""
        return self.services[name](session)

    def session(
        self,
        tenant: str,
        token: Callable[[], str],
        *,
        budget: Blocks | None = None,
        granted: Mapping[str, int] | None = None,
        record: Callable[[Call], None] | None = None,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> Session:
        """Open a session. ``token`` gives a valid access token of this tenant whenever asked.

        ``budget`` leases shared budgets (none: only local ones hold); ``granted`` holds units that the vendor granted
        this tenant in place of a local budget's usual ones; ``record`` hears of each call; ``transport`` is the way out
        (default ``egress()``; a worker passes ``Retrying(egress(), time)``).
        """

        def purse(key: str) -> Purse:
            kind = key.partition(":")[0]
            if kind in self.local:
                usual = self.local[kind]
                return LocalPurse(replace(usual, units=(granted or {}).get(kind, usual.units)), clock)
            if budget is not None and kind in self.shared:
                share = self.shared[kind]
                return LeasedPurse(budget, f"{self.name}:{tenant}:{key}", share.block, share.seconds)
            return Unlimited()

        way: httpx.BaseTransport = Guard(transport or egress(), self.hosts)
        way = Budgeted(Bearer(way, self.hosts, token), purse)
        if record is not None:
            way = Recorded(way, record)
        return Session(tenant, client(way, {"user-agent": self.agent}), Backoff())

    def login(
        self, *, record: Callable[[Call], None] | None = None, transport: httpx.BaseTransport | None = None
    ) -> httpx.Client:
        """Open a client for the platform's login hosts alone, for tokens and consent."""
        way: httpx.BaseTransport = Guard(transport or egress(), Hosts(api=(), login=self.hosts.login))
        return client(Recorded(way, record) if record else way, {"user-agent": self.agent})
