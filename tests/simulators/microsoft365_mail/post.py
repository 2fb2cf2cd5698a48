"""A mail client for the tests: every JSON answer that is no error is checked against the published contract."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from tests.simulators import csdl
from tests.simulators.clients import GRAPH, Tenant, tenant

ROLES = ("User.Read.All", "Mail.ReadWrite", "Mail.Send")
ANNA, BERT = "anna@moewe.example", "bert@moewe.example"
IMMUTABLE = {"Prefer": 'IdType="ImmutableId"'}
SETTABLE = (
    *("subject", "body", "importance", "from", "sender", "replyTo", "isRead", "categories", "flag"),
    *("toRecipients", "ccRecipients", "bccRecipients", "inferenceClassification"),
    *("isReadReceiptRequested", "isDeliveryReceiptRequested"),
)

tally: Counter[str] = Counter()


def world(folder: Path) -> Path:
    """Two people without mail."""
    for who in ("anna", "bert"):
        (folder / "microsoft365" / "moewe.example" / who / "mail").mkdir(parents=True, exist_ok=True)
    return folder


class Post:
    """One mailbox over the wire."""

    def __init__(self, at: Tenant, who: str = ANNA) -> None:
        self.at = at
        self.who = who
        self.problems: list[str] = []

    @property
    def control(self) -> Any:
        return self.at.control

    def ask(
        self, method: str, path: str, *, body: Any = None, content: bytes | None = None, **headers: str
    ) -> httpx.Response:
        url = path if path.startswith("https:") else f"{GRAPH}/users/{self.who}{path}"
        shown = self.at.headers() | {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            content, shown = json.dumps(body).encode(), shown | {"Content-Type": "application/json"}
        answer = self.at.client.request(method, url, headers=shown, content=content)
        self.check(url, answer)
        return answer

    def check(self, url: str, answer: httpx.Response) -> None:
        if not answer.is_success or "json" not in answer.headers.get("content-type", "") or not csdl.available():
            return
        path = url.partition("?")[0].lower()
        kind = "message" if "/messages" in path else "mailFolder"
        if path.endswith("createuploadsession"):
            kind = "uploadSession"
        elif "/attachments" in path:
            kind = "attachment"
        elif path.endswith("translateexchangeids"):
            kind = "convertIdResult"
        elif path.endswith("settings/exchange"):
            kind = "exchangeSettings"
        elif "$batch" in path:
            return
        tally["answers"] += 1
        self.problems += csdl.validate(answer.json(), kind)

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.ask("GET", path, **headers)

    def json(self, path: str, **headers: str) -> Any:
        answer = self.get(path, **headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        return self.ask("POST", path, body=body, **headers)

    def made(self, path: str, body: Any, **headers: str) -> Any:
        answer = self.post(path, body, **headers)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def pages(self, path: str, **headers: str) -> Iterator[dict[str, Any]]:
        link: str | None = path
        for _ in range(500):
            if link is None:
                return
            page = self.json(link, **headers)
            yield page
            link = page.get("@odata.nextLink")
        raise AssertionError("the links never end")

    def all(self, path: str, **headers: str) -> list[dict[str, Any]]:
        return [entry for page in self.pages(path, **headers) for entry in page["value"]]

    def round(self, path: str, **headers: str) -> tuple[list[dict[str, Any]], str]:
        """A whole delta round and its deltaLink."""
        entries: list[dict[str, Any]] = []
        page: dict[str, Any] = {}
        for page in self.pages(path, **headers):
            entries += page["value"]
        return entries, page["@odata.deltaLink"]

    def deliver(self, raw: str | bytes, folder: str = "inbox", **state: Any) -> str:
        data = raw.encode() if isinstance(raw, str) else raw
        encoded = base64.b64encode(data).decode()
        return str(self.control.act("mail_deliver", user=self.who, base64_=encoded, folder=folder, state=state or None))

    def code(self, answer: httpx.Response) -> tuple[int, str]:
        return answer.status_code, answer.json()["error"]["code"] if answer.content else ""


def u(identity: str) -> str:
    """An id as it stands in a path."""
    return quote(identity, safe="")


def upload(post: Post, message: str, item: dict[str, Any], data: bytes, step: int = 4 * 1024 * 1024) -> httpx.Response:
    """Attach a large file."""
    session = post.made(f"/messages/{u(message)}/attachments/createUploadSession", {"AttachmentItem": item})
    for at in range(0, len(data), step):
        piece = data[at : at + step]
        span = f"bytes {at}-{at + len(piece) - 1}/{len(data)}"
        answer = post.at.client.put(session["uploadUrl"], content=piece, headers={"Content-Range": span})
    return answer


@contextmanager
def postbox(state: Path, folder: Path, who: str = ANNA, roles: tuple[str, ...] = ROLES) -> Iterator[Post]:
    """A simulator with two empty mailboxes."""
    with tenant(state, roles, world=world(folder)) as at:
        post = Post(at, who)
        yield post
        assert post.problems == [], post.problems[:5]
