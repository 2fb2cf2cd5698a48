"""``/users/delta``: what changed since a token that lives for seven days."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from simulators.frame.platform import Simulation
from simulators.microsoft365.cloud import Cloud
from simulators.microsoft365.directory import Directory, User
from simulators.microsoft365.graph import GraphCall, GraphError, Reply
from simulators.microsoft365.users import PAGE, check_select, context, link, packed, shown, unpacked

TOKEN_SECONDS = 7 * 86400
REFUSED = ("$top", "$expand", "$orderby", "$search", "$count")
ID_LIMIT = 50
SELECTED = [
    "businessPhones",
    "displayName",
    "givenName",
    "jobTitle",
    "mail",
    "mobilePhone",
    "officeLocation",
    "preferredLanguage",
    "surname",
    "userPrincipalName",
    "id",
]


@dataclass
class Round:
    """One walk through the changes after number ``since``, as of the start ``until``; -1: everything that is live."""

    since: int
    until: int
    select: list[str] | None
    ids: list[str] | None
    after: str = ""
    page: int = 0

    def token(self, tenant: str, now: float) -> str:
        """As an opaque token that continues here."""
        return packed(
            {"t": tenant, "at": now, "r": [self.since, self.until, self.select, self.ids, self.after, self.page]}
        )


def install(cloud: Cloud) -> None:
    """Register the route and its switches."""
    at = _Delta(cloud.simulation, cloud.directory)
    cloud.route("GET", "/users/delta", at.delta)
    cloud.switch("delta_duplicates", "an entity is repeated on later pages of a delta round")
    cloud.switch("delta_empty_page", "a delta page is empty but has a nextLink")
    cloud.switch("delta_removed_first", "@removed of somebody unknown in the first round of a delta")
    cloud.switch("delta_replay", "a delta round brings again what the round before brought")
    cloud.switch("delta_token_expired", "410 with Location although the token is young")
    cloud.switch("delta_loop", "nextLink of a delta page leads to that page again")


class _Delta:
    def __init__(self, simulation: Simulation, directory: Directory) -> None:
        self._simulation = simulation
        self._directory = directory

    def delta(self, call: GraphCall) -> Reply:
        refused = [option for option in REFUSED if option in call.query]
        if refused:
            raise GraphError(400, "Request_UnsupportedQuery", f"{refused[0]} is not supported for delta queries.")
        check_select(call.selected())
        query = {name.lower(): value for name, value in call.query.items()}
        token = query.get("$skiptoken") or query.get("$deltatoken")
        if token and token.lower() != "latest":
            return self._page(call, self._continue(call, token))
        until = self._directory.change(call.tenant)
        fresh = Round(-1, until, call.selected(), _ids(call.query.get("$filter")))
        if token:
            return Reply(self._frame(call) | {"value": [], "@odata.deltaLink": self._delta_link(call, fresh)})
        return self._page(call, fresh)

    def _continue(self, call: GraphCall, token: str) -> Round:
        values = unpacked(token)
        try:
            tenant, at, (since, until, select, ids, after, page) = values["t"], values["at"], values["r"]
        except (KeyError, ValueError, TypeError) as error:
            raise GraphError(400, "BadRequest", "Invalid skip token or delta token.") from error
        if tenant != call.tenant:
            raise GraphError(400, "BadRequest", "Invalid skip token or delta token.")
        expired = self._simulation.clock.now() - at > TOKEN_SECONDS
        if expired or self._simulation.faults.strike("delta_token_expired", call.log):
            kept = {"$select": ",".join(select)} if select else {}
            where = link(call, "/users/delta", kept | {"$deltatoken": ""})
            raise GraphError(410, "resyncRequired", "The delta token has expired; start again.", {"Location": where})
        if page == 0 and since >= 0:
            replay = self._simulation.faults.strike("delta_replay", call.log)
            return Round(max(-1, since - 3) if replay else since, self._directory.change(call.tenant), select, ids)
        return Round(since, until, select, ids, after, page)

    def _page(self, call: GraphCall, this: Round) -> Reply:
        faults, chance = self._simulation.faults, self._simulation.chance
        # No order is promised: sort by a digest that is another one in each round.
        order = {user.id: chance.digest("delta", str(this.until), user.id).hex() for user in self._changed(call, this)}
        users = sorted(self._changed(call, this), key=lambda user: order[user.id])
        rest = [user for user in users if order[user.id] > this.after]
        size = PAGE
        if fault := faults.strike("directory_page_size", call.log):
            size = int(fault.parameters["size"])
        if faults.strike("delta_empty_page", call.log):
            size = 0
        minimal = (call.preference("return") or "").lower() == "minimal"
        value = [_entry(user, this, minimal=minimal) for user in rest[:size]]
        if this.page and faults.strike("delta_duplicates", call.log):
            again = [user for user in users if order[user.id] <= this.after][:1]
            value = [_entry(user, this, minimal=minimal) for user in again] + value
        if this.since < 0 and not this.page and faults.strike("delta_removed_first", call.log):
            stranger = chance.guid("stranger", call.tenant)
            value.append({"id": stranger, "@removed": {"reason": "deleted"}})
        body = self._frame(call, this.select) | {"value": value}
        if len(rest) > size:
            after = order[rest[size - 1].id] if size else this.after
            following = Round(this.since, this.until, this.select, this.ids, after, this.page + 1)
            if faults.strike("delta_loop", call.log):
                following = this
            body["@odata.nextLink"] = link(
                call, "/users/delta", {"$skiptoken": following.token(call.tenant, self._simulation.clock.now())}
            )
        else:
            body["@odata.deltaLink"] = self._delta_link(call, this)
        return Reply(body, headers={"Preference-Applied": "return=minimal"} if minimal else {})

    def _changed(self, call: GraphCall, this: Round) -> list[User]:
        if this.since < 0:
            users = list(self._directory.users(call.tenant))
        else:
            selected = this.select or SELECTED
            users = [
                user
                for user in self._directory.users(call.tenant, since=this.since, state=None)
                if _visible(user, this.since, selected)
            ]
        return [user for user in users if this.ids is None or user.id in this.ids]

    def _frame(self, call: GraphCall, select: list[str] | None = None) -> dict[str, Any]:
        names = f"({','.join(select)})" if select else ""
        where = f"{call.base}/$metadata#users{names}" if select else context(call, "users")
        return {"@odata.context": f"{where}/$delta"}

    def _delta_link(self, call: GraphCall, this: Round) -> str:
        following = Round(this.until, this.until, this.select, this.ids)
        return link(call, "/users/delta", {"$deltatoken": following.token(call.tenant, self._simulation.clock.now())})


def _visible(user: User, since: int, selected: list[str]) -> bool:
    """Whether a change of this user shows: it came, it went, or a selected property changed."""
    if not user.live or user.born > since:
        return True
    wanted = {name.lower() for name in selected}
    return any(number > since and name.lower() in wanted for name, number in user.changes.items())


def _entry(user: User, this: Round, *, minimal: bool) -> dict[str, Any]:
    if user.live:
        names = this.select or SELECTED
        if minimal and user.born <= this.since:
            changed = {name.lower() for name, number in user.changes.items() if number > this.since}
            names = [name for name in names if name.lower() in changed]
        # Properties that are not set are left out of a delta.
        return {name: value for name, value in shown(user, names).items() if value not in (None, [])} | {"id": user.id}
    return {"id": user.id, "@removed": {"reason": "changed" if user.state == "binned" else "deleted"}}


def _ids(text: str | None) -> list[str] | None:
    """Return the ids of ``$filter=id eq '..' or id eq '..'``, at most 50; nothing else is allowed."""
    if text is None:
        return None
    clauses = re.split(r"\s+or\s+", text.strip(), flags=re.IGNORECASE)
    found = [re.fullmatch(r"id\s+eq\s+'([^']*)'", clause, re.IGNORECASE) for clause in clauses]
    ids = [match[1].lower() for match in found if match]
    if len(ids) != len(clauses) or len(ids) > ID_LIMIT:
        raise GraphError(400, "Request_UnsupportedQuery", "Only 'id eq' (at most 50) is supported for delta queries.")
    return ids
