"""Delta queries over the messages of a folder and over the folder tree."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from simulators.microsoft365.graph import GraphError, Reply
from simulators.microsoft365.mail import odata
from simulators.microsoft365.mail.entrance import Exchange, Visit
from simulators.microsoft365.mail.rounds import BEFORE, FolderRounds, MessageRounds, Rounds
from simulators.microsoft365.mail.routes_folders import FOLDER, U
from simulators.microsoft365.mail.routes_messages import KINDS, body_type, shown
from simulators.microsoft365.mail.tokens import Token, open_token

FIRST_OPTIONS = ("$select", "$expand", "$top", "$filter", "$orderby", "$deltatoken")
CHANGES = {"created", "updated", "deleted"}
FILTER_LIMIT = 5000
GHOST = 1 << 40


def install(exchange: Exchange, secret: bytes) -> None:
    """Answer for deltas; ``secret`` seals their tokens."""
    delta = _Delta(secret)
    exchange.route("GET", f"{FOLDER}/messages/delta", delta.messages, content=False)
    exchange.route("GET", f"{U}/mailFolders/delta", delta.tree, content=False)


@dataclass
class _Delta:
    secret: bytes

    def messages(self, visit: Visit) -> Reply:
        folder = visit.folder()
        if folder["search"]:
            raise GraphError(400, "ErrorInvalidOperation", "A search folder cannot be synchronised.")
        identity = visit.exchange.ids.folder(visit.box.guid, folder["folder"])
        token = self._token(visit, folder["folder"], folder["name"])
        expands = odata.expand(_with(visit, token), "attachments", "singleValueExtendedProperties")
        names = odata.selected(_names(token), "message", *KINDS)
        body_type(visit)

        def show(row: sqlite3.Row) -> dict[str, Any]:
            return {"@odata.type": "#microsoft.graph.message"} | shown(visit, row, names, expands)

        def removed(number: int, moves: int) -> str:
            return visit.exchange.ids.message(visit.box.guid, number, moves, immutable=visit.immutable)

        rounds = MessageRounds(visit.exchange.store.database, show, removed)
        return self._page(visit, token, rounds, visit.context(f"mailFolders('{identity}')/messages"), folder["name"])

    def tree(self, visit: Visit) -> Reply:
        token = self._token(visit, 0, "")
        names = odata.selected(_names(token), "mailFolder", "mailSearchFolder")
        hidden = token.options.get("includeHiddenFolders", "").lower() == "true"
        rows = [row for row in visit.exchange.folders.tree(visit.box) if hidden or not row["hidden"]]
        rounds = FolderRounds(
            visit.exchange.store.database,
            visit.box.number,
            rows,
            lambda row: visit.folder_json(row, names),
            lambda number, _: visit.exchange.ids.folder(visit.box.guid, number),
        )
        return self._page(visit, token, rounds, visit.context("mailFolders"), "")

    def _token(self, visit: Visit, scope: int, name: str) -> Token:
        call, store = visit.call, visit.exchange.store
        given = [
            (key.lower(), value) for key, value in call.query.items() if key.lower() in {"$deltatoken", "$skiptoken"}
        ]
        if not given or given[0] == ("$deltatoken", ""):
            return self._first(visit, scope, name)
        if len(call.query) > 1:
            raise GraphError(400, "ErrorInvalidUrlQuery", "Query options come with the first delta call alone.")
        kind, text = given[0]
        token = open_token(text, self.secret)
        if token is None or token.box != visit.box.guid or token.scope != scope:
            raise GraphError(400, "SyncStateInvalid", "The sync state is invalid.")
        if token.since < store.floor(visit.box) and kind == "$deltatoken":
            raise self._expired(visit, "SyncStateNotFound", 410, location=True)
        which = "delta" if kind == "$deltatoken" else "next"
        if fault := visit.strike("mail_delta_expired", folder=name, token=which):
            parameters = fault.parameters
            raise self._expired(
                visit, str(parameters["code"]), int(parameters["status"]), location=bool(parameters["location"])
            )
        if kind == "$deltatoken":
            token = self._later(visit, token, name)
        return token

    def _expired(self, visit: Visit, code: str, status: int, *, location: bool) -> GraphError:
        headers = {"Location": f"{visit.call.base}{_path(visit)}?$deltatoken="} if location else {}
        return GraphError(
            status, code, "The sync state generation is not found; a full synchronisation is needed.", headers
        )

    def _first(self, visit: Visit, scope: int, name: str) -> Token:
        call = visit.call
        allowed = FIRST_OPTIONS if scope else ("$select", "$top", "$deltatoken")
        odata.refuse(call, *allowed)
        options = {key: value for key, value in call.query.items() if key.lower() != "$deltatoken"}
        change_type = options.get("changeType")
        if change_type is not None and change_type not in CHANGES:
            raise GraphError(400, "ErrorInvalidUrlQuery", "changeType is created, updated or deleted.")
        condition = odata.where(options.get("$filter"))
        if condition.sql != "1" and not all(
            part.strip().startswith("received >") for part in condition.sql.split("AND")
        ):
            raise _unsupported("$filter")
        if " ".join(options.get("$orderby", "receivedDateTime desc").split()).lower() != "receiveddatetime desc":
            raise _unsupported("$orderby")
        size, _ = odata.page(call)
        token = Token(visit.box.guid, scope, 0, visit.exchange.store.change(visit.box), options=options, size=size)
        return self._shuffled(visit, token, name)

    def _later(self, visit: Visit, token: Token, name: str) -> Token:
        preferred = visit.call.preference("odata.maxpagesize")
        size = (
            min(int(preferred), odata.PAGE_LIMIT)
            if preferred and preferred.isdigit() and int(preferred)
            else token.size
        )
        since = token.since
        if fault := visit.strike("mail_delta_replay", folder=name):
            since = max(0, since - int(fault.parameters["changes"]))
        until = visit.exchange.store.change(visit.box)
        return self._shuffled(visit, replace(token, since=since, until=until, size=size), name)

    def _shuffled(self, visit: Visit, token: Token, name: str) -> Token:
        if visit.strike("mail_delta_shuffle", folder=name):
            return replace(token, salt=visit.exchange.cloud.simulation.chance.stream("delta").randrange(1, 1 << 32))
        return token

    def _page(self, visit: Visit, token: Token, rounds: Rounds, context: str, name: str) -> Reply:
        start = not token.cursor
        body: dict[str, Any] = {"@odata.context": context}
        if start and token.first and visit.strike("mail_delta_turns_empty", folder=name):
            return self._last(visit, body | {"value": []}, token)
        if start and not token.first and visit.strike("mail_delta_all_removed", folder=name):
            return self._last(visit, body | {"value": rounds.all_removed(token)}, token)
        if visit.strike("mail_delta_empty_page", folder=name):
            # The cursor says that the round has begun, so that the next call is none of its first.
            again = replace(token, cursor=token.cursor or [BEFORE])
            return Reply(body | {"value": [], "@odata.nextLink": self._link(visit, again, "$skiptoken")})
        size = token.size
        if "$filter" in token.options:
            size = min(size, FILTER_LIMIT - token.given)
        found = list(_first(_shuffled(rounds, token) if token.salt else rounds.entries(token), size + 1))
        entries = found[:size]
        value = [entry for _, entry in entries]
        if start and token.first and (fault := visit.strike("mail_delta_removed_first", folder=name)):
            value = [rounds.gone(GHOST + number, 0) for number in range(int(fault.parameters["items"]))] + value
        if value and visit.strike("mail_delta_duplicates", folder=name):
            # A repetition never takes back what a later entry said: the last one of an item counts.
            half = (len(value) + 1) // 2
            value = [entry for entry in value[:half] for _ in range(2)] + value[half:]
        body["value"] = value
        if visit.strike("mail_delta_loop", folder=name):
            return Reply(body | {"@odata.nextLink": self._link(visit, token, "$skiptoken")})
        given = token.given + len(entries)
        if len(found) > size and not ("$filter" in token.options and given >= FILTER_LIMIT):
            following = replace(token, cursor=entries[-1][0], given=given)
            return Reply(body | {"@odata.nextLink": self._link(visit, following, "$skiptoken")})
        return self._last(visit, body, token)

    def _last(self, visit: Visit, body: dict[str, Any], token: Token) -> Reply:
        following = replace(token, since=token.until, first=False, cursor=[], salt=0, given=0)
        return Reply(body | {"@odata.deltaLink": self._link(visit, following, "$deltatoken")})

    def _link(self, visit: Visit, token: Token, kind: str) -> str:
        return f"{visit.call.base}{_path(visit)}?{kind}={token.seal(self.secret)}"


def _path(visit: Visit) -> str:
    return visit.call.path.split("?")[0]


def _names(token: Token) -> list[str] | None:
    text = token.options.get("$select")
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def _with(visit: Visit, token: Token) -> Any:
    return replace(visit.call, query=token.options)


def _unsupported(option: str) -> GraphError:
    return GraphError(
        400, "ErrorInvalidUrlQuery", f"The {option} of a message delta is receivedDateTime ge or gt, newest first."
    )


def _first(
    entries: Iterator[tuple[list[Any], dict[str, Any]]], count: int
) -> Iterator[tuple[list[Any], dict[str, Any]]]:
    for _ in range(count):
        entry = next(entries, None)
        if entry is None:
            return
        yield entry


def _shuffled(rounds: Rounds, token: Token) -> Iterator[tuple[list[Any], dict[str, Any]]]:
    """Return the latest entry of each item in an order that the salt gives; other items' changes do not move it."""
    latest = {}
    for _, entry in rounds.entries(replace(token, cursor=[])):
        latest[entry["id"]] = entry
    salt = token.salt.to_bytes(8, "big")
    keys = {hashlib.blake2b(identity.encode(), key=salt, digest_size=8).hexdigest(): identity for identity in latest}
    last = str(token.cursor[0]) if token.cursor else ""
    for key in sorted(keys):
        if key > last:
            yield [key], latest[keys[key]]
