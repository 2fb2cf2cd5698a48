"""Which platforms there are: one line each. A room is imported when it is asked for, and no other with it."""

from __future__ import annotations

import importlib
from typing import Final

from arche.providers.platform import Platform

_ROOMS: Final = {
    "microsoft365": "arche.providers.microsoft365.room",
}


def names() -> tuple[str, ...]:
    """Name the platforms."""
    return tuple(_ROOMS)


def platform(name: str) -> Platform:
    """Give a platform. Raises KeyError for an unknown name."""
    made = importlib.import_module(_ROOMS[name]).platform()
    assert isinstance(made, Platform)
    return made
