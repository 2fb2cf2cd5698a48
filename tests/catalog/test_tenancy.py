"""Partners, members, customers: what one partner learns of another is nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from arche.catalog.errors import BadCursor, NotFound
from arche.catalog.tenancy import Partner
from arche.model.tenancy import Customer, Member


def made(label, partner="p-one", name="Muster GmbH", alias=""):
    return Customer(label=label, partner=partner, name=name, alias=alias, created="2026-11-24T06:00:00Z")


def test_a_customer_is_written_with_its_name_in_the_directory_only(catalog, dynamodb):
    assert catalog.tenancy.add_customer(made("K-000001", name="Geheim AG"))
    assert catalog.tenancy.customer("p-one", "K-000001") == made("K-000001", name="Geheim AG")
    rows = dynamodb.scan(TableName="t-tenancy")["Items"]
    assert len(rows) == 2
    assert "Geheim" not in str(rows)
    assert "Geheim" in str(dynamodb.scan(TableName="t-directory")["Items"])


def test_a_taken_label_changes_nothing_whoever_holds_it(catalog, dynamodb):
    assert catalog.tenancy.add_customer(made("K-000001", partner="p-other", name="Other"))
    before = [dynamodb.scan(TableName=name)["Items"] for name in ("t-tenancy", "t-directory")]
    assert not catalog.tenancy.add_customer(made("K-000001"))
    assert [dynamodb.scan(TableName=name)["Items"] for name in ("t-tenancy", "t-directory")] == before


def test_another_partners_customer_is_as_unknown(catalog):
    catalog.tenancy.add_customer(made("K-000001", partner="p-other"))
    assert catalog.tenancy.customer("p-one", "K-000001") is None
    assert catalog.tenancy.customer("p-one", "K-999999") is None
    assert catalog.tenancy.customers("p-one", "", 10) == ([], "")


def test_a_planted_list_entry_shows_no_foreign_customer(catalog, dynamodb):
    catalog.tenancy.add_customer(made("K-000001", partner="p-other"))
    dynamodb.put_item(
        TableName="t-tenancy",
        Item={"pk": {"S": "PARTNER#p-one"}, "sk": {"S": "CUSTOMER#K-000001"}, "label": {"S": "K-000001"}},
    )
    assert catalog.tenancy.customers("p-one", "", 10)[0] == []


def test_pages_of_customers_are_complete_and_end(catalog):
    labels = [f"K-{n:06d}" for n in range(7)]
    for label in labels:
        catalog.tenancy.add_customer(made(label))
    seen, after, pages = [], "", 0
    while True:
        found, after = catalog.tenancy.customers("p-one", after, 3)
        seen += [customer.label for customer in found]
        pages += 1
        if not after:
            break
    assert seen == labels
    assert pages == 3


def test_a_position_of_another_list_is_refused(catalog):
    with pytest.raises(BadCursor):
        catalog.tenancy.customers("p-one", "MEMBER#sub-1", 3)


def test_an_edit_on_stale_ground_is_refused(catalog, customer):
    first = replace(customer, name="Neu GmbH")
    assert catalog.tenancy.edit_customer(customer, first)
    assert not catalog.tenancy.edit_customer(customer, replace(customer, name="Anders GmbH"))
    assert catalog.tenancy.customer("p-one", "K-000001").name == "Neu GmbH"
    assert not catalog.tenancy.edit_customer(made("K-424242"), made("K-424242", name="x"))


def test_a_log_in_belongs_to_one_partner(catalog):
    catalog.tenancy.put_member(Member(sub="sub-1", partner="p-one", role="admin"))
    catalog.tenancy.put_member(Member(sub="sub-1", partner="p-one", role="viewer", sees_content=True))
    assert catalog.tenancy.member("sub-1") == Member(sub="sub-1", partner="p-one", role="viewer", sees_content=True)
    with pytest.raises(NotFound):
        catalog.tenancy.put_member(Member(sub="sub-1", partner="p-other", role="admin"))
    assert catalog.tenancy.member("sub-1").partner == "p-one"
    assert catalog.tenancy.members("p-other") == []
    assert [member.sub for member in catalog.tenancy.members("p-one")] == ["sub-1"]
    assert catalog.tenancy.member("sub-2") is None


def test_a_partner_is_created_once(catalog):
    partner = Partner(partner="p-one", name="Systemhaus", created="2026-11-24T06:00:00Z")
    assert catalog.tenancy.add_partner(partner)
    assert not catalog.tenancy.add_partner(replace(partner, name="Other"))
    assert catalog.tenancy.partner("p-one") == partner
    assert catalog.tenancy.partner("p-two") is None
