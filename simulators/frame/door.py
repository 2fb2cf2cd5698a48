"""The loopback door: a CONNECT proxy that knows the claimed hosts alone and ends TLS itself."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import trustme
from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

HEAD_LIMIT = 16 * 1024


def authority(folder: Path) -> tuple[trustme.CA, Path]:
    """Return the CA of this state directory, made at the first start, and the file that holds its certificate."""
    certificate, key = folder / "ca.pem", folder / "ca-key.pem"
    if certificate.exists() and key.exists():
        return trustme.CA.from_pem(certificate.read_bytes(), key.read_bytes()), certificate
    made = trustme.CA(organization_name="Simulated platforms", organization_unit_name="test only")
    key.touch(mode=0o600)
    key.write_bytes(made.private_key_pem.bytes())
    certificate.write_bytes(made.cert_pem.bytes())
    return made, certificate


def server_context(made: trustme.CA, hosts: list[str]) -> ssl.SSLContext:
    """Return a TLS context with one certificate for all claimed hosts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.issue_cert(*hosts).configure_cert(context)
    return context


def loopback_listener() -> socket.socket:
    """Listen on a free loopback port.

    ``socket.create_server`` leaves the protocol number 0, and then asyncio does not switch Nagle's algorithm off: 40 ms
    for each answer.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(512)
    listener.setblocking(False)  # noqa: FBT003 - the argument has no name
    return listener


class Http:
    """uvicorn's HTTP protocol for one app, on connections that we accept ourselves."""

    def __init__(self, app: ASGIApp) -> None:
        self._config = Config(app, log_config=None, access_log=False, ws="none", lifespan="off", timeout_keep_alive=75)
        self._config.load()
        self._state = ServerState()

    def protocol(self, **state: Any) -> H11Protocol:
        """Return a protocol for one connection. The app finds ``state`` and ``connection`` in ``scope["state"]``."""
        protocol = H11Protocol(self._config, self._state, dict(state))
        protocol.app_state["connection"] = protocol
        return protocol

    async def close(self) -> None:
        """Close idle connections, give running calls one second, then cut them."""
        for connection in list(self._state.connections):
            connection.shutdown()
        if self._state.tasks:
            await asyncio.wait(self._state.tasks, timeout=1)
        for task in self._state.tasks:
            task.cancel()
        for connection in list(self._state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)


class Door:
    """Accepts CONNECT for claimed hosts on port 443; ``refused(host)`` hears of the others."""

    def __init__(
        self, http: Http, context: ssl.SSLContext, claims: Callable[[str], bool], refused: Callable[[str], None]
    ) -> None:
        self._http = http
        self._context = context
        self._claims = claims
        self._refused = refused
        self._tasks: set[asyncio.Task[None]] = set()
        self.listener = loopback_listener()

    @property
    def url(self) -> str:
        """The proxy's address for ``HTTPS_PROXY``."""
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    async def accept(self) -> None:
        """Accept connections until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            connection, _ = await loop.sock_accept(self.listener)
            connection.setblocking(False)  # noqa: FBT003 - the argument has no name
            task = loop.create_task(self._open(connection))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Stop listening and drop tunnels that are not open yet."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.listener.close()

    async def _open(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(10):
                host = await self._negotiate(connection)
        except (OSError, TimeoutError, asyncio.CancelledError):
            connection.close()
            return
        if host is None:
            connection.close()
            return
        # A client that does not trust the CA ends the handshake: its affair, nothing to report here.
        with contextlib.suppress(OSError, ConnectionError):
            await loop.connect_accepted_socket(
                lambda: self._http.protocol(host=host), connection, ssl=self._context, ssl_handshake_timeout=10
            )

    async def _negotiate(self, connection: socket.socket) -> str | None:
        loop = asyncio.get_running_loop()
        head = b""
        while b"\r\n\r\n" not in head:
            more = await loop.sock_recv(connection, 4096)
            if not more or len(head) > HEAD_LIMIT:
                return None
            head += more
        method, _, rest = head.partition(b" ")
        if method != b"CONNECT" or not head.endswith(b"\r\n\r\n"):
            await loop.sock_sendall(connection, _reply("405 Method Not Allowed", "this proxy knows CONNECT alone"))
            return None
        host, _, port = rest.split(b" ")[0].decode("ascii", "replace").lower().rpartition(":")
        if port != "443" or not self._claims(host):
            self._refused(f"{host}:{port}")
            await loop.sock_sendall(connection, _reply("403 Forbidden", "no simulator claims this host"))
            return None
        await loop.sock_sendall(connection, b"HTTP/1.1 200 Connection established\r\n\r\n")
        return host


def _reply(status: str, note: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(note)}\r\nConnection: close\r\n\r\n{note}".encode()
