"""Discovery: joiners, leavers, people who come back; what must never look like a leave; the brake."""

from __future__ import annotations

from datetime import timedelta

import pytest

from arche.operations import discover
from arche.operations.front_ports import DiscoverPorts
from arche.providers.contract import Account
from arche.providers.errors import CredentialRejected, Forbidden, Throttled, Unreachable


def person(number, **changed):
    fields = {
        "id": f"u-{number}",
        "kind": "person",
        "name": f"Person {number}",
        "address": f"p{number}@example.com",
        "services": ("exchange",),
    }
    return Account(**{**fields, **changed})


class Source:
    """What the provider lists; an exception in the list is raised when it is reached."""

    def __init__(self, world):
        self.world = world
        self.listed = []
        self.asked = []

    def ports(self):
        catalog = self.world.catalog
        return DiscoverPorts(catalog.tenancy, catalog.accounts, catalog.work, self.accounts_of)

    def accounts_of(self, lease, platform):
        self.asked.append((lease.customer, lease.connection, lease.purpose, platform))
        for one in self.listed:
            if isinstance(one, Exception):
                raise one
            yield one

    def run(self, customer, confirm=0):
        path = f"/v1/customers/{customer}/connections/C-01/discover"
        job = self.world.call("POST", path, {"confirm_leaving": confirm}).json["job"]
        found = discover.run(self.ports(), customer, "C-01", job, confirm=confirm, now=self.world.now)
        shown = self.world.call("GET", f"/v1/customers/{customer}/jobs/{job}").json
        assert (shown["state"], shown["message"]) == (found.state, found.message)
        assert not self.world.catalog.work.lease(customer, job).open
        return found


@pytest.fixture
def source(world):
    return Source(world)


def shown(world, customer):
    listed = world.call("GET", f"/v1/customers/{customer}/accounts", query={"limit": 200}).json["accounts"]
    return {one["provider_id"]: one for one in listed}


def connection(world, customer):
    return world.call("GET", f"/v1/customers/{customer}/connections/C-01").json


def test_joiners_get_stable_labels_and_are_not_active(world, source):
    customer = world.connected()
    source.listed = [person(1), person(2, kind="shared")]
    found = source.run(customer)
    assert (found.state, found.present, found.joined) == ("done", 2, 2)
    assert source.asked == [(customer, "C-01", "discover", "microsoft365")]
    source.listed = [person(3), person(2, kind="shared"), person(1, name="New Name", address="new@example.com")]
    assert source.run(customer).joined == 1
    rows = shown(world, customer)
    assert [rows[f"u-{n}"]["account"] for n in (1, 2, 3)] == ["A-0001", "A-0002", "A-0003"]
    assert (rows["u-1"]["name"], rows["u-1"]["address"]) == ("New Name", "new@example.com")
    assert rows["u-2"]["kind"] == "shared"
    assert not any(one["active"] for one in rows.values())
    assert connection(world, customer)["discovery"] == "done"


def test_a_repeat_changes_nothing(world, source):
    customer = world.connected()
    source.listed = [person(1), person(1), person(2)]
    source.run(customer)
    before = shown(world, customer)
    assert (source.run(customer).joined, shown(world, customer)) == (0, before)


def test_leavers_are_kept_and_come_back_as_they_were(world, source):
    customer = world.connected()
    source.listed = [person(n) for n in range(4)]
    source.run(customer)
    accounts = f"/v1/customers/{customer}/accounts"
    world.call("POST", f"{accounts}/activate", {"accounts": ["A-0001", "A-0002"], "per_day": 3})
    slots = world.catalog.accounts.account(customer, "A-0001").slots
    source.listed = [person(0, active=False), person(1), person(2)]
    found = source.run(customer)
    assert (found.state, found.present) == ("done", 2)
    rows = shown(world, customer)
    assert [(rows[f"u-{n}"]["present"], rows[f"u-{n}"]["active"]) for n in range(4)] == [
        (False, False),
        (True, True),
        (True, False),
        (False, False),
    ]
    source.listed = [person(n) for n in range(4)]
    found = source.run(customer)
    assert (found.returned, found.joined, found.present) == (2, 0, 4)
    rows = shown(world, customer)
    assert [(rows[f"u-{n}"]["present"], rows[f"u-{n}"]["active"]) for n in (0, 3)] == [(True, True), (True, False)]
    assert rows["u-0"]["account"] == "A-0001"
    assert world.catalog.accounts.account(customer, "A-0001").slots == slots


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (Unreachable("x"), "did not answer"),
        (Throttled("x", after=30), "patience"),
        (CredentialRejected("x"), "reconsent"),
        (Forbidden("x"), "reconsent"),
    ],
)
def test_a_fault_of_the_provider_never_looks_like_a_leave(world, source, error, word):
    customer = world.connected()
    source.listed = [person(n) for n in range(3)]
    source.run(customer)
    before = shown(world, customer)
    for listed in ([error], [person(0), person(9), error]):
        source.listed = listed
        found = source.run(customer)
        assert found.state == "failed"
        assert word in found.message
        assert shown(world, customer) == before
    assert connection(world, customer)["discovery"] == "failed"


def test_the_brake(world, source):
    customer = world.connected()
    source.listed = [person(n) for n in range(20)]
    source.run(customer)
    before = shown(world, customer)
    source.listed = [person(n) for n in range(14)]
    found = source.run(customer)
    assert (found.state, found.leaving) == ("needs_confirmation", 6)
    assert "confirm_leaving = 6" in found.message
    assert shown(world, customer) == before
    now = connection(world, customer)
    assert (now["discovery"], now["leaving"]) == ("needs_confirmation", 6)
    # Confirmed was six; by now it would be seven, so it asks again.
    source.listed = source.listed[1:]
    assert source.run(customer, confirm=6).state == "needs_confirmation"
    assert source.run(customer, confirm=7).state == "done"
    assert sum(one["present"] for one in shown(world, customer).values()) == 13
    assert connection(world, customer)["leaving"] == 0


@pytest.mark.parametrize(
    ("leaving", "present", "stops"),
    [
        (5, 6, False),  # five are few enough, whatever the share
        (6, 20, True),
        (6, 60, False),  # exactly a tenth
        (6, 59, True),
        (0, 0, False),
    ],
)
def test_the_limits_of_the_brake(leaving, present, stops):
    assert discover._brake(leaving, present) is stops


def test_an_empty_listing_is_never_believed(world, source):
    customer = world.connected()
    source.listed = [person(n) for n in range(3)]
    source.run(customer)
    source.listed = []
    assert source.run(customer).state == "needs_confirmation"
    assert all(one["present"] for one in shown(world, customer).values())
    assert source.run(customer, confirm=3).state == "done"


def test_an_empty_tenant_is_no_alarm(world, source):
    assert source.run(world.connected()).state == "done"


def test_a_crash_in_the_middle_and_again(world, source, monkeypatch):
    customer = world.connected()
    source.listed = [person(n) for n in range(4)]
    accounts, added = world.catalog.accounts, []
    add = type(accounts).add_account

    def crash(self, account):
        if len(added) == 2:
            raise SystemExit
        added.append(account)
        return add(self, account)

    path = f"/v1/customers/{customer}/connections/C-01/discover"
    job = world.call("POST", path, {}).json["job"]
    with monkeypatch.context() as patch:
        patch.setattr(type(accounts), "add_account", crash)
        with pytest.raises(SystemExit):
            discover.run(source.ports(), customer, "C-01", job, confirm=0, now=world.now)
    assert discover.run(source.ports(), customer, "C-01", job, confirm=0, now=world.now).joined == 2
    assert sorted(one["account"] for one in shown(world, customer).values()) == [f"A-000{n}" for n in (1, 2, 3, 4)]


def test_a_closed_lease_discovers_nothing(world, source):
    customer = world.connected()
    source.listed = [person(1)]
    job = world.call("POST", f"/v1/customers/{customer}/connections/C-01/discover", {}).json["job"]
    world.catalog.work.close_lease(customer, job)
    assert discover.run(source.ports(), customer, "C-01", job, confirm=0, now=world.now).state == "failed"
    assert source.asked == []
    assert shown(world, customer) == {}


def test_daily_takes_those_that_wait_longest_first_and_stops_in_time(world, source):
    customers = [world.connected(tenant=f"t-{n}") for n in range(3)]
    source.listed = [person(1)]
    world.now += timedelta(hours=1)
    source.run(customers[1])
    red = world.connected(tenant="t-red")
    world.catalog.customer(red).redden("C-01", "run-1", "CredentialRejected", "x")
    source.asked.clear()
    ended = discover.daily(source.ports(), now=lambda: world.now, deadline=lambda: len(source.asked) >= 2)
    assert ended == {"done": 2, "needs_confirmation": 0, "failed": 0, "waiting": 1}
    assert sorted(customer for customer, *_ in source.asked) == sorted(
        customer for customer in customers if customer != customers[1]
    )


def test_daily_goes_on_after_a_fault(world, source):
    for number in range(2):
        world.connected(tenant=f"t-{number}")
    source.listed = [Unreachable("x")]
    ended = discover.daily(source.ports(), now=lambda: world.now, deadline=lambda: False)
    assert ended == {"done": 0, "needs_confirmation": 0, "failed": 2, "waiting": 0}


def test_slots_spread_accounts_over_the_day():
    from arche.operations.accounts import slots

    firsts = [slots("K-000001", f"A-{n:04d}", 1)[0] for n in range(480)]
    per_hour = {hour: firsts.count(f"{hour:02d}") for hour in range(24)}
    assert min(per_hour.values()) > 0
    assert max(per_hour.values()) < 60
    twelve = slots("K-000001", "A-0001", 12)
    assert len(set(twelve)) == 12
    assert slots("K-000001", "A-0001", 12) == twelve
