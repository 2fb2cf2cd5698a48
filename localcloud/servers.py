"""The two processes of an embedded cloud: the emulator and the simulators."""

from __future__ import annotations

import json
import shutil
import urllib.request
from pathlib import Path

from localcloud.children import LOOPBACK, Child, plain_environment, python
from localcloud.toolkit import ACCOUNT, REGION, ROOT

_EMULATOR_SECONDS = 120
_SIMULATORS_SECONDS = 300

MARKS = {"emulator": "localcloud.emulator", "simulators": "-m simulators"}
"""What the command line of each holds; a process of an earlier start is known by it."""


def emulator(home: Path, port: int) -> Child:
    """Start the emulator on ``port``; its state is kept in ``home``."""
    state = home / "emulator"
    temporary = state / "tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    environment = plain_environment(
        AUTH="true",
        GATEWAY_PORT=str(port),
        BIND_HOST=LOOPBACK,
        MINISTACK_HOST="localhost",
        MINISTACK_REGION=REGION,
        MINISTACK_ACCOUNT_ID=ACCOUNT,
        PERSIST_STATE="1",
        STATE_DIR=str(state / "state"),
        S3_PERSIST="1",
        S3_DATA_DIR=str(state / "s3"),
        SFTP_ENABLED="0",
        IOT_MTLS_ENABLED="0",
        LOG_LEVEL="WARNING",
        TMPDIR=str(temporary),
    )
    command = [python(), "-m", "localcloud.emulator"]
    return Child("emulator", command, env=environment, log=home / "logs" / "emulator.log", cwd=ROOT)


def await_emulator(child: Child, endpoint: str) -> None:
    """Wait until it answers. Raises Refused."""
    child.wait_until(lambda: answers(endpoint), _EMULATOR_SECONDS)


def answers(endpoint: str) -> bool:
    """Whether an emulator answers there."""
    try:
        with urllib.request.urlopen(f"{endpoint}/_ministack/health", timeout=2) as response:  # noqa: S310 - loopback
            return bool(response.status == 200)  # noqa: PLR2004 - HTTP OK
    except OSError:
        return False


def simulators(home: Path, world: Path | None) -> Child:
    """Start the simulators; their state is kept in ``home``."""
    where = _where(home)
    where.unlink(missing_ok=True)
    command = [python(), "-m", "simulators", "--state", str(home / "simulators"), "--port-file", str(where)]
    if world:
        command += ["--world", str(world)]
    return Child("simulators", command, env=plain_environment(), log=home / "logs" / "simulators.log", cwd=ROOT)


def await_simulators(child: Child, home: Path) -> dict[str, str]:
    """Wait until they answer, and say where: ``proxy``, ``ca``, ``control``. Raises Refused."""
    child.wait_until(_where(home).exists, _SIMULATORS_SECONDS)
    found: dict[str, str] = json.loads(_where(home).read_text())
    return found


def _where(home: Path) -> Path:
    return home / "simulators.json"
