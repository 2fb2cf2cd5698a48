"""State machines and functions that go on after the API's answer. Fills ``operations.front_ports.Machines``."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from arche.aws.errors import code_of, translated
from arche.aws.functions import tell

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_stepfunctions import SFNClient

#: An execution's name may have 80 of these characters (Step Functions API, StartExecution).
_LONGEST: Final = 80


class StateMachines:
    """Starts the machines and the function ``discover``. Raises AwsUnavailable, AwsDenied."""

    def __init__(self, states: SFNClient, functions: LambdaClient, *, backup: str, restore: str, discover: str) -> None:
        self._states = states
        self._functions = functions
        self._backup = backup
        self._restore = restore
        self._discover = discover

    def start_backup(self, name: str, event: Mapping[str, object]) -> None:
        """Start the machine ``backup``; the same name again does nothing."""
        self._start(self._backup, name, event)

    def start_restore(self, name: str, event: Mapping[str, object]) -> None:
        """Start the machine ``restore``; the same name again does nothing."""
        self._start(self._restore, name, event)

    def discover(self, event: Mapping[str, object]) -> None:
        """Invoke ``discover`` without waiting."""
        tell(self._functions, self._discover, json.dumps(event))

    def _start(self, machine: str, name: str, event: Mapping[str, object]) -> None:
        try:
            self._states.start_execution(stateMachineArn=machine, name=_fitting(name), input=json.dumps(event))
        except (ClientError, BotoCoreError) as error:
            if code_of(error) != "ExecutionAlreadyExists":
                raise translated(error, "machine not started") from None


def _fitting(name: str) -> str:
    """Make an execution name of any text; different texts stay different."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "-", name)
    if plain == name and len(name) <= _LONGEST:
        return name
    return f"{plain[:60]}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"
