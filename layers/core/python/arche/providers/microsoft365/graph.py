"""Microsoft Graph over one session: calls by template, pages, batches, and the seven errors.

A template is a path with ``{name}`` for each id; it is what logs and errors may name. Every call asks for immutable
ids, so that an item keeps its id when it is moved (Graph: "Get immutable identifiers for Outlook resources").
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import quote

import httpx

from arche.providers.errors import ProviderError, Throttled, Unreachable
from arche.providers.http import chunks
from arche.providers.microsoft365.refusals import Scope, refusal
from arche.providers.patience import now, retry_after
from arche.providers.platform import Session

BASE: Final = "https://graph.microsoft.com/v1.0"
IMMUTABLE: Final = 'IdType="ImmutableId"'
# Without it Graph filters HTML bodies: a backup wants what is there, the restore gives the same back.
UNSAFE_HTML: Final = "outlook.allow-unsafe-html"

_BRACE: Final = re.compile(r"\{[^}]+\}")


def path(template: str, ids: Mapping[str, str]) -> str:
    """Fill a template. Ids are percent-encoded: they may hold ``/`` and ``=``."""
    return _BRACE.sub(lambda brace: quote(ids[brace.group()[1:-1]], safe=""), template)


def public(template: str) -> str:
    """Give the template's form in logs: ``{id}`` for every brace."""
    return _BRACE.sub("{id}", template.partition("?")[0])


class Graph:
    """The calls that the services make. Holds nothing but the session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(
        self,
        template: str,
        query: Mapping[str, str] | None = None,
        *,
        scope: Scope = "item",
        prefer: Sequence[str] = (),
        **ids: str,
    ) -> dict[str, Any]:
        """GET one JSON object. Raises NotFoundError or one of the seven."""
        url = httpx.URL(BASE + path(template, ids), params=dict(query) if query else None)
        return self.send("GET", url, template, scope=scope, prefer=prefer, ids=ids)

    def follow(
        self, link: str, template: str, *, scope: Scope = "item", prefer: Sequence[str] = (), **ids: str
    ) -> dict[str, Any]:
        """GET a nextLink or deltaLink verbatim."""
        return self.send("GET", httpx.URL(link), template, scope=scope, prefer=prefer, ids=ids)

    def pages(self, template: str, query: Mapping[str, str], *, scope: Scope = "item", **ids: str) -> Iterator[Any]:
        """Stream the entries of a collection. Raises Unreachable (``page_loop``) when a link comes twice."""
        answer = self.get(template, query, scope=scope, **ids)
        seen: set[str] = set()
        while True:
            yield from answer.get("value", ())
            link = answer.get("@odata.nextLink")
            if not link:
                return
            if link in seen:
                raise Unreachable(f"{public(template)}: the list goes in circles", code="page_loop")
            seen.add(link)
            answer = self.follow(link, template, scope=scope, **ids)

    def post(self, template: str, body: Mapping[str, Any], *, scope: Scope = "item", **ids: str) -> dict[str, Any]:
        """POST JSON, answer JSON (empty for 204)."""
        url = httpx.URL(BASE + path(template, ids))
        return self.send("POST", url, template, scope=scope, prefer=(), ids=ids, body=body)

    def delete(self, template: str, **ids: str) -> None:
        """DELETE. Raises NotFoundError if it is gone already."""
        self.send("DELETE", httpx.URL(BASE + path(template, ids)), template, scope="item", prefer=(), ids=ids)

    def batch(self, gets: Sequence[str], *, spends: Mapping[str, int]) -> list[tuple[int, dict[str, Any]]]:
        """GET up to 20 relative addresses at once; answers (status, body) in their order.

        Raises Throttled when one of them was throttled: a batch is never half an answer.
        """
        requests = [
            {"id": str(number), "method": "GET", "url": url, "headers": {"Prefer": IMMUTABLE}}
            for number, url in enumerate(gets)
        ]
        answer = self._json(
            "POST", httpx.URL(f"{BASE}/$batch"), "/$batch", scope="tenant", spends=spends, body={"requests": requests}
        )
        found = {part["id"]: part for part in answer.get("responses", ())}
        parts = [found.get(str(number), {"status": 0}) for number in range(len(gets))]
        if any(part["status"] in (0, 429, 503, 504) for part in parts):
            # The parts carry their own Retry-After; the longest counts.
            waits = [retry_after(_lower(part.get("headers", {})), now()) for part in parts]
            named = [wait for wait in waits if wait is not None]
            after = max(named) if named else self._session.backoff.refused()
            raise Throttled("/$batch: a part was throttled", after=after, status=429)
        # A gateway's page in place of JSON comes as text.
        return [(int(part["status"]), part["body"] if isinstance(part.get("body"), dict) else {}) for part in parts]

    @contextmanager
    def stream(self, template: str, **ids: str) -> Iterator[Iterator[bytes]]:
        """GET content as it comes. Raises Unreachable when it ends early."""
        url = BASE + path(template, ids)
        request = self._session.client.build_request(
            "GET",
            url,
            headers={"Prefer": IMMUTABLE, "Accept-Encoding": "identity"},
            extensions=_extensions(template, _spends(ids)),
        )
        response = self._send(request, template, stream=True)
        try:
            if response.status_code != httpx.codes.OK:
                self._read(response, template)
                raise self.refusal(response, template, "item")
            self._session.backoff.accepted()
            yield chunks(response, public(template))
        finally:
            response.close()

    def upload(self, url: str, template: str, data: bytes, *, first: int, total: int, user: str) -> None:
        """PUT a range to an upload address, which carries its own proof: no token goes there."""
        request = self._session.client.build_request(
            "PUT",
            url,
            content=data,
            headers={
                "Content-Type": "application/octet-stream",
                "Content-Range": f"bytes {first}-{first + len(data) - 1}/{total}",
            },
            extensions=_extensions(template, {f"mailbox:{user}": 1}),
        )
        response = self._send(request, template)
        if response.status_code not in (200, 201, 202):
            raise self.refusal(response, template, "item")
        self._session.backoff.accepted()

    def send(
        self,
        method: str,
        url: httpx.URL,
        template: str,
        *,
        scope: Scope,
        prefer: Sequence[str],
        ids: Mapping[str, str],
        body: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Send one call that answers JSON, spending from the budget of the mailbox it names."""
        return self._json(method, url, template, scope=scope, spends=_spends(ids), prefer=prefer, body=body)

    def _json(
        self,
        method: str,
        url: httpx.URL,
        template: str,
        *,
        scope: Scope,
        spends: Mapping[str, int],
        prefer: Sequence[str] = (),
        body: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        request = self._session.client.build_request(
            method,
            url,
            json=body,
            headers={"Prefer": ", ".join((IMMUTABLE, *prefer)), "Accept": "application/json"},
            extensions=_extensions(template, spends),
        )
        response = self._send(request, template)
        if not response.is_success:
            raise self.refusal(response, template, scope)
        self._session.backoff.accepted()
        if not response.content:
            return {}
        try:
            answer = response.json()
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise Unreachable(
                f"{public(template)}: the answer is not JSON", code="truncated", status=response.status_code
            )
        return answer

    def _send(self, request: httpx.Request, template: str, *, stream: bool = False) -> httpx.Response:
        try:
            return self._session.client.send(request, stream=stream)
        except httpx.HTTPError as error:
            raise Unreachable(f"{public(template)}: {type(error).__name__}", code="network") from None

    @staticmethod
    def _read(response: httpx.Response, template: str) -> None:
        try:
            response.read()
        except httpx.HTTPError as error:
            raise Unreachable(f"{public(template)}: {type(error).__name__}", code="network") from None

    def refusal(self, response: httpx.Response, template: str, scope: Scope) -> ProviderError:
        """Give the error for a refused call."""
        return refusal(response, public(template), scope, self._session.backoff)


def _extensions(template: str, spends: Mapping[str, int]) -> dict[str, Any]:
    return {"template": public(template), "spends": spends}


def _spends(ids: Mapping[str, str]) -> dict[str, int]:
    return {f"mailbox:{ids['user']}": 1} if "user" in ids else {"directory": 1}


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): str(value) for name, value in headers.items()}


def dumps(value: Any) -> bytes:
    """Write JSON compactly, without escapes for umlauts."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
