"""Every route answers once as it should."""

from __future__ import annotations

import json

from arche.model.restore import Result
from arche.operations.plan_batches import results_prefix


def test_me(world):
    assert world.call("GET", "/v1/me", who="viewer").json == {
        "partner": "p-one",
        "role": "viewer",
        "sees_content": False,
        "may": ["list", "read"],
    }


def test_customers_are_created_listed_and_edited(world):
    made = world.call("POST", "/v1/customers", {"name": "Muster GmbH"})
    assert made.status == 201
    assert made.headers["Location"] == f"/v1/customers/{made.json['customer']}"
    read = world.call("GET", made.headers["Location"])
    assert read.json == made.json
    edited = world.call(
        "PATCH", made.headers["Location"], {"alias": "Kunde 7"}, headers={"if-match": read.headers["ETag"]}
    )
    assert (edited.status, edited.json["name"], edited.json["alias"]) == (200, "", "Kunde 7")
    assert edited.headers["ETag"] != read.headers["ETag"]
    stale = world.call("PATCH", made.headers["Location"], {"alias": "x"}, headers={"if-match": read.headers["ETag"]})
    assert (stale.status, stale.json["code"]) == (412, "precondition_failed")
    listed = world.call("GET", "/v1/customers", who="finance")
    assert listed.json == {"customers": [edited.json], "next": None}


def test_pages_hold_everything_once(world):
    made = {world.customer(alias=f"Kunde {number}") for number in range(5)}
    seen, cursor = [], None
    while True:
        page = world.call("GET", "/v1/customers", query={"limit": 2, **({"cursor": cursor} if cursor else {})}).json
        assert len(page["customers"]) <= 2
        seen += [one["customer"] for one in page["customers"]]
        cursor = page["next"]
        if not cursor:
            break
    assert sorted(seen) == sorted(made)


def test_connection_and_discovery(world):
    customer = world.connected()
    base = f"/v1/customers/{customer}/connections"
    one = world.call("GET", f"{base}/C-01").json
    assert (one["state"], one["tenant"], one["restore_ready"]) == ("live", f"tenant-{customer}", False)
    assert world.call("GET", base).json == {"connections": [one]}
    started = world.call("POST", f"{base}/C-01/discover", {"confirm_leaving": 7})
    assert (started.status, started.json["kind"], started.json["state"]) == (202, "discover", "queued")
    kind, name, event = world.machines.calls[-1]
    assert (kind, name, event["confirm"]) == ("discover", started.json["job"], 7)
    assert world.catalog.work.lease(customer, event["lease"]).purpose == "discover"
    job = world.call("GET", started.headers["Location"])
    assert job.json == started.json
    jobs = world.call("GET", f"/v1/customers/{customer}/jobs").json
    assert [one["kind"] for one in jobs["jobs"]] == ["discover", "discover"]


def test_accounts_and_backup_now(world):
    customer = world.connected()
    labels = [world.account(customer, f"u-{number}") for number in range(3)]
    base = f"/v1/customers/{customer}"
    assert world.call("POST", f"{base}/backups", {}).json["code"] == "nothing_active"
    some = world.call("POST", f"{base}/accounts/activate", {"accounts": labels[:2], "per_day": 3})
    assert some.json == {"activated": 2, "already_active": 0}
    everyone = world.call("POST", f"{base}/accounts/activate", {"all": True})
    assert everyone.json == {"activated": 1, "already_active": 2}
    listed = world.call("GET", f"{base}/accounts").json["accounts"]
    assert [(one["account"], one["active"], one["present"], one["colour"]) for one in listed] == [
        (label, True, True, "grey") for label in labels
    ]
    slots = world.catalog.accounts.account(customer, labels[0]).slots
    hours = [int(hour) for hour in slots]
    assert [hours[1] - hours[0], hours[2] - hours[1]] == [8, 8]
    started = world.call("POST", f"{base}/backups", {"accounts": labels[:1]})
    assert (started.status, started.json["accounts"]) == (202, 1)
    job = started.json["job"]
    assert world.machines.calls[-1] == ("backup", job, {"customer": customer, "job": job, "accounts": labels[:1]})
    by_connection = world.call("POST", f"{base}/backups", {"connection": "C-01"})
    assert world.machines.calls[-1][2] == {"customer": customer, "job": by_connection.json["job"], "connection": "C-01"}


def test_snapshots(world):
    customer = world.connected()
    account = world.account(customer)
    world.backed_up(customer, account)
    page = world.call("GET", f"/v1/customers/{customer}/accounts/{account}/snapshots").json
    assert [(one["snapshot"], one["colour"], one["taken"]) for one in page["snapshots"]] == [
        (2, "amber", "2026-11-24T05:00:00Z"),
        (1, "amber", "2026-11-24T04:00:00Z"),
    ]
    assert page["snapshots"][0]["services"]["exchange"]["failed"] == 1
    assert page["snapshots"][0]["problems"][0]["code"] == "ItemRefused"


def test_runs_tell_also_what_made_no_snapshot(world):
    customer = world.connected()
    account = world.account(customer)
    world.backed_up(customer, account)
    world.record(customer, account, 0, world.now, outcome="stopped")
    page = world.call("GET", f"/v1/customers/{customer}/accounts/{account}/runs").json
    assert [(one["outcome"], one["snapshot"]) for one in page["runs"]] == [
        ("stopped", None),
        ("snapshot", 2),
        ("snapshot", 1),
    ]
    assert page["runs"][0]["problems"][0]["message"]


def test_items_as_of_any_time(world):
    customer = world.connected()
    account = world.account(customer)
    world.backed_up(customer, account)
    base = f"/v1/customers/{customer}/accounts/{account}"
    tree = world.call("GET", f"{base}/folders", query={"service": "exchange"}).json
    assert [(one["id"], one["name"], one["folder"]) for one in tree["folders"]] == [("folder=1", "Posteingang", "")]
    now = names(world, base)
    assert now == (2, ["Betreff 2", "Betreff 1", 'a"b\r\nc/../d'])
    assert names(world, base, at="1") == (1, ["Betreff 2", "Betreff 1", "Betreff 0", 'a"b\r\nc/../d'])
    assert names(world, base, at="2026-11-24T04:30:00Z")[0] == 1
    assert names(world, base, at="2026-11-24T06:30:00+01:00")[0] == 2
    early = world.call("GET", f"{base}/folders", query={"service": "exchange", "at": "2026-11-01T00:00:00Z"})
    assert (early.status, early.json["code"]) == (422, "no_restore_point")
    query = {"service": "exchange", "folder": "folder=1", "limit": 1}
    first = world.call("GET", f"{base}/items", query=query).json
    second = world.call("GET", f"{base}/items", query={**query, "cursor": first["next"]}).json
    assert [first["items"][0]["name"], second["items"][0]["name"]] == ["Betreff 2", "Betreff 1"]


def names(world, base, **query):
    page = world.call("GET", f"{base}/items", query={"service": "exchange", "folder": "folder=1", **query}).json
    return page["snapshot"], [one["name"] for one in page["items"]]


def test_one_item_and_its_bytes(world):
    customer = world.connected()
    account = world.account(customer)
    world.backed_up(customer, account)
    base = f"/v1/customers/{customer}/accounts/{account}"
    listed = world.call("GET", f"{base}/items", query={"service": "exchange", "folder": "folder=1"}).json["items"]
    ref = listed[0]["id"]
    assert ref.startswith("~")
    item = world.call("GET", f"{base}/items/exchange/{ref}").json
    assert item["properties"] == {"subject": "Betreff 2"}
    assert item["parts"] == [{"part": "", "size": item["size"]}]
    got = world.call("GET", f"{base}/items/exchange/{ref}/content")
    assert (got.status, got.raw) == (200, b"Subject: 2\r\n\r\nHallo 2\r\n\xff\xfe\x00")
    assert got.headers["Content-Type"] == "message/rfc822"
    assert (
        got.headers["Content-Disposition"] == "attachment; filename=\"Betreff 2.eml\"; filename*=UTF-8''Betreff%202.eml"
    )
    assert got.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    lease = world.leases[-1]
    assert (lease.purpose, lease.customer, list(lease.tasks)) == ("browse", customer, [account])
    assert world.catalog.work.lease(customer, lease.id).open


def test_large_content_is_offered_elsewhere(world):
    customer = world.connected()
    account = world.account(customer)
    world.backed_up(customer, account)
    got = world.call("GET", f"/v1/customers/{customer}/accounts/{account}/items/exchange/big/content")
    ((key, (data, media, disposition)),) = world.exports.offered.items()
    assert (got.status, got.raw) == (303, b"")
    assert got.headers["Location"] == f"https://exports.example/{key}?signature=x"
    assert key.startswith(f"{customer}/{account}/")
    assert (len(data), media) == (5 * 1024 * 1024, "message/rfc822")
    assert disposition == "attachment; filename=\"a_bc_.._d.eml\"; filename*=UTF-8''a_bc_.._d.eml"


def test_restore_is_planned_then_started(world):
    customer = world.connected()
    account = world.account(customer)
    world.backed_up(customer, account)
    base = f"/v1/customers/{customer}/restores"
    body = {"account": account, "at": "2026-11-24T04:30:00Z", "items": [{"service": "exchange", "id": "big"}]}
    planned = world.call("POST", base, body)
    assert (planned.status, planned.json["state"], planned.json["snapshot"]) == (202, "new", 1)
    job = planned.json["job"]
    event = {
        "customer": customer,
        "job": job,
        "run": job,
        "lease": job,
        "connection": "C-01",
        "start": False,
    }
    assert world.machines.calls[-1] == ("restore", f"{job}-plan", event)
    lease = world.catalog.work.lease(customer, job)
    assert (lease.purpose, list(lease.tasks), lease.open) == ("restore", [account], True)
    path = planned.headers["Location"]
    assert world.call("GET", path).json == planned.json
    assert world.call("POST", f"{path}/start").json["code"] == "restore_not_planned"
    world.catalog.work.set_job(customer, job, "planned")
    assert world.call("POST", f"{path}/start").json["code"] == "restore_consent_missing"
    world.restore_ready(customer)
    started = world.call("POST", f"{path}/start", {})
    assert (started.status, started.json["state"]) == (202, "running")
    assert world.machines.calls[-1] == ("restore", f"{job}-start", {**event, "start": True})
    again = world.call("POST", f"{path}/start")
    assert (again.status, world.machines.calls[-1][1]) == (202, f"{job}-start")


def test_plan_and_report_are_shown_without_what_machines_need(world):
    customer = world.connected()
    account = world.account(customer)
    body = {"account": account, "whole": True}
    path = world.call("POST", f"/v1/customers/{customer}/restores", body).headers["Location"]
    job = path.rpartition("/")[2]
    loss = {"field": "webLink", "reason": "not settable", "items": 2}
    plan = {
        "seq": 1,
        "services": {"exchange": {"as_of": 1, "problems": 0}},
        "target": account,
        "in_place": True,
        "items": 2,
        "folders": 1,
        "bytes": 30,
        "conflicts": 1,
        "conflict_rule": "skip",
        "without_content": 0,
        "losses": [{"kind": "mail", **loss}],
        "calls": 7,
        "earliest_finish": "2026-11-24T06:00:01Z",
        "seconds": 1,
        "batches": 1,
        "batches_key": f"{customer}/{job}/batches-1.jsonl",
    }
    report = {
        "items": 2,
        "actions": {"written": 2},
        "given_back": 2,
        "verified": 2,
        "failed": 0,
        "unfinished": 0,
        "declared_loss": 2,
        "items_with_losses": 2,
        "losses": [loss],
        "results": f"{customer}/{job}/results/",
        "ended": "2026-11-24T06:01:00Z",
        "problem": "",
    }
    world.catalog.customer(customer).update_job(job, "done", message="All is back.", plan=plan, report=report)
    shown = world.call("GET", path).json
    assert (shown["state"], shown["message"]) == ("done", "All is back.")
    assert shown["snapshot"] == 1
    assert shown["plan"]["losses"] == [{"kind": "mail", **loss}]
    assert shown["report"]["losses"] == [{"kind": "", **loss}]
    for internal in ("batches", "batches_key", "services", "seq"):
        assert internal not in shown["plan"]
    assert "results" not in shown["report"]


def test_results(world):
    customer = world.connected()
    account = world.account(customer)
    body = {"account": account, "whole": True}
    job = world.call("POST", f"/v1/customers/{customer}/restores", body).json["job"]
    world.catalog.customer(customer).update_job(job, "running", plan={"batches": 3})
    for batch in (1, 3):
        for attempt, action in (("a", "unfinished"), ("b", "written")):
            lines = [
                Result("exchange", f"id/{batch}{n}", action, "new", (("webLink", "not settable"),), verified=True)
                for n in range(3)
            ]
            data = "\n".join(json.dumps(one.as_dict()) for one in lines).encode()
            world.work_objects.create(f"{results_prefix(customer, job, batch)}{attempt}-0001.jsonl", data)
    path = f"/v1/customers/{customer}/restores/{job}/results"
    seen, cursor = [], None
    while True:
        page = world.call("GET", path, who="viewer", query={"limit": 2, **({"cursor": cursor} if cursor else {})}).json
        seen += page["results"]
        cursor = page["next"]
        if not cursor:
            break
    assert len(seen) == 6
    assert seen[0]["losses"] == [{"field": "webLink", "reason": "not settable"}]
    assert len({one["id"] for one in seen}) == 6
    assert {one["action"] for one in seen} == {"written"}
