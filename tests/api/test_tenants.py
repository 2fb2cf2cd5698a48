"""A tenant learns nothing of another: its ids answer like unknown ones, whatever is asked of them."""

from __future__ import annotations

from itertools import pairwise

import pytest

CALLS = [
    ("GET", "", None),
    ("GET", "/connections", None),
    ("POST", "/connections", {"platform": "microsoft365"}),
    ("GET", "/connections/C-01", None),
    ("POST", "/connections/C-01/reconsent", {}),
    ("POST", "/connections/C-01/discover", {}),
    ("GET", "/accounts", None),
    ("POST", "/accounts/activate", {"all": True}),
    ("POST", "/accounts/activate", {"accounts": ["A-0001"]}),
    ("POST", "/backups", {}),
    ("POST", "/backups", {"accounts": ["A-0001"]}),
    ("GET", "/accounts/A-0001/snapshots", None),
    ("GET", "/accounts/A-0001/runs", None),
    ("GET", "/accounts/A-0001/folders?service=exchange", None),
    ("GET", "/accounts/A-0001/items?service=exchange", None),
    ("GET", "/accounts/A-0001/items?service=exchange&at=1", None),
    ("GET", "/accounts/A-0001/items/exchange/big", None),
    ("GET", "/accounts/A-0001/items/exchange/big/content", None),
    ("POST", "/restores", {"account": "A-0001", "whole": True}),
    ("GET", "/restores/JOB", None),
    ("POST", "/restores/JOB/start", {}),
    ("GET", "/restores/JOB/results", None),
    ("GET", "/jobs", None),
    ("GET", "/jobs/JOB", None),
]


@pytest.fixture
def theirs(world):
    """Another partner's customer with everything in it; returns its label and a restore's job."""
    customer = world.connected("other")
    account = world.account(customer, active=True)
    assert account == "A-0001"
    world.backed_up(customer, account)
    body = {"account": account, "whole": True}
    job = world.call("POST", f"/v1/customers/{customer}/restores", body, who="other").json["job"]
    world.catalog.work.set_job(customer, job, "planned")
    world.restore_ready(customer, "other")
    return customer, job


def test_every_route_answers_another_tenants_id_like_an_unknown_one(world, theirs):
    customer, job = theirs
    unknown = "K-999999" if customer != "K-999999" else "K-999998"
    before = len(world.machines.calls), len(world.leases)
    for method, path, body in CALLS:
        foreign = ask(world, method, customer, path.replace("JOB", job), body)
        absent = ask(world, method, unknown, path.replace("JOB", job), body)
        assert foreign == absent, path
        assert foreign[0] == 404, path
        own = ask(world, method, customer, path.replace("JOB", job), body, who="other")
        assert own[0] < 400, (path, own)
    started = world.machines.calls[before[0] :]
    assert all(event.get("customer") == customer for _, _, event in started)
    assert all(lease.customer == customer for lease in world.leases[before[1] :])


def test_editing_another_tenants_customer_is_like_editing_an_unknown_one(world, theirs):
    customer, _ = theirs
    tag = world.call("GET", f"/v1/customers/{customer}", who="other").headers["ETag"]
    path, nowhere = f"/v1/customers/{customer}", "/v1/customers/K-999999"
    foreign = world.call("PATCH", path, {"alias": "x"}, headers={"if-match": tag})
    absent = world.call("PATCH", nowhere, {"alias": "x"}, headers={"if-match": tag})
    assert foreign.seen(path) == absent.seen(nowhere)
    assert foreign.status == 404


def test_ids_within_a_customer_do_not_cross_customers(world):
    first, second = world.connected(tenant="t-1"), world.connected(tenant="t-2")
    account = world.account(first)
    world.backed_up(first, account)
    job = world.call("POST", f"/v1/customers/{first}/restores", {"account": account, "whole": True}).json["job"]
    for path in (f"/accounts/{account}/snapshots", f"/restores/{job}", f"/jobs/{job}"):
        assert world.call("GET", f"/v1/customers/{first}{path}").status == 200
        assert world.call("GET", f"/v1/customers/{second}{path}").status == 404


def test_lists_hold_only_the_partners_own(world, theirs):
    mine = world.customer()
    listed = world.call("GET", "/v1/customers").json["customers"]
    assert [one["customer"] for one in listed] == [mine]


def test_labels_say_nothing_of_how_many_there_are(world):
    numbers = [int(world.customer(alias=f"{n}")[2:]) for n in range(4)]
    assert any(abs(one - other) > 1 for one, other in pairwise(numbers))


def ask(world, method, customer, path, body, *, who="admin"):
    path, _, query = path.partition("?")
    full = f"/v1/customers/{customer}{path}"
    pairs = dict(pair.split("=") for pair in query.split("&")) if query else None
    return world.call(method, full, body, who=who, query=pairs).seen(full)
