"""Mails read whole by msgraph-sdk: every property, every attachment, the MIME's digest and the folder's path."""

from __future__ import annotations

import hashlib
from typing import Any

from msgraph import GraphServiceClient
from msgraph.generated.models.item_attachment import ItemAttachment
from msgraph.generated.models.reference_attachment import ReferenceAttachment
from msgraph.generated.users.item.messages.item.attachments.item.attachment_item_request_builder import (
    AttachmentItemRequestBuilder,
)
from msgraph.generated.users.item.messages.item.message_item_request_builder import MessageItemRequestBuilder

from tests.oracle.sdk.ledger import Ledger, plain
from tests.oracle.sdk.mailbox import prefer

_ITEM = "microsoft.graph.itemAttachment/item"


async def read_all(
    graph: GraphServiceClient, ledger: Ledger, mails: list[list[str]], names: list[str]
) -> dict[str, Any]:
    """Read [user, id] pairs; by id, ``{"json", "path", "attachments": [{"json", "digest", "size"}], "mime", "size"}``.

    ``names``: the message's properties to be asked for.
    """
    reader = _Reader(graph, ledger, names)
    return {message: await reader.mail(user, message) for user, message in mails}


class _Reader:
    def __init__(self, graph: GraphServiceClient, ledger: Ledger, names: list[str]) -> None:
        self._graph, self._ledger = graph, ledger
        self._query = MessageItemRequestBuilder.MessageItemRequestBuilderGetQueryParameters(select=names)
        self._folders: dict[str, Any] = {}

    async def mail(self, user: str, message: str) -> dict[str, Any]:
        mail = self._graph.users.by_user_id(user).messages.by_message_id(message)
        shown = self._ledger.look(await mail.get(prefer(query=self._query)))
        listed = self._ledger.look(await mail.attachments.get(prefer()))
        attachments = [await self._attachment(user, message, one) for one in listed.value]
        mime = await mail.content.get(prefer()) or b""
        return {
            "json": plain(shown),
            "path": await self._path(user, shown.parent_folder_id),
            "attachments": attachments,
            "mime": hashlib.sha256(mime).hexdigest(),
            "size": len(mime),
        }

    async def _attachment(self, user: str, message: str, one: Any) -> dict[str, Any]:
        if isinstance(one, ReferenceAttachment):
            return {"json": plain(one), "digest": "", "size": 0}
        if isinstance(one, ItemAttachment):
            query = AttachmentItemRequestBuilder.AttachmentItemRequestBuilderGetQueryParameters(expand=[_ITEM])
            at = self._graph.users.by_user_id(user).messages.by_message_id(message).attachments
            whole = self._ledger.look(await at.by_attachment_id(one.id).get(prefer(query=query)))
            return {"json": plain(whole), "digest": "", "size": 0}
        one = self._ledger.look(
            await self._graph.users.by_user_id(user)
            .messages.by_message_id(message)
            .attachments.by_attachment_id(one.id)
            .get(prefer())
        )
        data = one.content_bytes or b""
        about = {name: value for name, value in plain(one).items() if name != "contentBytes"}
        return {"json": about, "digest": hashlib.sha256(data).hexdigest(), "size": len(data)}

    async def _path(self, user: str, folder: str) -> list[str]:
        """Names from the root down, each folder asked for once."""
        root = await self._folder(user, "msgfolderroot")
        names: list[str] = []
        while folder and folder != root.id:
            found = await self._folder(user, folder)
            names.append(found.display_name)
            folder = found.parent_folder_id
        return names[::-1]

    async def _folder(self, user: str, key: str) -> Any:
        name = f"{user}/{key}"
        if name not in self._folders:
            at = self._graph.users.by_user_id(user).mail_folders.by_mail_folder_id(key)
            self._folders[name] = self._ledger.look(await at.get(prefer()))
        return self._folders[name]
