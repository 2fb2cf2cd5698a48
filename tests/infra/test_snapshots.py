"""Snapshots: a change of what is deployed is seen in the diff of a small file, not found in the cloud.

``UPDATE_SNAPSHOTS=1`` writes them anew; read the diff before committing it.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

HERE = Path(__file__).resolve().parent / "snapshots"
_HASHED = re.compile(r"[0-9a-f]{64}")


def _compare(name: str, text: str) -> None:
    path = HERE / name
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.write_text(text)
    assert path.read_text() == text, f"{name} differs: if that is meant, run the tests with UPDATE_SNAPSHOTS=1"


def test_data_stack(assembly):
    """All properties: whatever changes here touches what holds data."""
    resources = {
        name: {key: value for key, value in resource.items() if key != "Metadata"}
        for name, resource in sorted(assembly.data["Resources"].items())
    }
    _compare("data.json", _HASHED.sub("HASH", json.dumps(resources, indent=1, sort_keys=True)) + "\n")


def test_service_stack(assembly):
    """Kinds and names: what is there."""
    lines = sorted(f"{resource['Type']} {name}" for name, resource in assembly.service["Resources"].items())
    # A layer version's logical id ends with the hash of its content.
    _compare("service.txt", re.sub(r"(Layers(?:Core|Vendor)[0-9A-F]{8})\w*", r"\1", "\n".join(lines)) + "\n")


def test_rights(assembly, stacks):
    """One paragraph per role: the page to read in a review of rights."""
    roles = sorted(role["RoleName"] for _stack, _id, role in stacks.resources("AWS::IAM::Role"))
    lines = []
    for role in roles:
        lines += ["", role]
        for statement in stacks.trust(role):
            lines.append(f"  assumed by {json.dumps(statement['Principal'])}")
        for statement in stacks.identity(role):
            actions, resources = (_list(statement[key]) for key in ("Action", "Resource"))
            lines.append(f"  {statement['Effect'].lower()} {' '.join(sorted(actions))}")
            lines += [f"      on {resource}" for resource in sorted(resources)]
            if "Condition" in statement:
                lines.append(f"      if {json.dumps(statement['Condition'], sort_keys=True)}")
    _compare("rights.txt", "\n".join(lines[1:]) + "\n")


def _list(value) -> list[str]:
    return value if isinstance(value, list) else [value]
