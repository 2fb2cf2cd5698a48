"""Python values to DynamoDB attribute values and back, and records to rows.

Records are dataclasses or msgspec structs of plain fields; msgspec checks their types on the way out of the table,
so a damaged row is an error at the door and not three calls later.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")
AttributeValue = dict[str, Any]


def encode(value: Any) -> AttributeValue:  # noqa: PLR0911 - one line per type
    """One value as an attribute value. Raises TypeError for what a row cannot hold."""
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case int() | float():
            return {"N": repr(value)}
        case str():
            return {"S": str(value)}
        case bytes():
            return {"B": value}
        case Mapping():
            return {"M": {str(name): encode(member) for name, member in value.items()}}
        case list() | tuple():
            return {"L": [encode(member) for member in value]}
    raise TypeError(f"a row cannot hold a {type(value).__name__}")


def decode(value: AttributeValue) -> Any:
    """Inverse of ``encode``; sets come back as sorted lists. Raises ValueError for an unknown type."""
    ((kind, held),) = value.items()
    match kind:
        case "S" | "B" | "BOOL":
            return held
        case "N":
            return float(held) if set(held) & set(".eE") else int(held)
        case "NULL":
            return None
        case "M":
            return {name: decode(member) for name, member in held.items()}
        case "L":
            return [decode(member) for member in held]
        case "SS":
            return sorted(held)
    raise ValueError(f"attribute type {kind} is not used here")


def encode_row(values: Mapping[str, Any]) -> dict[str, AttributeValue]:
    """Encode all values of a row."""
    return {name: encode(value) for name, value in values.items()}


def decode_row(row: Mapping[str, AttributeValue]) -> dict[str, Any]:
    """Inverse of ``encode_row``."""
    return {name: decode(value) for name, value in row.items()}


def fields(record: Any) -> dict[str, Any]:
    """Turn a record into plain values, ready for ``encode_row``."""
    built: dict[str, Any] = msgspec.to_builtins(record)
    return built


def record(kind: type[T], values: Mapping[str, Any]) -> T:
    """Make a record from a row; what the record does not know is left out. Raises msgspec.ValidationError."""
    return msgspec.convert(dict(values), kind)
