"""Make ``data/*.json`` from the published contracts: ``python -m simulators.microsoft365.extract CONTRACTS_DIR``.

Sources, both MIT licensed by Microsoft: ``microsoftgraph/msgraph-metadata`` (clean v1.0 CSDL) and
``microsoftgraph/microsoft-graph-devx-content`` (permissions.json). Only what the simulator asks for is taken.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

DATA = Path(__file__).parent / "data"
EDM = "{http://docs.oasis-open.org/odata/ns/edm}"
PATHS = re.compile(
    r"/(users(/\{id\}(/(mailfolders|messages|mailboxsettings|settings|outlook|translateexchangeids"
    r"|inferenceclassification)\b.*)?|/delta)?|admin/exchange/mailboxes\b.*|organization(/\{id\})?|domains(/\{id\})?"
    r"|subscribedskus(/\{id\})?|directory/deleteditems\b.*|directoryroles\b.*|groups(/\{id\}(/members)?|/delta)?)",
    re.IGNORECASE,
)
ROOTS = [
    "user",
    "group",
    "organization",
    "domain",
    "subscribedSku",
    "mailboxSettings",
    "exchangeSettings",
    "mailFolder",
    "mailSearchFolder",
    "message",
    "eventMessage",
    "eventMessageRequest",
    "eventMessageResponse",
    "event",
    "contact",
    "outlookCategory",
    "fileAttachment",
    "itemAttachment",
    "referenceAttachment",
    "attachmentItem",
    "uploadSession",
    "messageRule",
    "inferenceClassification",
]


def permissions(source: Path) -> dict[str, Any]:
    """Application permissions by lower-case path and method, any one of which suffices."""
    names: dict[str, dict[str, set[str]]] = {}
    listed = json.loads(source.read_text())["permissions"]
    for name, permission in listed.items():
        for group in permission["pathSets"]:
            if "Application" not in group["schemeKeys"]:
                continue
            for path in group["paths"]:
                if PATHS.fullmatch(path):
                    for method in group["methods"]:
                        names.setdefault(path.lower(), {}).setdefault(method, set()).add(name)
    order = sorted({name for methods in names.values() for found in methods.values() for name in found})
    number = {name: index for index, name in enumerate(order)}
    return {
        "source": "microsoftgraph/microsoft-graph-devx-content, permissions/new/permissions.json, MIT",
        "application": sorted(name for name, entry in listed.items() if "Application" in entry["schemes"]),
        "permissions": order,
        "paths": {
            path: {method: sorted(number[name] for name in found) for method, found in sorted(methods.items())}
            for path, methods in sorted(names.items())
        },
    }


def types(source: Path) -> dict[str, Any]:
    """Properties and navigation of the root types and of every type that their properties need."""
    schema = next(
        schema
        for schema in ET.parse(source).iter(f"{EDM}Schema")  # noqa: S314 - the vendor's own file
        if schema.get("Namespace") == "microsoft.graph"
    )
    there = {str(node.get("Name")): node for node in schema if node.get("Name")}
    found: dict[str, Any] = {}
    enums: dict[str, list[str]] = {}
    wanted = list(ROOTS)
    while wanted:
        name = wanted.pop()
        node = there.get(name)
        if node is None or name in found or name in enums:
            continue
        if node.tag == f"{EDM}EnumType":
            enums[name] = [str(member.get("Name")) for member in node.iter(f"{EDM}Member")]
            continue
        properties = {str(part.get("Name")): _short(part) for part in node.iter(f"{EDM}Property")}
        found[name] = {
            "base": (node.get("BaseType") or "").removeprefix("graph."),
            "properties": properties,
            "navigation": {str(part.get("Name")): _short(part) for part in node.iter(f"{EDM}NavigationProperty")},
        }
        wanted += [found[name]["base"], *(kind.removesuffix("[]") for kind in properties.values())]
    return {
        "source": "microsoftgraph/msgraph-metadata, clean_v10_metadata/cleanMetadata.xml, MIT",
        "types": dict(sorted(found.items())),
        "enums": dict(sorted(enums.items())),
    }


def _short(part: ET.Element) -> str:
    kind = str(part.get("Type"))
    many = kind.startswith("Collection(")
    return kind.removeprefix("Collection(").removesuffix(")").removeprefix("graph.") + ("[]" if many else "")


def main(contracts: Path) -> None:
    """Write both files."""
    folder = contracts / "machine" / "microsoft365"
    for name, content in (
        ("permissions.json", permissions(folder / "permissions.json")),
        ("types.json", types(folder / "graph-v1.0.csdl.xml")),
    ):
        lines = json.dumps(content, indent=0, separators=(",", ":"), ensure_ascii=False)
        # One line per path or type keeps the file small and its changes readable.
        compact = re.sub(r"(?<=[\[{,\]}\d\"])\n(?=[\[{\]}\d\"])", "", lines)
        (DATA / name).write_text(re.sub(r'(?<=\},)(?="[/a-zA-Z]+[^"]*":\{)', "\n", compact) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
