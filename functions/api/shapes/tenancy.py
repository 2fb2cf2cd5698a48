"""Members, customers, connections."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from functions.api.shapes.base import Label, Line, Moment, Shape


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
        """Want an alias or a name."""
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
    reason: str
    message: str
    created: Moment


class PendingConnection(Connection):
    """A connection whose consent is awaited: an administrator of the tenant opens ``consent_url`` within an hour."""

    consent_url: str = Field(max_length=2000)
    expires: Moment


class Connections(Shape):
    """All connections of a customer."""

    connections: list[Connection] = Field(max_length=1000)


class DiscoverRequest(Shape):
    """``confirm_leaving``: at most so many accounts may be marked as left, after a discovery that the brake stopped."""

    confirm_leaving: int = Field(default=0, ge=0, le=1_000_000)
