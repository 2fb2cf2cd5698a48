"""What each function is told by its environment, and nothing else.

One frozen class per kind of function. A field ``vault_bucket`` is read from ``ARCHE_VAULT_BUCKET``; every field is
required. The standard variables (``AWS_REGION``, ``AWS_ENDPOINT_URL``, ``HTTPS_PROXY``, ``SSL_CERT_FILE`` ...) are
not ours and are honoured by the libraries that read them. This module has no side effects and imports nothing of
AWS, so that the template tests can compare it with what ``infra`` deploys.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import ClassVar, Self

_PREFIX = "ARCHE_"


class SettingsMissing(Exception):  # noqa: N818 - the name says what happened
    """The environment lacks variables; the message names each of them."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Base of all settings: reads the fields of the class from the environment."""

    KIND: ClassVar[str] = "function"

    @classmethod
    def variables(cls) -> dict[str, str]:
        """Field name to environment variable, in the order of the fields."""
        return {f.name: _PREFIX + f.name.upper() for f in fields(cls)}

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Self:
        """Read the fields from ``env`` (the process environment if None). Raises SettingsMissing."""
        source = os.environ if env is None else env
        wanted = cls.variables()
        missing = [name for name in wanted.values() if not source.get(name)]
        if missing:
            raise SettingsMissing(
                f"{cls.KIND} needs {', '.join(missing)}, which the environment does not set. "
                "Deploy the service stack again, or set them by hand.",
            )
        return cls(**{field: source[name] for field, name in wanted.items()})


@dataclass(frozen=True, slots=True)
class ScheduleSettings(Settings):
    """``backup.schedule``: finds due accounts, opens runs and leases, writes the work lists."""

    KIND: ClassVar[str] = "schedule"

    tenancy_table: str
    index_table: str
    work_table: str
    work_bucket: str


@dataclass(frozen=True, slots=True)
class WorkerSettings(Settings):
    """The workers of backup and restore: names only, the rights come from ``grant``."""

    KIND: ClassVar[str] = "worker"

    tenancy_table: str
    directory_table: str
    index_table: str
    work_table: str
    vault_bucket: str
    keys_bucket: str
    work_bucket: str
    vault_key: str
    grant_function: str
    token_function: str
    public_url: str


@dataclass(frozen=True, slots=True)
class DiscoverSettings(WorkerSettings):
    """``backup.discover``: told what every worker is told, but works in its own right and asks ``token`` alone."""

    KIND: ClassVar[str] = "discover"


@dataclass(frozen=True, slots=True)
class MeterSettings(Settings):
    """``billing.meter``: reads accounts and heads of the index, writes usage rows."""

    KIND: ClassVar[str] = "meter"

    tenancy_table: str
    index_table: str


@dataclass(frozen=True, slots=True)
class GrantSettings(Settings):
    """``access.grant``: checks a lease and narrows a data role to one customer."""

    KIND: ClassVar[str] = "grant"

    tenancy_table: str
    directory_table: str
    index_table: str
    work_table: str
    vault_bucket: str
    keys_bucket: str
    work_bucket: str
    exports_bucket: str
    vault_key: str
    writer_role: str
    reader_role: str


@dataclass(frozen=True, slots=True)
class TokenSettings(Settings):
    """``access.token``: signs with the app keys and hands out one tenant's access token."""

    KIND: ClassVar[str] = "token"

    tenancy_table: str
    work_table: str
    app_key: str
    restore_app_key: str
    apps_secret: str
    public_url: str


@dataclass(frozen=True, slots=True)
class MainSettings(Settings):
    """``api.main``: tables and machines; no KMS, no vault."""

    KIND: ClassVar[str] = "api main"

    tenancy_table: str
    directory_table: str
    index_table: str
    work_table: str
    backup_machine: str
    restore_machine: str
    token_function: str
    discover_function: str
    public_url: str


@dataclass(frozen=True, slots=True)
class ContentSettings(Settings):
    """``api.content``: reads as ``api.main`` does, and may ask ``grant`` for a browse lease."""

    KIND: ClassVar[str] = "api content"

    tenancy_table: str
    directory_table: str
    index_table: str
    work_table: str
    backup_machine: str
    restore_machine: str
    token_function: str
    public_url: str
    grant_function: str
    vault_bucket: str
    keys_bucket: str
    work_bucket: str
    exports_bucket: str
    vault_key: str


SETTINGS_BY_HANDLER: dict[str, type[Settings]] = {
    "functions.backup.schedule": ScheduleSettings,
    "functions.backup.collect": WorkerSettings,
    "functions.backup.seal": WorkerSettings,
    "functions.backup.discover": DiscoverSettings,
    "functions.restore.plan": WorkerSettings,
    "functions.restore.deliver": WorkerSettings,
    "functions.restore.report": WorkerSettings,
    "functions.billing.meter": MeterSettings,
    "functions.access.grant": GrantSettings,
    "functions.access.token": TokenSettings,
    "functions.api.main": MainSettings,
    "functions.api.content": ContentSettings,
}
"""Which settings the module of a Lambda handler reads."""
