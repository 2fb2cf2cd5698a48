"""What the source shows over the wire: its own Graph client, which shares no code with the product.

Reads every mailbox as an auditor app with read rights would: folder tree, each message's JSON, its MIME and the bytes
of each attachment. Bodies are kept as digests so that the whole picture of a customer fits in memory.
"""

from __future__ import annotations

import hashlib
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx

GRAPH: Final = "https://graph.microsoft.com/v1.0"
LOGIN: Final = "https://login.microsoftonline.com"
_IMMUTABLE: Final = {"Prefer": 'IdType="ImmutableId"'}
_TRIES: Final = 6


@dataclass(frozen=True)
class Attachment:
    """One attachment: its JSON without content, and the SHA-256 and size of its bytes ("" for a mere link)."""

    json: dict[str, Any]
    digest: str
    size: int


@dataclass(frozen=True)
class Mail:
    """One message as the source shows it."""

    json: dict[str, Any]
    path: tuple[str, ...]
    mime_digest: str
    mime_size: int
    attachments: tuple[Attachment, ...]

    @property
    def id(self) -> str:
        """The immutable id."""
        return str(self.json["id"])

    @property
    def version(self) -> str:
        """The changeKey: another one means a changed item."""
        return str(self.json["changeKey"])


@dataclass
class Mailbox:
    """All folders and mails of one user, by immutable id."""

    user: str
    address: str
    folders: dict[str, tuple[str, ...]] = field(default_factory=dict)
    mails: dict[str, Mail] = field(default_factory=dict)


class Source:
    """Graph over the loopback proxy, with the auditor app's client secret."""

    def __init__(self, proxy: str, ca: Path, tenant: str, client_id: str, secret: str) -> None:
        trust = ssl.create_default_context(cafile=str(ca))
        self._http = httpx.Client(proxy=proxy, verify=trust, timeout=60, trust_env=False)
        self._form = {
            "client_id": client_id,
            "client_secret": secret,
            "scope": "https://graph.microsoft.com/.default",
            "grant_type": "client_credentials",
        }
        self._token_url = f"{LOGIN}/{tenant}/oauth2/v2.0/token"
        self._token = ""
        self._token_until = 0.0

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def mailboxes(self) -> dict[str, Mailbox]:
        """Every mailbox of the tenant, by user id. Users without a mailbox are left out."""
        found: dict[str, Mailbox] = {}
        for user in self.pages(f"{GRAPH}/users?$select=id,userPrincipalName,mail&$top=100"):
            box = self.mailbox(user["id"], user.get("mail") or user["userPrincipalName"])
            if box is not None:
                found[box.user] = box
        return found

    def mailbox(self, user: str, address: str) -> Mailbox | None:
        """One mailbox with all its folders and mails; None if the user has none."""
        base = f"{GRAPH}/users/{user}"
        answer = self.get(f"{base}/mailFolders/msgfolderroot")
        if answer.status_code in (403, 404):
            return None
        answer.raise_for_status()
        box = Mailbox(user=user, address=address)
        self._walk(base, answer.json()["id"], (), box)
        for name in ("recoverableitemsdeletions",):
            special = self.get(f"{base}/mailFolders/{name}")
            if special.status_code == httpx.codes.OK:
                box.folders[special.json()["id"]] = (special.json()["displayName"],)
        with ThreadPoolExecutor(4) as pool:
            for folder, path in box.folders.items():
                listed = self.pages(f"{base}/mailFolders/{quote(folder, safe='')}/messages?$top=200")
                for mail in pool.map(lambda m, p=path: self.mail(user, m, p), listed):
                    box.mails[mail.id] = mail
        return box

    def mail(self, user: str, json: dict[str, Any], path: tuple[str, ...]) -> Mail:
        """One message in full, from its JSON as a list shows it."""
        url = f"{GRAPH}/users/{user}/messages/{quote(json['id'], safe='')}"
        mime = self.get(f"{url}/$value")
        content = mime.content if mime.status_code == httpx.codes.OK else b""
        digest = (
            hashlib.sha256(content).hexdigest() if mime.status_code == httpx.codes.OK else f"http {mime.status_code}"
        )
        return Mail(json, path, digest, len(content), tuple(self._attachments(url)))

    def fetch(self, user: str, message: str) -> Mail | None:
        """One message by its immutable id; None if it is not there."""
        answer = self.get(f"{GRAPH}/users/{user}/messages/{quote(message, safe='')}")
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        answer.raise_for_status()
        json = answer.json()
        return self.mail(user, json, self.path(user, json["parentFolderId"]))

    def path(self, user: str, folder: str) -> tuple[str, ...]:
        """Names of the folders from the root down to ``folder``."""
        names: list[str] = []
        while True:
            answer = self.get(f"{GRAPH}/users/{user}/mailFolders/{quote(folder, safe='')}")
            answer.raise_for_status()
            json = answer.json()
            root = self.get(f"{GRAPH}/users/{user}/mailFolders/msgfolderroot").json()["id"]
            if json["id"] == root:
                return tuple(reversed(names))
            names.append(json["displayName"])
            if json.get("parentFolderId") in (None, root):
                return tuple(reversed(names))
            folder = json["parentFolderId"]

    def _walk(self, base: str, parent: str, path: tuple[str, ...], box: Mailbox) -> None:
        url = f"{base}/mailFolders/{quote(parent, safe='')}/childFolders?includeHiddenFolders=true&$top=100"
        for folder in self.pages(url):
            if folder.get("@odata.type") == "#microsoft.graph.mailSearchFolder":
                continue
            here = (*path, folder["displayName"])
            box.folders[folder["id"]] = here
            self._walk(base, folder["id"], here, box)

    def _attachments(self, message_url: str) -> list[Attachment]:
        found: list[Attachment] = []
        for listed in self.pages(f"{message_url}/attachments?$top=100"):
            json = {k: v for k, v in listed.items() if k != "contentBytes"}
            if str(json.get("@odata.type", "")).endswith("referenceAttachment"):
                found.append(Attachment(json, "", 0))
                continue
            one = f"{message_url}/attachments/{quote(json['id'], safe='')}"
            if str(json.get("@odata.type", "")).endswith("itemAttachment"):
                # Exchange builds the MIME of an attached item anew at every read: its fields are the truth.
                item = self.get(f"{one}?$expand=microsoft.graph.itemAttachment/item")
                item.raise_for_status()
                found.append(Attachment({**json, "item": item.json()["item"]}, "", 0))
                continue
            content = self.get(f"{one}/$value")
            content.raise_for_status()
            found.append(Attachment(json, hashlib.sha256(content.content).hexdigest(), len(content.content)))
        return found

    def pages(self, url: str) -> list[dict[str, Any]]:
        """All entries of a collection, following nextLink verbatim."""
        entries: list[dict[str, Any]] = []
        following: str | None = url
        while following:
            answer = self.get(following)
            answer.raise_for_status()
            json = answer.json()
            entries += json["value"]
            following = json.get("@odata.nextLink")
        return entries

    def get(self, url: str) -> httpx.Response:
        """GET with the auditor's token; waits as Retry-After asks, a few times."""
        for attempt in range(_TRIES):
            headers = {"Authorization": f"Bearer {self._bearer()}", **_IMMUTABLE}
            answer = self._http.get(url, headers=headers)
            if answer.status_code not in (429, 503, 504):
                return answer
            time.sleep(float(answer.headers.get("Retry-After", 2**attempt / 4)))
        return answer

    def _bearer(self) -> str:
        if time.monotonic() > self._token_until:
            answer = self._http.post(self._token_url, data=self._form)
            answer.raise_for_status()
            self._token = answer.json()["access_token"]
            self._token_until = time.monotonic() + answer.json()["expires_in"] / 2
        return self._token
