"""Who gets rights: a lease that is open, of a run that is open, for a purpose that has a right to what is asked.

Pure decisions; ``arche.aws.grants`` and ``arche.aws.tokens`` read the rows and act. The caller of a refusal learns
nothing of its reason, which goes to the audit log alone: whoever asks for another tenant's lease must not be able to
tell a closed one from an unknown one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from arche.model import labels
from arche.model.tenancy import App
from arche.model.work import Connection, Lease, Purpose, Run

Reason = Literal["malformed", "unknown", "other_run", "run_closed", "lease_closed", "expired", "purpose", "connection"]
_LONGEST = 200


class AccessRefused(Exception):  # noqa: N818 - an answer, not a fault
    """No rights for this. ``reason`` is for the audit log; the text is the same for all."""

    def __init__(self, reason: Reason) -> None:
        """Keep the reason apart from the text."""
        super().__init__("no rights are given for this lease; start the work again if it should go on")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Ask:
    """What a worker asks with: ids only, checked for form."""

    run: str
    lease: str
    customer: str

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Ask:
        """Read a request. Raises AccessRefused."""
        found = [event.get(name) for name in ("run", "lease", "customer")]
        run, lease, customer = (text if isinstance(text, str) else "" for text in found)
        try:
            labels.require_customer(customer)
        except labels.LabelError:
            raise AccessRefused("malformed") from None
        if not 0 < len(run) <= _LONGEST or not 0 < len(lease) <= _LONGEST:
            raise AccessRefused("malformed")
        return cls(run, lease, customer)

    def as_event(self) -> dict[str, str]:
        """Write a request."""
        return {"run": self.run, "lease": self.lease, "customer": self.customer}


def allowed(ask: Ask, lease: Lease | None, run: Run | None, purposes: frozenset[Purpose], now: int) -> Lease:
    """Give back the lease if it is good for one of ``purposes`` at ``now`` (epoch seconds). Raises AccessRefused."""
    if lease is None or run is None or lease.customer != ask.customer:
        raise AccessRefused("unknown")
    if lease.run != run.id or ask.run != run.id:
        raise AccessRefused("other_run")
    if run.state != "open":
        raise AccessRefused("run_closed")
    if not lease.open:
        raise AccessRefused("lease_closed")
    if lease.expires <= now:
        raise AccessRefused("expired")
    if lease.purpose not in purposes:
        raise AccessRefused("purpose")
    return lease


def app_of(lease: Lease) -> App:
    """Name the app whose token a lease may have: the restore app for restores alone. Raises AccessRefused."""
    match lease.purpose:
        case "restore":
            return "restore"
        case "backup" | "discover":
            return "backup"
        case _:
            raise AccessRefused("purpose")


def tenant_of(connection: Connection | None, tenant: str) -> str:
    """Name the provider tenant of a connection that may be used. Raises AccessRefused.

    A red connection may: the next call that succeeds is what turns it live again.
    """
    if connection is None or not tenant or connection.state not in {"live", "red"}:
        raise AccessRefused("connection")
    return tenant
