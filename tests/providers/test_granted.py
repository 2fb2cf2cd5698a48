"""A limit that a vendor granted one tenant replaces the usual one, for that budget alone."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from arche.providers import registry
from arche.providers.errors import Throttled


def calls_until_throttled(usual: int, granted: dict[str, int] | None) -> int:
    platform = registry.platform("microsoft365")
    small = replace(platform.local["mailbox"], units=usual)
    platform = replace(platform, local={"mailbox": small})
    answers = httpx.MockTransport(lambda _request: httpx.Response(200, json={}))
    session = platform.session("tenant", lambda: "token", granted=granted, transport=answers, clock=lambda: 0.0)
    for number in range(20):
        try:
            session.client.get("https://graph.microsoft.com/v1.0/x", extensions={"spends": {"mailbox:u": 1}})
        except Throttled:
            return number
    return 20


@pytest.mark.parametrize(
    ("granted", "calls"), [(None, 3), ({}, 3), ({"mailbox": 7}, 7), ({"mailbox": 2}, 2), ({"directory": 9}, 3)]
)
def test_what_is_granted_counts(granted, calls):
    assert calls_until_throttled(3, granted) == calls
