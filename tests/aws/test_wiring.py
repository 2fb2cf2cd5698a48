"""The composition root over moto: what a lease opens works, and what it does not open is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from arche.aws import room, wiring
from arche.aws.room import Door, TokenSource, limits_of
from arche.aws.settings import (
    ContentSettings,
    DiscoverSettings,
    GrantSettings,
    MainSettings,
    MeterSettings,
    ScheduleSettings,
    TokenSettings,
    WorkerSettings,
)
from arche.aws.tokens import Issued
from arche.model.tenancy import Binding, Customer
from arche.model.work import AccountRow, Lease, Run, Task
from arche.operations.access import AccessRefused, Ask
from arche.providers import registry
from arche.providers.contract import Account
from arche.vault import NoKeys
from tests.access.test_grant import Function
from tests.aws.conftest import REGION, aws_client
from tests.catalog.conftest import make_tables
from tests.catalog.test_connections import consent

EVENT = {"run": "r-1", "lease": "l-1", "customer": "K-000001", "connection": "C-01", "accounts": ["A-0001"]}


@pytest.fixture
def env(aws):
    """All settings of a small deployment, as environment."""
    make_tables(aws_client("dynamodb"))
    s3 = aws_client("s3")
    for name in ("vault", "keys", "work", "exports"):
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    told = {f"ARCHE_{name.upper()}_TABLE": f"t-{name}" for name in ("tenancy", "directory", "index", "work")}
    told |= {f"ARCHE_{name.upper()}_BUCKET": name for name in ("vault", "keys", "work", "exports")}
    told |= {f"ARCHE_{name.upper()}_FUNCTION": name for name in ("grant", "token", "discover")}
    told |= {f"ARCHE_{name.upper()}_ROLE": f"arn:aws:iam::123456789012:role/{name}" for name in ("writer", "reader")}
    told |= {"ARCHE_BACKUP_MACHINE": "arn:b", "ARCHE_RESTORE_MACHINE": "arn:r", "ARCHE_PUBLIC_URL": "https://x.example"}
    told |= {"ARCHE_APP_KEY": "k1", "ARCHE_RESTORE_APP_KEY": "k2", "ARCHE_APPS_SECRET": "s"}
    return told | {"ARCHE_VAULT_KEY": aws_client("kms").create_key()["KeyMetadata"]["KeyId"]}


class Functions:
    """A Lambda client that answers with the real grant, and with a token out of thin air."""

    def __init__(self, env):
        self._grant = wiring.grant_office(GrantSettings.from_env(env))
        self.asked = []

    def invoke(self, **asked):
        name = asked["FunctionName"]
        self.asked.append((name, json.loads(asked["Payload"])))
        if name == "grant":
            return Function(self._grant.answer).invoke(**asked)
        return Function(lambda _event: {"token": "t", "expires": 9_999_999_999}).invoke(**asked)


@pytest.fixture
def world(env, monkeypatch):
    """A customer with a bound connection, an account and leases of each purpose."""
    functions = Functions(env)
    monkeypatch.setattr(wiring, "functions_client", lambda: functions)
    catalog = wiring.own_catalog(WorkerSettings.from_env(env))
    made = Customer(label="K-000001", partner="p-one", name="n", alias="", created="2026-11-24T06:00:00Z")
    assert catalog.tenancy.add_customer(made)
    catalog.tenancy.add_connection("K-000001", "microsoft365", "2026-11-24T06:00:00Z")
    assert catalog.tenancy.bind(consent(), Binding("microsoft365", "t-1"), "2026-11-24T06:00:00Z") == "bound"
    for purpose, number in (("backup", 1), ("restore", 2), ("browse", 3), ("discover", 4)):
        run = Run(id=f"r-{number}", kind=purpose, started="2026-11-24T06:00:00Z", state="open")
        catalog.work.open_run(run)
        catalog.work.open_lease(lease(purpose, number))
    return SimpleNamespace(env=env, functions=functions, catalog=catalog)


def lease(purpose, number):
    return Lease(
        id=f"l-{number}",
        run=f"r-{number}",
        customer="K-000001",
        connection="C-01",
        purpose=purpose,
        expires=9_999_999_999,
        tasks={"A-0001": Task("A-0001")},
    )


def event(number):
    return {**EVENT, "run": f"r-{number}", "lease": f"l-{number}"}


def test_a_backup_opens_vault_rows_and_services_of_its_customer(world):
    ports = wiring.collect_ports(WorkerSettings.from_env(world.env), EVENT)
    assert ports.vault("A-0001").head() is None
    assert ports.book.lease("l-1").purpose == "backup"
    assert set(ports.services()) == {"exchange"}
    assert [name for name, _ in world.functions.asked] == ["grant"], "no token before it is needed"
    ports.work.create("K-000001/r-1/x", b"1")
    stored = aws_client("s3").list_objects_v2(Bucket="work")["Contents"]
    assert [one["Key"] for one in stored] == ["customers/K-000001/r-1/x"]
    keys = aws_client("s3").list_objects_v2(Bucket="keys")["Contents"]
    assert all(one["Key"].startswith("k/K-000001/") for one in keys)
    again = wiring.seal_ports(WorkerSettings.from_env(world.env), EVENT)
    assert again.vault("A-0001").head() is None
    assert again.attempt != ports.attempt


def test_a_restore_makes_no_keys_and_knows_the_platforms_pace(world):
    ports = wiring.restore_ports(WorkerSettings.from_env(world.env), event(2))
    with pytest.raises(NoKeys):
        ports.vault("A-0001")
    assert ports.pace["exchange"].calls_per_item == registry.platform("microsoft365").pace[0]
    assert "mail" in ports.losses
    assert ports.book.job("none") is None


@pytest.mark.parametrize(
    "changed", [{"lease": "l-9"}, {"run": "r-2"}, {"customer": "K-000002"}, {"lease": "l-4", "run": "r-4"}]
)
def test_no_lease_no_room(world, changed):
    with pytest.raises(AccessRefused):
        wiring.collect_ports(WorkerSettings.from_env(world.env), {**EVENT, **changed})


def test_the_work_lists_of_a_run_are_apart_from_customers(world):
    ports = wiring.schedule_ports(ScheduleSettings.from_env(world.env))
    ports.work.create("r-1/increments.jsonl", b"{}")
    stored = aws_client("s3").list_objects_v2(Bucket="work")["Contents"]
    assert [one["Key"] for one in stored] == ["runs/r-1/increments.jsonl"]
    assert ports.book.run("r-1").state == "open"


def test_metering_reads_all_customers(world):
    ports = wiring.meter_ports(MeterSettings.from_env(world.env))
    assert list(ports.book.customers()) == ["K-000001"]


def test_the_front_speaks_for_all_books(world):
    front = wiring.front(MainSettings.from_env(world.env))
    assert front.tenancy.customer("p-one", "K-000001") is not None
    front.machines.discover({"run": "r"})
    assert world.functions.asked[-1] == ("discover", {"run": "r"})


def test_a_browse_lease_is_opened_once_and_forgotten_after_others(world):
    world.catalog.work.open_lease(replace(lease("browse", 3), id="l-0", expires=1))
    keys = wiring.collect_ports(WorkerSettings.from_env(world.env), EVENT)
    keys.vault("A-0001")
    ports = wiring.content_ports(ContentSettings.from_env(world.env))
    first = ports.open(lease("browse", 3))
    assert first.vault("A-0001").head() is None
    assert ports.open(lease("browse", 3)) is first
    for number in range(4):
        other = replace(lease("browse", 3), id=f"m-{number}")
        world.catalog.work.open_lease(other)
        ports.open(other)
    assert ports.open(lease("browse", 3)) is not first
    with pytest.raises(AccessRefused):
        ports.open(replace(lease("browse", 3), id="l-0"))
    with pytest.raises(AccessRefused):
        ports.open(replace(lease("browse", 3), customer="K-000002"))


def test_discovery_lists_each_account_once_with_all_its_services(world, monkeypatch):
    def services(_door):
        people = [Account("u-1", "person", "n", "a", active=False), Account("u-2", "room", "m", "b")]
        more = [Account("u-1", "person", "n", "a", services=("tasks",))]
        return {
            "exchange": SimpleNamespace(accounts=lambda: iter(people)),
            "drive": SimpleNamespace(accounts=lambda: iter(more)),
        }

    monkeypatch.setattr(Door, "services", services)
    ports = wiring.discover_ports(DiscoverSettings.from_env(world.env))
    one, two = ports.accounts_of(lease("discover", 4), "microsoft365")
    assert (one.id, one.services, one.active) == ("u-1", ("exchange", "tasks", "drive"), True)
    assert (two.id, two.services) == ("u-2", ("exchange",))


def test_a_token_is_asked_for_once_until_it_nears_its_end():
    clock = SimpleNamespace(now=1000.0)
    asked = []

    def ask(question):
        asked.append(question)
        return Issued(f"t{len(asked)}", int(clock.now) + 3600)

    source = TokenSource(SimpleNamespace(ask=ask), Ask("r", "l", "K-000001"), lambda: clock.now)
    assert [source(), source()] == ["t1", "t1"]
    clock.now += 3600 - 119
    assert source() == "t2"


def test_shared_budgets_stay_below_the_vendors_smallest_limit():
    limit = limits_of(registry.platform("microsoft365"))["directory"]
    assert limit.units / limit.seconds <= 350
    assert room.attempt() != room.attempt()


def test_a_worker_knows_no_names():
    row = AccountRow("K-000001", "A-0001", "C-01", "u-1", "person", ("exchange",))
    assert wiring.account_of(row) == Account("u-1", "person", "", "", services=("exchange",))


def test_the_entries_of_access_build_nothing_at_import_and_one_office_per_process(env, monkeypatch):
    from functions.access import grant, token

    for name, value in env.items():
        monkeypatch.setenv(name, value)
    for module in (grant, token):
        module.office.cache_clear()
        assert module.lambda_handler({"run": "r", "lease": "l", "customer": "K-000001"}, None) == {"refused": True}
        assert module.office() is module.office()
        module.office.cache_clear()


def test_the_login_client_goes_to_login_hosts_alone():
    from arche.providers.errors import Unreachable

    with wiring.login_client("microsoft365") as client, pytest.raises(Unreachable, match="not on the platform's list"):
        client.get("https://graph.microsoft.com/v1.0/users")
    with wiring.login_client("microsoft365") as client, pytest.raises(Unreachable, match="token"):
        client.get("https://login.microsoftonline.com/x", headers={"Authorization": "Bearer x"})


def test_settings_of_token_name_its_own_keys(env):
    office = wiring.token_office(TokenSettings.from_env(env))
    assert office._redirect == "https://x.example/v1/consents/callback"
    assert office._keys._keys == {"backup": "k1", "restore": "k2"}
