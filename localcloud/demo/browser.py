"""The customer's administrator in a browser: opens the consent link, accepts, signs in."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Final
from urllib.parse import urljoin, urlsplit

import httpx

_HOPS: Final = 12


class ConsentStopped(Exception):  # noqa: N818 - the name says what happened
    """The flow did not end on the API's page of success; the message holds the page's text."""


class Browser:
    """Follows redirects between the login host (through the proxy) and the API (direct)."""

    def __init__(self, proxy: str, ca: Path) -> None:
        trust = ssl.create_default_context(cafile=str(ca))
        self._vendor = httpx.Client(proxy=proxy, verify=trust, timeout=60, trust_env=False)
        self._direct = httpx.Client(timeout=60, trust_env=False)

    def close(self) -> None:
        """Close the connections."""
        self._vendor.close()
        self._direct.close()

    def consent(self, url: str, user: str) -> str:
        """Accept every page as ``user``; returns the last page. Raises ConsentStopped."""
        for _ in range(_HOPS):
            client = self._vendor if urlsplit(url).scheme == "https" else self._direct
            answer = client.get(url)
            if answer.status_code == httpx.codes.OK and '<form method="post">' in answer.text:
                answer = client.post(url, data={"user": user, "decision": "accept"})
            if answer.is_redirect:
                url = urljoin(url, answer.headers["Location"])
                continue
            if answer.status_code != httpx.codes.OK or client is self._vendor:
                raise ConsentStopped(f"{answer.status_code} {answer.text[:500]}")
            return answer.text
        raise ConsentStopped(f"more than {_HOPS} redirects")
