"""The way out: httpx transports as wrappers, each with one duty.

From the inside out: ``egress`` (proxy or a direct connection to a public address), ``Guard`` (allow-list),
``Bearer`` (tokens for API hosts alone), ``Budgeted`` (budget.py), ``Recorded`` (what may be told about a call).
Nothing here retries, sleeps or follows a redirect: a 3xx is an answer like any other.
"""

from __future__ import annotations

import fnmatch
import ipaddress
import logging
import socket
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import httpcore
import httpx

from arche.providers.errors import Unreachable

HTTPS: Final = 443
_LIMITS: Final = httpx.Limits(max_connections=64, max_keepalive_connections=32, keepalive_expiry=30)
_TIMEOUT: Final = httpx.Timeout(60.0, connect=10.0, pool=60.0)


@dataclass(frozen=True, slots=True)
class Hosts:
    """Where a platform lives. Patterns are exact names or ``*.suffix``.

    ``api`` gets the bearer token; ``bare`` (upload and download addresses that carry their own proof) and ``login``
    never do.
    """

    api: tuple[str, ...]
    bare: tuple[str, ...] = ()
    login: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """Every allowed host."""
        return self.api + self.bare + self.login


@dataclass(frozen=True, slots=True)
class Call:
    """What may be told about a call: no query, no header but the vendor's request id, no body, no real path.

    ``template`` is the path with ``{id}`` for every id. ``status`` is 0 when no answer came.
    """

    method: str
    host: str
    template: str
    status: int
    request_id: str = ""


def _matches(host: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(host, pattern) for pattern in patterns)


class Guard(httpx.BaseTransport):
    """Let only https to allowed hosts on port 443 out, and a bearer token only to API hosts.

    Raises Unreachable with code ``egress_refused``; nothing was sent then.
    """

    def __init__(self, inner: httpx.BaseTransport, hosts: Hosts) -> None:
        self._inner = inner
        self._hosts = hosts

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Check the request as it will stand on the wire."""
        url = request.url
        refusal = ""
        if url.scheme != "https" or url.port not in (None, HTTPS):
            refusal = "only https on port 443 is allowed"
        elif url.userinfo:
            refusal = "an address with user information is not allowed"
        elif not _matches(url.host, self._hosts.all):
            refusal = "the host is not on the platform's list"
        elif "authorization" in request.headers and not _matches(url.host, self._hosts.api):
            refusal = "a token was meant for a host that must not see it"
        if refusal:
            raise Unreachable(f"call not sent: {refusal}", code="egress_refused")
        return self._inner.handle_request(request)

    def close(self) -> None:
        """Close the connections below."""
        self._inner.close()


class Bearer(httpx.BaseTransport):
    """Add the token to calls to API hosts. ``token`` is asked each time: it knows when to renew."""

    def __init__(self, inner: httpx.BaseTransport, hosts: Hosts, token: Callable[[], str]) -> None:
        self._inner = inner
        self._hosts = hosts
        self._token = token

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Set Authorization on API calls, leave every other call as it is."""
        if _matches(request.url.host, self._hosts.api):
            request.headers["Authorization"] = f"Bearer {self._token()}"
        return self._inner.handle_request(request)

    def close(self) -> None:
        """Close the connections below."""
        self._inner.close()


class Recorded(httpx.BaseTransport):
    """Tell ``record`` about each call, in the redacted form of ``Call``."""

    def __init__(self, inner: httpx.BaseTransport, record: Callable[[Call], None]) -> None:
        self._inner = inner
        self._record = record

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Pass the call on and record how it ended."""
        status, request_id = 0, ""
        try:
            response = self._inner.handle_request(request)
            status, request_id = response.status_code, response.headers.get("request-id", "")
            return response
        finally:
            self._record(Call(request.method, request.url.host, template_of(request), status, request_id))

    def close(self) -> None:
        """Close the connections below."""
        self._inner.close()


def template_of(request: httpx.Request) -> str:
    """Name the call without its ids, as the caller declared it (``extensions={"template": …}``)."""
    return str(request.extensions.get("template", ""))


class _PublicBackend(httpcore.SyncBackend):
    """Resolve here, connect to the very address that was checked: no private network, no second look-up."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpcore.ConnectError(f"{host} has no address") from error
        addresses = [str(entry[4][0]) for entry in found]
        if not addresses or not all(ipaddress.ip_address(a.split("%")[0]).is_global for a in addresses):
            raise Unreachable(f"call not sent: {host} does not resolve to a public address", code="egress_refused")
        return super().connect_tcp(addresses[0], port, timeout, local_address, socket_options)


class DirectTransport(httpx.HTTPTransport):
    """Connect without a proxy, to public addresses only."""

    def __init__(self) -> None:
        super().__init__(trust_env=True)
        # httpx 0.28 has no argument for httpcore's network backend; the pool it would build is replaced by an equal
        # one that has it. create_ssl_context(trust_env=True) reads SSL_CERT_FILE as httpx itself does.
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context(trust_env=True),
            max_connections=_LIMITS.max_connections,
            max_keepalive_connections=_LIMITS.max_keepalive_connections,
            keepalive_expiry=_LIMITS.keepalive_expiry,
            network_backend=_PublicBackend(),
        )


class _ByEnvironment(httpx.BaseTransport):
    """Through the proxy, except for hosts that NO_PROXY names."""

    def __init__(self, proxy: str) -> None:
        self._proxied = httpx.HTTPTransport(proxy=httpx.Proxy(proxy), trust_env=True, limits=_LIMITS)
        self._direct: DirectTransport | None = None
        # Asking reads the whole environment; a worker calls the same host a hundred thousand times.
        self._bypass = cache(urllib.request.proxy_bypass)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if not self._bypass(request.url.host):
            return self._proxied.handle_request(request)
        # Rare, and loading the authorities takes time: made when first needed.
        self._direct = self._direct or DirectTransport()
        return self._direct.handle_request(request)

    def close(self) -> None:
        self._proxied.close()
        if self._direct is not None:
            self._direct.close()


def egress() -> httpx.BaseTransport:
    """Build the way out that HTTPS_PROXY, NO_PROXY and SSL_CERT_FILE ask for.

    httpx 0.28 reads the proxy variables only for a Client without ``transport`` (``allow_env_proxies = trust_env and
    transport is None``), so a client of wrappers must read them itself. SSL_CERT_FILE is read by every HTTPTransport
    with ``trust_env``, and then replaces the built-in list of authorities.
    """
    proxies = urllib.request.getproxies()
    proxy = proxies.get("https") or proxies.get("all")
    return _ByEnvironment(proxy) if proxy else DirectTransport()


def client(transport: httpx.BaseTransport, headers: Mapping[str, str] | None = None) -> httpx.Client:
    """Wrap a transport in a client that follows nothing and reads nothing from the environment."""
    # httpx logs every URL at INFO and httpcore every header at DEBUG: upload addresses carry their proof in the query.
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return httpx.Client(transport=transport, headers=headers, follow_redirects=False, trust_env=False, timeout=_TIMEOUT)


def chunks(response: httpx.Response, template: str) -> Iterator[bytes]:
    """Stream a body. Raises Unreachable when it ends before its announced length."""
    announced = response.headers.get("content-length")
    plain = "content-encoding" not in response.headers
    seen = 0
    try:
        for chunk in response.iter_bytes(1 << 16):
            seen += len(chunk)
            yield chunk
    except httpx.HTTPError as error:
        raise Unreachable(f"{template}: the answer broke off ({type(error).__name__})", code="truncated") from None
    if plain and announced is not None and announced.isdigit() and int(announced) != seen:
        raise Unreachable(f"{template}: {seen} of {announced} bytes came", code="truncated")
