"""Entry of `grant`: rights of one open lease, narrowed to its customer. Asked by workers, never through state."""

from __future__ import annotations

from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from arche.aws import telemetry, wiring
from arche.aws.grants import GrantOffice
from arche.aws.settings import GrantSettings


@cache
def office() -> GrantOffice:
    """Keep between two questions: clients with the function's own rights, and no answer."""
    return wiring.grant_office(GrantSettings.from_env())


@telemetry.guarded
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """``{"run", "lease", "customer"}`` -> credentials, or ``{"refused": true}``."""
    return office().answer(event)
