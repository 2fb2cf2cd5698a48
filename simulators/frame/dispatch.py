"""From a decrypted request to the platform that claims its host, with faults, log and commit around it."""

from __future__ import annotations

import asyncio
import email.utils
import traceback
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from simulators.frame import weather
from simulators.frame.calls import Call
from simulators.frame.platform import Simulation


class Dispatch:
    """The ASGI app behind the door. ``crashes`` collects the tracebacks of platforms that raised."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self.crashes: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        headers = Headers(scope=scope)
        state: dict[str, Any] = scope["state"]
        call = state["call"] = Call(
            method=scope["method"],
            host=headers.get("host", "").lower().removesuffix(":443"),
            path=scope["raw_path"].decode("ascii"),
            at=self._simulation.clock.now(),
            query=tuple(
                sorted({name for name, _ in parse_qsl(scope["query_string"].decode("ascii"), keep_blank_values=True)})
            ),
            client_request_id=headers.get("client-request-id", ""),
        )
        meter = _Meter(call, receive, send, self._simulation.clock.now(), self._finish)
        try:
            await self._serve(call, headers, scope, meter, state["connection"].transport)
        except _ConnectionGoneError:
            return
        except Exception:  # noqa: BLE001 - a crash of a platform is reported by the control side and ends the test
            self._simulation.state.rollback()
            self.crashes.append(f"{call.method} {call.host} {call.template or call.path}\n{traceback.format_exc()}")
            if not call.status:
                await PlainTextResponse("the simulator crashed", 500)(scope, meter.receive, meter.send)
        finally:
            self._finish(meter)

    def _finish(self, meter: _Meter) -> None:
        """Commit and log, once: before the last byte goes or a connection is cut, so that who notices finds both."""
        if not meter.finished:
            meter.finished = True
            self._simulation.state.commit()
            self._simulation.calls.add(meter.call)

    async def _serve(
        self, call: Call, headers: Mapping[str, str], scope: Scope, meter: _Meter, transport: asyncio.Transport
    ) -> None:
        platform = self._simulation.platform(call.host)
        if platform is None or call.host != scope["state"]["host"]:
            # The tunnel was opened for another host: CDNs answer 421 too.
            call.refused = True
            await PlainTextResponse("misdirected request", 421)(scope, meter.receive, meter.send)
            return
        platform.describe(call, headers)
        faults = self._simulation.faults
        lost = faults.strike("connection_reset", call)
        if lost and lost.parameters["when"] == "before":
            self._finish(meter)
            await weather.reset(transport)
            raise _ConnectionGoneError
        response = await weather.instead(self._simulation, platform, call)
        if response is not None:
            await _drain(meter.receive)
            await response(scope, meter.receive, meter.send)
            return
        if lost:
            await platform.app(scope, meter.receive, meter.swallow)
            self._finish(meter)
            await weather.reset(transport)
            raise _ConnectionGoneError
        if faults.strike("answer_lost_504", call):
            await platform.app(scope, meter.receive, meter.swallow)
            await platform.refuse(call, 504, "the gateway timed out")(scope, meter.receive, meter.send)
            return
        cut = faults.strike("truncated_body", call)
        await self._answer(platform.app, scope, meter, transport, None if cut is None else int(cut.parameters["bytes"]))

    async def _answer(
        self, app: ASGIApp, scope: Scope, meter: _Meter, transport: asyncio.Transport, cut: int | None
    ) -> None:
        async def send(message: Message) -> None:
            left = None if cut is None else cut - meter.call.bytes_out
            body = message.get("body", b"")
            if message["type"] != "http.response.body" or left is None or len(body) <= left:
                await meter.send(message)
                return
            await meter.send({"type": "http.response.body", "body": body[:left], "more_body": True})
            self._finish(meter)
            transport.close()
            for _ in range(10):
                await asyncio.sleep(0)
            raise _ConnectionGoneError

        await app(scope, meter.receive, send)


class _ConnectionGoneError(Exception):
    """The connection is closed on purpose; there is nobody left to answer."""


class _Meter:
    """Counts body bytes and adds the date; ``swallow`` takes an answer that nobody will see."""

    def __init__(self, call: Call, receive: Receive, send: Send, now: float, finish: Callable[[_Meter], None]) -> None:
        self.call = call
        self._finish = finish
        self.finished = False
        self._receive = receive
        self._send = send
        self._date = email.utils.formatdate(now, usegmt=True).encode()

    async def receive(self) -> Message:
        message = await self._receive()
        self.call.bytes_in += len(message.get("body", b""))
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.call.status = message["status"]
            headers = list(message.get("headers", []))
            if not any(name.lower() == b"date" for name, _ in headers):
                headers.append((b"date", self._date))
            message = {**message, "headers": headers}
        else:
            self.call.bytes_out += len(message.get("body", b""))
            if not message.get("more_body", False):
                self._finish(self)
        await self._send(message)

    async def swallow(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.call.labels["carried_out"] = str(message["status"])


async def _drain(receive: Receive) -> None:
    """Read the request's body, so that a client that is still sending it hears the answer."""
    while True:
        message = await receive()
        if message["type"] != "http.request" or not message.get("more_body", False):
            return
