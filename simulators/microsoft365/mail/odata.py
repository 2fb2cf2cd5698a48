"""Query options: $select, $expand, $filter, $orderby, paging; what Exchange does not know is refused."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from simulators.microsoft365 import facts
from simulators.microsoft365.graph import GraphCall, GraphError

PAGE, PAGE_LIMIT = 10, 1000
_FILTER = re.compile(
    r"(?P<name>[A-Za-z]+)\s+(?P<op>eq|ne|gt|ge|lt|le)\s+(?P<value>'(?:[^']|'')*'|[^\s()]+)"
    r"|(?P<function>startswith|contains)\(\s*(?P<subject>[A-Za-z]+)\s*,\s*(?P<text>'(?:[^']|'')*')\s*\)",
    re.IGNORECASE,
)
_COLUMNS = {
    "receiveddatetime": ("received", "instant"),
    "sentdatetime": ("sent", "instant"),
    "createddatetime": ("created", "instant"),
    "lastmodifieddatetime": ("modified", "instant"),
    "internetmessageid": ("internet", "text"),
    "subject": ("subject", "text"),
    "isread": ("read", "boolean"),
    "isdraft": ("draft", "boolean"),
    "hasattachments": ("files", "boolean"),
}
_OPERATORS = {"eq": "=", "ne": "<>", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}


@dataclass
class Expand:
    """One navigation of ``$expand``. ``select``: of the expanded entities; ``ids``: of extended properties."""

    name: str
    select: list[str] | None = None
    ids: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Where:
    """An SQL condition with its values, and the properties it names, in their order."""

    sql: str
    values: tuple[Any, ...]
    names: tuple[str, ...]


def select(call: GraphCall, kind: str, *more: str) -> list[str] | None:
    """``$select``, each name checked against the contract; a cast (``microsoft.graph.eventMessage/x``) is taken off."""
    return selected(call.selected(), kind, *more)


def selected(names: Sequence[str] | None, kind: str, *more: str) -> list[str] | None:
    """As ``select``, for names that stand elsewhere."""
    if names is None:
        return None
    found = []
    for name in names:
        cast, _, plain = name.rpartition("/")
        kinds = (cast.removeprefix("microsoft.graph.") or kind, *more)
        try:
            known = frozenset[str]().union(*map(_known, kinds))
        except KeyError:
            known = frozenset()
        if plain.lower() not in known:
            raise GraphError(
                400,
                "RequestBroker--ParseUri",
                f"Could not find a property named '{plain}' on type 'microsoft.graph.{kind}'.",
            )
        found.append(plain)
    return found


@cache
def _known(kind: str) -> frozenset[str]:
    return frozenset(one.lower() for one in (*facts.properties(kind), *facts.navigation(kind)))


def expand(call: GraphCall, *allowed: str) -> dict[str, Expand]:
    """``$expand`` by lower-case name. Raises GraphError for a navigation that is not ``allowed``."""
    found: dict[str, Expand] = {}
    for piece in _split(call.query.get("$expand", ""), ","):
        match = re.fullmatch(r"\s*([A-Za-z./]+)\s*(?:\((.*)\))?\s*", piece, re.DOTALL)
        name = match[1] if match else piece
        if not match or name.lower() not in {one.lower() for one in allowed}:
            raise GraphError(400, "BadRequest", f"Parsing OData Select and Expand failed: '{name}' cannot be expanded.")
        one = Expand(name)
        for option in _split(match[2] or "", ";"):
            key, _, value = option.strip().partition("=")
            if key.lower() == "$select":
                one.select = [word.strip() for word in value.split(",") if word.strip()]
            elif key.lower() == "$filter" and name.lower() == "singlevalueextendedproperties":
                one.ids = _ids(value)
            elif key:
                raise GraphError(400, "BadRequest", f"The query option '{key}' cannot be used inside $expand.")
        if name.lower() == "singlevalueextendedproperties" and not one.ids:
            raise GraphError(
                400, "ErrorInvalidUrlQuery", "Extended properties must be named: $expand=...($filter=id eq '...')."
            )
        found[name.lower()] = one
    return found


def where(text: str | None) -> Where:
    """``$filter`` over messages: comparisons joined by ``and``. Raises GraphError for anything else."""
    if not text:
        return Where("1", (), ())
    conditions, values, names = [], [], []
    for clause in _split(text, " and "):
        match = _FILTER.fullmatch(clause.strip())
        name = (match["name"] or match["subject"]).lower() if match else ""
        if match is None or name not in _COLUMNS:
            raise GraphError(400, "ErrorInvalidUrlQueryFilter", f"The $filter '{clause.strip()}' is not supported.")
        column, kind = _COLUMNS[name]
        names.append(name)
        if match["function"]:
            start = match["function"].lower() == "startswith"
            conditions.append(f"instr(lower({column}), lower(?)) {'=' if start else '>='} 1")
            values.append(_quoted(match["text"]))
            continue
        conditions.append(f"{column} {_OPERATORS[match['op'].lower()]} ?")
        values.append(_literal(match["value"], kind, clause))
    return Where(" AND ".join(conditions), tuple(values), tuple(names))


def order(text: str | None, condition: Where) -> str:
    """``$orderby`` as SQL; newest first without one. Its property must come first in ``$filter``, if there is one."""
    if not text:
        return "received DESC, message DESC"
    pieces: list[str] = []
    for piece in text.split(","):
        name, _, way = piece.strip().partition(" ")
        if name.lower() not in _COLUMNS or way.strip().lower() not in {"", "asc", "desc"}:
            raise GraphError(400, "ErrorInvalidUrlQuery", f"The $orderby '{piece.strip()}' is not supported.")
        if condition.names and name.lower() not in condition.names[: len(pieces) + 1]:
            raise GraphError(
                400, "InefficientFilter", "The restriction or sort order is too complex for this operation."
            )
        pieces.append(f"{_COLUMNS[name.lower()][0]} {'DESC' if way.strip().lower() == 'desc' else 'ASC'}")
    return ", ".join([*pieces, "message DESC"])


def page(call: GraphCall, default: int = PAGE) -> tuple[int, int]:
    """``$top`` (or ``Prefer: odata.maxpagesize``) and ``$skip``. Raises GraphError for what is no number."""
    preferred = call.preference("odata.maxpagesize")
    size = _number(call.query.get("$top", preferred), "$top", default)
    if size < 1:
        raise GraphError(400, "ErrorInvalidUrlQuery", "$top must be at least 1.")
    return min(size, PAGE_LIMIT), _number(call.query.get("$skip"), "$skip", 0)


def refuse(call: GraphCall, *allowed: str) -> None:
    """Refuse query options that the collection does not know."""
    for name in call.query:
        if name.startswith("$") and name.lower() not in {one.lower() for one in allowed}:
            raise GraphError(400, "ErrorInvalidUrlQuery", f"The query option '{name}' is not supported here.")


def _number(text: str | None, name: str, default: int) -> int:
    if text is None:
        return default
    if not re.fullmatch(r"\d{1,9}", text):
        raise GraphError(400, "BadRequest", f"Invalid value '{text}' for {name}.")
    return int(text)


def _ids(text: str) -> list[str]:
    found = [re.fullmatch(r"\s*id\s+eq\s+'((?:[^']|'')*)'\s*", piece, re.IGNORECASE) for piece in _split(text, " or ")]
    if not all(found):
        raise GraphError(400, "ErrorInvalidUrlQueryFilter", f"The $filter '{text}' is not supported.")
    return [one[1].replace("''", "'") for one in found if one]


def _split(text: str, mark: str) -> list[str]:
    """Split at a mark that stands outside of brackets and quotes."""
    pieces, depth, quoted, last, at = [], 0, False, 0, 0
    while at < len(text):
        letter = text[at]
        if letter == "'":
            quoted = not quoted
        elif not quoted and letter in "()":
            depth += 1 if letter == "(" else -1
        if not quoted and depth == 0 and text[at : at + len(mark)].lower() == mark:
            pieces.append(text[last:at])
            last = at = at + len(mark)
            continue
        at += 1
    pieces.append(text[last:])
    return [piece for piece in pieces if piece.strip()]


def _quoted(text: str) -> str:
    return text[1:-1].replace("''", "'")


def _literal(text: str, kind: str, clause: str) -> Any:
    if kind == "boolean" and text.lower() in {"true", "false"}:
        return text.lower() == "true"
    if kind == "text" and text.startswith("'"):
        return _quoted(text)
    if kind == "instant" and re.fullmatch(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d+)?Z)?", text):
        return text if "T" in text else f"{text}T00:00:00Z"
    raise GraphError(400, "ErrorInvalidUrlQueryFilter", f"The literal in '{clause.strip()}' does not fit the property.")
