"""The house's walls: arrows, sizes, names. What a tool checks elsewhere (`make check`) is not repeated here."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CORE = ROOT / "layers/core/python"
PRODUCT = [CORE / "arche", ROOT / "functions", ROOT / "infra", ROOT / "simulators", ROOT / "localcloud"]
FORBIDDEN_NAMES = {"utils", "util", "common", "manager", "managers", "helpers", "helper", "handler", "handlers", "misc"}


def sources(*folders: Path) -> list[Path]:
    return sorted(path for folder in folders for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_the_arrows_of_the_packages():
    """import-linter with the contracts of pyproject.toml, as `make check` runs it."""
    code = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, "--no-cache"],
        cwd=ROOT,
        env={"PYTHONPATH": f"{CORE}:{ROOT}", "PATH": "", "NO_COLOR": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-2_000:]


@pytest.mark.parametrize("path", sources(ROOT / "functions"), ids=named)
def test_an_entry_is_at_most_sixty_lines(path):
    if path.parent.name in {"backup", "restore", "billing", "access"}:
        assert len(path.read_text().splitlines()) <= 60


@pytest.mark.parametrize("path", sources(*PRODUCT), ids=named)
def test_a_file_is_at_most_four_hundred_lines(path):
    limit = 300 if (CORE / "arche/providers") in path.parents else 400
    assert len(path.read_text().splitlines()) <= limit


def test_no_file_has_a_name_that_says_nothing():
    bad = [named(path) for path in sources(*PRODUCT, ROOT / "bench") if path.stem in FORBIDDEN_NAMES]
    bad += [named(path) for path in sources(*PRODUCT) if path.parent.name in FORBIDDEN_NAMES]
    assert bad == []


def test_nothing_is_left_to_do():
    marks = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b")
    bad = [
        f"{named(path)}:{number}"
        for path in sources(*PRODUCT, ROOT / "bench")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if marks.search(line)
    ]
    assert bad == []


def test_each_module_says_what_it_is_for():
    bad = [named(path) for path in sources(*PRODUCT) if not ast.get_docstring(ast.parse(path.read_text()))]
    assert bad == []


def test_importing_the_product_builds_nothing():
    """No client, connection or file is opened by an import: modules only define."""
    bad = []
    for path in sources(CORE / "arche", ROOT / "functions"):
        for node in ast.parse(path.read_text()).body:
            value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
            if isinstance(value, ast.Call):
                name = value.func.attr if isinstance(value.func, ast.Attribute) else getattr(value.func, "id", "")
                if name in {
                    "client",
                    "resource",
                    "Session",
                    "Client",
                    "open",
                    "from_env",
                    "Logger",
                    "Metrics",
                    "Tracer",
                }:
                    bad.append(f"{named(path)}:{node.lineno} {name}")
    assert bad == []
