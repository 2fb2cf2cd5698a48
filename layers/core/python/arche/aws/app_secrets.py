"""Secrets of apps that cannot sign with a key: one JSON in Secrets Manager, ``{"google": {"backup": "…"}}``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from arche.aws.errors import AwsDenied, translated

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient


class AppSecrets:
    """Reads the secret when asked; ``token`` asks only for a fresh token, so a changed secret is seen at once."""

    def __init__(self, client: SecretsManagerClient, secret: str) -> None:
        self._client = client
        self._secret = secret

    def get(self, platform: str, app: str) -> str:
        """Give the secret of an app. Raises AwsDenied if there is none, AwsUnavailable."""
        try:
            text = self._client.get_secret_value(SecretId=self._secret)["SecretString"]
        except (ClientError, BotoCoreError) as error:
            raise translated(error, "app secret not read") from None
        try:
            found = json.loads(text)[platform][app]
        except (ValueError, KeyError, TypeError):
            raise AwsDenied(f"the apps secret holds nothing for {platform} {app}", "NoAppSecret") from None
        return str(found)
