"""Entry of `token`: one tenant's access token for an open lease, or the proof of a sign-in. Alone may sign."""

from __future__ import annotations

from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from arche.aws import telemetry, wiring
from arche.aws.settings import TokenSettings
from arche.aws.tokens import TokenOffice


@cache
def office() -> TokenOffice:
    """Keep between two questions: clients, and tokens until shortly before they end."""
    return wiring.token_office(TokenSettings.from_env())


@telemetry.guarded
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """``{"run", "lease", "customer"}`` -> a token; ``{"purpose": "bind", …}`` -> a proven tenant."""
    return office().answer(event)
