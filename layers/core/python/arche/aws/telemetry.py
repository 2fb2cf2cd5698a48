"""Logs and metrics that hold no token, secret, name or content (promise P11).

Fields are on a list of names; others are dropped, and the log says which. Texts are looked through for what has the
form of a secret. Of a foreign exception only the class and the places in the code are kept: its text may quote
anything. Customer and account are log fields and never metric dimensions (they would cost more than everything else).
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from typing import Any, Final

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter
from aws_lambda_powertools.metrics import MetricUnit

_WORDS: Final = """
    account accounts app at attempt batch batches bytes changed closed code colour connection counts customer daily
    deadline done duration_ms expected failed function gone hint items job joined kind later lease leases leaving
    level limit location memory_mb message method name open outcome partner path platform present problem problems
    purpose read reason request_id rest returned role run seconds seq service services slot skipped started state
    status step stored stored_bytes table template timestamp took unchanged vanished version cold_start function_arn
    function_memory_size function_name function_request_id correlation_id xray_trace_id exception exception_name
    sampling_rate dropped error text next customers ended colours increments firsts close
"""
ALLOWED: Final = frozenset(_WORDS.split())
"""Names of fields that may be logged."""

_SECRETS: Final = (
    re.compile(r"eyJ[\w-]{6,}\.[\w-]{6,}(\.[\w-]*)?"),  # a JWT
    re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}"),
    re.compile(r"(?i)\b(client_secret|client_assertion|code|code_verifier|password|refresh_token|sig|signature|token|"
               r"x-amz-security-token|x-amz-signature)=[^&\s\"']+"),
    re.compile(r"\b(AKIA|ASIA)[A-Z0-9]{16}\b"),
    re.compile(r"-----BEGIN [A-Z ]+-----.*?(-----END [A-Z ]+-----|$)", re.DOTALL),
    re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+"),  # addresses are content, too
    # Keys, cursors, tokens: anything long of one piece. Paths are not, for they have hyphens and slashes.
    re.compile(r"\b[A-Za-z0-9_-]{64,}"),
    re.compile(r"(?<![\w/])[A-Za-z0-9+/]{64,}={0,2}"),
)  # fmt: skip
_GONE: Final = "[redacted]"
_LONGEST: Final = 2000
_OURS: Final = ("arche.", "functions.")


def redacted(text: str) -> str:
    """Cut what looks like a secret or an address out of a text, and the text to a bearable length."""
    for pattern in _SECRETS:
        text = pattern.sub(_GONE, text)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def cleaned(value: Any) -> Any:
    """Redact all texts in a value of lists and maps; keys of maps are looked through like texts."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, Mapping):
        return {redacted(str(name)): cleaned(held) for name, held in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [cleaned(held) for held in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return f"<{type(value).__name__}>"


def told(error: BaseException) -> str:
    """Say what an exception was: its class, its text if it is ours, and the places in the code it came through."""
    own = type(error).__module__.startswith(_OURS)
    text = f": {redacted(str(error))}" if own else ""
    frames = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in _frames(error)]
    return f"{type(error).__name__}{text} at {' < '.join(reversed(frames)) or 'no frame'}"


def _frames(error: BaseException) -> Iterator[traceback.FrameSummary]:
    yield from traceback.extract_tb(error.__traceback__)[-12:]


class SafeFormatter(LambdaPowertoolsFormatter):
    """The JSON form of powertools, with only what may be told. Texts of exceptions are replaced by ``told``."""

    def serialize(self, log: Any) -> str:
        """Write one line."""
        dropped = sorted(name for name in log if name not in ALLOWED)
        kept = {name: cleaned(value) for name, value in log.items() if name in ALLOWED}
        if dropped:
            kept["dropped"] = dropped
        line: str = super().serialize(kept)
        return line

    def _extract_log_exception(self, log_record: Any) -> tuple[str, str, list[str]] | tuple[None, None, None]:
        if not log_record.exc_info or log_record.exc_info[1] is None:
            return None, None, None
        error = log_record.exc_info[1]
        return told(error), type(error).__name__, []


def logger(service: str) -> Logger:
    """Make the log of a function. ``service`` is its name, such as ``backup-collect``."""
    return Logger(service=service, logger_formatter=SafeFormatter())


def audit(log: Logger) -> Callable[[str, Mapping[str, Any]], None]:
    """Make the audit of grant and token: one line per answer, labels only."""

    def write(event: str, fields: Mapping[str, Any]) -> None:
        log.info(event, extra=dict(fields))

    return write


class Figures:
    """Metrics of one function. The only dimension is the function's own name: figures per customer are in the rows."""

    def __init__(self, service: str) -> None:
        self._metrics = Metrics(namespace="Arche", service=service)
        self._added = False

    def count(self, name: str, number: float = 1) -> None:
        """Add a number of things."""
        self._add(name, MetricUnit.Count, number)

    def amount(self, name: str, number: float) -> None:
        """Add a number of bytes."""
        self._add(name, MetricUnit.Bytes, number)

    def seconds(self, name: str, number: float) -> None:
        """Add a duration."""
        self._add(name, MetricUnit.Seconds, number)

    def flush(self) -> None:
        """Write what was added as one line in CloudWatch's embedded format; nothing if nothing was."""
        if self._added:
            self._added = False
            self._metrics.flush_metrics()

    def _add(self, name: str, unit: MetricUnit, number: float) -> None:
        self._added = True
        self._metrics.add_metric(name=name, unit=unit, value=number)


Handler = Callable[[dict[str, Any], Any], Any]


def guarded(handler: Handler) -> Handler:
    """Keep foreign texts out of what a failed function answers, and so out of state and its history.

    Errors of ours pass as they are: state machines decide by their class names. Any other is raised anew under its own
    class name, with the places in the code as its text.
    """

    @wraps(handler)
    def safe(event: dict[str, Any], context: Any) -> Any:
        try:
            return handler(event, context)
        except Exception as error:
            if type(error).__module__.startswith(_OURS):
                raise
            stripped = _stripped(error)
        raise stripped

    return safe


def _stripped(error: Exception) -> Exception:
    kind = type(type(error).__name__, (Exception,), {"__module__": "arche.aws.telemetry"})
    made: Exception = kind(told(error))
    return made
