"""Upload sessions for large attachments: made at Graph, filled at outlook.office.com."""

from __future__ import annotations

import json
import re
import sqlite3
from typing import Any
from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from simulators.frame.calls import Call
from simulators.microsoft365.directory import iso as text_of
from simulators.microsoft365.graph import GraphError, Reply
from simulators.microsoft365.mail.content import Attached
from simulators.microsoft365.mail.entrance import Exchange, Visit
from simulators.microsoft365.mail.json_in import checked, unreadable
from simulators.microsoft365.mail.routes_attachments import MEGABYTE, fits, too_large
from simulators.microsoft365.mail.routes_messages import MESSAGE
from simulators.microsoft365.mail.weather import limits

HOST = "outlook.office.com"
SMALLEST, LARGEST = 3 * MEGABYTE, 150 * MEGABYTE
PIECE_LIMIT = 4 * MEGABYTE
LIFETIME = 2 * 3600
RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
PATH = re.compile(r"/api/v2\.0/Users\('[^']*'\)/Messages\('[^']*'\)/AttachmentSessions\('([0-9a-f-]+)'\)")


def install(exchange: Exchange) -> None:
    """Answer for upload sessions on both hosts."""
    # Microsoft's list has no path below mail folders for it.
    exchange.route("POST", f"{MESSAGE}/attachments/createUploadSession", _create)
    uploads = Uploads(exchange)
    exchange.cloud.host(HOST, uploads, uploads.describe)


def _create(visit: Visit) -> Reply:
    message, body, exchange = visit.message(), visit.call.json(), visit.exchange
    item = next((value for name, value in body.items() if name.lower() == "attachmentitem"), None)
    if not isinstance(item, dict):
        raise unreadable("An AttachmentItem is needed.")
    values = checked(item, "attachmentItem", ())
    size = values.get("size")
    if values.get("attachmentType") != "file" or not values.get("name") or not isinstance(size, int):
        raise GraphError(400, "ErrorInvalidRequest", "An upload needs attachmentType file, a name and a size.")
    if size < SMALLEST:
        raise GraphError(
            400,
            "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize",
            "Attachments of less than 3 MB are posted in one request.",
        )
    if size > LARGEST:
        raise too_large()
    fits(exchange, visit.box.tenant, message, size)
    simulation = exchange.cloud.simulation
    stream = simulation.chance.stream("upload")
    token = simulation.chance.guid("upload", str(stream.random()))
    expires = simulation.clock.now() + LIFETIME
    exchange.store.database.execute(
        "INSERT INTO upload (token, mailbox, message, app, item, immutable, size, expires)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            token,
            visit.box.number,
            message["message"],
            visit.call.app,
            json.dumps(values),
            visit.immutable,
            size,
            expires,
        ),
    )
    identity = quote(exchange.render.message_id(visit.box, message, immutable=visit.immutable), safe="")
    url = (
        f"https://{HOST}/api/v2.0/Users('{visit.box.user}@{visit.box.tenant}')/Messages('{identity}')"
        f"/AttachmentSessions('{token}')?authtoken={simulation.chance.digest('upload', token).hex()}"
    )
    session = {"uploadUrl": url, "expirationDateTime": text_of(expires), "nextExpectedRanges": ["0-"]}
    return Reply({"@odata.context": f"{visit.call.base}/$metadata#microsoft.graph.uploadSession"} | session, 201)


class Uploads:
    """The ASGI app of the upload host. Nothing but the URL gives the right to write, and nothing else may."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def describe(self, call: Call) -> None:
        """Name the call by its path, and whose it is by its session: a fault may strike before it is served."""
        found = PATH.fullmatch(unquote(call.path))
        if found is None:
            return
        call.template = "/AttachmentSessions/{id}"
        session = self._row(found[1])
        if session is not None:
            box = self._exchange.store.box_numbered(session["mailbox"])
            call.tenant, call.app, call.labels["mailbox"] = box.tenant, session["app"], box.user

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        request = Request(scope, receive)
        body = await request.body()
        call: Call = scope["state"]["call"]
        try:
            reply = self._answer(request, body, call)
        except GraphError as error:
            content = {"error": {"code": error.code, "message": error.message}}
            reply = JSONResponse(content, error.status, headers=error.headers)
        await reply(scope, receive, send)

    def _answer(self, request: Request, body: bytes, call: Call) -> Response:
        exchange = self._exchange
        found = PATH.fullmatch(request.scope["path"])
        if found is None:
            raise GraphError(404, "UnknownError", "Nothing is here.")
        if "authorization" in request.headers:
            raise GraphError(401, "InvalidAuthenticationToken", "The URL is pre-authenticated; send no Authorization.")
        session = self._session(found[1], request.query_params.get("authtoken", ""), call)
        box = exchange.store.box_numbered(session["mailbox"])
        if request.method == "DELETE":
            self._forget(session["token"])
            return Response(status_code=204)
        if request.method != "PUT":
            raise GraphError(405, "ErrorInvalidRequest", "An upload session takes PUT and DELETE.")
        if len(body) > PIECE_LIMIT:
            raise GraphError(413, "ErrorMaximumRequestLength", "A range holds at most 4 MB.")
        allowed = limits(exchange.cloud.simulation.faults, call)
        place = exchange.throttle.enter(session["app"], box.number, len(body), limits=allowed)
        exchange.throttle.leave(place)
        return self._take(session, request.headers.get("content-range", ""), body)

    def _session(self, token: str, key: str, call: Call) -> sqlite3.Row:
        exchange = self._exchange
        simulation = exchange.cloud.simulation
        row = self._row(token)
        if row is not None and key != simulation.chance.digest("upload", token).hex():
            raise GraphError(401, "InvalidAuthenticationToken", "The URL is not the one that was given out.")
        lost = row is not None and simulation.faults.strike("mail_upload_lost", call)
        if row is None or lost or row["expires"] <= simulation.clock.now():
            self._forget(token)
            raise GraphError(404, "ErrorItemNotFound", "The upload session is not found.")
        return row

    def _row(self, token: str) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self._exchange.store.database.execute(
            "SELECT * FROM upload WHERE token = ?", (token,)
        ).fetchone()
        return row

    def _take(self, session: sqlite3.Row, header: str, body: bytes) -> Response:
        match = RANGE.fullmatch(header.strip())
        if match is None:
            raise GraphError(400, "ErrorInvalidRequest", "A Content-Range of the form bytes a-b/total is needed.")
        start, stop, total = (int(number) for number in match.groups())
        if total != session["size"] or stop < start or stop - start + 1 != len(body) or stop >= total:
            raise GraphError(400, "ErrorInvalidRequest", "The Content-Range does not fit the body or the session.")
        if start != session["received"]:
            raise GraphError(416, "ErrorInvalidRange", f"The next expected range begins at {session['received']}.")
        database = self._exchange.store.database
        database.execute("INSERT INTO piece VALUES (?, ?, ?)", (session["token"], start, body))
        database.execute("UPDATE upload SET received = ? WHERE token = ?", (stop + 1, session["token"]))
        if stop + 1 < total:
            state: dict[str, Any] = {"expirationDateTime": text_of(session["expires"])}
            return JSONResponse(state | {"nextExpectedRanges": [str(stop + 1)]})
        return Response(status_code=201, headers={"Location": self._finish(session)})

    def _finish(self, session: sqlite3.Row) -> str:
        exchange = self._exchange
        box = exchange.store.box_numbered(session["mailbox"])
        message = exchange.items.row(box, session["message"])
        if message is None:
            self._forget(session["token"])
            raise GraphError(404, "ErrorItemNotFound", "The message is gone.")
        pieces = exchange.store.database.execute(
            "SELECT data FROM piece WHERE token = ? ORDER BY start", (session["token"],)
        )
        data = b"".join(row["data"] for row in pieces)
        said = json.loads(session["item"])
        attached = Attached(
            "file",
            said["name"],
            said.get("contentType") or "application/octet-stream",
            bool(said.get("isInline")),
            said.get("contentId"),
            data=data,
        )
        exchange.items.forget_mime(box, message)
        number = exchange.items.attach(message["message"], attached)
        exchange.items.count_files(message["message"])
        exchange.items.touch(box, message["message"])
        self._forget(session["token"])
        immutable = bool(session["immutable"])
        of = exchange.render.message_id(box, message, immutable=immutable)
        identity = exchange.ids.attachment(box.guid, message["message"], message["moves"], number, immutable=immutable)
        return f"https://{HOST}/api/v2.0/Users('{box.user}@{box.tenant}')/Messages('{of}')/Attachments('{identity}')"

    def _forget(self, token: str) -> None:
        self._exchange.store.database.execute("DELETE FROM piece WHERE token = ?", (token,))
        self._exchange.store.database.execute("DELETE FROM upload WHERE token = ?", (token,))
