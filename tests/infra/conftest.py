"""One synthesis for all template tests: it is what takes the time."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import pytest

# jsii warns of Node 20 in eleven lines per start; it wants to be told which versions it need not speak of.
os.environ["JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION"] = "20,21,23"
os.environ["JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION"] = "1"

from aws_cdk import App

from infra.deployment import build
from infra.options import ROOT, Options
from tests.infra.evaluator import Stacks


class Assembly:
    """A synthesized deployment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.templates = {
            path.name.removesuffix(".template.json"): json.loads(path.read_text())
            for path in folder.glob("*.template.json")
        }
        self.data, self.service = self.templates["ArcheData"], self.templates["ArcheService"]
        self.manifest = json.loads((folder / "manifest.json").read_text())
        self.stacks = Stacks(self.templates)
        report = folder / "validation-report.json"
        self.reports = json.loads(report.read_text())["pluginReports"] if report.exists() else []

    def resources(self, stack: str, kind: str) -> dict[str, dict]:
        """Resources of a type, by logical id."""
        found = self.templates[stack]["Resources"]
        return {logical_id: resource for logical_id, resource in found.items() if resource["Type"] == kind}

    def violations(self) -> set[tuple[str, str]]:
        """``(construct path, finding)`` of everything that cdk-nag reports."""
        return {
            (construct["constructPath"], violation["ruleName"])
            for report in self.reports
            for violation in report["violations"]
            for construct in violation["violatingConstructs"]
        }


def synthesize(folder: Path, *, default_rules: bool = True, **options) -> Assembly:
    """Synthesize with a vendor layer of no size, so that nothing large is copied.

    ``default_rules``: also apply CloudFormation's own rules (circular references and the like; several seconds).
    """
    vendor = folder.with_name(f"{folder.name}-vendor.zip")
    with zipfile.ZipFile(vendor, "w") as archive:
        archive.writestr("python/empty.py", "")
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    context["@aws-cdk/core:validateAgainstDefaultRules"] = default_rules
    app = App(outdir=str(folder), context=context)
    build(app, Options(vendor_layer=str(vendor), **options))
    app.synth()
    return Assembly(folder)


@pytest.fixture(scope="session")
def assembly(tmp_path_factory) -> Assembly:
    """The deployment with default options."""
    return synthesize(tmp_path_factory.mktemp("cdk") / "out")


@pytest.fixture(scope="session")
def stacks(assembly) -> Stacks:
    """Its templates for the evaluator."""
    return assembly.stacks
