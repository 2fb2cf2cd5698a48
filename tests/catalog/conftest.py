"""The catalog's tables in moto, one fresh set per test, in the shape of docs/design.md."""

from __future__ import annotations

import boto3
import pytest
from moto import mock_aws

from arche.catalog.catalog import Catalog
from arche.catalog.table import Tables
from arche.model.listing import AccountListing
from arche.model.tenancy import Customer

REGION = "eu-central-1"
TABLES = Tables(tenancy="t-tenancy", directory="t-directory", index="t-index", work="t-work")
NOW = 1_790_000_000


def make_tables(client):
    """Create the four tables as ``infra`` does."""
    for name in (TABLES.tenancy, TABLES.directory, TABLES.index, TABLES.work):
        attributes = ["pk", "sk"] + (["slot_shard"] if name == TABLES.index else [])
        extra = {}
        if name == TABLES.index:
            extra["GlobalSecondaryIndexes"] = [
                {
                    "IndexName": "by_slot",
                    "KeySchema": [
                        {"AttributeName": "slot_shard", "KeyType": "HASH"},
                        {"AttributeName": "pk", "KeyType": "RANGE"},
                    ],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ]
        client.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": a, "AttributeType": "S"} for a in attributes],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            **extra,
        )


@pytest.fixture(scope="module")
def moto_cloud():
    """moto for one module: a client and a catalog are dear to make, and tables cheap to make anew."""
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        patch.setenv("AWS_REGION", REGION)
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        yield boto3.client("dynamodb", region_name=REGION), Catalog(TABLES, region=REGION)


@pytest.fixture
def dynamodb(moto_cloud):
    """A boto3 client of moto's DynamoDB with the four tables, empty."""
    client, _ = moto_cloud
    for name in client.list_tables()["TableNames"]:
        client.delete_table(TableName=name)
    make_tables(client)
    return client


@pytest.fixture
def catalog(moto_cloud, dynamodb):
    """A catalog with the rights of the process, over empty tables."""
    return moto_cloud[1]


@pytest.fixture
def customer(catalog):
    """A customer of the partner p-one, with one connection C-01 that is bound to the tenant t-1."""
    made = Customer(label="K-000001", partner="p-one", name="Muster GmbH", alias="", created="2026-11-24T06:00:00Z")
    assert catalog.tenancy.add_customer(made)
    return made


def listing(customer="K-000001", provider_id="u-1", **changed):
    """An account as discovery finds it."""
    fields = {
        "customer": customer,
        "label": "",
        "connection": "C-01",
        "provider_id": provider_id,
        "kind": "person",
        "services": ("exchange",),
        "name": "Erika Muster",
        "address": "erika@example.com",
    }
    return AccountListing(**{**fields, **changed})
