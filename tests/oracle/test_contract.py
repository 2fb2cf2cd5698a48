"""The judge condemns what is not in the vendor's contract: a judge that lets everything pass proves nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.oracle.contract import GRAPH, LOGIN, UPLOAD, Contract
from tests.oracle.tape import Entry
from tests.simulators import csdl

FOLDER = "/users/{id}/mailFolders/{id}"
MESSAGE = "/users/{id}/messages/{id}"
INNER = {"date": "2026-01-01T00:00:00", "request-id": "r", "client-request-id": "c"}
REFUSED = {"error": {"code": "ErrorItemNotFound", "message": "not found", "innerError": INNER}}


@pytest.fixture(scope="module")
def contract() -> Contract:
    if not csdl.available():
        pytest.skip(csdl.MISSING)
    return Contract()


def graph(method: str, template: str, status: int, body: Any = None) -> Entry:
    return Entry(method, GRAPH, template, status, body)


GOOD = [
    graph("GET", "/users", 200, {"@odata.context": "c", "value": [{"id": "1", "userPrincipalName": "a@b"}]}),
    graph("GET", "/users/{id}/mailboxSettings", 200, {"userPurpose": "shared"}),
    graph("GET", f"{FOLDER}/messages/delta", 200, {"@odata.deltaLink": "d", "value": [{"id": "1", "isRead": True}]}),
    graph("GET", f"{FOLDER}/messages/delta", 200, {"value": [{"id": "1", "@removed": {"reason": "deleted"}}]}),
    graph("GET", MESSAGE, 200, {"@odata.type": "#microsoft.graph.eventMessage", "id": "1", "isOutOfDate": False}),
    graph("GET", MESSAGE, 404, REFUSED),
    graph("GET", MESSAGE, 503),
    graph("GET", f"{MESSAGE}/$value", 200),
    graph("POST", f"{FOLDER}/messages", 201, {"id": "1"}),
    graph("DELETE", MESSAGE, 204),
    graph("POST", f"{MESSAGE}/permanentDelete", 204),
    graph("POST", f"{MESSAGE}/attachments/createUploadSession", 201, {"uploadUrl": "u", "nextExpectedRanges": ["0-"]}),
    graph("$batch GET", FOLDER, 200, {"id": "1", "displayName": "x"}),
    graph("POST", "/$batch", 200, {"responses": [{"id": "1", "status": 200, "headers": {}, "body": {}}]}),
    Entry("PUT", UPLOAD, "/AttachmentSessions/{id}", 200, {"nextExpectedRanges": ["7"]}),
    Entry("PUT", UPLOAD, "/AttachmentSessions/{id}", 201),
    Entry("POST", LOGIN, "/{tenant}/oauth2/v2.0/token", 200, {"token_type": "Bearer", "access_token": "t"}),
]

BAD = [
    (graph("GET", "/people", 200, {"value": []}), "no entity set people"),
    (graph("GET", "/users/{id}/mailFolder", 200, {"value": []}), "user has no mailFolder"),
    (graph("GET", "/users/{id}/delta", 200, {"value": []}), "user has no delta"),
    (graph("POST", f"{FOLDER}/messages/delta/forget", 200, {}), "has no forget"),
    (graph("DELETE", f"{FOLDER}/messages", 204), "DELETE is not to be had here"),
    (graph("GET", f"{MESSAGE}/permanentDelete", 200), "GET is not to be had here"),
    (graph("GET", "/users", 200, {"value": [{"id": "1", "nickname": "x"}]}), "unknown property nickname of user"),
    (graph("GET", MESSAGE, 200, {"id": "1", "from": {"email": "x"}}), "unknown property email of recipient"),
    (graph("GET", MESSAGE, 200, {"id": "1", "isRead": "yes"}), "is no Edm.Boolean"),
    (graph("GET", MESSAGE, 200, {"id": "1", "importance": "urgent"}), "is not in enum importance"),
    (graph("GET", MESSAGE, 200, {"@odata.type": "#microsoft.graph.event", "id": "1"}), "event is no message"),
    (graph("GET", MESSAGE, 200), "no object"),
    (graph("GET", "/users", 200, {"id": "1"}), "no collection"),
    (graph("POST", f"{FOLDER}/messages", 200, {"id": "1"}), "a success has status 201"),
    (graph("DELETE", MESSAGE, 204, {"id": "1"}), "a body where none belongs"),
    (graph("GET", MESSAGE, 404, {"message": "no"}), "no error object"),
    (graph("GET", MESSAGE, 404, {"error": {"code": 7, "message": "m", "innerError": INNER}}), "code is no text"),
    (graph("GET", MESSAGE, 404, {"error": {"code": "c", "message": "m"}}), "innerError without request-id"),
    (graph("GET", MESSAGE, 404, {"error": REFUSED["error"] | {"hint": "x"}}), "unknown property hint of an error"),
    (graph("POST", "/$batch", 200, {"responses": [{"id": "1", "state": 1}]}), "unknown property state"),
    (Entry("PUT", UPLOAD, "/AttachmentSessions/{id}", 201, {"id": "1"}), "a body where none belongs"),
    (Entry("PUT", UPLOAD, "/AttachmentSessions/{id}", 200, {"next": "7"}), "unknown property next"),
    (
        Entry("POST", LOGIN, "/{tenant}/oauth2/v2.0/token", 200, {"refresh_token": "t"}),
        "unknown property refresh_token",
    ),
    (Entry("GET", LOGIN, "/{tenant}/secrets", 200, {}), "not in the contract"),
]


@pytest.mark.parametrize("entry", GOOD, ids=lambda one: f"{one.method} {one.template} {one.status}")
def test_what_the_contract_has_passes(contract: Contract, entry: Entry) -> None:
    assert contract.problems(entry) == []


@pytest.mark.parametrize(("entry", "word"), BAD, ids=[word for _, word in BAD])
def test_what_it_has_not_is_named(contract: Contract, entry: Entry, word: str) -> None:
    assert any(word in one for one in contract.problems(entry)), contract.problems(entry)
