"""Folders, delta, content and batch of one mailbox, as msgraph-sdk asks for them."""

from __future__ import annotations

import json
from typing import Any

from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_abstractions.headers_collection import HeadersCollection
from kiota_abstractions.method import Method
from kiota_abstractions.request_information import RequestInformation
from kiota_serialization_json.json_parse_node_factory import JsonParseNodeFactory
from msgraph import GraphServiceClient
from msgraph.generated.models.mail_folder import MailFolder
from msgraph.generated.models.message import Message
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.user import User
from msgraph.generated.users.item.mail_folders.item.messages.delta.delta_request_builder import DeltaRequestBuilder
from msgraph.generated.users.item.mail_folders.mail_folders_request_builder import MailFoldersRequestBuilder
from msgraph.generated.users.item.messages.item.move.move_post_request_body import MovePostRequestBody
from msgraph_core.requests.batch_request_content import BatchRequestContent
from msgraph_core.requests.batch_request_item import BatchRequestItem

from tests.oracle.sdk.hands import Hands, letter
from tests.oracle.sdk.ledger import Ledger

IMMUTABLE = 'IdType="ImmutableId"'
_MAILS = 7


def prefer(*words: str, query: Any = None) -> RequestConfiguration[Any]:
    """Configure a call: immutable ids, and what else is preferred."""
    headers = HeadersCollection()
    headers.add("Prefer", ", ".join((IMMUTABLE, *words)))
    return RequestConfiguration(headers=headers, query_parameters=query)


class Mailbox:
    """Checks of one fresh mailbox. ``user`` is the user's id."""

    def __init__(self, graph: GraphServiceClient, hands: Hands, ledger: Ledger, user: str) -> None:
        self._graph, self._hands, self._ledger, self._user = graph, hands, ledger, user
        self._box = graph.users.by_user_id(user)

    async def run(self) -> None:
        """Run all checks."""
        await self._ledger.run("mail folders", self.folders)
        await self._ledger.run("message delta", self.delta)
        await self._ledger.run("message content", self.content)
        await self._ledger.run("message life", self.life)
        await self._ledger.run("batch", self.batch)
        await self._ledger.run("refusals", self.refusals)

    async def folders(self) -> None:
        """Make folders, read the tree by list and by delta."""
        root = self._ledger.look(await self._box.mail_folders.by_mail_folder_id("msgfolderroot").get())
        made = await self._box.mail_folders.post(MailFolder(display_name="Größer & schöner"))
        self._ledger.check("folders: created below the root", self._ledger.look(made).parent_folder_id, root.id)
        below = self._box.mail_folders.by_mail_folder_id(made.id).child_folders
        child = self._ledger.look(await below.post(MailFolder(display_name="Verborgen", is_hidden=True)))
        shown = self._ledger.look(await below.get())
        self._ledger.check("folders: a hidden one is not listed", [one.id for one in shown.value], [])
        query = MailFoldersRequestBuilder.MailFoldersRequestBuilderGetQueryParameters(
            include_hidden_folders="true", top=100
        )
        listed = self._ledger.look(await self._box.mail_folders.get(prefer(query=query)))
        self._ledger.check("folders: the new one is listed", made.id in {one.id for one in listed.value})
        self._ledger.check(
            "folders: kept as written",
            [(one.display_name, one.is_hidden) for one in (made, child)],
            [("Größer & schöner", False), ("Verborgen", True)],
        )
        page, found = self._ledger.look(await self._box.mail_folders.delta.get()), {}
        while True:
            found |= {one.id: one for one in page.value}
            if page.odata_delta_link:
                break
            page = self._ledger.look(await self._box.mail_folders.delta.with_url(page.odata_next_link).get())
        self._ledger.check("folders delta: the tree is flat", {made.id} <= set(found))
        try:
            await self._box.mail_folders.post(MailFolder(display_name="Größer & schöner"))
            self._ledger.check("folders: a second one of the name", "made", "ErrorFolderExists")
        except ODataError as error:
            told = (self._ledger.look(error).response_status_code, error.error.code)
            self._ledger.check("folders: a second one of the name", told, (409, "ErrorFolderExists"))

    async def delta(self) -> None:
        """Take a round of a folder, change things, take the next."""
        mails = [self._hands.deliver(self._user, letter(number)) for number in range(_MAILS)]
        inbox = self._box.mail_folders.by_mail_folder_id("inbox").messages.delta
        query = DeltaRequestBuilder.DeltaRequestBuilderGetQueryParameters(select=["id", "subject", "changeKey"])
        first, link, pages = await self._round(await inbox.get(prefer("odata.maxpagesize=3", query=query)))
        self._ledger.check("message delta: first round is the folder", set(first), set(mails))
        self._ledger.check("message delta: in pages of three", pages >= -(-_MAILS // 3))
        subjects = {first[mail].subject for mail in mails if mail in first}
        self._ledger.check("message delta: subjects", subjects, {f"Vorgang {n}: größer" for n in range(_MAILS)})
        self._hands.act("mail_edit", user=self._user, id=mails[0], properties={"isRead": True})
        self._hands.act("mail_move", user=self._user, id=mails[1], folder="archive")
        self._hands.act("mail_purge", user=self._user, ids=[mails[2]])
        new = self._hands.deliver(self._user, letter(30))
        second, _, _ = await self._round(await inbox.with_url(link).get(prefer("odata.maxpagesize=3")))
        gone = {key for key, one in second.items() if "@removed" in one.additional_data}
        self._ledger.check("message delta: changed and new", set(second) - gone, {mails[0], new})
        self._ledger.check("message delta: moved out and purged", gone, {mails[1], mails[2]})
        changed = second[mails[0]].change_key != first[mails[0]].change_key
        self._ledger.check("message delta: another changeKey for a change", changed)

    async def _round(self, page: Any) -> tuple[dict[str, Any], str, int]:
        found: dict[str, Any] = {}
        delta = self._box.mail_folders.by_mail_folder_id("inbox").messages.delta
        for number in range(1, 100):
            self._ledger.look(page)
            for one in page.value:
                found.pop(one.id, None)
                found[one.id] = one
            if page.odata_delta_link:
                return found, page.odata_delta_link, number
            page = await delta.with_url(page.odata_next_link).get(prefer("odata.maxpagesize=3"))
        raise AssertionError("the delta never ends")

    async def content(self) -> None:
        """Read a mail's MIME and attachments as they were delivered."""
        data = bytes(range(256)) * 40
        raw = letter(40, ("Angebot Ä.pdf", data))
        mail = self._box.messages.by_message_id(self._hands.deliver(self._user, raw))
        self._ledger.check("message $value: byte for byte", await mail.content.get(prefer()), raw)
        shown = self._ledger.look(await mail.get(prefer()))
        self._ledger.check("message: subject of the MIME", shown.subject, "Vorgang 40: größer")
        self._ledger.check("message: id of the MIME", shown.internet_message_id, "<vorgang-40@kunde.example>")
        listed = self._ledger.look(await mail.attachments.get(prefer()))
        files = [(one.name, one.content_bytes) for one in listed.value]
        self._ledger.check("attachments: of a delivered mail", files, [("Angebot Ä.pdf", data)])

    async def life(self) -> None:
        """Change, move and remove a mail."""
        key = self._hands.deliver(self._user, letter(41))
        mail = self._box.messages.by_message_id(key)
        changed = await mail.patch(Message(is_read=True, categories=["Wichtig"]), prefer())
        told = (self._ledger.look(changed).is_read, changed.categories)
        self._ledger.check("message: patched", told, (True, ["Wichtig"]))
        moved = await mail.move.post(MovePostRequestBody(destination_id="archive"), prefer())
        self._ledger.check("message: an immutable id outlives a move", self._ledger.look(moved).id, key)
        await mail.permanent_delete.post(prefer())
        try:
            await mail.get(prefer())
            self._ledger.check("message: purged", "there", "gone")
        except ODataError as error:
            self._ledger.look(error)
            told = (error.response_status_code, error.error.code)
            self._ledger.check("message: purged", told, (404, "ErrorItemNotFound"))

    async def batch(self) -> None:
        """Read twenty things in one request, one of which is not there."""
        users = sorted(
            one["id"] for one in self._hands.act("users", tenant=self._tenant_of()) if one["state"] == "live"
        )
        wanted = [*users, *users][:19]
        content = BatchRequestContent()
        for number, path in enumerate([*(f"/users/{one}?$select=id" for one in wanted), "/users/nobody"]):
            information = RequestInformation(Method.GET)
            information.url = path
            content.add_request(str(number), BatchRequestItem(information, id=str(number)))
        answer = await self._graph.batch.post(content)
        codes = answer.get_response_status_codes()
        self._ledger.check("batch: a status for each", codes, {str(n): 200 if n < 19 else 404 for n in range(20)})
        # BatchResponseItem of msgraph-core 1.5.2 takes a body in base64 alone and drops JSON: the same request once
        # more, its bodies read by the SDK's models.
        information = await self._graph.batch.to_post_request_information(content)
        raw = await self._graph.request_adapter.send_primitive_async(information, "bytes", {})
        bodies = {part["id"]: json.dumps(part["body"]).encode() for part in json.loads(raw)["responses"]}
        factory = JsonParseNodeFactory()
        read = {
            number: factory.get_root_parse_node("application/json", body).get_object_value(
                User if number != "19" else ODataError
            )
            for number, body in bodies.items()
        }
        shown = [self._ledger.look(read[str(n)]).id for n in range(19)]
        self._ledger.check("batch: each answer belongs to its request", shown, wanted)
        missing = self._ledger.look(read["19"]).error.code
        self._ledger.check("batch: a refusal inside", missing, "Request_ResourceNotFound")

    def _tenant_of(self) -> str:
        return str(self._hands.act("tenants")[0]["id"])

    async def refusals(self) -> None:
        """Read refusals as the SDK's own error type, and wait as Retry-After asks."""
        try:
            await self._graph.users.by_user_id("nobody@nowhere.example").get()
            self._ledger.check("refusal: an unknown user", "there", 404)
        except ODataError as error:
            self._ledger.look(error)
            inner = error.error.inner_error
            told = bool(inner.request_id and inner.client_request_id and inner.date)
            self._ledger.check("refusal: an unknown user", error.response_status_code, 404)
            self._ledger.check("refusal: names request, client request and date", told)
        self._hands.fault("throttle_429", {"template": "/organization"}, retry_after="1")
        found = await self._graph.organization.get()
        self._ledger.check("refusal: the SDK waits for Retry-After and goes on", len(self._ledger.look(found).value), 1)
