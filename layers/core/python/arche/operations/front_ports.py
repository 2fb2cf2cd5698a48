"""What the API and discovery need from outside. `arche.aws.wiring` builds these; tests build them over moto.

A book answers for one kind of row. ``after`` is a position that the book gave before ("" = from the start).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from arche.model.listing import AccountListing, Answer
from arche.model.restore import RestoreJob
from arche.model.tenancy import Binding, ConnectionRecord, Consent, Customer, Job, Member
from arche.model.work import Head, Lease, Run, RunRecord
from arche.providers.contract import Account
from arche.vault import AccountVault, ObjectStore


class TenancyBook(Protocol):
    """Partners, members, customers, connections, consents and bindings."""

    def member(self, sub: str) -> Member | None:
        """Membership of a log-in, or None."""
        ...

    def customers(self, partner: str, after: str, limit: int) -> tuple[Sequence[Customer], str]:
        """Read a page of a partner's customers and the position after it ("" = last page)."""
        ...

    def customer(self, partner: str, label: str) -> Customer | None:
        """Give a partner's customer; None for unknown ones and for another partner's, by the same read."""
        ...

    def add_customer(self, customer: Customer) -> bool:
        """Create it with its directory row at once; False if the label is taken."""
        ...

    def edit_customer(self, before: Customer, after: Customer) -> bool:
        """Write name and alias if they are still as in ``before``; else False."""
        ...

    def connections(self, customer: str) -> Sequence[ConnectionRecord]:
        """All connections of a customer, by label."""
        ...

    def connection(self, customer: str, label: str) -> ConnectionRecord | None:
        """One connection, or None."""
        ...

    def add_connection(self, customer: str, platform: str, created: str) -> ConnectionRecord:
        """Create a connection under the customer's next label, in state ``new``."""
        ...

    def record_discovery(
        self, customer: str, connection: str, *, state: str, at: str, leaving: int, message: str
    ) -> None:
        """Write how a discovery ended."""
        ...

    def put_consent(self, consent: Consent) -> None:
        """Create a consent on its way."""
        ...

    def take_consent(self, consent: str, step: Literal["consent", "sign_in"], now: int) -> Consent | None:
        """Use a consent up, once: None if it is unknown, used, expired or at another step."""
        ...

    def bind(self, consent: Consent, binding: Binding, at: str) -> Literal["bound", "claimed", "mismatch"]:
        """Bind the tenant to the connection, in one transaction.

        ``claimed``: another connection holds the tenant (an alert row is written). ``mismatch``: this connection holds
        another tenant. A repeat by the holder itself is ``bound``: the connection is live again.
        """
        ...

    def live(self) -> Iterator[ConnectionRecord]:
        """All bound connections of all customers, for the daily discovery."""
        ...


class AccountBook(Protocol):
    """Accounts of all customers (index and directory), heads and run records."""

    def accounts(self, customer: str, after: str, limit: int) -> tuple[Sequence[AccountListing], str]:
        """Read a page of accounts and the position after it."""
        ...

    def account(self, customer: str, label: str) -> AccountListing | None:
        """One account, or None."""
        ...

    def of_connection(self, customer: str, connection: str) -> Iterator[AccountListing]:
        """All accounts of one connection."""
        ...

    def add_account(self, account: AccountListing) -> AccountListing:
        """Create index and directory rows under the customer's next label (``label`` of the argument is ignored)."""
        ...

    def put_account(self, account: AccountListing) -> None:
        """Write what discovery and activation decide, and nothing else of the rows."""
        ...

    def head(self, customer: str, account: str) -> Head | None:
        """Give cached head, or None."""
        ...

    def run_records(
        self, customer: str, account: str, *, until: str, after: str, limit: int
    ) -> tuple[Sequence[RunRecord], str]:
        """Run records, newest first, of runs that started at or before ``until`` ("" = all)."""
        ...


class WorkBook(Protocol):
    """Jobs, runs, leases and idempotency keys."""

    def jobs(self, customer: str, after: str, limit: int) -> tuple[Sequence[Job], str]:
        """Read a page of jobs, newest first."""
        ...

    def job(self, customer: str, job: str) -> Job | None:
        """One job, or None."""
        ...

    def add_job(self, job: Job) -> bool:
        """Create it; False if it is there (the same request again)."""
        ...

    def add_restore(self, job: RestoreJob, created: str) -> bool:
        """Create a restore's row; False if it is there (the same request again)."""
        ...

    def restore(self, customer: str, job: str) -> RestoreJob | None:
        """One restore, or None (also for a job of another kind)."""
        ...

    def set_job(self, customer: str, job: str, state: str, message: str = "") -> None:
        """Write state and message."""
        ...

    def advance_job(self, customer: str, job: str, before: str, after: str) -> bool:
        """Move a job from state ``before`` to ``after``; False (and nothing written) if it is in another."""
        ...

    def open_run(self, run: Run) -> Run:
        """Create the run, or answer the one that is there under this id."""
        ...

    def open_lease(self, lease: Lease) -> None:
        """Create the lease (nothing if it is there)."""
        ...

    def lease(self, customer: str, lease: str) -> Lease | None:
        """Read a lease, or None."""
        ...

    def renew_lease(self, customer: str, lease: str, expires: int) -> None:
        """Open a lease again, until ``expires`` (epoch seconds)."""
        ...

    def close_lease(self, customer: str, lease: str) -> None:
        """Close a lease."""
        ...

    def claim_key(self, partner: str, key: str, fingerprint: str, now: int) -> Answer | Literal["new", "busy", "other"]:
        """Claim an idempotency key: ``new`` (do it), ``busy`` (at work), ``other`` (other request), or the answer."""
        ...

    def store_answer(self, partner: str, key: str, answer: Answer) -> None:
        """Keep the answer for 24 hours after the claim."""
        ...

    def release_key(self, partner: str, key: str) -> None:
        """Forget a claim whose request was refused, so that it may be tried again."""
        ...


class Machines(Protocol):
    """State machines and functions that go on after the answer."""

    def start_backup(self, name: str, event: Mapping[str, object]) -> None:
        """Start the machine ``backup``; the same name again does nothing."""
        ...

    def start_restore(self, name: str, event: Mapping[str, object]) -> None:
        """Start the machine ``restore``; the same name again does nothing."""
        ...

    def discover(self, event: Mapping[str, object]) -> None:
        """Invoke ``discover`` without waiting."""
        ...


class SignIns(Protocol):
    """Addresses at the vendor, and the proof of a sign-in (function ``token``, purpose bind)."""

    def consent_url(self, platform: str, app: str, state: str) -> str:
        """Where an administrator consents to the app."""
        ...

    def sign_in_url(self, platform: str, app: str, *, state: str, nonce: str, verifier: str) -> str:
        """Where an administrator proves who it is; the PKCE challenge is made of ``verifier``."""
        ...

    def prove(self, consent: Consent, code: str) -> Binding:
        """Redeem the code and verify the sign-in. Raises ``SignInRefused``."""
        ...


class SignInRefused(Exception):  # noqa: N818 - an answer, not a fault
    """The sign-in proves nothing. ``reason`` is the room's code (not_admin, guest, personal ...) or unreachable."""

    def __init__(self, reason: str) -> None:
        """Keep the stable reason."""
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Front:
    """Everything that the operations of the API need."""

    tenancy: TenancyBook
    accounts: AccountBook
    work: WorkBook
    machines: Machines
    signs: SignIns


class Exports(Protocol):
    """The exports bucket, with rights narrowed to one customer."""

    def offer(self, key: str, chunks: Iterator[bytes], *, media: str, disposition: str) -> str:
        """Store the stream under ``key`` (below ``{customer}/``); return a presigned address, good for 15 minutes."""
        ...


@dataclass(frozen=True, slots=True)
class Vaults:
    """What a browse lease opens: vaults by account label, exports, the customer's part of the work bucket."""

    vault: Callable[[str], AccountVault]
    exports: Exports
    work: ObjectStore


@dataclass(frozen=True, slots=True)
class ContentPorts:
    """Everything that the content routes need. ``open`` asks ``grant`` with the browse lease."""

    tenancy: TenancyBook
    accounts: AccountBook
    work: WorkBook
    open: Callable[[Lease], Vaults]


@dataclass(frozen=True, slots=True)
class DiscoverPorts:
    """What ``discover`` needs. ``accounts_of`` lists a connection's accounts through the token of the lease."""

    tenancy: TenancyBook
    accounts: AccountBook
    work: WorkBook
    accounts_of: Callable[[Lease, str], Iterator[Account]]
