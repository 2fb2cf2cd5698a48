"""Making mails by JSON with extended properties and attachments of every size, as msgraph-sdk does it."""

from __future__ import annotations

import io
import random
from datetime import UTC, datetime
from typing import Any

from kiota_abstractions.method import Method
from kiota_abstractions.request_information import RequestInformation
from msgraph import GraphServiceClient
from msgraph.generated.models.attachment_item import AttachmentItem
from msgraph.generated.models.attachment_type import AttachmentType
from msgraph.generated.models.body_type import BodyType
from msgraph.generated.models.email_address import EmailAddress
from msgraph.generated.models.file_attachment import FileAttachment
from msgraph.generated.models.followup_flag import FollowupFlag
from msgraph.generated.models.followup_flag_status import FollowupFlagStatus
from msgraph.generated.models.importance import Importance
from msgraph.generated.models.item_attachment import ItemAttachment
from msgraph.generated.models.item_body import ItemBody
from msgraph.generated.models.message import Message
from msgraph.generated.models.recipient import Recipient
from msgraph.generated.models.single_value_legacy_extended_property import SingleValueLegacyExtendedProperty
from msgraph.generated.users.item.messages.item.attachments.create_upload_session.create_upload_session_post_request_body import (  # noqa: E501 - the SDK's own name
    CreateUploadSessionPostRequestBody,
)
from msgraph.generated.users.item.messages.item.attachments.item.attachment_item_request_builder import (
    AttachmentItemRequestBuilder,
)
from msgraph.generated.users.item.messages.item.message_item_request_builder import MessageItemRequestBuilder
from msgraph_core.tasks.large_file_upload import LargeFileUploadTask

from tests.oracle.sdk.hands import Hands
from tests.oracle.sdk.ledger import Ledger
from tests.oracle.sdk.mailbox import prefer

_FLAGS, _RECEIVED, _SENT = "Integer 0x0E07", "SystemTime 0x0E06", "SystemTime 0x0039"
_MESSAGE_ID = "String 0x1035"
# Below the 4 MB that a range may hold.
_RANGE = 3_900_000
_LARGE = 9_000_000


class Writing:
    """Checks of writes into one mailbox."""

    def __init__(self, graph: GraphServiceClient, hands: Hands, ledger: Ledger, user: str) -> None:
        self._graph, self._hands, self._ledger, self._user = graph, hands, ledger, user
        self._box = graph.users.by_user_id(user)

    async def run(self) -> None:
        """Run all checks."""
        await self._ledger.run("message create", self.create)
        await self._ledger.run("attachments", self.attach)
        await self._ledger.run("upload session", self.upload)
        told = self._hands.act("mail_notifications", user=self._user)
        self._ledger.check("message create: nobody was notified", told, 0)

    async def _new(self, **more: Any) -> Message:
        message = Message(
            subject="Wiederhergestellt: größer",
            body=ItemBody(content_type=BodyType.Text, content="Guten Tag\r\n"),
            from_=_who("Jörg", "joerg@kunde.example"),
            sender=_who("Jörg", "joerg@kunde.example"),
            to_recipients=[_who("Ute", "ute.groesser@nordwind-logistik.example")],
            **more,
        )
        made = await self._box.mail_folders.by_mail_folder_id("inbox").messages.post(message, prefer())
        found: Message = self._ledger.look(made)
        return found

    async def create(self) -> None:
        """Make a mail with everything that can be set, and read it again."""
        made = await self._new(
            is_read=True,
            importance=Importance.High,
            categories=["Blaue Kategorie", "Wichtig"],
            flag=FollowupFlag(flag_status=FollowupFlagStatus.Flagged),
            single_value_extended_properties=[
                SingleValueLegacyExtendedProperty(id=_FLAGS, value="1"),
                SingleValueLegacyExtendedProperty(id=_RECEIVED, value="2019-12-31T23:59:59Z"),
                SingleValueLegacyExtendedProperty(id=_SENT, value="2019-12-31T23:59:58Z"),
                SingleValueLegacyExtendedProperty(id=_MESSAGE_ID, value="<alt@kunde.example>"),
            ],
        )
        expand = f"singleValueExtendedProperties($filter=id eq '{_FLAGS}' or id eq '{_RECEIVED}')"
        query = MessageItemRequestBuilder.MessageItemRequestBuilderGetQueryParameters(expand=[expand])
        mail = self._ledger.look(await self._box.messages.by_message_id(made.id).get(prefer(query=query)))
        seen = {
            "draft": mail.is_draft,
            "read": mail.is_read,
            "received": mail.received_date_time,
            "sent": mail.sent_date_time,
            "id": mail.internet_message_id,
            "importance": mail.importance,
            "categories": sorted(mail.categories),
            "flag": mail.flag.flag_status,
            "from": mail.from_.email_address.address,
            "to": [one.email_address.name for one in mail.to_recipients],
            "body": mail.body.content,
        }
        wanted = {
            "draft": False,
            "read": True,
            "received": datetime(2019, 12, 31, 23, 59, 59, tzinfo=UTC),
            "sent": datetime(2019, 12, 31, 23, 59, 58, tzinfo=UTC),
            "id": "<alt@kunde.example>",
            "importance": Importance.High,
            "categories": ["Blaue Kategorie", "Wichtig"],
            "flag": FollowupFlagStatus.Flagged,
            "from": "joerg@kunde.example",
            "to": ["Ute"],
            "body": "Guten Tag\r\n",
        }
        for name, value in wanted.items():
            self._ledger.check(f"message create: {name}", seen[name], value)
        kept = {one.id.lower().replace("0x0", "0x"): one.value for one in mail.single_value_extended_properties}
        self._ledger.check("message create: extended properties come back", len(kept), 2)
        draft = await self._new()
        self._ledger.check("message create: a draft without the flag", draft.is_draft, wanted=True)

    async def attach(self) -> None:
        """Attach a small file and a mail within the mail."""
        data = bytes(range(256)) * 99
        made = await self._new()
        attachments = self._box.messages.by_message_id(made.id).attachments
        file = FileAttachment(
            odata_type="#microsoft.graph.fileAttachment",
            name="Übersicht.pdf",
            content_type="application/pdf",
            is_inline=True,
            content_id="bild1",
            content_bytes=data,
        )
        small = self._ledger.look(await attachments.post(file, prefer()))
        again = self._ledger.look(await attachments.by_attachment_id(small.id).get(prefer()))
        told = (again.name, again.content_type, again.is_inline, again.content_id, again.content_bytes)
        self._ledger.check("attachment: as written", told, ("Übersicht.pdf", "application/pdf", True, "bild1", data))
        self._ledger.check("attachment $value: byte for byte", await self._value(made.id, small.id), data)
        inner = Message(
            odata_type="#microsoft.graph.message",
            subject="Innen",
            body=ItemBody(content_type=BodyType.Text, content="drin\r\n"),
        )
        item = ItemAttachment(odata_type="#microsoft.graph.itemAttachment", name="Innen", item=inner)
        posted = self._ledger.look(await attachments.post(item, prefer()))
        query = AttachmentItemRequestBuilder.AttachmentItemRequestBuilderGetQueryParameters(
            expand=["microsoft.graph.itemAttachment/item"]
        )
        shown = self._ledger.look(await attachments.by_attachment_id(posted.id).get(prefer(query=query)))
        self._ledger.check(
            "attachment: a mail within the mail", (type(shown.item).__name__, shown.item.subject), ("Message", "Innen")
        )
        listed = self._ledger.look(await attachments.get(prefer()))
        self._ledger.check("attachments: listed", [one.name for one in listed.value], ["Übersicht.pdf", "Innen"])
        await attachments.by_attachment_id(posted.id).delete(prefer())
        listed = self._ledger.look(await attachments.get(prefer()))
        self._ledger.check("attachments: one removed", [one.name for one in listed.value], ["Übersicht.pdf"])

    async def upload(self) -> None:
        """Send a large attachment through the SDK's own upload task."""
        data = random.Random(7).randbytes(_LARGE)
        made = await self._new()
        attachments = self._box.messages.by_message_id(made.id).attachments
        wish = AttachmentItem(
            attachment_type=AttachmentType.File, name="groß.bin", size=_LARGE, content_type="application/octet-stream"
        )
        body = CreateUploadSessionPostRequestBody(attachment_item=wish)
        session = self._ledger.look(await attachments.create_upload_session.post(body, prefer()))
        # upload() of msgraph-core 1.5.2 cannot end here: it reads the "{start}" that Outlook answers as "{start}-{end}"
        # and sends a range after the last one. Its next_chunk() is the same request for one range.
        task = LargeFileUploadTask(session, self._graph.request_adapter, io.BytesIO(data), max_chunk_size=_RANGE)
        expected = []
        for first in range(0, _LARGE, _RANGE):
            task.next_range = f"{first}-{min(first + _RANGE, _LARGE) - 1}"
            told = self._ledger.look(await task.next_chunk(task.stream))
            expected.append(told.next_expected_ranges if told is not None else None)
        starts = [[str(first)] for first in range(_RANGE, _LARGE, _RANGE)]
        self._ledger.check("upload session: what is expected next", expected, [*starts, None])
        listed = self._ledger.look(await attachments.get(prefer()))
        self._ledger.check("upload session: the attachment is there", [one.name for one in listed.value], ["groß.bin"])
        for one in listed.value:
            told = await self._value(made.id, one.id)
            self._ledger.check("upload session: byte for byte", (len(told), told == data), (_LARGE, True))

    async def _value(self, message: str, attachment: str) -> bytes:
        # The SDK has no builder for an attachment's $value; its adapter sends any request.
        information = RequestInformation(
            Method.GET,
            "{+baseurl}/users/{user}/messages/{message}/attachments/{attachment}/$value",
            {
                "baseurl": self._graph.request_adapter.base_url,
                "user": self._user,
                "message": message,
                "attachment": attachment,
            },
        )
        information.configure(prefer())
        found: bytes = await self._graph.request_adapter.send_primitive_async(information, "bytes", {})
        return found


def _who(name: str, address: str) -> Recipient:
    return Recipient(email_address=EmailAddress(name=name, address=address))
