"""The catalog of one run: its rows, seen with that run's own credentials."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property

from arche.catalog.accounts import AccountBook
from arche.catalog.apps import Apps
from arche.catalog.budgets import Budgets, Limit
from arche.catalog.idempotency import IdempotentWorkBook
from arche.catalog.meter import MeterBook
from arche.catalog.schedule import ScheduleBook
from arche.catalog.table import Credentials, Rows, Tables
from arche.catalog.tenancy import TenancyBook
from arche.catalog.worker import CustomerBook


class Catalog:
    """All books over the same tables and credentials. Built per run, never kept for the next.

    ``credentials`` None means those of the process (functions that work in their own right: API, schedule, token).
    ``endpoint`` None means the standard one, or what ``AWS_ENDPOINT_URL`` says.
    """

    def __init__(
        self,
        tables: Tables,
        *,
        region: str | None = None,
        endpoint: str | None = None,
        credentials: Credentials | None = None,
    ) -> None:
        self.rows = Rows(tables, region=region, endpoint=endpoint, credentials=credentials)

    @cached_property
    def tenancy(self) -> TenancyBook:
        """Partners, members, customers, connections, consents, bindings."""
        return TenancyBook(self.rows)

    @cached_property
    def accounts(self) -> AccountBook:
        """Accounts with names, heads, run records."""
        return AccountBook(self.rows)

    @cached_property
    def work(self) -> IdempotentWorkBook:
        """Jobs, runs, leases, idempotency keys."""
        return IdempotentWorkBook(self.rows)

    @cached_property
    def schedule(self) -> ScheduleBook:
        """What is due, and the runs for it."""
        return ScheduleBook(self.rows)

    @cached_property
    def apps(self) -> Apps:
        """Our apps at the platforms."""
        return Apps(self.rows)

    @cached_property
    def meter(self) -> MeterBook:
        """Usage per customer and day."""
        return MeterBook(self.rows)

    def customer(self, customer: str) -> CustomerBook:
        """Rows of one customer, for its worker. Raises LabelError."""
        return CustomerBook(self.rows, customer)

    def budgets(
        self, customer: str, connection: str, limits: Mapping[str, Limit], clock: Callable[[], float]
    ) -> Budgets:
        """Shared budgets of one connection at its vendor."""
        return Budgets(self.rows, customer, connection, limits, clock)
