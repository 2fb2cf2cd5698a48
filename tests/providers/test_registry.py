"""One line a platform, and no room imports another."""

from __future__ import annotations

import subprocess
import sys

import httpx
import pytest

from arche.providers import registry
from arche.providers.platform import Platform


@pytest.mark.parametrize("name", registry.names())
def test_a_platform_is_data(name: str) -> None:
    platform = registry.platform(name)
    assert isinstance(platform, Platform)
    assert platform.name == name
    assert set(platform.permissions) == set(platform.services)
    assert platform.hosts.api
    assert platform.hosts.login
    for needed in platform.permissions.values():
        assert needed.backup
        assert not [one for one in needed.backup if "Write" in one], "backups only read"


def test_an_unknown_platform_is_told() -> None:
    with pytest.raises(KeyError):
        registry.platform("lotus-notes")


def test_a_room_is_imported_when_asked_for() -> None:
    code = "import sys; from arche.providers import registry; print([m for m in sys.modules if 'microsoft365' in m])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_the_login_client_reaches_login_hosts_alone() -> None:
    platform = registry.platform("microsoft365")
    wire = httpx.MockTransport(lambda request: httpx.Response(200, text=request.url.host))
    with platform.login(transport=wire) as client:
        assert client.get("https://login.microsoftonline.com/x").text == "login.microsoftonline.com"
        with pytest.raises(Exception, match="not on the platform's list"):
            client.get("https://graph.microsoft.com/v1.0/users")
