"""``token``: a tenant's token for an open lease, of the app its purpose allows; sign-ins proven by the vendor."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from arche.aws.app_keys import AppKeys
from arche.aws.app_secrets import AppSecrets
from arche.aws.errors import AwsDenied
from arche.aws.sign_ins import VendorSignIns
from arche.aws.tokens import TokenOffice, Tokens
from arche.catalog.apps import AppRegistration
from arche.model.tenancy import Binding
from arche.operations.access import AccessRefused, Ask
from arche.operations.front_ports import SignInRefused
from arche.operations.refusals import Invalid, Unavailable
from arche.providers.errors import CredentialRejected, Throttled
from arche.providers.http import Guard, Hosts, client
from tests.access.conftest import MINE, THEIRS, ask
from tests.access.test_grant import Function
from tests.catalog.conftest import NOW
from tests.catalog.test_connections import consent
from tests.simulators.clients import BACKUP_ROLES, CALLBACK, DOMAIN, Key, Tenant, tenant_without_mail

PUBLIC_URL = "https://backup.example/"
RESTORE_ROLES = ("Mail.ReadWrite", "MailboxSettings.Read", "User.Read.All")
KEYS = {"app-key": Key.make(), "restore-key": Key.make()}


class Kms:
    """KMS as far as signing goes: two keys, PS256 with a salt of 32 bytes."""

    def __init__(self):
        self.signed = []

    def sign(self, *, KeyId, Message, MessageType, SigningAlgorithm):  # noqa: N803 - AWS writes them so
        assert (MessageType, SigningAlgorithm) == ("RAW", "RSASSA_PSS_SHA_256")
        self.signed.append(KeyId)
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
        return {"Signature": KEYS[KeyId].private.sign(Message, pss, hashes.SHA256())}


@pytest.fixture(scope="module")
def vendor(tmp_path_factory) -> Iterator[Tenant]:
    with tenant_without_mail(tmp_path_factory.mktemp("vendor")) as made:
        yield made


@pytest.fixture(scope="module")
def apps(vendor):
    """Both apps at the vendor, each with its own certificate and consent."""
    made = {}
    for app, key, roles in (("backup", "app-key", BACKUP_ROLES), ("restore", "restore-key", RESTORE_ROLES)):
        act = vendor.control.act
        client_id = act("app_register", name=app, redirect_uris=[CALLBACK], roles=list(roles))["client_id"]
        act("app_certificate_add", client_id=client_id, pem=KEYS[key].pem)
        act("consent_grant", tenant=DOMAIN, client_id=client_id)
        made[app] = AppRegistration("microsoft365", app, client_id, "certificate", certificate=KEYS[key].pem)
    return made


@pytest.fixture
def desk(two, vendor, apps, heard):
    """The office over moto's tables and the simulated vendor. My connection is bound to the vendor's tenant."""
    for registration in apps.values():
        two.apps.put(registration)
    two.tenancy.release(MINE, "C-01")
    assert two.tenancy.bind(consent(), Binding("microsoft365", vendor.id), "2026-11-24T06:00:00Z") == "bound"
    kms, clock, logins = Kms(), SimpleNamespace(now=float(NOW)), []
    trust = ssl.create_default_context(cafile=str(vendor.sim.ca))

    def login(platform):
        logins.append(platform)
        transport = httpx.HTTPTransport(proxy=vendor.sim.proxy, verify=trust)
        return client(Guard(transport, Hosts(api=(), login=("login.microsoftonline.com",))))

    secrets = AppSecrets(SimpleNamespace(get_secret_value=lambda SecretId: {"SecretString": "{}"}), "s")  # noqa: N803
    keys = AppKeys(two.apps, kms, {"backup": "app-key", "restore": "restore-key"}, secrets)
    office = TokenOffice(two.rows, keys, login=login, redirect=CALLBACK, audit=heard, now=lambda: clock.now)
    return SimpleNamespace(office=office, kms=kms, clock=clock, logins=logins, catalog=two, tenant=vendor.id)


def claims(token):
    return json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "==="))


@pytest.mark.parametrize(("purpose", "app"), [("backup", "backup"), ("discover", "backup"), ("restore", "restore")])
def test_a_lease_gets_the_token_of_its_tenant_and_of_its_purposes_app(desk, apps, heard, purpose, app):
    answer = desk.office.answer(ask(purpose))
    found = claims(answer["token"])
    assert (found["tid"], found["appid"]) == (desk.tenant, apps[app].client_id)
    assert desk.kms.signed == [{"backup": "app-key", "restore": "restore-key"}[app]]
    assert ("Mail.ReadWrite" in found["roles"]) is (app == "restore")
    assert answer["expires"] == pytest.approx(found["exp"], abs=5)
    ((event, fields),) = heard
    assert (event, fields["app"], fields["connection"]) == ("token issued", app, "C-01")
    assert answer["token"] not in str(heard)


REFUSED = [
    ("a browse reads no provider", ask("browse"), "purpose"),
    ("another tenant's lease", ask(lease=f"backup-{THEIRS}", run=f"backup-{THEIRS}"), "unknown"),
    ("another tenant's name", ask(customer=THEIRS, lease=f"backup-{MINE}"), "unknown"),
    ("another run", ask(run=f"restore-{MINE}"), "other_run"),
    ("nothing", {}, "malformed"),
]


@pytest.mark.parametrize(("event", "reason"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_refusals_tell_nothing_and_sign_nothing(desk, heard, event, reason):
    assert desk.office.answer(event) == {"refused": True}
    assert heard.reasons == [reason]
    assert desk.kms.signed == []


def test_closed_and_expired_work_gets_no_token_not_even_a_remembered_one(desk, heard):
    assert "token" in desk.office.answer(ask())
    desk.catalog.work.close_lease(MINE, f"backup-{MINE}")
    assert desk.office.answer(ask()) == {"refused": True}
    desk.catalog.schedule.set_run(replace(desk.catalog.schedule.run(f"restore-{MINE}"), state="closed"))
    assert desk.office.answer(ask("restore")) == {"refused": True}
    desk.clock.now = NOW + 3600
    assert desk.office.answer(ask("discover")) == {"refused": True}
    assert heard.reasons == ["lease_closed", "run_closed", "expired"]


def test_a_connection_without_a_tenant_gets_none_and_a_red_one_does(desk, heard):
    desk.catalog.customer(MINE).redden("C-01", "r", "CredentialRejected", "renew")
    assert "token" in desk.office.answer(ask())
    desk.catalog.tenancy.release(MINE, "C-01")
    assert desk.office.answer(ask()) == {"refused": True}
    assert heard.reasons == ["connection"]


def test_tokens_are_remembered_for_a_while_per_app_and_discovery_asks_anew(desk):
    first = desk.office.answer(ask())["token"]
    assert desk.office.answer(ask())["token"] == first
    assert len(desk.logins) == 1
    desk.office.answer(ask("restore"))
    assert len(desk.logins) == 2
    desk.office.answer(ask("discover"))
    assert len(desk.logins) == 3
    desk.clock.now += 601
    desk.office.answer(ask())
    assert len(desk.logins) == 4


def test_one_customers_token_is_never_anothers(desk, heard):
    desk.office.answer(ask())
    answer = desk.office.answer(ask("backup", THEIRS))
    assert heard[-1] == (
        "no token from the vendor",
        {**ask("backup", THEIRS), "kind": "CredentialRejected", "code": "tenant_id"},
    )
    assert answer["error"]["kind"] == "CredentialRejected"
    assert "token" not in answer


def test_the_vendors_refusals_reach_the_worker_as_they_are(desk, vendor, apps):
    tokens = Tokens(Function(desk.office.answer), "token")
    assert claims(tokens.ask(Ask.from_event(ask())).value)["tid"] == vendor.id
    vendor.control.act("consent_withdraw", tenant=DOMAIN, client_id=apps["restore"].client_id)
    try:
        with pytest.raises(CredentialRejected) as caught:
            tokens.ask(Ask.from_event(ask("restore")))
    finally:
        vendor.control.act("consent_grant", tenant=DOMAIN, client_id=apps["restore"].client_id)
    assert caught.value.code.startswith("AADSTS")
    assert "consent" in str(caught.value)
    with pytest.raises(AccessRefused):
        tokens.ask(Ask.from_event(ask("browse")))


def test_patience_is_passed_on_with_its_seconds():
    def answer(_event):
        return {
            "error": {"kind": "Throttled", "message": "m", "code": "c", "status": 429, "request_id": "", "after": 7}
        }

    with pytest.raises(Throttled) as caught:
        Tokens(Function(answer), "token").ask(Ask.from_event(ask()))
    assert (caught.value.after, caught.value.status) == (7, 429)


def test_an_app_that_nobody_registered_says_who_must_act(desk, two):
    assert "arche app-register" in _unregistered(desk)
    two.apps.put(AppRegistration("microsoft365", "backup", "id", "secret"))
    with pytest.raises(AwsDenied, match="microsoft365 backup"):
        desk.office.answer(ask("discover"))


def _unregistered(desk):
    from arche.catalog.writes import Delete

    desk.catalog.rows.delete(Delete("tenancy", "APP#microsoft365#backup", "APP"))
    return desk.office.answer(ask("discover"))["error"]["message"]


@pytest.fixture
def signs(desk):
    return VendorSignIns(desk.catalog.apps, Tokens(Function(desk.office.answer), "token"), PUBLIC_URL)


FLOW = {"state": "s-1", "nonce": "n-1", "verifier": "v" * 43}
SIGNED = consent(step="sign_in", nonce=FLOW["nonce"], verifier=FLOW["verifier"])


def sign_in(vendor, url, user=f"admin@{DOMAIN}"):
    """What the browser brings back."""
    answer = vendor.client.post(url, data={"user": user, "decision": "accept"})
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}


@pytest.fixture
def _true_time(desk):
    import time

    desk.clock.now = time.time()


@pytest.mark.usefixtures("_true_time")
def test_an_administrators_sign_in_proves_the_tenant_once(vendor, signs):
    back = sign_in(vendor, signs.sign_in_url("microsoft365", "backup", **FLOW))
    assert back["state"] == "s-1"
    assert signs.prove(SIGNED, back["code"]) == Binding("microsoft365", vendor.id)
    with pytest.raises(SignInRefused) as replayed:
        signs.prove(SIGNED, back["code"])
    assert replayed.value.reason == "refused"


@pytest.mark.usefixtures("_true_time")
@pytest.mark.parametrize(
    ("user", "changed", "reason"),
    [
        (f"anke.schaefer@{DOMAIN}", {}, "not_admin"),
        (f"kai.gast_suedwind-beratung.example#ext#@{DOMAIN}", {}, "guest"),
        (f"admin@{DOMAIN}", {"nonce": "another"}, "bad_token"),
        (f"admin@{DOMAIN}", {"verifier": "w" * 43}, "refused"),
    ],
)
def test_others_prove_nothing(vendor, signs, user, changed, reason):
    code = sign_in(vendor, signs.sign_in_url("microsoft365", "backup", **FLOW), user)["code"]
    with pytest.raises(SignInRefused) as caught:
        signs.prove(replace(SIGNED, **changed), code)
    assert caught.value.reason == reason


@pytest.mark.usefixtures("_true_time")
def test_a_vendor_out_of_reach_is_a_reason_to_try_again(vendor, signs):
    code = sign_in(vendor, signs.sign_in_url("microsoft365", "backup", **FLOW))["code"]
    unreachable = Tokens(Function(lambda _event: {"error": {"kind": "Unreachable", "message": "m"}}), "token")
    signs._tokens = unreachable
    with pytest.raises(SignInRefused) as caught:
        signs.prove(SIGNED, code)
    assert caught.value.reason == "unreachable"


def test_addresses_name_our_app_and_our_callback(signs, apps):
    url = urlsplit(signs.consent_url("microsoft365", "restore", "s-1"))
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    assert url.netloc == "login.microsoftonline.com"
    assert query["client_id"] == apps["restore"].client_id
    assert query["redirect_uri"] == "https://backup.example/v1/consents/callback"
    assert query["state"] == "s-1"


def test_what_is_not_there_is_said_to_the_partner(signs, desk):
    with pytest.raises(Invalid, match="microsoft365"):
        signs.consent_url("../token", "backup", "s")
    _unregistered(desk)
    with pytest.raises(Unavailable, match="operator"):
        signs.consent_url("microsoft365", "backup", "s")
    answer = desk.office.answer({"purpose": "bind", "platform": "os", "app": "backup"})
    assert answer["error"]["code"] == "platform"
    answer = desk.office.answer({"purpose": "bind", "platform": "microsoft365", "app": "both"})
    assert answer["error"]["code"] == "app"
