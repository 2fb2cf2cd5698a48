"""The extracted contract facts: permissions by path, and what properties each type has."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data"


@functools.cache
def _load(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((DATA / name).read_text())
    return content


@functools.cache
def allowed(path: str, method: str) -> frozenset[str] | None:
    """Return the app permissions of which one suffices for a lower-case path with ``{id}``; None if unlisted."""
    content = _load("permissions.json")
    found = content["paths"].get(path, {}).get(method)
    if found is None:
        return None
    return frozenset(content["permissions"][number] for number in found)


def permission_names() -> frozenset[str]:
    """Every application permission of Graph."""
    return frozenset(_load("permissions.json")["application"])


def satisfies(roles: frozenset[str], wanted: frozenset[str]) -> bool:
    """Whether one of the granted roles is enough.

    ``X.ReadWrite`` stands for ``X.Read`` too, as Microsoft's permission reference says ("read and write"), although
    the list does not repeat it for every path (``GET /users/{id}/messages/{id}``).
    """
    return any(role in wanted or role.replace(".ReadWrite", ".Read") in wanted for role in roles)


@functools.cache
def properties(type_name: str) -> dict[str, str]:
    """Structural properties of a type and its bases, name to type (``Edm.String``, ``recipient[]``)."""
    found: dict[str, str] = {}
    types = _load("types.json")["types"]
    while type_name:
        found = types[type_name]["properties"] | found
        type_name = types[type_name]["base"]
    return found


@functools.cache
def navigation(type_name: str) -> dict[str, str]:
    """Navigation properties of a type and its bases, name to type."""
    found: dict[str, str] = {}
    types = _load("types.json")["types"]
    while type_name:
        found = types[type_name]["navigation"] | found
        type_name = types[type_name]["base"]
    return found


def members(enum_name: str) -> list[str]:
    """Return the members of an enum type."""
    found: list[str] = _load("types.json")["enums"][enum_name]
    return found
