"""Writes of a row, as data, and the pieces of their expressions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.operand import Path
from pynamodb.expressions.update import Action

from arche.catalog.values import encode

TableName = Literal["tenancy", "directory", "index", "work"]


@dataclass(frozen=True, slots=True)
class Put:
    """Write a whole row. ``name`` tells a refusing write of a transaction from the others."""

    table: TableName
    pk: str
    sk: str
    values: Mapping[str, Any]
    condition: Condition | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Update:
    """Change attributes of a row (creates it unless the condition says otherwise)."""

    table: TableName
    pk: str
    sk: str
    actions: Sequence[Action]
    condition: Condition | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a row."""

    table: TableName
    pk: str
    sk: str
    condition: Condition | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """Let the transaction happen only if a row fulfils the condition."""

    table: TableName
    pk: str
    sk: str
    condition: Condition
    name: str = ""


Write = Put | Update | Delete | Check


def attr(*path: str) -> Path:
    """Path of an attribute, e.g. ``attr("tasks", "A-0001", "state")``; dots in names are names, not steps."""
    return Path(list(path))


def value(held: Any) -> Any:
    """Operand of an expression; encoded here, so that a map that looks like an attribute value stays a map."""
    return encode(held)


def setting(values: Mapping[str, Any]) -> list[Action]:
    """SET actions for all ``values``."""
    return [attr(name).set(value(held)) for name, held in values.items()]


def absent() -> Condition:
    """Hold if the row does not exist."""
    return attr("pk").does_not_exist()


def present() -> Condition:
    """Hold if the row exists."""
    return attr("pk").exists()
