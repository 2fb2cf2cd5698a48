"""Runs, leases, jobs, idempotency, budgets: safe to repeat, never back, never twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from arche.catalog.budgets import Limit
from arche.catalog.errors import BadCursor, NotFound
from arche.model import labels
from arche.model.completeness import Colour
from arche.model.listing import Answer
from arche.model.restore import Ref, RestoreJob, RestoreRequest
from arche.model.tenancy import Job
from arche.model.work import Lease, Run, Task, TaskState
from tests.catalog.conftest import NOW, listing
from tests.catalog.test_accounts import run_record

STARTED = "2026-11-24T06:00:00Z"
TASKS = {"A-0001": Task("A-0001"), "A-0002": Task("A-0002")}
RUN = Run(id="r-1", kind="backup", started=STARTED, slot="20261124-06")


def lease(**changed):
    fields = {
        "id": "l-1",
        "run": "r-1",
        "customer": "K-000001",
        "connection": "C-01",
        "purpose": "backup",
        "expires": NOW + 3600,
        "tasks": TASKS,
    }
    return Lease(**{**fields, **changed})


@pytest.fixture
def accounts(catalog, customer):
    return [catalog.accounts.add_account(listing(provider_id=f"u-{n}")) for n in range(2)]


def test_opening_a_run_twice_answers_the_first(catalog):
    assert catalog.work.open_run(RUN) == RUN
    assert catalog.work.open_run(replace(RUN, slot="x", started="2026-11-24T07:00:00Z")) == RUN
    assert catalog.schedule.run("r-2") is None


def test_a_closed_run_stays_closed(catalog):
    catalog.schedule.open_run(RUN)
    catalog.schedule.set_run(replace(RUN, state="open", leases=3))
    catalog.schedule.set_run(replace(RUN, state="closed", leases=3))
    catalog.schedule.set_run(replace(RUN, state="open", leases=9))
    assert catalog.schedule.run("r-1") == replace(RUN, state="closed", leases=3)
    with pytest.raises(NotFound):
        catalog.schedule.set_run(replace(RUN, id="r-9", state="open"))


def test_a_lease_is_created_once_with_its_tasks(catalog, accounts):
    catalog.schedule.open_lease(lease())
    catalog.schedule.open_lease(lease(purpose="restore", expires=NOW + 99_999))
    assert catalog.schedule.lease("K-000001", "l-1") == lease()
    assert catalog.customer("K-000001").account("A-0001").open_run == "r-1"
    assert catalog.work.lease("K-000002", "l-1") is None
    assert catalog.customer("K-000002").lease("l-1") is None


def test_another_runs_account_is_not_taken_over(catalog, accounts):
    catalog.schedule.open_lease(lease())
    catalog.schedule.open_lease(lease(id="l-2", run="r-2"))
    assert catalog.customer("K-000001").account("A-0001").open_run == "r-1"


def test_a_workers_book_refuses_leases_of_others(catalog):
    with pytest.raises(labels.LabelError):
        catalog.customer("K-000002").open_lease(lease())
    with pytest.raises(labels.LabelError):
        catalog.customer("PARTNER#p-one")


def test_closing_and_renewing(catalog):
    catalog.work.open_run(replace(RUN, state="open"))
    catalog.work.open_lease(lease())
    catalog.work.close_lease("K-000001", "l-1")
    catalog.work.close_lease("K-000001", "l-9")
    assert not catalog.work.lease("K-000001", "l-1").open
    assert catalog.work.lease("K-000001", "l-9") is None
    catalog.schedule.set_run(replace(RUN, state="closed"))
    catalog.work.renew_lease("K-000001", "l-1", NOW + 99_999)
    renewed = catalog.work.lease("K-000001", "l-1")
    assert (renewed.open, renewed.expires) == (True, NOW + 99_999)
    assert catalog.schedule.run("r-1").state == "open"
    for customer, name in (("K-000001", "l-9"), ("K-000002", "l-1")):
        with pytest.raises(NotFound):
            catalog.work.renew_lease(customer, name, NOW)


def test_tasks_move_until_they_are_sealed(catalog, accounts):
    book = catalog.customer("K-000001")
    catalog.schedule.open_lease(lease())
    later = Task("A-0001", state=TaskState.LATER, at="2026-11-24T06:10:00Z", reason="Throttled", flags=("slow",))
    book.record_task("l-1", later)
    assert book.lease("l-1").tasks["A-0001"] == later
    assert book.seal_account("l-1", Task("A-0001", state=TaskState.COLLECTED), run_record(STARTED, run="r-1"))
    book.record_task("l-1", later)
    assert book.lease("l-1").tasks["A-0001"].state is TaskState.SEALED
    assert book.lease("l-1").tasks["A-0002"].state is TaskState.OPEN
    for bad in (("l-1", Task("A-0009")), ("l-9", Task("A-0001"))):
        with pytest.raises(NotFound):
            book.record_task(*bad)
    with pytest.raises(NotFound):
        catalog.customer("K-000002").record_task("l-1", later)


def test_sealing_is_one_step_and_happens_once(catalog, accounts):
    book = catalog.customer("K-000001")
    catalog.work.add_job(Job(id="j-1", customer="K-000001", kind="backup", state="queued", created=STARTED, accounts=2))
    catalog.schedule.open_lease(lease(job="j-1"))
    record = run_record(STARTED, run="r-1", slot="20261124-06", colour=Colour.AMBER, ended="2026-11-24T06:05:00Z")
    for expected in (True, False, False):
        assert book.seal_account("l-1", Task("A-0001", changed=True), record) is expected
    job = catalog.work.job("K-000001", "j-1")
    assert (job.accounts_done, job.colours) == (1, {"amber": 1})
    row = book.account("A-0001")
    assert (row.open_run, row.last_slot, row.has_snapshot) == ("", "20261124-06", True)
    shown = catalog.accounts.account("K-000001", "A-0001")
    assert (shown.colour, shown.last_run, shown.last_snapshot) == ("amber", record.ended, record.ended)
    assert catalog.accounts.run_records("K-000001", "A-0001", until="", after="", limit=5)[0] == [record]
    assert catalog.schedule.seal_account("K-000001", "l-1", Task("A-0002"), replace(record, account="A-0002"))
    assert catalog.work.job("K-000001", "j-1").colours == {"amber": 2}


def test_sealing_without_an_index_row_or_a_job_still_seals(catalog, customer):
    book = catalog.customer("K-000001")
    catalog.schedule.open_lease(lease(job="j-gone"))
    assert book.seal_account("l-1", Task("A-0001"), run_record(STARTED))
    assert book.account("A-0001") is None
    assert book.lease("l-1").tasks["A-0001"].state is TaskState.SEALED
    with pytest.raises(NotFound):
        book.seal_account("l-9", Task("A-0001"), run_record(STARTED))
    with pytest.raises(NotFound):
        catalog.customer("K-000002").seal_account("l-1", Task("A-0001"), run_record(STARTED))


def test_a_failed_run_keeps_the_last_snapshots_date(catalog, accounts):
    book = catalog.customer("K-000001")
    catalog.schedule.open_lease(lease())
    book.seal_account("l-1", Task("A-0001"), run_record(STARTED, colour=Colour.RED, outcome="stopped"))
    shown = catalog.accounts.account("K-000001", "A-0001")
    assert (shown.colour, shown.last_snapshot) == ("red", "")
    assert not book.account("A-0001").has_snapshot


def test_a_waiting_slot_is_seen_and_served_by_the_next_run(catalog, accounts):
    for _ in range(2):
        catalog.schedule.queue("K-000001", "A-0001", "20261124-06", "The run before is not done.")
    catalog.schedule.queue("K-000001", "A-0099", "20261124-06", "unknown account")
    book = catalog.customer("K-000001")
    assert book.account("A-0001").queued_slot == "20261124-06"
    records = catalog.accounts.run_records("K-000001", "A-0001", until="", after="", limit=5)[0]
    assert [(r.outcome, r.colour, r.started) for r in records] == [("queued", "grey", "2026-11-24T06:00:00Z")]
    catalog.schedule.open_lease(lease())
    book.seal_account("l-1", Task("A-0001"), run_record("2026-11-24T00:00:00Z", slot="20261124-00"))
    assert book.account("A-0001").queued_slot == "20261124-06"
    catalog.schedule.open_lease(lease(id="l-2"))
    book.seal_account("l-2", Task("A-0001"), run_record("2026-11-24T12:00:00Z", slot="20261124-12"))
    assert book.account("A-0001").queued_slot == ""


def test_places_in_flight_are_limited_given_back_and_lapse(catalog, customer):
    book = catalog.customer("K-000001")
    soon = datetime.now(UTC) + timedelta(minutes=5)
    assert book.enter("C-01", "l-1", 3, 4, soon)
    assert book.enter("C-01", "l-1", 4, 4, soon), "its own places do not stand in its way"
    assert not book.enter("C-01", "l-2", 1, 4, soon)
    assert book.enter("C-02", "l-2", 1, 4, soon)
    book.leave("C-01", "l-1")
    book.leave("C-01", "l-1")
    assert book.enter("C-01", "l-2", 4, 4, datetime.now(UTC) - timedelta(seconds=1))
    assert book.enter("C-01", "l-3", 4, 4, soon), "lapsed places are free"


def test_jobs_come_newest_first(catalog):
    for day in (1, 3, 2):
        job = Job(
            id=f"j-{day}", customer="K-000001", kind="backup", state="queued", created=f"2026-11-0{day}T06:00:00Z"
        )
        assert catalog.work.add_job(job)
        assert not catalog.work.add_job(replace(job, state="done", created="2026-12-01T00:00:00Z"))
    found, after = catalog.work.jobs("K-000001", "", 2)
    assert [job.id for job in found] == ["j-3", "j-2"]
    assert [job.id for job in catalog.work.jobs("K-000001", after, 2)[0]] == ["j-1"]
    assert catalog.work.jobs("K-000002", "", 2) == ([], "")
    assert catalog.work.job("K-000002", "j-1") is None
    with pytest.raises(BadCursor):
        catalog.work.jobs("K-000001", "LEASE#l-1", 2)
    catalog.work.set_job("K-000001", "j-1", "failed", "why")
    assert catalog.work.job("K-000001", "j-1").message == "why"
    with pytest.raises(NotFound):
        catalog.work.set_job("K-000002", "j-1", "done")


def test_a_backups_job_follows_its_run(catalog):
    catalog.work.add_job(Job(id="j-1", customer="K-000001", kind="backup", state="queued", created=STARTED))
    run = Run(id="r-1", kind="backup", started=STARTED, customer="K-000001", job="j-1")
    catalog.schedule.open_run(run)
    for state, expected in (("opening", "queued"), ("open", "running"), ("closed", "done")):
        catalog.schedule.set_run(replace(run, state=state))
        assert catalog.work.job("K-000001", "j-1").state == expected


def test_a_restore_is_a_job_with_its_request(catalog):
    request = RestoreRequest(account="A-0001", seq=2, items=(Ref("exchange", "m-1"),), conflict="rename")
    made = RestoreJob(
        id="j-1", customer="K-000001", connection="C-01", run="j-1", lease="j-1", request=request, started=STARTED
    )
    assert catalog.work.add_restore(made, STARTED)
    assert not catalog.work.add_restore(made, STARTED)
    assert catalog.work.restore("K-000001", "j-1") == made
    assert catalog.work.restore("K-000002", "j-1") is None
    assert catalog.work.jobs("K-000001", "", 5)[0][0].kind == "restore"
    book = catalog.customer("K-000001")
    book.update_job("j-1", "planned", plan={"items": 3, "S": "a map like an attribute value"})
    book.update_job("j-1", "planned", message="ready")
    found = book.job("j-1")
    assert (found.state, found.message, found.plan["S"]) == ("planned", "ready", "a map like an attribute value")
    assert catalog.work.advance_job("K-000001", "j-1", "planned", "running")
    assert not catalog.work.advance_job("K-000001", "j-1", "planned", "running")
    catalog.work.add_job(Job(id="j-2", customer="K-000001", kind="backup", state="queued", created=STARTED))
    assert catalog.work.restore("K-000001", "j-2") is None


def test_an_idempotency_key_means_one_request(catalog):
    claim = catalog.work.claim_key
    assert claim("p-one", "k", "f1", NOW) == "new"
    assert claim("p-one", "k", "f1", NOW + 5) == "busy"
    assert claim("p-one", "k", "f2", NOW + 5) == "other"
    assert claim("p-two", "k", "f2", NOW + 5) == "new", "another partner's key is another key"
    answer = Answer(status=201, headers={"Location": "/v1/x"}, body="{}")
    catalog.work.store_answer("p-one", "k", answer)
    assert claim("p-one", "k", "f1", NOW + 50) == answer
    assert claim("p-one", "k", "f2", NOW + 50) == "other"
    catalog.work.release_key("p-one", "k")
    assert claim("p-one", "k", "f1", NOW + 50) == answer, "an answer is never forgotten early"
    assert claim("p-one", "k", "f2", NOW + 24 * 3600) == "new"


def test_a_refused_or_abandoned_claim_may_be_tried_again(catalog):
    assert catalog.work.claim_key("p-one", "k", "f1", NOW) == "new"
    catalog.work.release_key("p-one", "k")
    assert catalog.work.claim_key("p-one", "k", "f2", NOW) == "new"
    assert catalog.work.claim_key("p-one", "k", "f1", NOW + 61) == "other"
    assert catalog.work.claim_key("p-one", "k", "f2", NOW + 61) == "new"
    catalog.work.store_answer("p-one", "gone", Answer(status=200))
    assert catalog.work.claim_key("p-one", "gone", "f", NOW) == "new"


class Clock:
    def __init__(self):
        self.now = float(NOW)

    def __call__(self):
        return self.now


def test_budgets_are_leased_in_blocks_and_never_twice(catalog):
    clock = Clock()
    clock.now = 10_000.0
    one, two = (catalog.budgets("K-000001", "C-01", {"directory": Limit(100, 10.0)}, clock) for _ in range(2))
    key = "microsoft365:t-1:directory"
    assert [one.take(key, 40), two.take(key, 40), one.take(key, 40), two.take(key, 20)] == [40, 40, 20, 0]
    assert catalog.budgets("K-000001", "C-02", {"directory": Limit(100, 10.0)}, clock).take(key, 500) == 100
    assert one.take("microsoft365:t-1:unlimited", 7) == 7
    clock.now += 10
    assert one.take(key, 60) == 60


def test_a_fence_stops_everyone_until_it_is_over(catalog):
    clock = Clock()
    one, two = (catalog.budgets("K-000001", "C-01", {"directory": Limit(100, 10.0)}, clock) for _ in range(2))
    key = "microsoft365:t-1:directory"
    one.fence(key, 30.5)
    two.fence(key, 2.0)
    assert two.take(key, 10) == 0
    clock.now += 30.4
    assert two.take(key, 10) == 0
    clock.now += 0.2
    assert two.take(key, 10) == 10
