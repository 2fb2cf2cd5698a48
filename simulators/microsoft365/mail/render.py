"""How messages, attachments and folders look on the wire."""

from __future__ import annotations

import base64
import json
import sqlite3
from typing import Any
from urllib.parse import quote

from simulators.microsoft365.graph import pick
from simulators.microsoft365.mail import extended, text
from simulators.microsoft365.mail.content import Content
from simulators.microsoft365.mail.folders import Folders
from simulators.microsoft365.mail.ids import Ids, change_key
from simulators.microsoft365.mail.items import Items
from simulators.microsoft365.mail.odata import Expand
from simulators.microsoft365.mail.schema import Box

WEB = "https://outlook.office365.com/owa/?ItemID="
ODATA = "#microsoft.graph."
KINDS = {"file": "fileAttachment", "item": "itemAttachment", "reference": "referenceAttachment"}
# Exchange counts an attachment's properties into its size.
OVERHEAD = 140


class Render:
    """Makes the JSON of one mailbox's entities, with ids in the form that a request asked for."""

    def __init__(self, items: Items, folders: Folders, ids: Ids) -> None:
        self._items = items
        self._folders = folders
        self._ids = ids

    def message_id(self, box: Box, row: sqlite3.Row, *, immutable: bool) -> str:
        """Return a message's id."""
        return self._ids.message(box.guid, row["message"], row["moves"], immutable=immutable)

    def message(
        self,
        box: Box,
        row: sqlite3.Row,
        *,
        immutable: bool,
        names: list[str] | None = None,
        expands: dict[str, Expand] | None = None,
        body: str | None = None,
    ) -> dict[str, Any]:
        """Return a message. ``body``: the body type that the client prefers."""
        fields = json.loads(row["fields"])
        fields.pop("internetMessageHeaders", None)
        key, identity = change_key(box.guid, row["change"]), self.message_id(box, row, immutable=immutable)
        entity: dict[str, Any] = {"@odata.etag": f'W/"{key}"', "id": identity}
        if (kind := fields.pop("@odata.type", None)) is not None:
            entity["@odata.type"] = kind
        entity |= {
            "createdDateTime": row["created"],
            "lastModifiedDateTime": row["modified"],
            "changeKey": key,
            "parentFolderId": self._ids.folder(box.guid, row["folder"]),
            "hasAttachments": bool(row["files"]),
            "webLink": f"{WEB}{quote(identity, safe='')}&exvsurl=1&viewmodel=ReadMessageItem",
        }
        entity |= fields
        entity["body"] = text.preferred(fields["body"], body)
        wanted = {name.lower() for name in names or ()}
        if "uniquebody" in wanted:
            entity["uniqueBody"] = text.preferred(text.unique(fields["body"]), body)
        if "internetmessageheaders" in wanted and (headers := self._items.headers(row)) is not None:
            entity["internetMessageHeaders"] = headers
        return pick(entity, names) | self._expanded(box, row, fields, expands or {}, immutable=immutable)

    def _expanded(
        self, box: Box, row: sqlite3.Row, fields: dict[str, Any], expands: dict[str, Expand], *, immutable: bool
    ) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if (one := expands.get("attachments")) is not None:
            rows = self._items.attachments(row["message"])
            found["attachments"] = [self.attachment(box, row, a, immutable=immutable, names=one.select) for a in rows]
        if (one := expands.get("singlevalueextendedproperties")) is not None:
            values = self.properties(row, fields, one.ids)
            if values:
                found["singleValueExtendedProperties"] = values
        return found

    def properties(self, row: sqlite3.Row, fields: dict[str, Any], ids: list[str]) -> list[dict[str, str]]:
        """Those of the named extended properties that the message has."""
        stored = self._items.extended(row["message"])

        def headers() -> str | None:
            found = self._items.headers(row)
            return "\r\n".join(f"{one['name']}: {one['value']}" for one in found) + "\r\n" if found else None

        mirrors = extended.computed(fields, files=bool(row["files"]), headers=headers)
        values = []
        for name in dict.fromkeys(extended.canonical(one) for one in ids):
            value = mirrors[name]() if name in mirrors else stored.get(name)
            if value is not None:
                values.append({"id": name, "value": value})
        return values

    def attachment(
        self,
        box: Box,
        message: sqlite3.Row,
        row: sqlite3.Row,
        *,
        immutable: bool,
        names: list[str] | None = None,
        item: bool = False,
    ) -> dict[str, Any]:
        """Return an attachment; a file's bytes come with it. ``item``: with the attached mail."""
        kind = KINDS[row["kind"]]
        entity: dict[str, Any] = {"@odata.type": ODATA + kind}
        if row["kind"] == "file":
            entity["@odata.mediaContentType"] = row["media"] or "application/octet-stream"
        entity |= {
            "id": self._ids.attachment(
                box.guid, row["message"], message["moves"], row["attachment"], immutable=immutable
            ),
            "lastModifiedDateTime": row["modified"],
            "name": row["name"],
            "contentType": row["media"],
            "size": row["size"] + OVERHEAD + len(row["name"] or ""),
            "isInline": bool(row["inline"]),
        }
        if row["kind"] == "file":
            entity |= {"contentId": row["cid"], "contentLocation": row["location"]}
            if names is None or "contentbytes" in {name.lower() for name in names}:
                entity["contentBytes"] = base64.b64encode(self._items.data(message, row)).decode()
        entity = pick(entity, names)
        if item and row["kind"] == "item":
            entity["item"] = self._item(self._items.item(box, message, row))
        return entity

    def _item(self, content: Content) -> dict[str, Any]:
        fields = dict(content.fields)
        fields.pop("internetMessageHeaders", None)
        kind = fields.pop("@odata.type", ODATA + "message")
        found: dict[str, Any] = {"@odata.type": kind, "id": ""} | fields
        found["createdDateTime"] = found["lastModifiedDateTime"] = fields["receivedDateTime"]
        found["hasAttachments"] = any(not one.inline for one in content.attachments)
        nested = []
        for one in content.attachments:
            entity: dict[str, Any] = {"@odata.type": ODATA + KINDS[one.kind], "id": "", "name": one.name}
            entity |= {"contentType": one.media, "isInline": one.inline, "size": len(one.data or b"") + OVERHEAD}
            if one.kind == "file":
                entity |= {"contentId": one.cid, "contentLocation": one.location}
                entity["contentBytes"] = base64.b64encode(one.data or b"").decode()
            nested.append(entity)
        if nested:
            found["attachments"] = nested
        return found

    def folder(self, box: Box, row: sqlite3.Row, names: list[str] | None = None) -> dict[str, Any]:
        """Return a mail folder or mail search folder."""
        entity: dict[str, Any] = {"id": self._ids.folder(box.guid, row["folder"])}
        if row["search"]:
            entity["@odata.type"] = ODATA + "mailSearchFolder"
        wanted = {name.lower() for name in names} if names is not None else None
        entity |= {
            "displayName": row["name"],
            "parentFolderId": None if row["parent"] is None else self._ids.folder(box.guid, row["parent"]),
            "isHidden": bool(row["hidden"]),
        }
        if wanted is None or wanted & {"childfoldercount", "totalitemcount", "unreaditemcount"}:
            counts = self._folders.counts(row)
            entity |= dict(zip(("childFolderCount", "totalItemCount", "unreadItemCount"), counts, strict=True))
        if row["search"]:
            search = json.loads(row["search"])
            entity |= {
                "isSupported": True,
                "includeNestedFolders": search["nested"],
                "sourceFolderIds": [self._ids.folder(box.guid, number) for number in search["sources"]],
                "filterQuery": search["filterQuery"],
            }
        return pick(entity, names)
