"""The same request with the same key: done once, answered the same, bound to who asked for what."""

from __future__ import annotations

from datetime import timedelta

import pytest

KEY = {"idempotency-key": "key-1"}


def test_a_repeat_answers_the_same_and_does_nothing(world):
    first = world.call("POST", "/v1/customers", {"alias": "Kunde 1"}, headers=KEY)
    again = world.call("POST", "/v1/customers", {"alias": "Kunde 1"}, headers=KEY)
    assert (again.status, again.raw, again.headers) == (first.status, first.raw, first.headers)
    assert len(world.call("GET", "/v1/customers").json["customers"]) == 1


def test_without_a_key_it_is_done_twice(world):
    assert world.customer() != world.customer()


def test_another_body_path_or_member_with_the_same_key(world):
    customer = world.connected()
    assert world.call("POST", "/v1/customers", {"alias": "Kunde 1"}, headers=KEY).status == 201
    for path, body, who in [
        ("/v1/customers", {"alias": "Kunde 2"}, "admin"),
        ("/v1/customers", {"alias": "Kunde 1"}, "technician"),
        (f"/v1/customers/{customer}/connections", {"platform": "microsoft365"}, "admin"),
    ]:
        answer = world.call("POST", path, body, headers=KEY, who=who)
        assert (answer.status, answer.json["code"]) == (422, "idempotency_key_reused")


def test_keys_of_two_partners_know_nothing_of_each_other(world):
    ours = world.call("POST", "/v1/customers", {"alias": "x"}, headers=KEY)
    theirs = world.call("POST", "/v1/customers", {"alias": "x"}, headers=KEY, who="other")
    assert theirs.status == 201
    assert theirs.json["customer"] != ours.json["customer"]


def test_a_refused_request_may_be_tried_again_with_its_key(world):
    customer = world.connected()
    path = f"/v1/customers/{customer}/backups"
    assert world.call("POST", path, {}, headers=KEY).json["code"] == "nothing_active"
    world.account(customer, active=True)
    assert world.call("POST", path, {}, headers=KEY).status == 202


def test_while_the_first_one_is_at_work(world):
    now = int(world.now.timestamp())
    from arche.operations.once import once

    seen = []

    def meanwhile():
        from arche.model.listing import Answer
        from arche.operations.refusals import Conflict

        member = world.catalog.tenancy.member("admin")
        with pytest.raises(Conflict) as refused:
            once(world.catalog.work, member, "k", ("POST", "/x", ""), now=world.now, do=lambda: None)
        seen.append(refused.value.code)
        return Answer(201)

    member = world.catalog.tenancy.member("admin")
    answer = once(world.catalog.work, member, "k", ("POST", "/x", ""), now=world.now, do=meanwhile)
    assert (answer.status, seen) == (201, ["idempotency_key_in_use"])
    assert now == int(world.now.timestamp())


def test_a_crash_after_the_work_starts_nothing_twice(world, monkeypatch):
    customer = world.connected()
    world.account(customer, active=True)
    path = f"/v1/customers/{customer}/backups"

    def crash(*_):
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(type(world.catalog.work), "store_answer", crash)
        with pytest.raises(SystemExit):
            world.call("POST", path, {}, headers=KEY)
    busy = world.call("POST", path, {}, headers=KEY)
    assert (busy.status, busy.json["code"]) == (409, "idempotency_key_in_use")
    world.now += timedelta(seconds=61)
    again = world.call("POST", path, {}, headers=KEY)
    assert again.status == 202
    backups = [name for kind, name, _ in world.machines.calls if kind == "backup"]
    # The machine takes one execution of a name, so the second start does nothing.
    assert backups == [again.json["job"]] * 2
    jobs = world.call("GET", f"/v1/customers/{customer}/jobs").json["jobs"]
    assert [one["job"] for one in jobs if one["kind"] == "backup"] == [again.json["job"]]


def test_after_a_day_the_key_is_free(world):
    first = world.call("POST", "/v1/customers", {"alias": "x"}, headers=KEY)
    world.now += timedelta(hours=25)
    later = world.call("POST", "/v1/customers", {"alias": "y"}, headers=KEY)
    assert later.status == 201
    assert later.json["customer"] != first.json["customer"]


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 101, "#", "ü"])
def test_malformed_keys(world, key):
    answer = world.call("POST", "/v1/customers", {"alias": "x"}, headers={"idempotency-key": key})
    assert (answer.status, answer.json["code"]) == (422, "invalid_request")
