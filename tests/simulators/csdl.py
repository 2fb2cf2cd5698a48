"""Check Graph's JSON against the published CSDL. The file is not part of this project; without it the tests skip."""

from __future__ import annotations

import base64
import binascii
import functools
import re
import uuid
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

FILE = Path(__file__).resolve().parents[3] / "shared/contracts/machine/microsoft365/graph-v1.0.csdl.xml"
MISSING = f"the published CSDL is not there ({FILE.name}); it is not part of the project"
EDM = "{http://docs.oasis-open.org/odata/ns/edm}"
ANNOTATION = re.compile(r"@odata\.\w+|@removed|@microsoft\.graph\.\w+|\w+@odata\.\w+|\w+@delta")
INTEGERS = {"Edm.Int16": 15, "Edm.Int32": 31, "Edm.Int64": 63, "Edm.Byte": 8, "Edm.SByte": 7}


@dataclass
class Type:
    """An entity or complex type."""

    name: str
    base: str
    properties: dict[str, tuple[str, bool]] = field(default_factory=dict)
    navigation: dict[str, str] = field(default_factory=dict)


class Csdl:
    """The types of the microsoft.graph namespace."""

    def __init__(self, file: Path) -> None:
        self.types: dict[str, Type] = {}
        self.enums: dict[str, set[str]] = {}
        self.flags: set[str] = set()
        for schema in ET.parse(file).iter(f"{EDM}Schema"):  # noqa: S314 - the vendor's own file
            if schema.get("Namespace") != "microsoft.graph":
                continue
            for node in schema:
                name = node.get("Name", "")
                if node.tag == f"{EDM}EnumType":
                    self.enums[name] = {member.get("Name", "") for member in node.iter(f"{EDM}Member")}
                    if node.get("IsFlags") == "true":
                        self.flags.add(name)
                elif node.tag in (f"{EDM}EntityType", f"{EDM}ComplexType"):
                    self.types[name] = self._type(node, name)

    def _type(self, node: ET.Element, name: str) -> Type:
        found = Type(name, node.get("BaseType", "").removeprefix("graph."))
        for part in node.iter(f"{EDM}Property"):
            found.properties[part.get("Name", "")] = (part.get("Type", ""), part.get("Nullable") != "false")
        for part in node.iter(f"{EDM}NavigationProperty"):
            found.navigation[part.get("Name", "")] = part.get("Type", "")
        return found

    def lineage(self, name: str) -> list[Type]:
        """A type and its bases."""
        found = []
        while name:
            found.append(self.types[name])
            name = found[-1].base
        return found

    def members(self, name: str) -> tuple[dict[str, tuple[str, bool]], dict[str, str]]:
        """Properties and navigation of a type and its bases."""
        properties: dict[str, tuple[str, bool]] = {}
        navigation: dict[str, str] = {}
        for step in self.lineage(name):
            properties = step.properties | properties
            navigation = step.navigation | navigation
        return properties, navigation

    def check(self, value: Any, kind: str, where: str, *, nullable: bool = True) -> list[str]:
        """Problems of a value of a CSDL type."""
        if value is None:
            return [] if nullable else [f"{where}: null, but {kind} is not nullable"]
        if kind.startswith("Collection("):
            if not isinstance(value, list):
                return [f"{where}: no list"]
            inner = kind.removeprefix("Collection(").removesuffix(")")
            return [
                problem
                for place, entry in enumerate(value)
                for problem in self.check(entry, inner, f"{where}[{place}]")
            ]
        if kind.startswith("Edm."):
            return [] if _primitive(value, kind) else [f"{where}: {value!r} is no {kind}"]
        name = kind.removeprefix("graph.").removeprefix("microsoft.graph.")
        if name in self.enums:
            words = str(value).split(",") if name in self.flags else [str(value)]
            unknown = [word for word in words if word not in self.enums[name]]
            return [f"{where}: {unknown[0]} is not in enum {name}"] if unknown else []
        return self.entity(value, name, where)

    def entity(self, value: Any, name: str, where: str) -> list[str]:
        """Problems of an entity or complex value; ``@odata.type`` may narrow it."""
        if not isinstance(value, dict):
            return [f"{where}: no object"]
        narrowed = str(value.get("@odata.type", "")).removeprefix("#microsoft.graph.")
        if narrowed:
            if narrowed not in self.types:
                return [f"{where}: unknown type {narrowed}"]
            if name not in [step.name for step in self.lineage(narrowed)]:
                return [f"{where}: {narrowed} is no {name}"]
            name = narrowed
        if name not in self.types:
            return [f"{where}: unknown type {name}"]
        properties, navigation = self.members(name)
        problems: list[str] = []
        for key, entry in value.items():
            if key in properties:
                kind, nullable = properties[key]
                problems += self.check(entry, kind, f"{where}.{key}", nullable=nullable)
            elif key in navigation:
                problems += self.check(entry, navigation[key], f"{where}.{key}")
            elif not ANNOTATION.fullmatch(key):
                problems.append(f"{where}: unknown property {key} of {name}")
        return problems


def available() -> bool:
    """Whether the CSDL is there."""
    return FILE.is_file()


@functools.cache
def csdl() -> Csdl:
    """The parsed CSDL (about a second, once)."""
    return Csdl(FILE)


def validate(response: dict[str, Any], type_name: str) -> list[str]:
    """Problems of a response: an entity of ``type_name``, or a collection of them under ``value``.

    An unknown property, a wrong primitive form or an unknown enum member is a problem. ``Edm.String`` (or another
    primitive) as ``type_name`` checks a property's own resource (``{"value": ...}``).
    """
    frame = {key for key in response if key.startswith("@odata.") and key != "@odata.type"}
    if "value" in response and set(response) - frame == {"value"}:
        kind = type_name if not isinstance(response["value"], list) else f"Collection({type_name})"
        return csdl().check(response["value"], kind, "value")
    return csdl().entity(response, type_name, type_name)


def _primitive(value: Any, kind: str) -> bool:
    if kind == "Edm.Boolean":
        return isinstance(value, bool)
    if kind in INTEGERS:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2 ** INTEGERS[kind]
    if kind in ("Edm.Double", "Edm.Single", "Edm.Decimal"):
        return isinstance(value, int | float) and not isinstance(value, bool)
    if not isinstance(value, str):
        return kind in ("Edm.Untyped", "Edm.Stream")
    forms = {
        "Edm.Guid": uuid.UUID,
        "Edm.DateTimeOffset": _instant,
        "Edm.Date": date.fromisoformat,
        "Edm.Binary": _bytes,
    }
    try:
        forms.get(kind, str)(value)
    except (ValueError, binascii.Error):
        return False
    return True


def _instant(text: str) -> datetime:
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)", text):
        raise ValueError(text)
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))


def _bytes(text: str) -> bytes:
    return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
