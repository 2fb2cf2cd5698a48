"""The API's two Lambda handlers over moto tables, with a vault in memory behind the content function."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import boto3
import pytest
from moto import mock_aws

from arche.catalog.catalog import Catalog
from arche.catalog.table import Tables
from arche.model.completeness import Colour
from arche.model.listing import AccountListing
from arche.model.tenancy import Binding, Member
from arche.model.work import RunProblem, RunRecord, iso
from arche.operations.front_ports import ContentPorts, Front, SignInRefused, Vaults
from arche.vault import AccountVault, KeyRing, LocalWrapper, MemoryStore, Row, ServiceState
from functions.api import content, desk, main

REGION = "eu-central-1"
TABLES = Tables(tenancy="t-tenancy", directory="t-directory", index="t-index", work="t-work")
START = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)


def create_tables(client):
    """The four tables of docs/design.md."""
    for name in (TABLES.tenancy, TABLES.directory, TABLES.index, TABLES.work):
        keys = [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]
        attributes = ["pk", "sk"]
        indexes = {}
        if name == TABLES.index:
            attributes.append("slot_shard")
            by_slot = [
                {"AttributeName": "slot_shard", "KeyType": "HASH"},
                {"AttributeName": "pk", "KeyType": "RANGE"},
            ]
            projection = {"ProjectionType": "ALL"}
            indexes["GlobalSecondaryIndexes"] = [
                {"IndexName": "by_slot", "KeySchema": by_slot, "Projection": projection}
            ]
        client.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": one, "AttributeType": "S"} for one in attributes],
            KeySchema=keys,
            **indexes,
        )


@dataclass
class Answered:
    """What the gateway would send to the caller."""

    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def json(self):
        return json.loads(self.raw)

    @property
    def text(self):
        return self.raw.decode()

    def seen(self, path):
        """All that a caller can compare, the path it asked for taken out."""
        return self.status, {**self.headers}, self.text.replace(path, "PATH")


@dataclass
class Started:
    """Machines and functions that were started, by name."""

    calls: list = field(default_factory=list)

    def start_backup(self, name, event):
        self.calls.append(("backup", name, dict(event)))

    def start_restore(self, name, event):
        self.calls.append(("restore", name, dict(event)))

    def discover(self, event):
        self.calls.append(("discover", event["job"], dict(event)))


@dataclass
class Vendor:
    """The vendor's side of a consent. ``proof`` is a tenant, or the reason why the sign-in proves nothing."""

    proof: str = "11111111-2222-3333-4444-555555555555"
    refuse: str = ""
    proven: list = field(default_factory=list)

    def consent_url(self, platform, app, state):
        return f"https://login.example/adminconsent?{urlencode({'app': app, 'state': state})}"

    def sign_in_url(self, platform, app, *, state, nonce, verifier):
        return f"https://login.example/authorize?{urlencode({'app': app, 'state': state, 'nonce': nonce})}"

    def prove(self, consent, code):
        self.proven.append((consent, code))
        if self.refuse:
            raise SignInRefused(self.refuse)
        return Binding(consent.platform, self.proof)


@dataclass
class Shelf:
    """Exports and work objects in memory."""

    offered: dict = field(default_factory=dict)

    def offer(self, key, chunks, *, media, disposition):
        self.offered[key] = (b"".join(chunks), media, disposition)
        return f"https://exports.example/{key}?signature=x"


MEMBERS = (
    Member("admin", "p-one", "admin", sees_content=True),
    Member("technician", "p-one", "technician"),
    Member("viewer", "p-one", "viewer"),
    Member("finance", "p-one", "finance", sees_content=True),
    Member("other", "p-two", "admin", sees_content=True),
    Member("demoted", "p-one", "viewer"),
)


class World:
    """Two partners, their members, and everything behind the two handlers."""

    def __init__(self, catalog):
        self.catalog = catalog
        self.now = START
        self.machines = Started()
        self.vendor = Vendor()
        self.exports = Shelf()
        self.work_objects = MemoryStore()
        self.objects, self.keys = MemoryStore(), MemoryStore()
        self.leases = []
        self.front = Front(catalog.tenancy, catalog.accounts, catalog.work, self.machines, self.vendor)
        self.content = ContentPorts(catalog.tenancy, catalog.accounts, catalog.work, self.open)

    def open(self, lease):
        self.leases.append(lease)

        def vault(account):
            ring = KeyRing.open(self.keys, LocalWrapper(b"s" * 32), lease.customer)
            return AccountVault(self.objects, ring.account(account), lease.customer, account)

        return Vaults(vault, self.exports, self.work_objects)

    def call(self, method, path, body=None, *, who="admin", query=None, headers=None, raw=None):
        """Send one HTTP API event (payload 2.0) to the function that the gateway would choose."""
        event = event_of(method, path, body, who=who, query=query, headers=headers, raw=raw)
        is_content = any(part in path for part in ("/items", "/folders")) or path.endswith("/results")
        handler = content.lambda_handler if is_content else main.lambda_handler
        answer = handler(event, Context())
        raw_body = answer.get("body") or ""
        data = base64.b64decode(raw_body) if answer.get("isBase64Encoded") else raw_body.encode()
        return Answered(answer["statusCode"], dict(answer["headers"]), data)

    def customer(self, who="admin", **body):
        answer = self.call("POST", "/v1/customers", body or {"alias": "Kunde 1"}, who=who)
        assert answer.status == 201, answer.text
        return answer.json["customer"]

    def connected(self, who="admin", tenant=None):
        """A customer with a bound connection C-01."""
        customer = self.customer(who)
        self.vendor.proof = tenant or f"tenant-{customer}"
        made = self.call("POST", f"/v1/customers/{customer}/connections", {"platform": "microsoft365"}, who=who)
        assert made.status == 201, made.text
        assert self.consent(made.json["consent_url"]).status == 200
        return customer

    def restore_ready(self, customer, who="admin"):
        path = f"/v1/customers/{customer}/connections/C-01/reconsent"
        made = self.call("POST", path, {"app": "restore"}, who=who)
        assert self.consent(made.json["consent_url"]).status == 200

    def consent(self, url, **extra):
        """An administrator opens the link, consents and signs in."""
        first = self.callback(admin_consent="True", tenant="forged", state=state_of(url))
        if first.status != 302:
            return first
        return self.callback(code="code-1", state=state_of(first.headers["Location"]), **extra)

    def callback(self, **query):
        headers = {"accept-language": "de-DE,de;q=0.9,en;q=0.5"}
        return self.call("GET", "/v1/consents/callback", who=None, query=query, headers=headers)

    def account(self, customer, provider_id="u-1", **changed):
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
        return self.catalog.accounts.add_account(AccountListing(**{**fields, **changed})).label

    def backed_up(self, customer, account):
        """Two snapshots of one mail folder; the second changed a subject and lost a mail. Returns nothing."""
        ring = KeyRing.open(self.keys, LocalWrapper(b"s" * 32), customer, create=True)
        vault = AccountVault(self.objects, ring.account(account, create=True), customer, account)
        inbox = Row("exchange", "folder=1", "folder", "", "Posteingang", "v1", 0)
        writer = vault.writer(None, "run-1", "a-1")
        writer.put(inbox)
        for number in range(3):
            part = writer.part("", "mail", [f"Subject: {number}\r\n\r\nHallo {number}\r\n".encode() + b"\xff\xfe\x00"])
            row = Row(
                "exchange",
                f"mail/{number}+ü",
                "mail",
                "folder=1",
                f"Betreff {number}",
                "v1",
                1_790_000_000_000 + number,
                part.size,
                {"subject": f"Betreff {number}"},
                (part,),
            )
            writer.put(row)
        large = writer.part("", "file", [b"x" * (1024 * 1024)] * 5)
        writer.put(
            Row("exchange", "big", "mail", "folder=1", 'a"b\r\nc/../d', "v1", 1, large.size, {}, (large,)),
        )
        first = writer.commit("snapshot", {"exchange": ServiceState(complete=True)}, {})
        self.record(customer, account, first.seq, START - timedelta(hours=2))
        writer = vault.writer(first, "run-2", "a-2")
        writer.gone("exchange", "mail/0+ü")
        second = writer.commit("snapshot", {"exchange": ServiceState(complete=True)}, {})
        self.record(customer, account, second.seq, START - timedelta(hours=1))

    def record(self, customer, account, seq, ended, outcome="snapshot"):
        made = RunRecord(
            account=account,
            run=f"run-{seq}",
            started=iso(ended - timedelta(minutes=5)),
            ended=iso(ended),
            colour=Colour.AMBER,
            outcome=outcome,
            seq=seq,
            counts={"exchange": {"expected": 4, "stored": 3, "failed": 1}},
            problems=(RunProblem("ItemRefused", "One mail could not be read. It is tried again.", 1, "exchange"),),
            items=4,
            stored_bytes=1234,
        )
        put_record(self.catalog, customer, made)


def put_record(catalog, customer, record):
    from arche.catalog.values import fields
    from arche.catalog.writes import Put

    key = f"RUN#{record.account}#{record.started}#{record.run}"
    catalog.rows.put(Put("index", customer, key, fields(record)))


class Context:
    """What a Lambda is told of itself."""

    function_name = "api"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:eu-central-1:123456789012:function:api"
    aws_request_id = "request-1"

    def get_remaining_time_in_millis(self):
        return 29_000


def event_of(method, path, body=None, *, who="admin", query=None, headers=None, raw=None):
    """An event as an HTTP API sends it; ``who`` is the verified sub, None without an authorizer."""
    text = raw if raw is not None else (None if body is None else json.dumps(body))
    given = {"host": "api.example", **({"content-type": "application/json"} if text is not None else {})}
    authorizer = {"authorizer": {"jwt": {"claims": {"sub": who, "token_use": "access"}, "scopes": None}}}
    if isinstance(text, bytes):
        text, encoded = base64.b64encode(text).decode(), True
    else:
        encoded = False
    event = {
        "version": "2.0",
        "routeKey": "ANY /v1/{proxy+}",
        "rawPath": path,
        "rawQueryString": urlencode(query or {}),
        "headers": {**given, **(headers or {})},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "api",
            "domainName": "api.example",
            "stage": "$default",
            "requestId": "request-1",
            "time": "24/Nov/2026:06:00:00 +0000",
            "timeEpoch": 1_795_500_000_000,
            "routeKey": "ANY /v1/{proxy+}",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "test",
            },
            **(authorizer if who is not None else {}),
        },
        "isBase64Encoded": encoded,
    }
    if query:
        event["queryStringParameters"] = {name: str(text) for name, text in query.items()}
    if text is not None:
        event["body"] = text
    return event


def state_of(url):
    """The state in an address."""
    return url.partition("state=")[2].partition("&")[0]


@pytest.fixture(scope="module")
def shared():
    """Tables and a catalog for the tests of one file: making clients costs more than all else here."""
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        client = boto3.client("dynamodb", region_name=REGION)
        create_tables(client)
        catalog = Catalog(TABLES, region=REGION)
        for member in MEMBERS:
            catalog.tenancy.put_member(member)
        yield client, catalog


@pytest.fixture
def world(shared, monkeypatch):
    """A fresh world over tables with members only; the handlers' ports and clock are its own."""
    client, catalog = shared
    for table in (TABLES.tenancy, TABLES.directory, TABLES.index, TABLES.work):
        for row in client.scan(TableName=table, ProjectionExpression="pk, sk")["Items"]:
            if "MEMBER" not in row["sk"]["S"]:
                client.delete_item(TableName=table, Key=row)
    made = World(catalog)
    monkeypatch.setattr(desk, "front", lambda: made.front)
    monkeypatch.setattr(desk, "content", lambda: made.content)
    monkeypatch.setattr(desk, "now", lambda: made.now)
    return made
