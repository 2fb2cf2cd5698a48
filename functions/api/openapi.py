"""Writes docs/openapi.json: `python -m functions.api.openapi > docs/openapi.json`.

The document comes from the routes themselves; a test compares it with the committed one.
"""

from __future__ import annotations

import json
import sys
from typing import Any, Final

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler.openapi.models import HTTPBearer, License, Server

from functions.api import content, main
from functions.api.gate import resolver

DESCRIPTION: Final = (
    "The API of Arche. A member signs in with the user pool and sends the token. Errors are problem details "
    "(RFC 9457) with a stable `code`; ids of other tenants answer like unknown ones. Lists are paged by `cursor`. "
    "Long work answers 202 and a job. Bodies hold at most 64 KiB. A POST with an `Idempotency-Key` is done once."
)
_SCHEME: Final = "member"


def document() -> dict[str, Any]:
    """Make the OpenAPI document of both functions."""
    app = resolver([*main.ROUTERS, *content.ROUTERS], Logger(service="openapi"))
    schema = app.get_openapi_schema(
        title="Arche",
        version="1",
        description=DESCRIPTION,
        servers=[Server(url="/")],
        license_info=License(name="Apache-2.0"),
        security_schemes={_SCHEME: HTTPBearer(bearerFormat="JWT")},
        security=[{_SCHEME: []}],
    )
    made: dict[str, Any] = json.loads(schema.model_dump_json(by_alias=True, exclude_none=True))
    # The resolver's own forms of a validation error never leave this API.
    for operations in made["paths"].values():
        for operation in operations.values():
            page = operation["responses"].get("400")
            operation["responses"]["500"] = page or operation["responses"]["422"]
    for name in ("HTTPValidationError", "ResponseValidationError", "ValidationError"):
        made["components"]["schemas"].pop(name, None)
    return made


def text() -> str:
    """Make the document as it is committed."""
    return json.dumps(document(), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
