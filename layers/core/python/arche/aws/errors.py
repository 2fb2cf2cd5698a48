"""What AWS can answer, sorted by the caller's next move. botocore's own texts hold ARNs and keys and are not kept."""

from __future__ import annotations

from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

_PASSING: Final = frozenset(
    {
        "InternalError",
        "InternalFailure",
        "KMSInternalException",
        "KMSInvalidStateException",
        "DependencyTimeoutException",
        "LimitExceededException",
        "RequestLimitExceeded",
        "RequestTimeout",
        "ServiceException",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    },
)


class AwsError(Exception):
    """Base of both. ``code`` is the service's own word for it."""

    def __init__(self, message: str, code: str = "") -> None:
        """Keep the code beside the message."""
        super().__init__(message)
        self.code = code


class AwsUnavailable(AwsError):  # noqa: N818 - named for the caller's next move
    """No answer just now (network, throttling, a fault inside AWS); the same call may work in a moment."""


class AwsDenied(AwsError):  # noqa: N818
    """AWS refuses this call: rights, settings or the resource. Repeating it changes nothing."""


def code_of(error: Exception) -> str:
    """Give the service's word for an error, or the exception's class name if no service answered."""
    if isinstance(error, ClientError):
        answer: dict[str, Any] = dict(error.response.get("Error", {}))
        return str(answer.get("Code", "Unknown"))
    return type(error).__name__


def translated(error: ClientError | BotoCoreError, what: str) -> AwsError:
    """Make ours of botocore's. ``what`` says what was tried, with labels only."""
    code = code_of(error)
    status = 0
    if isinstance(error, ClientError):
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    passing = not isinstance(error, ClientError) or code in _PASSING or status >= 500  # noqa: PLR2004 - HTTP
    kind = AwsUnavailable if passing else AwsDenied
    return kind(f"{what}: AWS answered {code}", code)
