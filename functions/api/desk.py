"""What a process of the API holds between two requests: its ports, made at the first request, and the clock."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

from arche.aws import wiring
from arche.aws.settings import ContentSettings, MainSettings
from arche.operations.front_ports import ContentPorts, Front


@cache
def front() -> Front:
    """Ports of the main function."""
    return wiring.front(MainSettings.from_env())


@cache
def content() -> ContentPorts:
    """Ports of the content function."""
    return wiring.content_ports(ContentSettings.from_env())


def now() -> datetime:
    """Read the clock: the present instant, UTC."""
    return datetime.now(UTC)
