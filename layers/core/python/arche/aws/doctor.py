"""``arche doctor``: is this account ready, and is what stands in it sound? Works before a deploy and after.

Each check answers lines: ok, warn (works, but see to it), fail (does not work, or is not safe), unknown (could not be
looked at, with the reason; never green), info. A line that is not ok says what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from botocore.exceptions import BotoCoreError, ClientError

from arche.aws.deployment import Deployment
from arche.aws.errors import AwsError, code_of
from arche.catalog.errors import CatalogError

Verdict = Literal["ok", "warn", "fail", "unknown", "info"]
ORDER: Final[tuple[Verdict, ...]] = ("ok", "info", "unknown", "warn", "fail")


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor. ``todo`` is what to do next, "" when there is nothing to do."""

    check: str
    verdict: Verdict
    text: str
    todo: str = ""


@dataclass(frozen=True, slots=True)
class Patient:
    """What is looked at. ``client`` makes a client of a service in a region; ``deployment`` is None before a deploy."""

    client: Callable[[str, str], Any]
    region: str
    second_region: str
    deployment: Deployment | None
    now: datetime

    def here(self, service: str) -> Any:
        """Make a client in the home region."""
        return self.client(service, self.region)


Check = Callable[[Patient], Iterator[Finding]]


def examine(patient: Patient, checks: Iterable[tuple[str, Check]]) -> Iterator[Finding]:
    """Run all checks. One that cannot look is ``unknown`` and stops no other."""
    for name, check in checks:
        found = False
        try:
            for finding in check(patient):
                found = True
                yield finding
        except (ClientError, BotoCoreError, AwsError, CatalogError) as error:
            found = True
            yield Finding(
                name,
                "unknown",
                f"could not be looked at: {_reason(error)}",
                "Give the caller the right to read it, or look by hand (docs/operate.md).",
            )
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            # An emulator that answers in another shape: what cannot be read is not known.
            found = True
            yield Finding(name, "unknown", f"the answer cannot be read: {type(error).__name__}")
        if not found:
            yield Finding(name, "unknown", "the check said nothing")


def printed(findings: Iterable[Finding], write: Callable[[str], None]) -> int:
    """Write each finding as soon as it is there, and a last line of sums. Returns the exit code: 1 on a fail."""
    counts = dict.fromkeys(ORDER, 0)
    for finding in findings:
        counts[finding.verdict] += 1
        write(f"{finding.verdict:<8}{finding.check}: {finding.text}")
        if finding.todo:
            write(f"{'':<8}-> {finding.todo}")
    sums = ", ".join(f"{number} {verdict}" for verdict, number in counts.items() if number)
    write(f"doctor: {sums or 'nothing was looked at'}")
    return 1 if counts["fail"] else 0


def _reason(error: Exception) -> str:
    if isinstance(error, (AwsError, CatalogError)):
        return str(error)
    return code_of(error)
