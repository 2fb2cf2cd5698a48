"""Our apps, ready to prove who they are: client id, and a signer over the KMS key or the secret."""

from __future__ import annotations

import importlib
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from arche.aws.kms import KmsKeeper, KmsSigner
from arche.model.tenancy import App
from arche.providers.errors import CredentialRejected

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

    from arche.aws.app_secrets import AppSecrets
    from arche.catalog.apps import Apps


class AppKeys:
    """Makes a room's ``App`` of a registration. ``keys`` names the KMS key of each app."""

    def __init__(self, apps: Apps, client: KMSClient, keys: Mapping[App, str], secrets: AppSecrets) -> None:
        self._apps = apps
        self._client = client
        self._keys = keys
        self._secrets = secrets

    def app(self, platform: str, app: App) -> Any:
        """Make the app. Raises CredentialRejected if the operator has not registered it, AwsDenied without a secret."""
        registered = self._apps.get(platform, app)
        if registered is None:
            raise CredentialRejected(
                f"the {app} app of {platform} is not registered: the operator runs `arche app-register`",
                code="app_unregistered",
            )
        kind = importlib.import_module(f"arche.providers.{platform}.token").App
        if registered.kind == "secret":
            return kind(registered.client_id, secret=self._secrets.get(platform, app))
        certificate = ssl.PEM_cert_to_DER_cert(registered.certificate)
        return kind(registered.client_id, signer=KmsSigner(KmsKeeper(self._client, self._keys[app]), certificate))
