"""What goes in and out of the API. Nothing free-form: unknown fields are refused, texts and lists are bounded."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from aws_lambda_powertools.event_handler.openapi.params import Header, Path
from pydantic import BaseModel, ConfigDict, Field, model_validator

from functions.api.problem import Problem

LINE: Final = r"^[^\p{Cc}\p{Cs}\u2028\u2029\u202A-\u202E\u2066-\u2069]*$"

CustomerLabel = Annotated[str, Path(pattern=r"^K-\d{4,8}$", max_length=10)]
ConnectionLabel = Annotated[str, Path(pattern=r"^C-\d{2,6}$", max_length=8)]
AccountLabel = Annotated[str, Path(pattern=r"^A-\d{4,9}$", max_length=11)]
JobId = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9-]{7,63}$", max_length=64)]
ServiceName = Annotated[str, Path(pattern=r"^[a-z]{2,20}$", max_length=20)]
ItemId = Annotated[str, Path(max_length=1024, description="`id` of an entry, as the list gives it")]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[A-Za-z0-9._~:-]{1,100}$",
        description="The same key with the same request answers as the first time, for 24 hours",
    ),
]
IfMatch = Annotated[str, Header(alias="If-Match", pattern=r'^"[0-9a-f]{32}"$', description="ETag of what was read")]

Line = Annotated[str, Field(max_length=200, pattern=LINE)]
Label = Annotated[str, Field(max_length=11)]
Moment = Annotated[str, Field(max_length=30, description="ISO 8601, UTC", json_schema_extra={"format": "date-time"})]
AccountRef = Annotated[str, Field(pattern=r"^A-\d{4,9}$", max_length=11)]
Colour = Literal["green", "amber", "red", "grey"]
Conflict = Literal["skip", "rename", "keep_both", "replace"]


class Shape(BaseModel):
    """Base: refuses unknown fields."""

    model_config = ConfigDict(extra="forbid")


class Me(Shape):
    """Who is asking, and what that person may do."""

    partner: Label = Field(max_length=40)
    role: Literal["admin", "technician", "finance", "viewer"]
    sees_content: bool
    may: list[str] = Field(max_length=10, description="read, configure, operate, content")


class NewCustomer(Shape):
    """A customer to be: an alias is enough, a company name is recommended."""

    alias: Line = ""
    name: Line = ""

    @model_validator(mode="after")
    def one_of_both(self) -> NewCustomer:
        """An alias or a name must be there."""
        if not (self.alias.strip() or self.name.strip()):
            raise ValueError("alias or name")
        return self


class CustomerEdit(NewCustomer):
    """Both texts anew; what is left out becomes empty."""


class Customer(Shape):
    """A partner's end customer."""

    customer: Label
    alias: Line
    name: Line
    state: str = Field(max_length=20)
    created: Moment


class Customers(Shape):
    """A page of customers."""

    customers: list[Customer] = Field(max_length=200)
    next: str | None = Field(max_length=4096, description="Cursor of the next page, null on the last")


class NewConnection(Shape):
    """A cloud tenant to connect. Nothing is named: the administrator's sign-in says which tenant it is."""

    platform: Literal["microsoft365"]
    language: Literal["de", "en"] = "en"


class Reconsent(Shape):
    """Consent anew, or the consent of the restore app."""

    app: Literal["backup", "restore"] = "backup"
    language: Literal["de", "en"] = "en"


class Connection(Shape):
    """One cloud tenant of a customer. ``tenant`` is the vendor's id, empty until it is bound."""

    connection: Label
    platform: str = Field(max_length=20)
    state: Literal["new", "live", "red", "paused"]
    tenant: str = Field(max_length=100)
    restore_ready: bool
    discovery: str = Field(max_length=40, description="never, done, needs_confirmation or failed")
    discovered: Moment | None
    leaving: int = Field(ge=0, description="Accounts that a discovery waiting for confirmation would mark as left")
    reason: str = Field(max_length=60)
    message: str = Field(max_length=500)
    created: Moment


class PendingConnection(Connection):
    """A connection whose consent is awaited. Open ``consent_url`` as an administrator of the tenant, once, within an hour."""

    consent_url: str = Field(max_length=2000)
    expires: Moment


class Connections(Shape):
    """All connections of a customer."""

    connections: list[Connection] = Field(max_length=1000)


class DiscoverRequest(Shape):
    """``confirm_leaving``: at most so many accounts may be marked as left, if the brake stopped the discovery before."""

    confirm_leaving: int = Field(default=0, ge=0, le=1_000_000)


class Account(Shape):
    """One owner of data. ``present``: still there at the source; ``active``: is backed up."""

    account: Label
    connection: Label
    kind: str = Field(max_length=20)
    name: str = Field(max_length=400)
    address: str = Field(max_length=400)
    provider_id: str = Field(max_length=300)
    services: list[str] = Field(max_length=20)
    active: bool
    present: bool
    colour: Colour
    last_run: Moment | None
    last_snapshot: Moment | None


class Accounts(Shape):
    """A page of accounts."""

    accounts: list[Account] = Field(max_length=200)
    next: str | None = Field(max_length=4096)


class Activate(Shape):
    """Which accounts to back up from now on: all that are present, or those named."""

    all: bool = False
    accounts: list[AccountRef] = Field(default_factory=list, max_length=1000)
    per_day: Literal[1, 3, 12] = 1

    @model_validator(mode="after")
    def one_way(self) -> Activate:
        """Either all or some."""
        if self.all == bool(self.accounts):
            raise ValueError("either all or accounts")
        return self


class Activated(Shape):
    """What activation did. The first run starts in the account's slot or by a backup now."""

    activated: int = Field(ge=0)
    already_active: int = Field(ge=0)


class BackupNow(Shape):
    """What to back up now: the named accounts, one connection, or (nothing named) the whole customer."""

    connection: str | None = Field(default=None, pattern=r"^C-\d{2,6}$", max_length=8)
    accounts: list[AccountRef] = Field(default_factory=list, max_length=1000)

    @model_validator(mode="after")
    def one_way(self) -> BackupNow:
        """Not both."""
        if self.connection and self.accounts:
            raise ValueError("either connection or accounts")
        return self


class Job(Shape):
    """Long work. Poll until ``state`` is one of done, partial, failed, planned, needs_confirmation."""

    job: str = Field(max_length=64)
    kind: Literal["backup", "restore", "discover"]
    state: str = Field(max_length=20)
    created: Moment
    message: str = Field(max_length=1000)
    accounts: int = Field(ge=0)
    accounts_done: int = Field(ge=0)
    colours: dict[str, int] = Field(max_length=4, description="Finished accounts by colour")


class Jobs(Shape):
    """A page of jobs, newest first."""

    jobs: list[Job] = Field(max_length=200)
    next: str | None = Field(max_length=4096)


ERROR_STATUSES: Final = (403, 404, 409, 412, 413, 415, 422, 500, 503)
"""Every operation may answer with these; each body is a Problem."""


class Unauthorized(BaseModel):
    """What the gateway itself answers to a missing or stale token."""

    message: str = Field(max_length=100)


def answers(model: type[BaseModel], status: int = 200, description: str = "Done") -> dict[int, Any]:
    """The ``responses`` of an operation: one success with its model, and the errors that all share."""
    errors = {code: _problem("See `code` and `detail`") for code in ERROR_STATUSES}
    return {
        status: {"description": description, "content": {"application/json": {"model": model}}},
        401: {"description": "No valid token", "content": {"application/json": {"model": Unauthorized}}},
        **errors,
    }


def _problem(description: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/problem+json": {"model": Problem}}}
