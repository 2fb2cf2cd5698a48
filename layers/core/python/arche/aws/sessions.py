"""boto3 sessions and clients. A client belongs to one set of credentials and is built where those are known.

boto3 and botocore honour ``AWS_REGION``, ``AWS_ENDPOINT_URL``, ``HTTPS_PROXY`` and ``NO_PROXY`` by themselves.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.loaders import Loader
from botocore.session import Session as BotocoreSession

from arche.catalog.table import Credentials

_CONFIG: Final = {
    "connect_timeout": 5,
    "read_timeout": 60,
    "retries": {"total_max_attempts": 4, "mode": "standard"},
    "max_pool_connections": 16,
}


def region() -> str:
    """Name the region that the process works in. Raises LookupError when nothing says so."""
    found = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or boto3.Session().region_name
    if not found:
        raise LookupError("No AWS region is set. Set AWS_REGION, or a region in the AWS profile.")
    return str(found)


@cache
def _models() -> Loader:
    """Descriptions of AWS's services: large, alike for everybody, and without credentials; read once per process."""
    return Loader()


def session(credentials: Credentials | None = None) -> boto3.Session:
    """Make a session of its own, with a run's credentials or (None) those of the process."""
    inner = BotocoreSession()
    inner.register_component("data_loader", _models())
    if credentials is None:
        return boto3.Session(botocore_session=inner, region_name=region())
    return boto3.Session(
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        aws_session_token=credentials.token,
        botocore_session=inner,
        region_name=region(),
    )


def client(made: boto3.Session, service: str, **settings: Any) -> Any:
    """Make a client with the timeouts and retries of the house; ``settings`` are those of botocore's Config."""
    return made.client(service, config=Config(**{**_CONFIG, **settings}))
