"""Two customers of two partners with bound connections, runs and leases; and what the audit heard."""

from __future__ import annotations

import pytest

from arche.model.tenancy import Binding, Customer
from arche.model.work import Lease, Run, Task
from tests.catalog.conftest import NOW, catalog, dynamodb, moto_cloud
from tests.catalog.test_connections import consent

__all__ = ["catalog", "dynamodb", "moto_cloud"]

MINE, THEIRS = "K-000001", "K-000002"
STARTED = "2026-09-21T13:46:40Z"


def lease_of(purpose, customer=MINE, **changed):
    """A lease named after its purpose and customer, in a run of the same name."""
    name = f"{purpose}-{customer}"
    fields = {
        "id": name,
        "run": name,
        "customer": customer,
        "connection": "C-01",
        "purpose": purpose,
        "expires": NOW + 3600,
        "tasks": {"A-0001": Task("A-0001")},
    }
    return Lease(**{**fields, **changed})


def ask(purpose="backup", customer=MINE, **changed):
    """The question that goes with it."""
    name = f"{purpose}-{customer}"
    return {"run": name, "lease": name, "customer": customer, **changed}


class Heard(list):
    """The audit log."""

    def __call__(self, event, fields):
        self.append((event, dict(fields)))

    @property
    def reasons(self):
        return [fields["reason"] for _, fields in self if "reason" in fields]


@pytest.fixture
def heard():
    return Heard()


@pytest.fixture
def two(catalog):
    """Open runs and leases of every purpose, for both customers."""
    for customer, partner in ((MINE, "p-one"), (THEIRS, "p-two")):
        made = Customer(label=customer, partner=partner, name="x", alias="", created=STARTED)
        assert catalog.tenancy.add_customer(made)
        catalog.tenancy.add_connection(customer, "microsoft365", STARTED)
        claim = consent(customer=customer, partner=partner)
        assert catalog.tenancy.bind(claim, Binding("microsoft365", f"tenant-of-{customer}"), STARTED) == "bound"
        for purpose in ("backup", "restore", "browse", "discover"):
            lease = lease_of(purpose, customer)
            catalog.work.open_run(Run(id=lease.run, kind=purpose, started=STARTED, state="open", leases=1))
            catalog.work.open_lease(lease)
    return catalog
