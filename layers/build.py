# ruff: noqa: INP001 - a script beside the layers, no package
"""Builds the vendor layer: ``layers/vendor/python/{lambda,local}/layer.zip``, the third-party code of every function.

``python layers/build.py`` builds for Lambda (arm64, Python 3.13, binary wheels only, so no Docker and no compiler),
``--local`` for this interpreter: the embedded cloud runs functions on the interpreter that runs it. Both come from
``layers/vendor/requirements.txt`` with its hashes. A build is made beside the old one and swapped in by a rename, so an
interrupted build leaves the old one; one that is up to date is left alone.
"""

from __future__ import annotations

import argparse
import compileall
import hashlib
import json
import py_compile
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

PYTHON_VERSION = "3.13"
PLATFORM = "manylinux2014_aarch64"
"""What the Lambda variant is built for; a template test compares both with the functions' runtime and architecture."""

BOTOCORE_SERVICES = frozenset(
    {
        "cognito-idp",
        "dynamodb",
        "kms",
        "lambda",
        "logs",
        "s3",
        "secretsmanager",
        "signin",
        "sso",
        "sso-oidc",
        "stepfunctions",
        "sts",
    },
)
"""API models kept of botocore's 400: the rest is two thirds of the layer and is read by nobody (a test compares)."""

_HERE = Path(__file__).resolve().parent
_LOCK = _HERE / "vendor" / "requirements.txt"
_BUILT = _HERE / "vendor" / "python"


def main(arguments: list[str] | None = None) -> int:
    """Build the wanted variant and say where it is. Exit code 1, with one line, if pip cannot."""
    parser = argparse.ArgumentParser(prog="python layers/build.py", description="Builds the vendor layer.")
    parser.add_argument("--local", action="store_true", help="for this interpreter instead of Lambda")
    parser.add_argument("--force", action="store_true", help="build even if the last build is up to date")
    given = parser.parse_args(arguments)
    variant = "local" if given.local else "lambda"
    target = _BUILT / variant
    stamp = _stamp(variant)
    if not given.force and _read(target / "built.json") == stamp:
        sys.stdout.write(f"layers: vendor layer ({variant}) is up to date\n")
        return 0
    draft = _BUILT / f".{variant}.draft"
    shutil.rmtree(draft, ignore_errors=True)
    site = draft / "python"
    site.mkdir(parents=True)
    done = subprocess.run(_pip(variant, site), check=False)  # noqa: S603 - our own interpreter, fixed arguments
    if done.returncode != 0:
        sys.stderr.write("layers: pip could not install the pinned set; the lines above say which package and why\n")
        return 1
    _trim(site)
    if given.local:
        # Workers of the embedded cloud unpack the layer anew: compiled files, valid by content of the build, save them
        # compiling it too. Lambda's Python is not this one, so the other variant goes without.
        compileall.compile_dir(site, quiet=2, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    _pack(site, draft / "layer.zip", fast=given.local)
    shutil.rmtree(site)
    (draft / "built.json").write_text(json.dumps(stamp, indent=1) + "\n")
    shutil.rmtree(target, ignore_errors=True)
    draft.rename(target)
    sys.stdout.write(f"layers: vendor layer ({variant}) built, {(target / 'layer.zip').stat().st_size / 1e6:.0f} MB\n")
    return 0


def _stamp(variant: str) -> dict[str, str]:
    """What a build depends on; equal stamps mean an equal layer."""
    version = PYTHON_VERSION if variant == "lambda" else ".".join(map(str, sys.version_info[:3]))
    platform = PLATFORM if variant == "lambda" else f"{sys.platform} {sys.implementation.cache_tag}"
    recipe = hashlib.sha256(_LOCK.read_bytes() + Path(__file__).read_bytes()).hexdigest()
    return {"python": version, "platform": platform, "recipe": recipe}


def _pip(variant: str, site: Path) -> list[str]:
    """The pip command. ``--no-deps`` because the lock is complete and its markers were resolved for both variants."""
    command = [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-input"]
    command += ["--no-deps", "--require-hashes", "--only-binary=:all:", "--no-compile"]
    if variant == "lambda":
        command += ["--implementation=cp", f"--python-version={PYTHON_VERSION}"]
        command += [f"--platform={PLATFORM}", "--platform=manylinux_2_28_aarch64", "--platform=manylinux_2_34_aarch64"]
    return [*command, "--target", str(site), "--requirement", str(_LOCK)]


def _trim(site: Path) -> None:
    """Remove what no function reads: other services' API models, console scripts, test suites."""
    data = site / "botocore" / "data"
    for folder in data.iterdir() if data.is_dir() else ():
        if folder.is_dir() and folder.name not in BOTOCORE_SERVICES:
            shutil.rmtree(folder)
    shutil.rmtree(site / "bin", ignore_errors=True)
    for folder in [*site.rglob("__pycache__"), *site.glob("*/tests")]:
        shutil.rmtree(folder, ignore_errors=True)


def _read(path: Path) -> dict[str, str] | None:
    try:
        found: dict[str, str] = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return found


def _pack(site: Path, packed: Path, *, fast: bool) -> None:
    """Pack the folder; equal folders give equal bytes, so that an unchanged layer is not deployed again."""
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1 if fast else 9) as archive:
        for path in sorted(path for path in site.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(site.parent).as_posix(), (1980, 1, 1, 0, 0, 0))
            entry.external_attr = (0o755 if path.suffix == ".so" else 0o644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())


if __name__ == "__main__":
    sys.exit(main())
