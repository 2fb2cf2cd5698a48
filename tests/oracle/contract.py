"""The vendor's CSDL as a judge of whole calls: does the path exist, is the status right, is the answer of its type.

Paths are resolved from the container down, through properties, ids, ``$value`` and bound functions and actions. What
is not Graph (login host, upload addresses, the form of errors and of batches) is judged by the lists below.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final
from xml.etree import ElementTree as ET

from tests.oracle.tape import BATCHED, Entry
from tests.simulators import csdl

GRAPH: Final = "graph.microsoft.com"
LOGIN: Final = "login.microsoftonline.com"
UPLOAD: Final = "outlook.office.com"
_STREAM, _NOTHING = "$value", ""
_EDM: Final = csdl.EDM
# Which entry of a list it was: the same problem in a hundred entries is one.
_PLACE: Final = re.compile(r"\[\d+\]")
# OData error response; innerError as the project's notes on the wire (section 1.4) have it.
_ERROR: Final = {"code", "message", "innerError", "details", "target"}
_INNER: Final = {"date", "request-id", "client-request-id"}
_BATCH_PART: Final = {"id", "status", "headers", "body"}
# RFC 6749 and OpenID Connect, with what Entra adds.
_LOGIN: Final = {
    "/{tenant}/oauth2/v2.0/token": {
        200: {"token_type", "expires_in", "ext_expires_in", "access_token", "id_token", "scope", "client_info"},
        0: {
            "error",
            "error_description",
            "error_codes",
            "timestamp",
            "trace_id",
            "correlation_id",
            "error_uri",
            "suberror",
            "claims",
        },
    },
    "/{tenant}/discovery/v2.0/keys": {200: {"keys"}},
}


@dataclass(frozen=True)
class Answer:
    """What a call must answer: its type ("" nothing, "$value" bytes) and the statuses of success."""

    kind: str
    statuses: frozenset[int]


class Contract:
    """Judges calls by the published CSDL (``csdl.available()``)."""

    def __init__(self) -> None:
        self._csdl = csdl.csdl()
        self._sets: dict[str, str] = {}
        # (name, bound type) -> (is it an action, returned type)
        self._operations: dict[tuple[str, str], tuple[bool, str]] = {}
        for schema in ET.parse(csdl.FILE).iter(f"{_EDM}Schema"):  # noqa: S314 - the vendor's own file
            if schema.get("Namespace") == "microsoft.graph":
                self._read(schema)

    def _read(self, schema: ET.Element) -> None:
        for one in schema.iter(f"{_EDM}EntitySet"):
            self._sets[one.get("Name", "")] = f"Collection({_bare(one.get('EntityType', ''))})"
        for tag in ("Function", "Action"):
            for one in schema.findall(f"{_EDM}{tag}"):
                bound = one.find(f"{_EDM}Parameter")
                returned = one.find(f"{_EDM}ReturnType")
                if one.get("IsBound") == "true" and bound is not None:
                    kind = "" if returned is None else _bare(returned.get("Type", ""))
                    self._operations[one.get("Name", ""), _bare(bound.get("Type", ""))] = tag == "Action", kind

    def answer(self, method: str, template: str) -> Answer:
        """Give what a call must answer. Raises LookupError for a call that the contract does not have."""
        first, *rest = template.strip("/").split("/")
        if first not in self._sets:
            raise LookupError(f"no entity set {first}")
        here, action = self._sets[first], False
        for step in rest:
            here, action = self._step(here, step)
        collection = here.startswith("Collection(")
        if method == "GET" and not action:
            return Answer(here, frozenset({200}))
        if method == "POST" and action:
            return Answer(here, frozenset({200, 201}) if here else frozenset({204}))
        if method == "POST" and collection:
            return Answer(_element(here), frozenset({201}))
        if method == "DELETE" and not collection:
            return Answer(_NOTHING, frozenset({204}))
        raise LookupError(f"{method} is not to be had here")

    def _step(self, here: str, step: str) -> tuple[str, bool]:
        collection = here.startswith("Collection(")
        if step == "{id}" and collection:
            return _element(here), False
        if step == "$value" and not collection:
            return _STREAM, False
        for name in [one.name for one in self._csdl.lineage(_element(here))]:
            bound = f"Collection({name})" if collection else name
            if (step, bound) in self._operations:
                action, kind = self._operations[step, bound]
                return kind, action
        properties, navigation = self._csdl.members(_element(here))
        if not collection and step in navigation:
            return _bare(navigation[step]), False
        if not collection and step in properties:
            return _bare(properties[step][0]), False
        raise LookupError(f"{here} has no {step}")

    def problems(self, entry: Entry) -> list[str]:
        """Say what is wrong with one call and its answer."""
        found = self._problems(entry)
        return [f"{entry.method} {entry.template} {entry.status}: {_PLACE.sub('[]', one)}" for one in found]

    def _problems(self, entry: Entry) -> list[str]:
        if entry.host == LOGIN:
            return _login(entry)
        if entry.host == UPLOAD:
            return self._upload(entry)
        return _batch(entry.body) if entry.template == "/$batch" else self._graph(entry)

    def _graph(self, entry: Entry) -> list[str]:
        try:
            wanted = self.answer(entry.method.removeprefix(BATCHED), entry.template)
        except LookupError as error:
            return [f"not in the contract: {error}"]
        if entry.status >= 400:
            return _error(entry.body)
        if entry.status not in wanted.statuses:
            return [f"a success has status {' or '.join(map(str, sorted(wanted.statuses)))}"]
        return self._shape(entry.body, wanted.kind)

    def _shape(self, body: Any, kind: str) -> list[str]:
        """Say what is wrong with the body of a success."""
        if kind == _STREAM:
            return []
        if kind == _NOTHING:
            return ["a body where none belongs"] if body else []
        if not isinstance(body, dict):
            return ["no object"]
        if kind.startswith("Collection(") and not isinstance(body.get("value"), list):
            return ["no collection"]
        return csdl.validate(body, _element(kind))

    def _upload(self, entry: Entry) -> list[str]:
        # The last range answers with an address in a header and nothing else.
        if entry.status in (200, 201):
            return self._shape(entry.body, "uploadSession" if entry.status == 200 else _NOTHING)
        return _error(entry.body, inner=False)


def _bare(kind: str) -> str:
    return kind.replace("microsoft.graph.", "").replace("graph.", "")


def _element(kind: str) -> str:
    return kind.removeprefix("Collection(").removesuffix(")")


def _error(body: Any, *, inner: bool = True) -> list[str]:
    if body is None:
        return []  # a gateway's page or an empty 503
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict) or set(body) != {"error"}:
        return ["no error object"]
    problems = [f"unknown property {name} of an error" for name in set(error) - _ERROR]
    problems += [f"{name} is no text" for name in ("code", "message") if not isinstance(error.get(name), str)]
    told = error.get("innerError")
    if inner:
        problems += [f"innerError without {name}" for name in _INNER - set(told or ())]
    return problems + [f"unknown property {name} of an innerError" for name in set(told or ()) - _INNER]


def _batch(body: Any) -> list[str]:
    if not isinstance(body, dict) or not isinstance(body.get("responses"), list):
        return _error(body)
    parts = [f"unknown property {name} of a batch's answer" for name in set(body) - {"responses"}]
    for part in body["responses"]:
        parts += [f"unknown property {name} of a batch's part" for name in set(part) - _BATCH_PART]
    return parts


def _login(entry: Entry) -> list[str]:
    known = _LOGIN.get(entry.template)
    if known is None or not isinstance(entry.body, dict):
        return [] if entry.template.endswith("/.well-known/openid-configuration") else ["not in the contract"]
    allowed = known.get(entry.status) or known.get(0, set())
    return [f"unknown property {name}" for name in set(entry.body) - allowed]
