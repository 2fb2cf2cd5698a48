"""Refusals sorted by the next move, links followed verbatim, and nothing told that must not be."""

from __future__ import annotations

import httpx
import pytest

from arche.providers import errors, registry
from arche.providers.microsoft365.graph import Graph, path, public
from arche.providers.microsoft365.refusals import ExistsError, NotFoundError

TEMPLATE = "/users/{user}/messages/{message}"
IDS = {"user": "u-1", "message": "AAMk/secret=="}


def graph(*answers: httpx.Response | Exception) -> tuple[Graph, list[httpx.Request]]:
    seen: list[httpx.Request] = []
    rest = list(answers)

    def wire(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        answer = rest.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    session = registry.platform("microsoft365").session("t", lambda: "tok", transport=httpx.MockTransport(wire))
    return Graph(session), seen


def refused(status: int, code: str = "", headers: dict[str, str] | None = None) -> httpx.Response:
    body = {"error": {"code": code, "message": "Ute Größer <ute@example.com> is not welcome"}}
    return httpx.Response(status, json=body if code else None, headers={"request-id": "r-7", **(headers or {})})


@pytest.mark.parametrize(
    ("status", "code", "scope", "error"),
    [
        (401, "InvalidAuthenticationToken", "item", errors.CredentialRejected),
        (403, "Authorization_RequestDenied", "tenant", errors.Forbidden),
        (403, "ErrorAccessDenied", "account", errors.Forbidden),
        (403, "ErrorAccessDenied", "item", errors.ItemRefused),
        (404, "MailboxNotEnabledForRESTAPI", "item", errors.Forbidden),
        (404, "ErrorItemNotFound", "item", NotFoundError),
        (409, "ErrorFolderExists", "item", ExistsError),
        (410, "", "account", errors.CursorExpired),
        (400, "SyncStateNotFound", "account", errors.CursorExpired),
        (404, "syncStateInvalid", "account", errors.CursorExpired),
        (410, "resyncRequired", "account", errors.CursorExpired),
        (429, "ApplicationThrottled", "item", errors.Throttled),
        (503, "", "item", errors.Throttled),
        (509, "", "item", errors.Throttled),
        (500, "", "item", errors.Unreachable),
        (502, "", "account", errors.Unreachable),
        (504, "", "item", errors.Unreachable),
        (500, "ErrorInternalServerError", "item", errors.Unreachable),
        (500, "ErrorCorruptData", "item", errors.ItemRefused),
        (500, "ErrorCorruptData", "account", errors.Unreachable),
        (507, "ErrorQuotaExceeded", "item", errors.ItemRefused),
        (400, "ErrorInvalidRecipients", "item", errors.ItemRefused),
        (413, "RequestEntityTooLarge", "item", errors.ItemRefused),
        (423, "", "item", errors.ItemRefused),
        (400, "BadRequest", "account", errors.Unreachable),
        (302, "", "item", errors.ItemRefused),
    ],
)
def test_each_refusal_has_its_next_move(status: int, code: str, scope: str, error: type) -> None:
    room, seen = graph(refused(status, code))
    with pytest.raises(error) as caught:
        room.get(TEMPLATE, scope=scope, **IDS)  # type: ignore[arg-type]
    assert type(caught.value) is error
    assert caught.value.status == status
    assert caught.value.request_id == "r-7"
    assert len(seen) == 1


@pytest.mark.parametrize(("scope", "account"), [("tenant", False), ("account", True), ("item", True)])
def test_a_missing_right_says_whose(scope: str, account: bool) -> None:
    room, _ = graph(refused(403, "ErrorAccessDenied"))
    with pytest.raises(errors.Forbidden) as caught:
        room.post(TEMPLATE, {}, scope=scope, **IDS)  # type: ignore[arg-type]
    assert caught.value.account is account


@pytest.mark.parametrize(
    "answer", [refused(400, "ErrorAccessDenied"), refused(429, "x"), httpx.ReadError("AAMk/secret==")]
)
def test_messages_hold_no_ids_names_or_words_of_the_vendor(answer: httpx.Response | Exception) -> None:
    room, _ = graph(answer)
    with pytest.raises(errors.ProviderError) as caught:
        room.get(TEMPLATE, **IDS)
    for word in ("u-1", "secret", "Ute", "example.com", "tok", "welcome"):
        assert word not in str(caught.value)
        assert word not in str(caught.value.__cause__)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("code", ["<script>", "a b", "x" * 65, 7, None, ["x"], {"y": 1}])
def test_a_code_that_is_none_is_not_repeated(code: object) -> None:
    room, _ = graph(httpx.Response(400, json={"error": {"code": code}}))
    with pytest.raises(errors.ItemRefused) as caught:
        room.get(TEMPLATE, **IDS)
    assert caught.value.code == "400"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"<html>", b"\xff", b'"text"', b"null"])
def test_an_answer_that_is_no_object_is_a_fault(body: bytes) -> None:
    room, _ = graph(httpx.Response(200, content=body, headers={"content-type": "application/json"}))
    if body:
        with pytest.raises(errors.Unreachable):
            room.get(TEMPLATE, **IDS)
    else:
        assert room.get(TEMPLATE, **IDS) == {}


def test_patience_grows_when_the_vendor_names_none() -> None:
    room, _ = graph(*(refused(429) for _ in range(5)), httpx.Response(200, json={}), refused(429))
    waits = []
    for _ in range(5):
        with pytest.raises(errors.Throttled) as caught:
            room.get("/users", scope="tenant")
        waits.append(caught.value.after)
    assert all(2 * 2**turn <= wait <= 4 * 2**turn for turn, wait in enumerate(waits))
    room.get("/users")
    with pytest.raises(errors.Throttled) as caught:
        room.get("/users")
    assert caught.value.after <= 4


def test_ids_are_encoded_and_templates_are_public() -> None:
    room, seen = graph(httpx.Response(200, json={}))
    room.get(TEMPLATE, **IDS)
    assert seen[0].url.raw_path == b"/v1.0/users/u-1/messages/AAMk%2Fsecret%3D%3D"
    assert public("/users/{user}/messages/{message}?x=1") == "/users/{id}/messages/{id}"
    assert path("/a/{x}", {"x": "../b?c#d"}) == "/a/..%2Fb%3Fc%23d"
    assert seen[0].headers["prefer"] == 'IdType="ImmutableId"'


def test_a_link_is_followed_verbatim() -> None:
    link = "https://graph.microsoft.com/v1.0/users/x/mailFolders('y')/messages/delta?$skiptoken=a+b%20c%2Fd~e"
    room, seen = graph(httpx.Response(200, json={}))
    room.follow(link, TEMPLATE)
    assert str(seen[0].url) == link


def test_a_link_to_another_host_is_not_followed() -> None:
    room, seen = graph()
    for link in ("https://evil.example.net/v1.0/", "http://graph.microsoft.com/v1.0/", "//evil.example.net/"):
        with pytest.raises(errors.Unreachable) as caught:
            room.follow(link, TEMPLATE)
        assert caught.value.code == "egress_refused"
    assert not seen


def test_a_list_in_circles_ends() -> None:
    again = {"value": [{"id": 1}], "@odata.nextLink": "https://graph.microsoft.com/v1.0/users?$skiptoken=1"}
    room, seen = graph(*(httpx.Response(200, json=again) for _ in range(5)))
    with pytest.raises(errors.Unreachable) as caught:
        list(room.pages("/users", {}))
    assert caught.value.code == "page_loop"
    assert len(seen) == 2


def test_a_batch_is_whole_or_throttled() -> None:
    parts = [
        {"id": "1", "status": 200, "body": {"id": "b"}},
        {"id": "0", "status": 404, "body": {"error": {"code": "x"}}},
    ]
    room, _ = graph(httpx.Response(200, json={"responses": parts}))
    assert room.batch(["/a", "/b"], spends={}) == [(404, {"error": {"code": "x"}}), (200, {"id": "b"})]
    missing = [{"id": "0", "status": 200}]
    room, _ = graph(httpx.Response(200, json={"responses": missing}))
    with pytest.raises(errors.Throttled):
        room.batch(["/a", "/b"], spends={})
    slow = [{"id": str(n), "status": 429, "headers": {"Retry-After": after}} for n, after in enumerate(("3", "9.5"))]
    room, _ = graph(httpx.Response(200, json={"responses": slow}))
    with pytest.raises(errors.Throttled) as caught:
        room.batch(["/a", "/b"], spends={})
    assert caught.value.after == 9.5


def test_uploads_carry_no_token() -> None:
    room, seen = graph(httpx.Response(201))
    room.upload(
        "https://outlook.office.com/api?authtoken=x", "/AttachmentSessions/{id}", b"abc", first=0, total=3, user="u"
    )
    assert "authorization" not in seen[0].headers
    assert seen[0].headers["content-range"] == "bytes 0-2/3"
