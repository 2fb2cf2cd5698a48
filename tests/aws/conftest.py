"""moto's AWS for the tests of this part: a region, credentials of nobody, and no wait in any retry."""

from __future__ import annotations

import pytest
from moto import mock_aws

from arche.aws import sessions

REGION = "eu-central-1"


@pytest.fixture
def aws(monkeypatch):
    """moto instead of AWS."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_REGION", REGION)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield


def aws_client(service):
    """A boto3 client in the usual region; descriptions of services are read once, which is most of its cost."""
    return sessions.client(sessions.session(), service)
