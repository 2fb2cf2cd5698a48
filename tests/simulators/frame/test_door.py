"""The door: claimed hosts alone, TLS by the test CA, a clean end."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from simulators.frame import Platform, Running, Simulation, running
from simulators.frame.running import SimulatorCrashedError
from tests.simulators.clients import https

ROOT = Path(__file__).resolve().parents[3]


def echo(_simulation: Simulation) -> Platform:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if request.url.path == "/crash":
            raise RuntimeError("broken on purpose")
        text = f"{request.headers['host']} {request.method} {len(await request.body())}"
        await PlainTextResponse(text)(scope, receive, send)

    return Platform("echo", ("api.vendor.example", "*.files.example"), app)


def connect(sim: Running, target: str, host: str = "") -> bytes:
    port = int(sim.proxy.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as raw:
        raw.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {host or target}\r\n\r\n".encode())
        return raw.recv(4096)


def test_claimed_hosts_answer_and_a_suffix_is_one_label_deep(tmp_path: Path) -> None:
    with running(tmp_path, builds=[echo]) as sim, https(sim) as client:
        assert client.post("https://api.vendor.example/x", content=b"abc").text == "api.vendor.example POST 3"
        assert client.get("https://a.files.example/x").text == "a.files.example GET 0"


@pytest.mark.parametrize(
    "target", ["example.com:443", "vendor.example:443", "api.vendor.example:80", "api.vendor.example.evil.example:443"]
)
def test_other_hosts_and_ports_are_refused_and_logged(tmp_path: Path, target: str) -> None:
    with running(tmp_path, builds=[echo]) as sim:
        assert connect(sim, target).startswith(b"HTTP/1.1 403")
        (refusal,) = sim.control.calls()
        assert (refusal["host"], refusal["refused"]) == (target, True)


def test_plain_requests_are_not_proxied(tmp_path: Path) -> None:
    with running(tmp_path, builds=[echo]) as sim, httpx.Client(proxy=sim.proxy, trust_env=False) as client:
        assert client.get("http://api.vendor.example/").status_code == 405


def test_a_host_header_that_is_not_the_tunnels_host_is_misdirected(tmp_path: Path) -> None:
    with running(tmp_path, builds=[echo]) as sim, https(sim) as client:
        answer = client.get("https://api.vendor.example/", headers={"Host": "a.files.example"})
        assert answer.status_code == 421


def test_the_certificate_is_of_the_test_ca_alone(tmp_path: Path) -> None:
    with running(tmp_path, builds=[echo]) as sim:
        context = ssl.create_default_context()
        with (
            httpx.Client(proxy=sim.proxy, verify=context, trust_env=False) as client,
            pytest.raises(httpx.ConnectError),
        ):
            client.get("https://api.vendor.example/")


def test_the_ca_survives_a_restart(tmp_path: Path) -> None:
    with running(tmp_path, builds=[echo]) as sim:
        before = sim.ca.read_bytes()
    with running(tmp_path, builds=[echo], fresh=True) as sim, https(sim) as client:
        assert sim.ca.read_bytes() == before
        assert client.get("https://api.vendor.example/").is_success


def test_only_loopback_listens(tmp_path: Path) -> None:
    with running(tmp_path, builds=[echo]) as sim:
        assert sim.proxy.startswith("http://127.0.0.1:")
        assert sim.control.url.startswith("http://127.0.0.1:")
        answer = httpx.get(f"{sim.control.url}/clock", headers={"Host": "evil.example"}, trust_env=False)
        assert answer.status_code == 403


def test_a_crash_of_a_simulator_ends_the_test(tmp_path: Path) -> None:
    with (
        pytest.raises(SimulatorCrashedError, match="broken on purpose"),
        running(tmp_path, builds=[echo]) as sim,
        https(sim) as client,
    ):
        assert client.get("https://api.vendor.example/crash").status_code == 500


def test_many_clients_at_once_and_a_stop_with_open_connections(tmp_path: Path) -> None:
    with running(tmp_path, builds=[echo]) as sim:
        clients = [https(sim) for _ in range(20)]
        assert all(client.get("https://api.vendor.example/").is_success for client in clients)
    for client in clients:
        client.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_as_a_process_it_writes_the_port_file_and_ends_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    ports = tmp_path / "ports.json"
    command = [
        sys.executable,
        "-W",
        "error",
        "-m",
        "simulators",
        "--state",
        str(tmp_path / "s"),
        "--port-file",
        str(ports),
    ]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(ROOT)})
    try:
        deadline = time.monotonic() + 60
        while not ports.exists():
            assert process.poll() is None, process.stderr.read().decode() if process.stderr else ""
            assert time.monotonic() < deadline
            time.sleep(0.05)
        where = json.loads(ports.read_text())
        context = ssl.create_default_context(cafile=where["ca"])
        with httpx.Client(proxy=where["proxy"], verify=context, trust_env=False) as client:
            answer = client.get("https://login.microsoftonline.com/organizations/discovery/v2.0/keys")
            assert answer.json()["keys"]
    finally:
        process.send_signal(number)
        _, complaints = process.communicate(timeout=30)
    assert (process.returncode, complaints) == (0, b"")
    assert not ports.exists()
