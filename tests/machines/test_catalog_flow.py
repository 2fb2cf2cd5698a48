"""The same machines and operations over the real catalog (moto): the books in memory must not promise more than it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import boto3
import pytest
from moto import mock_aws

from arche.aws import wiring
from arche.catalog.catalog import Catalog
from arche.catalog.writes import Update, setting
from arche.model.listing import AccountListing
from arche.model.restore import RestoreJob, RestoreRequest
from arche.model.tenancy import Customer, Job
from arche.model.work import Lease, Run, Task, iso
from arche.operations.meter import MeterPorts, meter
from arche.providers.errors import CredentialRejected, Throttled
from tests.catalog.conftest import REGION, TABLES, make_tables
from tests.machines.test_flow import Cloud, next_day, restore_event
from tests.operations.house import CONNECTION, CUSTOMER, House
from tests.operations.world import SERVICE, START


@pytest.fixture
def catalog(monkeypatch):
    monkeypatch.setenv("AWS_REGION", REGION)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        make_tables(boto3.client("dynamodb", region_name=REGION))
        catalog = Catalog(TABLES, region=REGION)
        assert catalog.tenancy.add_customer(Customer(CUSTOMER, "p-one", "", "Alias", iso(START)))
        assert catalog.tenancy.add_connection(CUSTOMER, "microsoft365", iso(START)).label == CONNECTION
        live = setting({"state": "live"})
        catalog.rows.update(Update("tenancy", CUSTOMER, f"CONNECTION#{CONNECTION}", live))
        for number in (1, 2, 3):
            made = catalog.accounts.add_account(
                AccountListing(CUSTOMER, "", CONNECTION, f"user{number}", "person", (SERVICE,), "", "")
            )
            active = replace(made, active=True, activated=iso(START - timedelta(days=2)), slots=("06",))
            catalog.accounts.put_account(active)
        yield catalog


@pytest.fixture
def cloud(catalog, monkeypatch) -> Cloud:
    house = House.build(accounts=3)
    for board in house.mail.boards.values():
        inbox = board.add_folder("Inbox")
        for number in range(3):
            board.add(inbox, name=f"mail {number}")
    cloud = Cloud(house, monkeypatch)
    book = catalog.customer(CUSTOMER)
    ports = {
        "schedule_ports": lambda _s: replace(house.schedule_ports(), book=catalog.schedule),
        "collect_ports": lambda _s, _e: replace(house.collect_ports(), book=book),
        "seal_ports": lambda _s, _e: replace(house.seal_ports(), book=book),
        "restore_ports": lambda _s, _e: replace(house.restore_ports(), book=book),
    }
    for name, made in ports.items():
        monkeypatch.setattr(wiring, name, made)
    return cloud


def records(catalog, account="A-0001"):
    return list(catalog.accounts.run_records(CUSTOMER, account, until="", after="", limit=50)[0])


def test_days_of_backups(cloud, catalog):
    house = cloud.house
    assert cloud.run("backup", {"slot": "06"}) == {"run": "20261124-06", "unfinished": 0, "failed": 0, "queued": 0}
    assert cloud.run("backup", {"slot": "06"})["close"] is False
    for board in house.mail.boards.values():
        board.add(next(iter(board.folders)))
    next_day(cloud)
    waits = [90.0]
    house.trouble.plan = lambda _n, name: Throttled("slow", after=waits.pop()) if waits and name == "page" else None
    assert cloud.run("backup", {"slot": "06"})["unfinished"] == 0
    objects = set(house.store.objects)
    next_day(cloud)
    cloud.run("backup", {"slot": "06"})
    assert set(house.store.objects) == objects
    for label in ("A-0001", "A-0002", "A-0003"):
        assert house.in_step(label)
        found = records(catalog, label)
        assert [(r.outcome, r.colour, r.slot) for r in found] == [
            ("unchanged", "green", "20261126-06"),
            ("snapshot", "green", "20261125-06"),
            ("snapshot", "green", "20261124-06"),
        ]
        row = catalog.customer(CUSTOMER).account(label)
        assert (row.open_run, row.last_slot, row.has_snapshot) == ("", "20261126-06", True)
        head = catalog.customer(CUSTOMER).head(label)
        assert (head.seq, head.items) == (house.vault(label).head().seq, 4)
        assert head.cursors
    assert meter(MeterPorts(catalog.meter, house.clock)) == 1
    (usage,) = catalog.meter.usage(CUSTOMER, "2026-11-01", "2026-11-30")
    assert (dict(usage.accounts), usage.items) == ({"person": 3}, 12)


def test_backup_now_counts_in_its_job(cloud, catalog):
    catalog.work.add_job(Job("j1", CUSTOMER, "backup", "queued", iso(START), accounts=2))
    cloud.run("backup", {"customer": CUSTOMER, "job": "j1", "accounts": ["A-0001", "A-0003"]})
    job = catalog.work.job(CUSTOMER, "j1")
    assert (job.state, job.accounts_done, dict(job.colours)) == ("done", 2, {"green": 2})
    assert records(catalog, "A-0002") == []


def test_a_rejected_credential_is_seen_in_the_connection(cloud, catalog):
    cloud.run("backup", {"slot": "06"})
    next_day(cloud)
    cloud.house.services_error = CredentialRejected("no")
    cloud.run("backup", {"slot": "06"})
    found = catalog.tenancy.connection(CUSTOMER, CONNECTION)
    assert (found.state, found.reason) == ("red", "CredentialRejected")
    assert "consent" in found.message
    assert {records(catalog, label)[0].colour for label in ("A-0001", "A-0002", "A-0003")} == {"red"}
    cloud.house.services_error = None
    next_day(cloud)
    cloud.run("backup", {"slot": "06"})
    assert catalog.tenancy.connection(CUSTOMER, CONNECTION).state == "live"
    assert records(catalog)[0].colour == "green"


def test_a_restore_is_planned_carried_out_and_reported(cloud, catalog):
    house = cloud.house
    cloud.run("backup", {"slot": "06"})
    before = sorted(one.body for one in house.board.letters.values())
    house.board.letters.clear()
    house.board.folders.clear()
    job = RestoreJob("r1", CUSTOMER, CONNECTION, "r1", "r1", RestoreRequest("A-0001", whole=True, seq=2))
    catalog.work.open_run(Run("r1", "restore", iso(START), customer=CUSTOMER, job="r1", state="open"))
    tasks = {"A-0001": Task("A-0001")}
    catalog.work.open_lease(Lease("r1", "r1", CUSTOMER, CONNECTION, "restore", 2_000_000_000, tasks, job="r1"))
    catalog.work.add_restore(job, iso(START))
    cloud.run("restore", restore_event(job, start=False))
    planned = catalog.work.restore(CUSTOMER, "r1")
    assert (planned.state, planned.plan["items"], planned.plan["seq"]) == ("planned", 3, 2)
    assert catalog.work.advance_job(CUSTOMER, "r1", "planned", "running")
    cloud.run("restore", restore_event(job, start=True))
    done = catalog.work.restore(CUSTOMER, "r1")
    assert (done.state, done.report["given_back"], done.report["verified"]) == ("done", 3, 3)
    assert sorted(one.body for one in house.board.letters.values()) == before
    assert not catalog.work.lease(CUSTOMER, "r1").open
