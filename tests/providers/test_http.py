"""The way out: what may leave, what may be told about it, and what the environment decides."""

from __future__ import annotations

import logging
import socket
import ssl

import httpx
import pytest

from arche.providers import http
from arche.providers.errors import Unreachable
from arche.providers.http import Bearer, Call, DirectTransport, Guard, Hosts, Recorded, chunks, egress

HOSTS = Hosts(api=("api.example.com",), bare=("up.example.com", "*.files.example.com"), login=("login.example.com",))


class Wire:
    """Keeps what came through."""

    def __init__(self) -> None:
        self.seen: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        return httpx.Response(302, headers={"location": "https://evil.example.net/", "request-id": "r-1"})


@pytest.fixture
def wire() -> Wire:
    return Wire()


def way(wire: Wire, calls: list[Call] | None = None) -> httpx.Client:
    inner = Bearer(Guard(httpx.MockTransport(wire), HOSTS), HOSTS, lambda: "secret-token")
    return http.client(Recorded(inner, calls.append) if calls is not None else inner)


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example.com/",
        "https://api.example.com:8443/",
        "https://someone@api.example.com/",
        "https://a:b@api.example.com/",
        "https://api.example.com.evil.net/",
        "https://xapi.example.com/",
        "https://files.example.com/",
        "https://evilfiles.example.com/",
        "https://169.254.169.254/latest/meta-data/",
        "https://localhost/",
        "https://[::1]/",
    ],
)
def test_what_is_not_on_the_list_does_not_leave(wire: Wire, url: str) -> None:
    with pytest.raises(Unreachable) as caught:
        way(wire).get(url)
    assert caught.value.code == "egress_refused"
    assert not wire.seen


@pytest.mark.parametrize("host", ["api.example.com", "up.example.com", "a.files.example.com", "login.example.com"])
def test_the_token_goes_to_api_hosts_alone(wire: Wire, host: str) -> None:
    way(wire).get(f"https://{host}:443/x")
    assert wire.seen[0].headers.get("authorization") == ("Bearer secret-token" if host == "api.example.com" else None)


def test_a_token_put_by_hand_does_not_leave_to_an_upload_host(wire: Wire) -> None:
    with pytest.raises(Unreachable):
        way(wire).put("https://up.example.com/x", headers={"Authorization": "Bearer secret-token"})
    assert not wire.seen


def test_redirects_are_not_followed(wire: Wire) -> None:
    assert way(wire).get("https://api.example.com/x").status_code == 302
    assert len(wire.seen) == 1


def test_a_call_is_told_without_path_query_and_secrets(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    calls: list[Call] = []
    with caplog.at_level(logging.DEBUG):
        way(wire, calls).put(
            "https://up.example.com/users/ada@example.com?authtoken=hush",
            content=b"private words",
            extensions={"template": "/users/{id}"},
        )
    assert calls == [Call("PUT", "up.example.com", "/users/{id}", 302, "r-1")]
    assert not [word for word in ("hush", "ada@", "private", "secret-token") if word in caplog.text]


def test_a_call_without_answer_is_told_too() -> None:
    def broken(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no")

    calls: list[Call] = []
    with pytest.raises(httpx.ConnectError):
        http.client(Recorded(httpx.MockTransport(broken), calls.append)).get("https://api.example.com/")
    assert [call.status for call in calls] == [0]


def answering(body: bytes, headers: dict[str, str]) -> httpx.Response:
    return httpx.Response(
        200, headers=headers, stream=httpx.ByteStream(body), request=httpx.Request("GET", "https://x/")
    )


def test_a_body_that_ends_early_is_noticed() -> None:
    with pytest.raises(Unreachable) as caught:
        list(chunks(answering(b"half", {"content-length": "8"}), "/x"))
    assert caught.value.code == "truncated"
    assert b"".join(chunks(answering(b"wholebody", {"content-length": "9"}), "/x")) == b"wholebody"


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "192.168.1.1", "::1", "fd00::1", "100.64.0.1"]
)
def test_a_direct_way_leads_to_public_addresses_alone(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(family, socket.SOCK_STREAM, 6, "", (address, 443))])
    with pytest.raises(Unreachable) as caught:
        httpx.Client(transport=DirectTransport()).get("https://api.example.com/")
    assert caught.value.code == "egress_refused"


def test_one_private_address_among_public_ones_is_enough_to_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, 443)) for a in ("93.184.216.34", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(Unreachable):
        httpx.Client(transport=DirectTransport()).get("https://api.example.com/")


def test_a_host_without_address_is_a_network_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror("no such host")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(httpx.ConnectError):
        httpx.Client(transport=DirectTransport()).get("https://api.example.com/")


def proxied(monkeypatch: pytest.MonkeyPatch, **variables: str) -> httpx.BaseTransport:
    for name in (
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
        "NO_PROXY",
        "no_proxy",
        "http_proxy",
        "HTTP_PROXY",
    ):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return egress()


def test_the_environment_names_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(proxied(monkeypatch), DirectTransport)
    closed = socket.socket()
    closed.bind(("127.0.0.1", 0))
    port = closed.getsockname()[1]
    closed.close()
    transport = proxied(monkeypatch, HTTPS_PROXY=f"http://127.0.0.1:{port}", NO_PROXY="bare.example.com")
    # Nobody listens there: a connection refused proves that the proxy was asked, and no name was resolved.
    monkeypatch.setattr(http._PublicBackend, "connect_tcp", _told_direct)
    with pytest.raises(httpx.ConnectError):
        httpx.Client(transport=transport).get("https://api.example.com/")
    with pytest.raises(Unreachable, match="direct"):
        httpx.Client(transport=transport).get("https://bare.example.com/")


def _told_direct(*_: object, **__: object) -> None:
    raise Unreachable("went direct")


def test_ssl_cert_file_replaces_the_authorities(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    import trustme

    authority = trustme.CA()
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    for transport in (
        DirectTransport(),
        proxied(monkeypatch, HTTPS_PROXY="http://127.0.0.1:9", SSL_CERT_FILE=str(path)),
    ):
        pool = (transport if isinstance(transport, DirectTransport) else transport._proxied)._pool
        context: ssl.SSLContext = pool._ssl_context
        assert len(context.get_ca_certs()) == 1
