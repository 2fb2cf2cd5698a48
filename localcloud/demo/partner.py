"""The partner: a signed-in member who uses nothing but the public API."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import quote

import httpx

ENDED: Final = frozenset({"done", "partial", "failed", "planned", "needs_confirmation"})
STARTED: Final = ENDED - {"planned"}
_POLL_SECONDS: Final = 0.5
_PATIENCE_SECONDS: Final = 1800


class ApiRefused(Exception):  # noqa: N818 - the name says what happened
    """The API answered with a problem; the message is its text."""


class JobFailed(Exception):  # noqa: N818
    """A job ended otherwise than hoped, or not at all."""


class Partner:
    """Calls the API with a member's token. ``token`` is asked before each call, so that it can be renewed."""

    def __init__(self, api: str, token: Callable[[], str]) -> None:
        self._http = httpx.Client(base_url=api, timeout=60, trust_env=False)
        self._token = token

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get(self, path: str, **query: str | int) -> Any:
        """GET below /v1. Raises ApiRefused."""
        return self._answer(self._http.get(f"/v1{path}", params=query, headers=self._headers()))

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """POST below /v1. Raises ApiRefused."""
        return self._answer(self._http.post(f"/v1{path}", json=body, headers=self._headers()))

    def pages(self, path: str, key: str, **query: str | int) -> Iterator[dict[str, Any]]:
        """All entries of a paged list."""
        cursor: dict[str, str] = {}
        while True:
            page = self.get(path, **query, **cursor)
            yield from page[key]
            if not page["next"]:
                return
            cursor = {"cursor": page["next"]}

    def download(self, path: str) -> bytes:
        """GET content, following one redirect to a presigned URL."""
        answer = self._http.get(f"/v1{path}", headers=self._headers())
        if answer.status_code == httpx.codes.SEE_OTHER:
            answer = httpx.get(answer.headers["Location"], timeout=60, trust_env=False)
        self._check(answer)
        return answer.content

    def wait(
        self, path: str, *, ended: frozenset[str] = ENDED, show: Callable[[str], None] = lambda _: None
    ) -> dict[str, Any]:
        """Poll a job or restore until it has ended. Raises JobFailed after half an hour."""
        until = time.monotonic() + _PATIENCE_SECONDS
        seen = ""
        while time.monotonic() < until:
            job: dict[str, Any] = self.get(path)
            if job["state"] in ended:
                return job
            progress = f"{job.get('accounts_done', '')}/{job.get('accounts', '')}"
            if progress not in (seen, "/"):
                show(progress)
                seen = progress
            time.sleep(_POLL_SECONDS)
        raise JobFailed(f"{path} has not ended within {_PATIENCE_SECONDS // 60} minutes")

    def item(self, customer: str, account: str, service: str, ref: str) -> str:
        """Path of one item."""
        return f"/customers/{customer}/accounts/{account}/items/{service}/{quote(ref, safe='')}"

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token()}"}

    def _answer(self, answer: httpx.Response) -> Any:
        self._check(answer)
        return answer.json()

    @staticmethod
    def _check(answer: httpx.Response) -> None:
        if answer.is_success:
            return
        request = answer.request
        raise ApiRefused(f"{request.method} {request.url.path}: {answer.status_code} {answer.text[:500]}")
