"""Our apps as registered with the platforms: what is public of them. Private keys are in KMS and never here.

=======  ====================================  =====================================================
table    pk, sk                                attributes
=======  ====================================  =====================================================
tenancy  APP#{platform}#{backup|restore}, APP  fields of AppRegistration
=======  ====================================  =====================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from arche.catalog.table import Rows
from arche.catalog.values import fields, record
from arche.catalog.writes import Put
from arche.model.tenancy import App

APPS: Final[tuple[App, ...]] = ("backup", "restore")


@dataclass(frozen=True, slots=True)
class AppRegistration:
    """An app at a platform.

    ``certificate`` is PEM, "" for an app of kind ``secret`` (whose secret lies in Secrets Manager); ``thumbprint`` is
    the SHA-256 of its DER form in hex; ``expires`` its end, ISO 8601; ``roles`` the permissions it asks for.
    """

    platform: str
    app: App
    client_id: str
    kind: Literal["certificate", "secret"]
    certificate: str = ""
    thumbprint: str = ""
    expires: str = ""
    roles: tuple[str, ...] = ()


class Apps:
    """The operator's app registrations. They belong to no tenant."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def get(self, platform: str, app: App) -> AppRegistration | None:
        """Read a registration, or None."""
        row = self._rows.get("tenancy", f"APP#{platform}#{app}", "APP")
        return record(AppRegistration, row) if row else None

    def put(self, registration: AppRegistration) -> None:
        """Create or replace a registration (a new certificate replaces the old one's public half here)."""
        pk = f"APP#{registration.platform}#{registration.app}"
        self._rows.put(Put("tenancy", pk, "APP", fields(registration)))
