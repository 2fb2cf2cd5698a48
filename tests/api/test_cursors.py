"""Cursors belong to one partner, one list and its filters."""

from __future__ import annotations

import base64
import json

import pytest

from arche.model.tenancy import Member
from functions.api.paging import Place


def cursor_of(world, path, who="admin", **query):
    page = world.call("GET", path, who=who, query={"limit": 1, **query})
    assert page.status == 200, page.text
    assert page.json["next"]
    return page.json["next"]


def refused(answer):
    return (answer.status, answer.json.get("code")) == (422, "cursor_invalid")


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "====",
        "W10",
        "bnVsbA",
        "e30",
        base64.urlsafe_b64encode(b'["a"]').decode(),
        base64.urlsafe_b64encode(b'["", ""]').decode(),
        base64.urlsafe_b64encode(b"[1, 2]").decode(),
        "ü",
    ],
)
def test_forged_cursors(world, cursor):
    assert refused(world.call("GET", "/v1/customers", query={"cursor": cursor}))


def test_a_cursor_of_another_partner(world):
    for who in ("admin", "other"):
        for number in range(2):
            world.customer(who, alias=f"Kunde {number}")
    assert refused(world.call("GET", "/v1/customers", query={"cursor": cursor_of(world, "/v1/customers", "other")}))


def test_a_cursor_of_another_list_customer_or_filter(world):
    first, second = world.connected(tenant="t-1"), world.connected(tenant="t-2")
    for customer in (first, second):
        for number in range(2):
            account = world.account(customer, f"u-{number}")
            world.backed_up(customer, account)
    of_accounts = cursor_of(world, f"/v1/customers/{first}/accounts")
    assert refused(world.call("GET", f"/v1/customers/{second}/accounts", query={"cursor": of_accounts}))
    assert refused(world.call("GET", f"/v1/customers/{first}/jobs", query={"cursor": of_accounts}))
    base = f"/v1/customers/{first}/accounts/A-0001"
    of_points = cursor_of(world, f"{base}/snapshots")
    other = f"/v1/customers/{first}/accounts/A-0002/snapshots"
    assert refused(world.call("GET", other, query={"cursor": of_points}))
    query = {"service": "exchange", "folder": "folder=1"}
    of_items = cursor_of(world, f"{base}/items", **query)
    for changed in ({"at": "1"}, {"folder": ""}):
        assert refused(world.call("GET", f"{base}/items", query={**query, **changed, "cursor": of_items}))
    assert world.call("GET", f"{base}/items", query={**query, "cursor": of_items, "limit": 2}).status == 200


@pytest.mark.parametrize(
    "position",
    ["CUSTOMER", "MEMBER#admin", "PROFILE", "CUSTOMER#\u0000", "../", "x" * 1025, "BINDING#microsoft365#t"],
)
def test_a_forged_position_stays_within_the_list(world, position):
    world.customer(), world.customer()
    place = Place.of(Member("admin", "p-one", "admin"), "customers")
    answer = world.call("GET", "/v1/customers", query={"cursor": place.cursor(position)})
    if answer.status == 200:
        # A position within the list: it shows what a page may show, and no more.
        assert all(set(one) == {"customer", "alias", "name", "state", "created"} for one in answer.json["customers"])
    else:
        assert refused(answer)


def test_a_forged_position_in_a_vault_and_in_results(world):
    customer = world.connected()
    account = world.account(customer)
    world.backed_up(customer, account)
    member = Member("admin", "p-one", "admin", sees_content=True)
    place = Place.of(member, "items", customer=customer, account=account, service="exchange", folder="folder=1", at="")
    path = f"/v1/customers/{customer}/accounts/{account}/items"
    for position in ("x", "AAAA", "ü"):
        query = {"service": "exchange", "folder": "folder=1", "cursor": place.cursor(position)}
        assert refused(world.call("GET", path, query=query))
    body = {"account": account, "whole": True}
    job = world.call("POST", f"/v1/customers/{customer}/restores", body).json["job"]
    place = Place.of(member, "results", customer=customer, job=job)
    for position in ("x", "1", "0.0", "1.-1", "1. 1", "1 K-999999/secret", "\uff11.\uff11"):
        answer = world.call(
            "GET", f"/v1/customers/{customer}/restores/{job}/results", query={"cursor": place.cursor(position)}
        )
        assert refused(answer), position


def test_cursors_show_nothing_that_the_list_does_not(world):
    world.customer(), world.customer()
    cursor = cursor_of(world, "/v1/customers")
    bond, position = json.loads(base64.urlsafe_b64decode(cursor + "=="))
    listed = [one["customer"] for one in world.call("GET", "/v1/customers").json["customers"]]
    assert position in {f"CUSTOMER#{label}" for label in listed}
    assert "p-one" not in bond
