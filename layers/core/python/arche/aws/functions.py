"""Asking another Lambda function and reading its answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from arche.aws.errors import AwsUnavailable, translated

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient


def invoke(client: LambdaClient, function: str, payload: str) -> dict[str, Any]:
    """Invoke a function and wait for its answer. Raises AwsUnavailable, AwsDenied.

    Of a function's failure only the name of its error class is passed on: its text may hold more.
    """
    try:
        answer = client.invoke(FunctionName=function, InvocationType="RequestResponse", Payload=payload.encode())
        body = json.loads(answer["Payload"].read())
    except (ClientError, BotoCoreError) as error:
        raise translated(error, "function not invoked") from None
    if answer.get("FunctionError") or not isinstance(body, dict):
        kind = str(body.get("errorType", "Unhandled")) if isinstance(body, dict) else "Unhandled"
        raise AwsUnavailable(f"a function failed: {kind}", kind)
    return body


def tell(client: LambdaClient, function: str, payload: str) -> None:
    """Invoke a function without waiting. Raises AwsUnavailable, AwsDenied."""
    try:
        client.invoke(FunctionName=function, InvocationType="Event", Payload=payload.encode())
    except (ClientError, BotoCoreError) as error:
        raise translated(error, "function not invoked") from None
