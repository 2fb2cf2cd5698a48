"""Users, licences and the tenant, as msgraph-sdk asks for them."""

from __future__ import annotations

from typing import Any

from kiota_abstractions.base_request_configuration import RequestConfiguration
from msgraph import GraphServiceClient
from msgraph.generated.users.delta.delta_request_builder import DeltaRequestBuilder
from msgraph.generated.users.users_request_builder import UsersRequestBuilder
from msgraph_core.tasks.page_iterator import PageIterator

from tests.oracle.sdk.hands import Hands
from tests.oracle.sdk.ledger import Ledger


class Directory:
    """Checks of the directory. ``tenant`` is the tenant's id."""

    def __init__(self, graph: GraphServiceClient, hands: Hands, ledger: Ledger, tenant: str) -> None:
        self._graph, self._hands, self._ledger, self._tenant = graph, hands, ledger, tenant

    async def run(self) -> None:
        """Run all checks."""
        await self._ledger.run("users", self.users)
        await self._ledger.run("users delta", self.delta)
        await self._ledger.run("tenant", self.tenant)
        await self._ledger.run("mailbox settings", self.settings)

    def _live(self) -> set[str]:
        listed = self._hands.act("users", tenant=self._tenant)
        return {one["id"] for one in listed if one.get("state", "live") == "live"}

    async def users(self) -> None:
        """List in pages: by following the links, and by the SDK's own page iterator."""
        select = ["id", "displayName", "userPrincipalName", "mail", "accountEnabled", "userType", "assignedPlans"]
        query = UsersRequestBuilder.UsersRequestBuilderGetQueryParameters(top=5, select=select)
        wish: RequestConfiguration[Any] = RequestConfiguration(query_parameters=query)
        first = self._ledger.look(await self._graph.users.get(wish))
        pages, page, seen = 1, first, {user.id for user in first.value}
        while page.odata_next_link:
            page = self._ledger.look(await self._graph.users.with_url(page.odata_next_link).get())
            seen |= {user.id for user in page.value}
            pages += 1
        live = self._live()
        self._ledger.check("users: all of them, over all pages", seen, live)
        self._ledger.check("users: five to a page", pages, -(-len(live) // 5))
        again: set[str] = set()
        iterator = PageIterator(first, self._graph.request_adapter)

        def one(user: Any) -> bool:
            again.add(self._ledger.look(user).id)
            return True

        await iterator.iterate(one)
        self._ledger.check("users: all of them by the page iterator", again, live)
        single = self._ledger.look(await self._graph.users.by_user_id(next(iter(sorted(live)))).get())
        self._ledger.check("users: one by its id", single.id, min(live))

    async def delta(self) -> None:
        """Take a first round and one after a hire, a change and a leaver."""
        query = DeltaRequestBuilder.DeltaRequestBuilderGetQueryParameters(select=["id", "displayName", "mail"])
        page = await self._graph.users.delta.get(RequestConfiguration(query_parameters=query))
        first, link = await self._round(page)
        self._ledger.check("users delta: first round is everybody", set(first), self._live())
        new = self._hands.act("user_add", tenant=self._tenant, local="neu.hier", name="Neu Hier")["id"]
        self._hands.act("user_update", tenant=self._tenant, user=new, properties={"displayName": "Umbenannt"})
        page = await self._graph.users.delta.with_url(link).get()
        second, link = await self._round(page)
        self._ledger.check("users delta: a hire", {k: v.display_name for k, v in second.items()}, {new: "Umbenannt"})
        self._hands.act("user_remove", tenant=self._tenant, user=new)
        third, _ = await self._round(await self._graph.users.delta.with_url(link).get())
        self._ledger.check("users delta: a leaver", set(third), {new})
        removed = third[new].additional_data.get("@removed") if new in third else None
        self._ledger.check("users delta: why", removed, {"reason": "changed"})

    async def _round(self, page: Any) -> tuple[dict[str, Any], str]:
        found: dict[str, Any] = {}
        while True:
            self._ledger.look(page)
            found |= {user.id: user for user in page.value}
            if page.odata_delta_link:
                return found, page.odata_delta_link
            page = await self._graph.users.delta.with_url(page.odata_next_link).get()

    async def tenant(self) -> None:
        """Ask for the organization and its licences."""
        found = self._ledger.look(await self._graph.organization.get())
        self._ledger.check("organization: the tenant", [one.id for one in found.value], [self._tenant])
        skus = self._ledger.look(await self._graph.subscribed_skus.get())
        plans = {plan.service_plan_name for sku in skus.value for plan in sku.service_plans}
        self._ledger.check("subscribed SKUs: Exchange is among the plans", any("EXCHANGE" in one for one in plans))

    async def settings(self) -> None:
        """Tell a person's mailbox from a shared one."""
        purposes = {}
        for user in self._hands.act("users", tenant=self._tenant):
            if user["address"].split("@")[0] in {"ute.groesser", "auftrag"}:
                found = await self._graph.users.by_user_id(user["id"]).mailbox_settings.get()
                purposes[user["address"].split("@")[0]] = self._ledger.look(found).user_purpose.value
        self._ledger.check("mailbox settings: purpose", purposes, {"ute.groesser": "user", "auftrag": "shared"})
