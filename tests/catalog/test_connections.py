"""Connections, consents and bindings: single use, one live binding per provider tenant, red once per cause."""

from __future__ import annotations

from dataclasses import replace

import pytest

from arche.catalog.errors import ConditionFailed, NotFound
from arche.model.tenancy import Binding, Consent
from tests.catalog.conftest import NOW
from tests.catalog.test_tenancy import made

AT = "2026-11-24T07:00:00Z"


def consent(customer="K-000001", connection="C-01", **changed):
    fields = {
        "id": "a" * 64,
        "partner": "p-one",
        "customer": customer,
        "connection": connection,
        "platform": "microsoft365",
        "member": "sub-1",
        "app": "backup",
        "step": "consent",
        "language": "de",
        "expires": NOW + 3600,
    }
    return Consent(**{**fields, **changed})


@pytest.fixture
def connection(catalog, customer):
    return catalog.tenancy.add_connection(customer.label, "microsoft365", AT)


def tenant(text="t-1"):
    return Binding("microsoft365", text)


def test_connections_are_counted_per_customer(catalog, customer, connection):
    second = catalog.tenancy.add_connection(customer.label, "microsoft365", AT)
    assert [connection.label, second.label] == ["C-01", "C-02"]
    assert [c.label for c in catalog.tenancy.connections(customer.label)] == ["C-01", "C-02"]
    assert connection.state == "new"
    assert catalog.tenancy.connection(customer.label, "C-03") is None
    with pytest.raises(NotFound):
        catalog.tenancy.add_connection("K-999999", "microsoft365", AT)


def test_a_state_is_used_once(catalog):
    catalog.tenancy.put_consent(consent())
    assert catalog.tenancy.take_consent("a" * 64, "consent", NOW) == consent()
    assert catalog.tenancy.take_consent("a" * 64, "consent", NOW) is None


@pytest.mark.parametrize(("step", "now"), [("sign_in", NOW), ("consent", NOW + 3600), ("consent", NOW + 100_000)])
def test_a_state_at_another_step_or_expired_is_unknown_and_stays_unused(catalog, step, now):
    catalog.tenancy.put_consent(consent())
    assert catalog.tenancy.take_consent("a" * 64, step, now) is None
    assert catalog.tenancy.take_consent("a" * 64, "consent", NOW) is not None


def test_an_unknown_state_is_unknown(catalog):
    assert catalog.tenancy.take_consent("b" * 64, "consent", NOW) is None


def test_a_state_is_never_written_over(catalog):
    catalog.tenancy.put_consent(consent())
    with pytest.raises(ConditionFailed):
        catalog.tenancy.put_consent(consent(customer="K-000002"))


def test_binding_makes_the_connection_live_and_is_safe_to_repeat(catalog, customer, connection):
    for _ in range(2):
        assert catalog.tenancy.bind(consent(), tenant(), AT) == "bound"
    found = catalog.tenancy.connection(customer.label, "C-01")
    assert (found.state, found.tenant, found.restore_ready) == ("live", "t-1", False)
    assert [c.label for c in catalog.tenancy.live()] == ["C-01"]


def test_a_second_claim_gets_nothing_and_alerts(catalog, dynamodb, connection):
    catalog.tenancy.bind(consent(), tenant(), AT)
    catalog.tenancy.add_customer(made("K-000002", partner="p-other"))
    catalog.tenancy.add_connection("K-000002", "microsoft365", AT)
    before = catalog.tenancy.connection("K-000001", "C-01")
    claim = consent(customer="K-000002", partner="p-other")
    assert catalog.tenancy.bind(claim, tenant(), "2026-11-24T08:00:00Z") == "claimed"
    assert catalog.tenancy.connection("K-000001", "C-01") == before
    assert catalog.tenancy.connection("K-000002", "C-01").state == "new"
    alerts = [row for row in dynamodb.scan(TableName="t-tenancy")["Items"] if row["pk"]["S"] == "ALERT"]
    assert [row["by_customer"]["S"] for row in alerts] == ["K-000002"]
    assert [c.customer for c in catalog.tenancy.live()] == ["K-000001"]


def test_a_connection_never_changes_its_tenant(catalog, connection):
    catalog.tenancy.bind(consent(), tenant(), AT)
    assert catalog.tenancy.bind(consent(), tenant("t-2"), AT) == "mismatch"
    assert catalog.tenancy.connection("K-000001", "C-01").tenant == "t-1"
    # The refused tenant is still free for whoever proves it.
    second = catalog.tenancy.add_connection("K-000001", "microsoft365", AT)
    assert catalog.tenancy.bind(consent(connection=second.label), tenant("t-2"), AT) == "bound"


def test_a_mismatch_tells_nothing_of_another_holder(catalog, dynamodb, connection):
    catalog.tenancy.bind(consent(), tenant(), AT)
    catalog.tenancy.add_customer(made("K-000002", partner="p-other"))
    catalog.tenancy.add_connection("K-000002", "microsoft365", AT)
    catalog.tenancy.bind(consent(customer="K-000002"), tenant("t-2"), AT)
    assert catalog.tenancy.bind(consent(customer="K-000002"), tenant("t-1"), AT) == "mismatch"


def test_the_restore_app_binds_nothing_by_itself(catalog, connection):
    restore = consent(app="restore")
    assert catalog.tenancy.bind(restore, tenant(), AT) == "mismatch"
    assert catalog.tenancy.connection("K-000001", "C-01").state == "new"
    catalog.tenancy.bind(consent(), tenant(), AT)
    assert catalog.tenancy.bind(restore, tenant("t-2"), AT) == "mismatch"
    assert catalog.tenancy.bind(restore, tenant(), AT) == "bound"
    found = catalog.tenancy.connection("K-000001", "C-01")
    assert (found.state, found.restore_ready) == ("live", True)


def test_binding_of_an_unknown_connection_or_another_platform_writes_nothing(catalog, dynamodb, connection):
    before = dynamodb.scan(TableName="t-tenancy")["Items"]
    assert catalog.tenancy.bind(consent(connection="C-09"), tenant(), AT) == "mismatch"
    assert catalog.tenancy.bind(consent(), Binding("google", "t-1"), AT) == "mismatch"
    assert dynamodb.scan(TableName="t-tenancy")["Items"] == before


def test_a_released_tenant_may_be_bound_by_another(catalog, connection):
    catalog.tenancy.bind(consent(), tenant(), AT)
    catalog.tenancy.release("K-000001", "C-01")
    found = catalog.tenancy.connection("K-000001", "C-01")
    assert (found.state, found.tenant, found.reason) == ("paused", "", "disconnected")
    assert list(catalog.tenancy.live()) == []
    catalog.tenancy.add_customer(made("K-000002", partner="p-other"))
    catalog.tenancy.add_connection("K-000002", "microsoft365", AT)
    assert catalog.tenancy.bind(consent(customer="K-000002"), tenant(), AT) == "bound"
    # The first one cannot take it back by a late repeat, nor release what is not its own any more.
    assert catalog.tenancy.bind(consent(), tenant(), AT) == "claimed"
    catalog.tenancy.release("K-000001", "C-01")
    assert [c.customer for c in catalog.tenancy.live()] == ["K-000002"]


def test_red_once_per_cause_and_live_again(catalog, connection):
    book = catalog.customer("K-000001")
    assert not book.redden("C-01", "r-1", "CredentialRejected", "renew it")
    catalog.tenancy.bind(consent(), tenant(), AT)
    assert book.redden("C-01", "r-1", "CredentialRejected", "renew it")
    assert not book.redden("C-01", "r-1", "CredentialRejected", "renew it")
    assert not book.redden("C-01", "r-2", "Forbidden", "other")
    red = book.connection("C-01")
    assert (red.state, red.red_run, red.reason) == ("red", "r-1", "CredentialRejected")
    assert catalog.tenancy.connection("K-000001", "C-01").message == "renew it"
    book.recover("C-01")
    book.recover("C-01")
    assert book.connection("C-01") == replace(red, state="live", red_run="", reason="")
    assert book.redden("C-01", "r-3", "CredentialRejected", "renew it")


def test_a_consent_anew_turns_red_to_live(catalog, connection):
    catalog.tenancy.bind(consent(), tenant(), AT)
    catalog.customer("K-000001").redden("C-01", "r-1", "CredentialRejected", "renew it")
    assert catalog.tenancy.bind(consent(), tenant(), AT) == "bound"
    assert catalog.tenancy.connection("K-000001", "C-01").state == "live"


def test_discovery_is_recorded_for_known_connections_only(catalog, connection):
    catalog.tenancy.record_discovery("K-000001", "C-01", state="done", at=AT, leaving=2, message="")
    found = catalog.tenancy.connection("K-000001", "C-01")
    assert (found.discovery, found.discovered, found.leaving) == ("done", AT, 2)
    with pytest.raises(NotFound):
        catalog.tenancy.record_discovery("K-000001", "C-07", state="done", at=AT, leaving=0, message="")
