"""The composition root: builds the ports of one invocation from settings and event. Nothing is built at import.

Workers get rows, stores and keys with the rights of their one lease; functions that work in their own right (schedule,
discover, meter, API) get rows with the rights of their role.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final, cast

from arche.aws import sessions
from arche.aws.app_keys import AppKeys
from arche.aws.app_secrets import AppSecrets
from arche.aws.exports import ExportBucket
from arche.aws.grants import GrantOffice, Grants, names_of
from arche.aws.machines import StateMachines
from arche.aws.room import Buckets, Door, Room, TokenSource, attempt
from arche.aws.s3 import S3Store
from arche.aws.settings import (
    ContentSettings,
    DiscoverSettings,
    GrantSettings,
    MainSettings,
    MeterSettings,
    ScheduleSettings,
    Settings,
    TokenSettings,
    WorkerSettings,
)
from arche.aws.sign_ins import VendorSignIns, redirect_uri
from arche.aws.telemetry import audit, logger
from arche.aws.tokens import TokenOffice, Tokens
from arche.catalog.catalog import Catalog
from arche.catalog.table import Tables
from arche.model.work import AccountRow, Lease
from arche.operations.access import Ask
from arche.operations.backup_ports import CollectPorts, SchedulePorts, SealPorts
from arche.operations.front_ports import ContentPorts, DiscoverPorts, Front, Vaults
from arche.operations.meter import MeterPorts
from arche.operations.restore_ports import Pace, RestorePorts
from arche.providers import registry
from arche.providers.contract import Account, AccountKind
from arche.providers.http import Guard, Hosts, client, egress
from arche.providers.patience import Retrying

#: Browse leases that one process of the content function keeps open; a lease is one member, account and quarter hour.
_OPEN_LEASES: Final = 4


def now() -> datetime:
    """Read the clock: the present instant, UTC."""
    return datetime.now(UTC)


def tables(settings: Settings) -> Tables:
    """Names of the tables that a function was told."""
    names = ("tenancy", "directory", "index", "work")
    return Tables(**{name: getattr(settings, f"{name}_table", "") for name in names})


def own_catalog(settings: Settings) -> Catalog:
    """Rows with the rights of the function's own role."""
    return Catalog(tables(settings), region=sessions.region())


@cache
def functions_client() -> Any:
    """Client of the process for other functions; an answer of `token` takes as long as a vendor's login host."""
    return sessions.client(sessions.session(), "lambda", read_timeout=60)


def room(settings: WorkerSettings | ContentSettings, ask: Ask, *, create: bool) -> Room:
    """Ask `grant` and build what the lease opens. Raises AccessRefused, AwsError."""
    credentials = Grants(functions_client(), settings.grant_function).ask(ask)
    buckets = Buckets(vault=settings.vault_bucket, keys=settings.keys_bucket, work=settings.work_bucket)
    return Room(
        credentials, ask.customer, tables=tables(settings), create=create, buckets=buckets, key=settings.vault_key
    )


def schedule_ports(settings: ScheduleSettings) -> SchedulePorts:
    """Ports of `schedule`: rows of all customers, and the work lists under ``runs/``."""
    s3 = sessions.client(sessions.session(), "s3")
    return SchedulePorts(own_catalog(settings).schedule, S3Store(s3, settings.work_bucket, "runs/"), now)


def collect_ports(settings: WorkerSettings, event: Mapping[str, Any]) -> CollectPorts:
    """Ports of `collect`, with the rights of the event's lease. Raises AccessRefused, AwsError."""
    ask = Ask.from_event(event)
    opened = room(settings, ask, create=True)
    catalog = opened.catalog()
    door = _door(settings, catalog, ask, str(event["connection"]))
    return CollectPorts(
        book=catalog.customer(ask.customer),
        vault=opened.vault,
        services=door.services,
        account=account_of,
        work=opened.work(),
        now=now,
        attempt=attempt(),
        reconsent=_reconsent(settings.public_url, ask.customer, str(event["connection"])),
    )


def _reconsent(public_url: str, customer: str, connection: str) -> str:
    """Address that answers a POST with a new link for the customer's administrator."""
    return f"{public_url.rstrip('/')}/v1/customers/{customer}/connections/{connection}/reconsent"


def seal_ports(settings: WorkerSettings, event: Mapping[str, Any]) -> SealPorts:
    """Ports of `seal`: no services, no token. Raises AccessRefused, AwsError."""
    ask = Ask.from_event(event)
    opened = room(settings, ask, create=True)
    return SealPorts(opened.catalog().customer(ask.customer), opened.vault, now, attempt())


def restore_ports(settings: WorkerSettings, event: Mapping[str, Any]) -> RestorePorts:
    """Ports of `plan`, `deliver` and `report`. Raises AccessRefused, AwsError."""
    ask = Ask.from_event(event)
    opened = room(settings, ask, create=False)
    catalog = opened.catalog()
    door = _door(settings, catalog, ask, str(event["connection"]))
    platform = registry.platform(door.record().platform)
    pace = Pace(*platform.pace)
    return RestorePorts(
        book=catalog.customer(ask.customer),
        vault=opened.vault,
        services=door.services,
        account=account_of,
        work=opened.work(),
        now=now,
        attempt=attempt(),
        pace=dict.fromkeys(platform.services, pace),
        losses=platform.losses,
    )


def meter_ports(settings: MeterSettings) -> MeterPorts:
    """Ports of `meter`."""
    return MeterPorts(own_catalog(settings).meter, now)


def discover_ports(settings: DiscoverSettings) -> DiscoverPorts:
    """Ports of `discover`, in its own right; a connection's token comes with the discovery's lease."""
    catalog = own_catalog(settings)
    tokens = Tokens(functions_client(), settings.token_function)

    def accounts_of(lease: Lease, _platform: str) -> Iterator[Account]:
        ask = Ask(lease.run, lease.id, lease.customer)
        door = Door(catalog, lease.customer, lease.connection, TokenSource(tokens, ask))
        yield from _merged(door)

    return DiscoverPorts(catalog.tenancy, catalog.accounts, catalog.work, accounts_of)


def front(settings: MainSettings) -> Front:
    """Ports of the API's main function, for the life of its process."""
    catalog = own_catalog(settings)
    functions = functions_client()
    machines = StateMachines(
        sessions.client(sessions.session(), "stepfunctions"),
        functions,
        backup=settings.backup_machine,
        restore=settings.restore_machine,
        discover=settings.discover_function,
    )
    tokens = Tokens(functions, settings.token_function)
    signs = VendorSignIns(catalog.apps, tokens, settings.public_url)
    return Front(catalog.tenancy, catalog.accounts, catalog.work, machines, signs)


def content_ports(settings: ContentSettings) -> ContentPorts:
    """Ports of the API's content function. ``open`` keeps what a few leases opened, each with its own clients."""
    catalog = own_catalog(settings)
    kept: OrderedDict[tuple[str, str], tuple[int, Vaults]] = OrderedDict()

    def opened(lease: Lease) -> Vaults:
        key = (lease.customer, lease.id)
        at = int(time.time())
        if key not in kept or kept[key][0] <= at:
            kept.pop(key, None)
            made = room(settings, Ask(lease.run, lease.id, lease.customer), create=False)
            vaults = Vaults(made.vault, ExportBucket(made.s3, settings.exports_bucket), made.work())
            kept[key] = (lease.expires, vaults)
        kept.move_to_end(key)
        while len(kept) > _OPEN_LEASES:
            kept.popitem(last=False)
        return kept[key][1]

    return ContentPorts(catalog.tenancy, catalog.accounts, catalog.work, opened)


def grant_office(settings: GrantSettings) -> GrantOffice:
    """Build the function `grant`, for the life of its process."""
    catalog = own_catalog(settings)
    return GrantOffice(
        catalog.rows,
        sessions.client(sessions.session(), "sts"),
        names=names_of(settings, sessions.region()),
        roles={"writer": settings.writer_role, "reader": settings.reader_role},
        audit=audit(logger("access-grant")),
        now=time.time,
    )


def token_office(settings: TokenSettings) -> TokenOffice:
    """Build the function `token`, for the life of its process."""
    catalog = own_catalog(settings)
    made = sessions.session()
    keys = AppKeys(
        catalog.apps,
        sessions.client(made, "kms"),
        {"backup": settings.app_key, "restore": settings.restore_app_key},
        AppSecrets(sessions.client(made, "secretsmanager"), settings.apps_secret),
    )
    return TokenOffice(
        catalog.rows,
        keys,
        login=login_client,
        redirect=redirect_uri(settings.public_url),
        audit=audit(logger("access-token")),
        now=time.time,
    )


def login_client(platform: str) -> Any:
    """Open the way to a platform's login hosts and to nothing else; no token ever travels on it."""
    hosts = Hosts(api=(), login=registry.platform(platform).hosts.login)
    return client(Guard(Retrying(egress(), time), hosts))


def account_of(row: AccountRow) -> Account:
    """Make the provider's account of an index row. A worker knows no names: the immutable id is all it needs."""
    kind = cast("AccountKind", row.kind)
    return Account(id=row.provider_id, kind=kind, name="", address="", services=row.services)


def _door(settings: WorkerSettings, catalog: Catalog, ask: Ask, connection: str) -> Door:
    tokens = Tokens(functions_client(), settings.token_function)
    return Door(catalog, ask.customer, connection, TokenSource(tokens, ask))


def _merged(door: Door) -> Iterator[Account]:
    """All accounts of a connection, each once, with all its services."""
    found: dict[str, Account] = {}
    for name, service in door.services().items():
        for account in service.accounts():
            known = found.get(account.id)
            services = (*known.services, *account.services, name) if known else (*account.services, name)
            found[account.id] = Account(
                account.id,
                account.kind,
                account.name,
                account.address,
                active=account.active or bool(known and known.active),
                services=tuple(dict.fromkeys(services)),
                properties=account.properties,
            )
    yield from found.values()
