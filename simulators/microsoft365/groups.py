"""Groups and their members: ``/groups``, members, and delta with ``members@delta`` split over pages."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict, dataclass, replace
from typing import Any

from simulators.frame.platform import Simulation
from simulators.microsoft365 import facts
from simulators.microsoft365.cloud import Cloud
from simulators.microsoft365.directory import Directory
from simulators.microsoft365.graph import GraphCall, GraphError, Reply, pick
from simulators.microsoft365.users import PAGE, context, link, packed, shown, unpacked

TOKEN_SECONDS = 7 * 86400
# So many members come with one appearance of a group in a delta; the rest follows in later appearances.
MEMBERS = 20
SCHEMA = """
CREATE TABLE IF NOT EXISTS grp (
    tenant TEXT, id TEXT, entity TEXT, change INTEGER, gone INTEGER DEFAULT 0, PRIMARY KEY (tenant, id)
);
CREATE TABLE IF NOT EXISTS member (
    tenant TEXT, grp TEXT, user TEXT, change INTEGER, gone INTEGER DEFAULT 0, PRIMARY KEY (tenant, grp, user)
);
"""


@dataclass
class Walk:
    """A walk through the changes after ``since``; ``split``: so many members at once, if the switch says so."""

    since: int
    until: int
    select: list[str] | None
    place: int = 0
    split: int = 0


def install(cloud: Cloud) -> None:
    """Register routes, actions and the switch."""
    at = _Groups(cloud.simulation, cloud.directory)
    cloud.route("GET", "/groups", at.groups)
    cloud.route("GET", "/groups/{group}", at.group)
    cloud.route("GET", "/groups/{group}/members", at.members)
    cloud.route("GET", "/groups/delta", at.delta)
    cloud.action("group_add", "a new Microsoft 365 group with members (ids or addresses)", at.add)
    cloud.action("group_members", "let users join or leave a group", at.change_members)
    cloud.action("group_remove", "delete a group", at.remove)
    cloud.switch("group_members_page", "members that come with one appearance of a group in a delta", size=2)


class _Groups:
    def __init__(self, simulation: Simulation, directory: Directory) -> None:
        self._simulation = simulation
        self._directory = directory
        self._database = simulation.state.database("microsoft365")
        self._database.executescript(SCHEMA)

    def add(self, tenant: str, name: str, members: list[str] | None = None) -> dict[str, Any]:
        home = self._directory.tenant(tenant)
        group_id = self._simulation.chance.guid("group", home.id, name)
        entity = {
            "id": group_id,
            "displayName": name,
            "groupTypes": ["Unified"],
            "mailEnabled": True,
            "securityEnabled": False,
            "createdDateTime": self._simulation.clock.text(),
            "visibility": "Private",
        }
        number = self._directory.next_change(home.id)
        try:
            self._database.execute(
                "INSERT INTO grp (tenant, id, entity, change) VALUES (?, ?, ?, ?)",
                (home.id, group_id, json.dumps(entity, ensure_ascii=False), number),
            )
        except sqlite3.IntegrityError as error:
            raise ValueError(f"there is a group {name} already") from error
        self.change_members(tenant, group_id, join=members or [])
        return {"id": group_id}

    def change_members(
        self, tenant: str, group: str, join: list[str] | None = None, leave: list[str] | None = None
    ) -> None:
        home = self._directory.tenant(tenant)
        self._row(home.id, group, LookupError(f"no group {group}"))
        for keys, gone in ((join or [], 0), (leave or [], 1)):
            for key in keys:
                user = self._directory.find(home.id, key)
                if user is None:
                    raise LookupError(f"no user {key} in {tenant}")
                number = self._directory.next_change(home.id)
                self._database.execute(
                    "INSERT OR REPLACE INTO member VALUES (?, ?, ?, ?, ?)", (home.id, group, user.id, number, gone)
                )

    def remove(self, tenant: str, group: str) -> None:
        home = self._directory.tenant(tenant)
        self._row(home.id, group, LookupError(f"no group {group}"))
        self._database.execute(
            "UPDATE grp SET gone = 1, change = ? WHERE tenant = ? AND id = ?",
            (self._directory.next_change(home.id), home.id, group),
        )

    def groups(self, call: GraphCall) -> Reply:
        _refuse(call, {"$select", "$skiptoken", "$top"})
        after = str(unpacked(call.query["$skiptoken"]).get("a", "")) if "$skiptoken" in call.query else ""
        top = call.query.get("$top", str(PAGE))
        size = int(top) if top.isdecimal() else PAGE
        rows = self._database.execute(
            "SELECT entity FROM grp WHERE tenant = ? AND gone = 0 AND id > ? ORDER BY id LIMIT ?",
            (call.tenant, after, size + 1),
        ).fetchall()
        entities = [json.loads(row["entity"]) for row in rows]
        body: dict[str, Any] = {"@odata.context": context(call, "groups")}
        body["value"] = [self._chosen(entity, call.selected()) for entity in entities[:size]]
        if len(entities) > size:
            kept = call.query | {"$skiptoken": packed({"a": entities[size - 1]["id"]})}
            body["@odata.nextLink"] = link(call, "/groups", kept)
        return Reply(body)

    def group(self, call: GraphCall) -> Reply:
        row = self._row(call.tenant, call.parts["group"], _missing(call.parts["group"]))
        return Reply(
            {"@odata.context": context(call, "groups") + "/$entity"}
            | self._chosen(json.loads(row["entity"]), call.selected())
        )

    def members(self, call: GraphCall) -> Reply:
        group = self._row(call.tenant, call.parts["group"], _missing(call.parts["group"]))["id"]
        rows = self._database.execute(
            "SELECT user FROM member WHERE tenant = ? AND grp = ? AND gone = 0 ORDER BY user", (call.tenant, group)
        )
        users = [self._directory.find(call.tenant, row["user"]) for row in rows.fetchall()]
        kind = {"@odata.type": "#microsoft.graph.user"}
        value = [kind | shown(user, call.selected()) for user in users if user is not None]
        return Reply({"@odata.context": context(call, "directoryObjects"), "value": value})

    def delta(self, call: GraphCall) -> Reply:
        query = {name.lower(): value for name, value in call.query.items()}
        token = query.get("$skiptoken") or query.get("$deltatoken")
        body: dict[str, Any] = {"@odata.context": f"{call.base}/$metadata#groups/$delta", "value": []}
        if token and token.lower() != "latest":
            walk = self._continue(call, token)
        else:
            _refuse(call, {"$select", "$deltatoken", "$deltaToken"})
            until = self._directory.change(call.tenant)
            walk = Walk(until if token else -1, until, call.selected())
        if walk.place == 0:
            fault = self._simulation.faults.strike("group_members_page", call.log)
            walk.split = int(fault.parameters["size"]) if fault else 0
        entries = self._entries(call, walk)
        end = walk.place + (1 if walk.split else PAGE)
        body["value"] = entries[walk.place : end]
        if len(entries) > end:
            body["@odata.nextLink"] = self._link(call, "$skiptoken", replace(walk, place=end))
        else:
            body["@odata.deltaLink"] = self._link(call, "$deltatoken", Walk(walk.until, walk.until, walk.select))
        return Reply(body)

    def _entries(self, call: GraphCall, walk: Walk) -> list[dict[str, Any]]:
        """Return appearances of groups; one with many members appears again and again, not next to each other."""
        size = walk.split or MEMBERS
        first: list[dict[str, Any]] = []
        later: list[dict[str, Any]] = []
        wants_members = walk.select is None or "members" in [name.lower() for name in walk.select]
        groups = self._database.execute("SELECT * FROM grp WHERE tenant = ? ORDER BY id", (call.tenant,)).fetchall()
        for row in groups:
            if row["gone"]:
                if walk.since >= 0 and row["change"] > walk.since:
                    first.append({"id": row["id"], "@removed": {"reason": "deleted"}})
                continue
            members = self._members_since(call.tenant, row["id"], walk.since) if wants_members else []
            if row["change"] <= walk.since and not members:
                continue
            entity = self._chosen(json.loads(row["entity"]), walk.select)
            parts = [members[start : start + size] for start in range(0, len(members), size)]
            first.append(entity | ({"members@delta": parts[0]} if parts else {}))
            later += [{"id": row["id"], "members@delta": part} for part in parts[1:]]
        self._simulation.chance.fresh("groups", str(walk.until)).shuffle(later)
        return first + later

    def _members_since(self, tenant: str, group: str, since: int) -> list[dict[str, Any]]:
        rows = self._database.execute(
            "SELECT m.user, m.gone OR u.state != 'live' AS gone FROM member m"
            " JOIN user u ON u.tenant = m.tenant AND u.id = m.user WHERE m.tenant = ? AND m.grp = ?"
            " AND (m.change > ? OR u.born > ? OR (u.state != 'live' AND u.change > ?)) ORDER BY m.user",
            (tenant, group, since, since, since),
        )
        return [
            {"@odata.type": "#microsoft.graph.user", "id": row["user"]}
            | ({"@removed": {"reason": "deleted"}} if row["gone"] else {})
            for row in rows
            if since >= 0 or not row["gone"]
        ]

    def _continue(self, call: GraphCall, token: str) -> Walk:
        values = unpacked(token)
        if values.get("t") != call.tenant or values.get("k") != "groups":
            raise GraphError(400, "BadRequest", "Invalid skip token or delta token.")
        if self._simulation.clock.now() - values["at"] > TOKEN_SECONDS:
            where = link(call, "/groups/delta", {"$deltatoken": ""})
            raise GraphError(410, "resyncRequired", "The delta token has expired; start again.", {"Location": where})
        walk = Walk(**values["w"])
        if walk.place == 0:
            walk.until = self._directory.change(call.tenant)
        return walk

    def _link(self, call: GraphCall, name: str, walk: Walk) -> str:
        values = {"k": "groups", "t": call.tenant, "at": self._simulation.clock.now(), "w": asdict(walk)}
        return link(call, "/groups/delta", {name: packed(values)})

    def _row(self, tenant: str, group: str, missing: Exception) -> sqlite3.Row:
        row: sqlite3.Row | None = self._database.execute(
            "SELECT * FROM grp WHERE tenant = ? AND id = ? AND gone = 0", (tenant, group.lower())
        ).fetchone()
        if row is None:
            raise missing
        return row

    def _chosen(self, entity: dict[str, Any], names: list[str] | None) -> dict[str, Any]:
        known = {name.lower() for name in facts.properties("group") | facts.navigation("group")}
        for name in names or []:
            if name.lower() not in known:
                raise GraphError(400, "BadRequest", f"Could not find a property named '{name}' on type 'group'.")
        return pick(entity, names)


def _refuse(call: GraphCall, allowed: set[str]) -> None:
    for name in call.query:
        if name not in allowed:
            raise GraphError(400, "Request_UnsupportedQuery", f"{name} is not supported here.")


def _missing(group: str) -> GraphError:
    note = f"Resource '{group}' does not exist or one of its queried reference-property objects are not present."
    return GraphError(404, "Request_ResourceNotFound", note)
