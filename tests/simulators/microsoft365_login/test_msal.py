"""A client that nobody here wrote: msal through the CONNECT proxy, with the test CA."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import msal
import pytest
from cryptography.hazmat.primitives import hashes

from tests.simulators.clients import CALLBACK, GRAPH, LOGIN, Key, Tenant, landed, tenant_without_mail

KEY = Key.make()
SCOPE = ["https://graph.microsoft.com/.default"]


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tenant]:
    with tenant_without_mail(tmp_path) as made:
        # As a function in the cloud is told where to go; requests lets this variable win over its own ``verify``.
        monkeypatch.setenv("HTTPS_PROXY", made.sim.proxy)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(made.sim.ca))
        for name in ("https_proxy", "NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        made.control.act("app_certificate_add", client_id=made.app, pem=KEY.pem)
        yield made


def application(cloud: Tenant, credential: Any, authority: str = "", **more: Any) -> msal.ConfidentialClientApplication:
    authority = authority or f"{LOGIN}/{cloud.id}"
    return msal.ConfidentialClientApplication(cloud.app, client_credential=credential, authority=authority, **more)


CREDENTIALS = {
    "certificate": {"private_key": KEY.private_pem, "public_certificate": KEY.pem},
    "thumbprint": {"private_key": KEY.private_pem, "thumbprint": KEY.certificate.fingerprint(hashes.SHA1()).hex()},  # noqa: S303 - the header is defined so
}


@pytest.mark.parametrize("form", ["secret", "certificate", "thumbprint"])
def test_app_only_tokens(cloud: Tenant, form: str) -> None:
    app = application(cloud, CREDENTIALS.get(form, cloud.secret))
    first = app.acquire_token_for_client(SCOPE)
    assert first.get("token_source") == "identity_provider", first
    assert app.acquire_token_for_client(SCOPE)["token_source"] == "cache"
    answer = cloud.client.get(f"{GRAPH}/users", headers={"Authorization": f"Bearer {first['access_token']}"})
    assert answer.status_code == 200
    assert cloud.control.count(template="*/oauth2/v2.0/token", status="200") == 1


def test_refusals_arrive_as_aadsts_codes(cloud: Tenant) -> None:
    wrong = application(cloud, "wrong").acquire_token_for_client(SCOPE)
    assert (wrong["error"], wrong["error_codes"]) == ("invalid_client", [7000215])
    stranger = Key.make()
    other = {"private_key": stranger.private_pem, "public_certificate": stranger.pem}
    assert application(cloud, other).acquire_token_for_client(SCOPE)["error_codes"] == [700027]


def test_an_unknown_tenant_is_a_value_error(cloud: Tenant) -> None:
    with pytest.raises(ValueError, match="Unable to get authority configuration"):
        application(cloud, cloud.secret, f"{LOGIN}/nowhere.example")


def test_without_instance_discovery(cloud: Tenant) -> None:
    app = application(cloud, cloud.secret, instance_discovery=False)
    assert "access_token" in app.acquire_token_for_client(SCOPE)


# The product's callback is a GET, so the mode that msal recommends is not simulated.
@pytest.mark.filterwarnings("ignore:response_mode='form_post' is recommended")
def test_the_code_flow_with_pkce_and_nonce(cloud: Tenant) -> None:
    app = application(cloud, CREDENTIALS["certificate"], f"{LOGIN}/organizations")
    flow = app.initiate_auth_code_flow(["User.Read"], redirect_uri=CALLBACK)
    form = {"user": f"admin@{cloud.domain}", "decision": "accept"}
    answer = landed(cloud.client.post(flow["auth_uri"], data=form))
    result = app.acquire_token_by_auth_code_flow(flow, answer)
    assert "error" not in result, result
    assert result["id_token_claims"]["tid"] == cloud.id
    assert jwt.decode(result["id_token"], options={"verify_signature": False})["acct"] == 0
