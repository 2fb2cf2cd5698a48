"""The CDK command line, called as any operator calls it, with the embedded cloud's address."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from localcloud.children import Refused, plain_environment, python

ROOT = Path(__file__).resolve().parent.parent
REGION = "eu-central-1"
ACCOUNT = "000000000000"
_OLDEST_NODE = 20
_CDK = ROOT / "node_modules" / ".bin" / "cdk"
_VENDOR = ROOT / "layers" / "vendor" / "python" / "local" / "layer.zip"


def architecture() -> str:
    """This machine's processor, in Lambda's words."""
    return "arm64" if platform.machine().lower() in {"arm64", "aarch64"} else "x86_64"


def require() -> None:
    """See that Node, the CDK command line and the vendor layer are there. Raises Refused with the way out."""
    node = shutil.which("node")
    if node is None:
        raise Refused(f"Node is missing: install {_OLDEST_NODE} or newer (22 recommended) from https://nodejs.org")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    if not version.startswith("v") or int(version[1:].split(".")[0]) < _OLDEST_NODE:
        raise Refused(f"Node {version or '?'} is too old: install {_OLDEST_NODE} or newer (22 recommended)")
    if not _CDK.exists():
        raise Refused("the CDK command line is not installed: run `npm ci` (or `make setup`)")
    if not _VENDOR.is_file():
        raise Refused("the vendor layer is not built: run `python layers/build.py --local` (or `make setup`)")


class Toolkit:
    """synth, bootstrap and deploy; ``home`` keeps the assembly and the logs."""

    def __init__(self, home: Path, endpoint: str, context: Mapping[str, str]) -> None:
        self.assembly = home / "cdk.out"
        self._outputs = home / "outputs.json"
        self._log = home / "logs" / "cdk.log"
        self._context = context
        self._environment = plain_environment(
            AWS_ENDPOINT_URL=endpoint,
            AWS_ACCESS_KEY_ID="test",
            AWS_SECRET_ACCESS_KEY="test",  # noqa: S106 - the emulator's name for the owner of the account
            AWS_REGION=REGION,
            AWS_DEFAULT_REGION=REGION,
            AWS_EC2_METADATA_DISABLED="true",
            CDK_DISABLE_VERSION_CHECK="1",
            CDK_DISABLE_CLI_TELEMETRY="true",
            # CloudFormation's own rules take three quarters of the synthesis; the template tests apply them.
            CDK_VALIDATION="false",
            # jsii and the AWS SDK warn of Node 20 on every start; `require` says once which Node is wanted.
            JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION="20,21,23",
            JSII_SILENCE_WARNING_DEPRECATED_NODE_VERSION="20,21,23",
            JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION="1",
            NODE_NO_WARNINGS="1",
        )

    def synthesize(self) -> None:
        """Make the assembly from the App."""
        shutil.rmtree(self.assembly, ignore_errors=True)
        context = [part for key, value in self._context.items() for part in ("--context", f"{key}={value}")]
        self._run("synth", "--quiet", "--app", f"{python()} app.py", "--output", str(self.assembly), *context)

    def bootstrap(self) -> None:
        """Deploy the CDK's own stack (the bucket that assets go to)."""
        self._run("bootstrap", f"aws://{ACCOUNT}/{REGION}", "--app", str(self.assembly))

    def deploy(self) -> dict[str, str]:
        """Deploy all stacks; returns their outputs by name."""
        self._run(
            "deploy",
            "--all",
            "--app",
            str(self.assembly),
            "--require-approval",
            "never",
            "--progress",
            "events",
            "--outputs-file",
            str(self._outputs),
        )
        stacks: dict[str, dict[str, str]] = json.loads(self._outputs.read_text())
        return {
            name: value
            for outputs in stacks.values()
            for name, value in outputs.items()
            if not name.startswith("ExportsOutput")
        }

    def _run(self, command: str, *arguments: str) -> None:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as sink:
            done = subprocess.run(
                [str(_CDK), command, *arguments, "--notices=false"],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if done.returncode != 0:
            raise Refused(
                f"cdk {command} failed: {reason(self._log.read_text(errors='replace').splitlines())} (log: {self._log})"
            )


def reason(lines: Sequence[str]) -> str:
    """The most telling line of the CDK's output: the last one that speaks of an error, else the last."""
    said = [line.strip() for line in lines if line.strip()]
    telling = [line for line in said if any(word in line for word in ("Error", "error", "FAILED", "failed", "Refused"))]
    return (telling or said or ["it said nothing"])[-1][:300]
