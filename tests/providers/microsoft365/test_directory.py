"""Who has a mailbox, of which kind, and what must never look like people who left."""

from __future__ import annotations

import pytest

from arche.providers import errors
from tests.providers.microsoft365.conftest import DOMAIN, Cloud
from tests.providers.microsoft365.world import PLATFORM, ExchangeWorld


@pytest.fixture
def world(mailbox: ExchangeWorld) -> ExchangeWorld:
    return mailbox


def listed(world: ExchangeWorld) -> dict:
    return {one.address: one for one in world.open().accounts()}


def test_people_shared_mailboxes_and_resources_and_no_guests(world: ExchangeWorld, cloud: Cloud) -> None:
    for local, purpose in (("raum1", "room"), ("beamer1", "equipment")):
        cloud.control.act("user_add", tenant=DOMAIN, local=local, name=local, purpose=purpose)
    found = listed(world)
    kinds = {address.split("@")[0]: one.kind for address, one in found.items()}
    assert kinds["ute.groesser"] == "person"
    assert kinds["auftrag"] == "shared"
    assert kinds["raum1"] == "room"
    assert kinds["beamer1"] == "equipment"
    assert not [address for address in found if "gast" in address]
    # The sign-in of shared mailboxes is always blocked: they are no leavers.
    assert all(found[f"{local}@{DOMAIN}"].active for local in ("auftrag", "raum1", "beamer1"))


def test_leavers_are_inactive_and_people_without_mailbox_are_not_listed(world: ExchangeWorld, cloud: Cloud) -> None:
    cloud.control.act("user_add", tenant=DOMAIN, local="geht", name="Geht")
    cloud.control.act("user_update", tenant=DOMAIN, user=f"geht@{DOMAIN}", properties={"accountEnabled": False})
    cloud.control.act("user_add", tenant=DOMAIN, local="ohne", name="Ohne", licensed=False)
    found = listed(world)
    assert found[f"geht@{DOMAIN}"].active is False
    assert f"ohne@{DOMAIN}" not in found


def test_an_id_outlives_a_rename(world: ExchangeWorld, cloud: Cloud) -> None:
    made = cloud.control.act("user_add", tenant=DOMAIN, local="ledig", name="Ledig")
    new = f"verheiratet@{DOMAIN}"
    cloud.control.act("user_update", tenant=DOMAIN, user=made["id"], properties={"userPrincipalName": new, "mail": new})
    assert listed(world)[new].id == made["id"]


def test_pages_and_batches(world: ExchangeWorld, cloud: Cloud) -> None:
    whole = listed(world)
    assert len(whole) > 10
    cloud.control.fault("directory_page_size", size=2)
    assert listed(world) == whole
    batches = [call for call in world.calls if call.template == "/$batch"]
    assert len(batches) <= 2 * -(-(len(whole) + 5) // 20)


@pytest.mark.parametrize(
    ("fault", "template", "error"),
    [
        ("status_503_empty", "/users", errors.Throttled),
        ("html_502", "/users", errors.Unreachable),
        ("connection_reset", "/users", errors.Unreachable),
        ("throttle_429", "/users/{id}/mailboxSettings", errors.Throttled),
        ("html_502", "/users/{id}/mailboxSettings", errors.Unreachable),
    ],
)
def test_a_fault_within_the_list_raises(
    world: ExchangeWorld, cloud: Cloud, fault: str, template: str, error: type
) -> None:
    cloud.control.fault(fault, scope={"template": template}, count=1)
    with pytest.raises(error):
        listed(world)


def test_a_lost_second_page_raises(world: ExchangeWorld, cloud: Cloud) -> None:
    cloud.control.fault("directory_page_size", size=3)
    cloud.control.fault("connection_reset", scope={"template": "/users"}, after=1, count=1)
    seen = []
    with pytest.raises(errors.Unreachable):
        seen.extend(world.open().accounts())


def test_withdrawn_consent_is_no_empty_tenant(world: ExchangeWorld, cloud: Cloud) -> None:
    cloud.control.fault("consent_withdrawn", scope={"template": "/users"})
    with pytest.raises((errors.CredentialRejected, errors.Forbidden)):
        listed(world)


@pytest.mark.parametrize("missing", ["User.Read.All", "MailboxSettings.Read"])
def test_a_missing_permission_stops_the_connection(world: ExchangeWorld, cloud: Cloud, missing: str) -> None:
    cloud.control.fault("permission_missing", permissions=missing)
    if missing == "User.Read.All":
        with pytest.raises(errors.Forbidden) as caught:
            listed(world)
        assert caught.value.account is False
    else:
        # Kinds cannot be told then; nobody is left out, and each says that it could not be asked.
        assert all(one.properties.get("closed") for one in listed(world).values())


def test_a_policy_closes_one_mailbox_alone(world: ExchangeWorld, cloud: Cloud) -> None:
    before = listed(world)
    cloud.control.fault("mail_access_policy", scope={"user": world.user})
    assert listed(world).keys() == before.keys()


def test_permissions_are_enough_for_all_that_the_room_does(world: ExchangeWorld, cloud: Cloud) -> None:
    from arche.providers.microsoft365.token import App
    from tests.providers.contract_world import Kept, Model
    from tests.providers.microsoft365.world import letter, token_of

    client_id, secret = cloud.app("backup only", PLATFORM.permissions["exchange"].backup)
    reading = ExchangeWorld(cloud, App(client_id, secret=secret), token_of(cloud, App(client_id, secret=secret)))
    try:
        reading.deliver(letter("x", "Text", ("a.bin", b"abc")))
        service, account = reading.open(), reading.account()
        known = Model().run(service, account)
        for row in known.rows.values():
            if not row.is_folder:
                assert Kept(service, account, row).parts
        with pytest.raises(errors.Forbidden):
            service.folder(
                account, [next(r for r in known.rows.values() if r.is_folder)], known.rows[next(iter(known.rows))].id
            )
    finally:
        reading.close()
