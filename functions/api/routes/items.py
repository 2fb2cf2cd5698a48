"""Folders, items and their bytes, as of any time. Needs the switch "sees content"."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from arche.model.work import iso
from arche.operations import browse
from arche.vault import Row
from functions.api import desk, download, shapes
from functions.api.gate import Caller
from functions.api.paging import Cursor, Limit, Place
from functions.api.refs import from_ref, to_ref
from functions.api.routes import new_router

router = new_router()
_BASE = "/v1/customers/<customer>/accounts/<account>"
_BYTES: Final[dict[str, Any]] = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
_DOWNLOAD: Final[dict[int, Any]] = {
    **shapes.answers(shapes.ItemDetail),
    200: {"description": "The bytes, exactly as they were stored", "content": _BYTES},
    303: {"description": "Larger than 4 MiB: the bytes are at Location for 15 minutes", "content": _BYTES},
}
_SERVICE: Final = r"^[a-z]{2,20}$"

At = Annotated[str, Query(max_length=40, description="Number of a snapshot, or an instant; empty for the newest")]
Service = Annotated[str, Query(pattern=_SERVICE, max_length=20)]
Ref = Annotated[str, Query(max_length=1000)]


def _fields(row: Row) -> dict[str, Any]:
    return {
        "id": to_ref(row.id),
        "service": row.service,
        "kind": row.kind,
        "name": row.name,
        "folder": to_ref(row.folder),
        "date": iso(datetime.fromtimestamp(row.date / 1000, UTC)),
        "size": row.size or sum(part.size for part in row.parts),
        "version": row.version,
        "problem": row.problem,
        "parts": [shapes.Part(part=part.name, size=part.size) for part in row.parts],
    }


def _shelf(who: Caller, customer: str, account: str, at: str) -> browse.Shelf:
    return browse.shelf(desk.content(), who, customer, account, at=at, now=desk.now())


@router.get(f"{_BASE}/folders", responses=shapes.answers(shapes.Folders), summary="Folder tree", tags=["content"])
def folders(
    customer: shapes.CustomerLabel, account: shapes.AccountLabel, who: Caller, service: Service, at: At = ""
) -> shapes.Folders:
    """All folders of a service; each names its parent."""
    shelf = _shelf(who, customer, account, at)
    found = [shapes.Entry.model_validate(_fields(row)) for row in shelf.folders(service)]
    return shapes.Folders(snapshot=shelf.manifest.seq, folders=found)


@router.get(f"{_BASE}/items", responses=shapes.answers(shapes.Items), summary="A page of a folder", tags=["content"])
def items(
    *,
    customer: shapes.CustomerLabel,
    account: shapes.AccountLabel,
    who: Caller,
    service: Service,
    at: At = "",
    folder: Ref = "",
    cursor: Cursor = None,
    limit: Limit = 50,
) -> shapes.Items:
    """Items of one folder (the root if none is named), newest first; subfolders are in the tree."""
    place = Place.of(who, "items", customer=customer, account=account, service=service, folder=folder, at=at)
    after = place.position(cursor)
    shelf = _shelf(who, customer, account, at)
    page = shelf.page(service, from_ref(folder), after, limit)
    return shapes.Items(
        snapshot=shelf.manifest.seq,
        items=[shapes.Entry.model_validate(_fields(row)) for row in page.items],
        next=place.cursor(page.after),
    )


@router.get(
    f"{_BASE}/items/<service>/<item>",
    responses=shapes.answers(shapes.ItemDetail),
    summary="One item",
    tags=["content"],
)
def one(
    *,
    customer: shapes.CustomerLabel,
    account: shapes.AccountLabel,
    service: shapes.ServiceName,
    item: shapes.ItemId,
    who: Caller,
    at: At = "",
) -> shapes.ItemDetail:
    """One item with its properties and parts."""
    shelf = _shelf(who, customer, account, at)
    row = shelf.row(service, from_ref(item))
    return shapes.ItemDetail.model_validate(
        {**_fields(row), "snapshot": shelf.manifest.seq, "properties": dict(row.properties)}
    )


@router.get(
    f"{_BASE}/items/<service>/<item>/content",
    responses=_DOWNLOAD,
    summary="Download",
    tags=["content"],
)
def content(
    *,
    customer: shapes.CustomerLabel,
    account: shapes.AccountLabel,
    service: shapes.ServiceName,
    item: shapes.ItemId,
    who: Caller,
    at: At = "",
    part: Ref = "",
) -> Response[str]:
    """Give the bytes of one part of an item ("" = the main content), as a file to save."""
    shelf = _shelf(who, customer, account, at)
    row = shelf.row(service, from_ref(item))
    got = browse.download(shelf, row, part)
    name = download.file_name(got.name, got.extension)
    if got.offer is not None:
        return Response(303, None, "", {"Location": got.offer(download.disposition(name))})
    answered = Response(200, got.media, base64.b64encode(got.body).decode(), download.headers(name))
    # Encoded here: the resolver's own way takes bytes for UTF-8 when it checks the answer's form.
    answered.base64_encoded = True
    return answered
