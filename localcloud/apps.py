"""The apps that an operator registers with the platforms: at the simulators here, by hand in Entra otherwise.

The private keys are in KMS and stay there; what the platform gets is a certificate that KMS signed.
"""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from arche.aws.kms import KmsKeeper
from arche.aws.sign_ins import redirect_uri
from arche.catalog.apps import APPS, AppRegistration, Apps
from arche.catalog.table import Credentials, Rows, Tables
from arche.model.tenancy import App
from arche.providers.certificate import self_signed
from arche.providers.registry import platform
from localcloud.toolkit import REGION
from simulators.frame.control import Control

PLATFORM = "microsoft365"
_KEY: Mapping[App, str] = {"backup": "AppKeyArn", "restore": "RestoreAppKeyArn"}
_DAYS = 365


def register(
    control: Control,
    kms: Any,
    outputs: Mapping[str, str],
    *,
    endpoint: str,
    earlier: Mapping[str, Mapping[str, str]],
) -> dict[str, dict[str, str]]:
    """Register backup and restore app with the simulators and with us. Returns ``{app: {client_id, certificate}}``.

    ``earlier`` is what an earlier start returned: client ids and certificates stay, addresses are told anew.
    """
    tables = Tables(tenancy=outputs["TenancyTableName"])
    book = Apps(Rows(tables, region=REGION, endpoint=endpoint, credentials=Credentials("test", "test", "")))
    redirect = redirect_uri(outputs["ApiUrl"])
    registered: dict[str, dict[str, str]] = {}
    for app in APPS:
        known = earlier.get(app, {})
        pem = known.get("certificate") or _certificate(app, control, KmsKeeper(kms, outputs[_KEY[app]]))
        registered[app] = _one(app, control, book, redirect=redirect, client_id=known.get("client_id", ""), pem=pem)
    return registered


def _certificate(app: App, control: Control, keeper: KmsKeeper) -> str:
    begins = datetime.fromtimestamp(control.now(), UTC) - timedelta(minutes=5)
    return ssl.DER_cert_to_PEM_cert(self_signed(keeper, f"Arche {app}", begins, _DAYS))


def _one(app: App, control: Control, book: Apps, *, redirect: str, client_id: str, pem: str) -> dict[str, str]:
    roles = _roles(app)
    client_id = control.act(
        "app_register",
        PLATFORM,
        name=f"Arche {app}",
        redirect_uris=[redirect],
        roles=list(roles),
        client_id=client_id,
    )["client_id"]
    shown = control.act("app_certificate_add", PLATFORM, client_id=client_id, pem=pem)
    book.put(
        AppRegistration(
            platform=PLATFORM,
            app=app,
            client_id=client_id,
            kind="certificate",
            certificate=pem,
            thumbprint=hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest(),
            expires=str(shown["expires"]),
            roles=roles,
        ),
    )
    return {"client_id": client_id, "certificate": pem}


def _roles(app: App) -> tuple[str, ...]:
    """App permissions of all services of the platform, as the room declares them."""
    found: set[str] = set()
    for permissions in platform(PLATFORM).permissions.values():
        found.update(permissions.backup if app == "backup" else permissions.restore)
    return tuple(sorted(found))
