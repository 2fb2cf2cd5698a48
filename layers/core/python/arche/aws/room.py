"""What one lease opens: credentials narrowed to one customer, and everything that is built of them.

A room is built for one invocation (or one browse lease) and thrown away with it, so no right outlives its run.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from arche.aws import sessions
from arche.aws.kms import KmsWrapper
from arche.aws.s3 import S3Store
from arche.aws.tokens import Issued, Tokens
from arche.catalog.budgets import Limit
from arche.catalog.catalog import Catalog
from arche.catalog.errors import NotFound
from arche.providers import registry
from arche.providers.http import egress
from arche.providers.patience import Retrying
from arche.vault import AccountVault, KeyRing

if TYPE_CHECKING:
    from arche.catalog.table import Credentials, Tables
    from arche.model.tenancy import ConnectionRecord
    from arche.operations.access import Ask
    from arche.providers.contract import Service
    from arche.providers.platform import Platform

#: A platform names a block and how long it is meant to last; so many may be out at once. For Graph's directory that
#: is 3,200 units in 10 s, under the 3,500 of its smallest class of tenants.
BLOCKS_AT_ONCE: Final = 8
_MARGIN: Final = 120


class Room:
    """Stores, keys and rows of one customer. ``create`` lets missing keys be made (backups), else they are an error."""

    def __init__(
        self, credentials: Credentials, customer: str, *, tables: Tables, create: bool, buckets: Buckets, key: str
    ) -> None:
        self.customer = customer
        self._create = create
        self._made = sessions.session(credentials)
        self._s3 = sessions.client(self._made, "s3")
        self._key = key
        self._tables = tables
        self._credentials = credentials
        self._buckets = buckets
        self._lock = threading.Lock()
        self._ring: KeyRing | None = None

    @property
    def s3(self) -> Any:
        """The S3 client of this lease."""
        return self._s3

    def catalog(self) -> Catalog:
        """Build the catalog with this lease's rights."""
        return Catalog(self._tables, region=sessions.region(), credentials=self._credentials)

    def work(self) -> S3Store:
        """Open the customers' part of the work bucket; keys begin with the customer's label."""
        return S3Store(self._s3, self._buckets.work, "customers/")

    def vault(self, account: str) -> AccountVault:
        """Open one account's vault. Raises NoKeys, Erased, Damaged, AwsUnavailable, AwsDenied. Safe in threads."""
        with self._lock:
            if self._ring is None:
                wrapper = KmsWrapper(sessions.client(self._made, "kms"), self._key)
                keys = S3Store(self._s3, self._buckets.keys)
                self._ring = KeyRing.open(keys, wrapper, self.customer, create=self._create)
            found = self._ring.account(account, create=self._create)
        return AccountVault(S3Store(self._s3, self._buckets.vault), found, self.customer, account)


class Buckets:
    """Names of the buckets of a room."""

    def __init__(self, *, vault: str, keys: str, work: str) -> None:
        self.vault = vault
        self.keys = keys
        self.work = work


class TokenSource:
    """Gives a valid access token whenever asked, and asks ``token`` when the one at hand nears its end."""

    def __init__(self, tokens: Tokens, ask: Ask, clock: Callable[[], float] = time.time) -> None:
        self._tokens = tokens
        self._ask = ask
        self._clock = clock
        self._lock = threading.Lock()
        self._issued: Issued | None = None

    def __call__(self) -> str:
        """Give the token. Raises AccessRefused, the provider's errors and AwsError."""
        with self._lock:
            if self._issued is None or self._clock() > self._issued.expires - _MARGIN:
                self._issued = self._tokens.ask(self._ask)
            return self._issued.value


class Door:
    """The way to one connection's provider, opened when first used. Safe in threads."""

    def __init__(self, catalog: Catalog, customer: str, connection: str, token: Callable[[], str]) -> None:
        self._catalog = catalog
        self._customer = customer
        self._connection = connection
        self._token = token
        self._lock = threading.Lock()
        self._services: Mapping[str, Service] | None = None

    def record(self) -> ConnectionRecord:
        """Read the connection. Raises NotFound."""
        found = self._catalog.tenancy.connection(self._customer, self._connection)
        if found is None:
            raise NotFound("there is no such connection")
        return found

    def services(self) -> Mapping[str, Service]:
        """Give the platform's services by name; no token is asked for before the first call of one."""
        with self._lock:
            if self._services is None:
                self._services = self._open(self.record())
            return self._services

    def _open(self, record: ConnectionRecord) -> Mapping[str, Service]:
        platform = registry.platform(record.platform)
        budget = self._catalog.budgets(self._customer, self._connection, limits_of(platform), time.time)
        way = Retrying(egress(), time)
        session = platform.session(record.tenant, self._token, budget=budget, granted=record.granted, transport=way)
        return {name: platform.service(name, session) for name in platform.services}


def limits_of(platform: Platform) -> dict[str, Limit]:
    """Shared budgets of a platform as the catalog counts them."""
    return {name: Limit(share.block * BLOCKS_AT_ONCE, float(share.seconds)) for name, share in platform.shared.items()}


def attempt() -> str:
    """Draw the name of one invocation's attempt; no two share it, so that commits tell their own from another's."""
    return secrets.token_hex(8)
