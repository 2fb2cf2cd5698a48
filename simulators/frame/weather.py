"""The faults that any HTTP service can have, whatever the vendor. Each platform gives them its own form."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

from starlette.responses import Response

from simulators.frame.calls import Call
from simulators.frame.faults import Fault, Switch
from simulators.frame.platform import Platform, Simulation

SWITCHES = (
    Switch(
        "throttle_429",
        "429 instead of the answer; retry_after is sent as it stands (may be decimal), null leaves the header out",
        {"retry_after": "1"},
    ),
    Switch("status_503_empty", "503 with an empty body", {"retry_after": None}),
    Switch("status_error", "any status in the vendor's error form", {"status": 500, "note": "simulated failure"}),
    Switch("html_502", "a gateway's HTML page where JSON belongs"),
    Switch("latency", "the answer takes that many seconds longer", {"seconds": 0.05}),
    Switch(
        "connection_reset",
        "the connection is reset; when=after: the call was carried out and only its answer is lost",
        {"when": "before"},
    ),
    Switch("answer_lost_504", "the call is carried out, but the caller sees 504"),
    Switch("truncated_body", "the connection ends after that many bytes of the body", {"bytes": 100}),
)


async def instead(simulation: Simulation, platform: Platform, call: Call) -> Response | None:
    """Return the answer that a fault gives in place of the platform, or None.

    For whole calls and for parts of a batch.
    """
    faults = simulation.faults
    if fault := faults.strike("latency", call):
        await asyncio.sleep(float(fault.parameters["seconds"]))
    if fault := faults.strike("throttle_429", call):
        return _with_patience(platform.refuse(call, 429, "too many requests"), fault)
    if fault := faults.strike("status_503_empty", call):
        return _with_patience(Response(status_code=503), fault)
    if fault := faults.strike("status_error", call):
        return platform.refuse(call, int(fault.parameters["status"]), str(fault.parameters["note"]))
    if faults.strike("html_502", call):
        return Response("<html><body><h1>502 Bad Gateway</h1></body></html>", 502, media_type="text/html")
    return None


def _with_patience(response: Response, fault: Fault) -> Response:
    if fault.parameters["retry_after"] is not None:
        response.headers["Retry-After"] = str(fault.parameters["retry_after"])
    return response


async def reset(transport: asyncio.Transport) -> None:
    """End a connection with a TCP reset and wait until the server noticed."""
    raw: Any = transport.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    for _ in range(10):
        await asyncio.sleep(0)
