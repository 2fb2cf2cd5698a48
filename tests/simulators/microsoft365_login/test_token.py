"""The token endpoint: who gets a token for what, and how the others are refused."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import hashes, serialization

from tests.simulators.clients import BACKUP_ROLES, DOMAIN, GRAPH, LOGIN, Key, Tenant, tenant_without_mail

KEY = Key.make()
OTHER = Key.make()


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Tenant]:
    with tenant_without_mail(tmp_path) as made:
        made.control.act("app_certificate_add", client_id=made.app, pem=KEY.pem)
        yield made


def assertion(cloud: Tenant, key: Key = KEY, **changes: Any) -> dict[str, str]:
    signed = key.assertion(cloud.app, changes.pop("audience", cloud.token_url), now=cloud.control.now(), **changes)
    return {
        "client_assertion": signed,
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    }


def refused(answer: Any, status: int, error: str, number: int) -> None:
    body = answer.json()
    assert (answer.status_code, body["error"], body["error_codes"]) == (status, error, [number]), body
    assert body["error_description"].startswith(f"AADSTS{number}: ")
    assert {"timestamp", "trace_id", "correlation_id"} <= set(body)
    assert "access_token" not in body


def test_a_secret_gives_a_signed_token_with_the_granted_roles(cloud: Tenant) -> None:
    body = cloud.token().json()
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 3599)
    assert "refresh_token" not in body
    keys = cloud.client.get(f"{LOGIN}/{cloud.id}/discovery/v2.0/keys").json()
    key = jwt.PyJWKSet.from_dict(keys).keys[0]
    claims = jwt.decode(body["access_token"], key.key, algorithms=["RS256"], audience="https://graph.microsoft.com")
    assert (claims["tid"], claims["appid"], claims["idtyp"]) == (cloud.id, cloud.app, "app")
    assert claims["roles"] == sorted(BACKUP_ROLES)
    assert jwt.get_unverified_header(body["access_token"])["kid"] == key.key_id


@pytest.mark.parametrize("name", ["guid", "domain"])
@pytest.mark.parametrize("alg", ["PS256", "RS256"])
def test_an_assertion_gives_a_token(cloud: Tenant, alg: str, name: str) -> None:
    url = f"{LOGIN}/{cloud.id if name == 'guid' else DOMAIN}/oauth2/v2.0/token"
    assert cloud.token(url=url, **assertion(cloud, alg=alg, audience=url)).status_code == 200


def headers(key: Key) -> list[dict[str, Any]]:
    der = base64.b64encode(key.certificate.public_bytes(serialization.Encoding.DER)).decode()
    short, long = key.thumbprint(hashes.SHA1()), key.thumbprint(hashes.SHA256())  # noqa: S303 - the header is defined so
    return [{"x5t": short}, {"x5t#S256": long}, {"x5c": [der]}, {"x5t": short, "x5t#S256": long, "x5c": [der]}]


@pytest.mark.parametrize("place", range(4))
def test_the_key_may_be_named_in_any_way(cloud: Tenant, place: int) -> None:
    assert cloud.token(**assertion(cloud, header=headers(KEY)[place])).status_code == 200
    refused(cloud.token(**assertion(cloud, header=headers(OTHER)[place])), 401, "invalid_client", 700027)


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({"header": {}}, 700027),
        ({"header": {"x5c": ["nonsense"]}}, 700027),
        ({"header": headers(KEY)[0] | headers(OTHER)[1]}, 700027),
        ({"alg": "RS384"}, 700027),
        ({"audience": "https://graph.microsoft.com"}, 700023),
        ({"audience": f"{LOGIN}/another.example/oauth2/v2.0/token"}, 700023),
        ({"iss": "somebody-else"}, 700021),
        ({"sub": "somebody-else"}, 700021),
        ({"exp": 1}, 700024),
        ({"exp": None}, 50027),
        ({"exp": "soon"}, 50027),
        ({"nbf": 4102444800, "exp": 4102445800}, 700024),
        ({"jti": None}, 50027),
    ],
)
def test_assertions_that_are_not_good_enough(cloud: Tenant, changes: dict[str, Any], number: int) -> None:
    refused(cloud.token(**assertion(cloud, **changes)), 401, "invalid_client", number)


def test_a_signature_by_another_key_under_the_right_name(cloud: Tenant) -> None:
    forged = assertion(cloud, OTHER, header={"x5t#S256": KEY.thumbprint(hashes.SHA256())})
    refused(cloud.token(**forged), 401, "invalid_client", 700027)


def test_an_unsigned_assertion(cloud: Tenant) -> None:
    claims = {
        "iss": cloud.app,
        "sub": cloud.app,
        "aud": cloud.token_url,
        "jti": "1",
        "exp": int(cloud.control.now()) + 60,
    }
    bare = jwt.encode(claims, "", algorithm="none", headers=headers(KEY)[1])
    refused(cloud.token(**assertion(cloud) | {"client_assertion": bare}), 401, "invalid_client", 700027)
    refused(cloud.token(**assertion(cloud) | {"client_assertion": "a.b"}), 401, "invalid_client", 50027)
    refused(cloud.token(**assertion(cloud) | {"client_assertion_type": "other"}), 400, "invalid_request", 900144)


def test_an_assertion_is_good_once(cloud: Tenant) -> None:
    once = assertion(cloud)
    assert cloud.token(**once).status_code == 200
    refused(cloud.token(**once), 401, "invalid_client", 700027)


def test_certificates_end_by_the_clock_by_removal_and_by_switch(cloud: Tenant) -> None:
    fault = cloud.control.fault("certificate_expired", scope={"app": cloud.app})
    refused(cloud.token(**assertion(cloud)), 401, "invalid_client", 700027)
    cloud.control.clear(fault)
    cloud.control.advance(400 * 86400)
    refused(cloud.token(**assertion(cloud)), 401, "invalid_client", 700027)
    begins = dt.datetime.fromtimestamp(cloud.control.now(), dt.UTC) - dt.timedelta(hours=1)
    fresh = Key.make(begins=begins)
    added = cloud.control.act("app_certificate_add", client_id=cloud.app, pem=fresh.pem)
    assert cloud.token(**assertion(cloud, fresh)).status_code == 200
    cloud.control.act("app_certificate_remove", client_id=cloud.app, thumbprint=added["thumbprint"])
    refused(cloud.token(**assertion(cloud, fresh)), 401, "invalid_client", 700027)


def test_secrets_that_are_wrong_expired_or_missing(cloud: Tenant) -> None:
    refused(cloud.token(client_secret="wrong"), 401, "invalid_client", 7000215)
    refused(cloud.token(client_secret=None), 401, "invalid_client", 7000218)
    short = cloud.control.act("app_secret_add", client_id=cloud.app, valid_seconds=60)["secret"]
    assert cloud.token(client_secret=short).status_code == 200
    cloud.control.advance(61)
    refused(cloud.token(client_secret=short), 401, "invalid_client", 7000222)
    assert cloud.token().status_code == 200
    cloud.control.fault("secret_expired", count=1)
    refused(cloud.token(), 401, "invalid_client", 7000222)


def test_another_apps_secret_and_certificate_are_not_good(cloud: Tenant) -> None:
    other = cloud.control.act("app_register", name="Restore", roles=["Mail.ReadWrite"])["client_id"]
    cloud.control.act("consent_grant", tenant=DOMAIN, client_id=other)
    refused(cloud.token(client_id=other), 401, "invalid_client", 7000215)
    stolen = KEY.assertion(other, cloud.token_url, now=cloud.control.now())
    refused(
        cloud.token(client_id=other, **assertion(cloud) | {"client_assertion": stolen}), 401, "invalid_client", 700027
    )


@pytest.mark.parametrize(
    ("form", "status", "error", "number"),
    [
        ({"scope": "https://graph.microsoft.com/Mail.Read"}, 400, "invalid_scope", 1002012),
        ({"scope": None}, 400, "invalid_scope", 1002012),
        ({"scope": "https://graph.microsoft.us/.default"}, 400, "invalid_scope", 1002012),
        ({"grant_type": None}, 400, "invalid_request", 900144),
        ({"grant_type": "password"}, 400, "unsupported_grant_type", 70003),
        ({"client_id": None}, 400, "invalid_request", 900144),
        ({"client_id": "11111111-1111-1111-1111-111111111111"}, 400, "unauthorized_client", 700016),
        ({"url": f"{LOGIN}/common/oauth2/v2.0/token"}, 400, "invalid_request", 50059),
        ({"url": f"{LOGIN}/organizations/oauth2/v2.0/token"}, 400, "invalid_request", 50059),
        ({"url": f"{LOGIN}/nowhere.example/oauth2/v2.0/token"}, 400, "invalid_request", 90002),
    ],
)
def test_requests_that_make_no_sense(cloud: Tenant, form: dict[str, Any], status: int, error: str, number: int) -> None:
    refused(cloud.token(**form), status, error, number)


def test_json_instead_of_a_form(cloud: Tenant) -> None:
    answer = cloud.client.post(cloud.token_url, json={"grant_type": "client_credentials", "client_id": cloud.app})
    refused(answer, 400, "invalid_request", 900144)


def test_no_consent_no_token_and_another_tenant_is_another_consent(cloud: Tenant) -> None:
    other = cloud.control.act("tenant_add", domain="suedwind.example", name="Südwind AG")
    url = f"{LOGIN}/{other['id']}/oauth2/v2.0/token"
    refused(cloud.token(url=url), 400, "unauthorized_client", 700016)
    cloud.control.act("consent_grant", tenant="suedwind.example", client_id=cloud.app)
    token = cloud.token(url=url).json()["access_token"]
    users = cloud.client.get(f"{GRAPH}/users", headers={"Authorization": f"Bearer {token}"}).json()["value"]
    assert [user["userPrincipalName"] for user in users] == ["admin@suedwind.example"]
    seen = cloud.client.get(f"{GRAPH}/users/ute.groesser@{DOMAIN}", headers={"Authorization": f"Bearer {token}"})
    assert seen.status_code == 404


def test_withdrawn_consent_ends_new_tokens_and_those_that_are_out(cloud: Tenant) -> None:
    out = cloud.bearer()
    cloud.control.act("consent_withdraw", tenant=DOMAIN, client_id=cloud.app)
    refused(cloud.token(), 401, "unauthorized_client", 7000229)
    answer = cloud.client.get(f"{GRAPH}/users", headers=out)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "Authorization_IdentityNotFound")
    cloud.control.act("consent_grant", tenant=DOMAIN, client_id=cloud.app)
    assert cloud.client.get(f"{GRAPH}/users", headers=out).status_code == 200


def test_withdrawn_consent_as_a_switch_for_one_tenant(cloud: Tenant) -> None:
    cloud.control.fault("consent_withdrawn", scope={"tenant": "somebody-else"})
    assert cloud.token().status_code == 200
    cloud.control.fault("consent_withdrawn", scope={"tenant": cloud.id})
    refused(cloud.token(), 401, "unauthorized_client", 7000229)


def test_throttling_outages_and_late_roles(cloud: Tenant) -> None:
    cloud.control.fault("token_endpoint_429", count=1, retry_after="2.5")
    throttled = cloud.token()
    assert (throttled.status_code, throttled.headers["retry-after"]) == (429, "2.5")
    cloud.control.fault("token_endpoint_429", count=1, retry_after=None)
    assert "retry-after" not in cloud.token().headers
    cloud.control.fault("aadsts", count=1)
    refused(cloud.token(), 400, "invalid_resource", 500014)
    cloud.control.fault("status_503_empty", scope={"template": "*/token"}, count=1)
    assert cloud.token().content == b""
    cloud.control.fault("consent_lag", count=1)
    late = cloud.bearer()
    assert cloud.client.get(f"{GRAPH}/users", headers=late).status_code == 403
    assert cloud.client.get(f"{GRAPH}/users", headers=cloud.bearer()).status_code == 200


def test_the_log_names_tenant_app_and_grant_but_no_secret(cloud: Tenant, tmp_path: Path) -> None:
    cloud.token()
    (call,) = cloud.control.calls(template="/{tenant}/oauth2/v2.0/token")
    assert (call["tenant"], call["app"], call["labels"]) == (cloud.id, cloud.app, {"grant": "client_credentials"})
    assert cloud.secret not in (tmp_path / "calls.jsonl").read_text()
    assert cloud.secret.encode() not in b"".join(file.read_bytes() for file in tmp_path.glob("*.sqlite*"))


def test_tokens_apps_and_consent_survive_a_restart(tmp_path: Path) -> None:
    with tenant_without_mail(tmp_path) as before:
        out = before.bearer()
    with tenant_without_mail(tmp_path) as after:
        assert after.client.get(f"{GRAPH}/users", headers=out).status_code == 200
        assert after.app == before.app


def test_registrations_that_entra_refuses(cloud: Tenant) -> None:
    for wrong in (
        {"redirect_uris": ["http://backup.example/cb"]},
        {"redirect_uris": ["https://backup.example/*"]},
        {"redirect_uris": ["https://backup.example/cb#x"]},
        {"roles": ["Mail.Invented"]},
    ):
        with pytest.raises(Exception, match=r"redirect URI|no app role"):
            cloud.control.act("app_register", name="Wrong", **wrong)
    with pytest.raises(Exception, match="PEM"):
        cloud.control.act("app_certificate_add", client_id=cloud.app, pem="no certificate")
