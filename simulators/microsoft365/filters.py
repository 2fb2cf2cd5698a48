"""The part of ``$filter`` that the directory understands: comparisons joined by ``and`` or by ``or``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from simulators.microsoft365.graph import GraphError

Test = Callable[[Mapping[str, Any]], bool]
LITERAL = r"(?:'(?:[^']|'')*'|true|false|null)"
COMPARE = re.compile(rf"(?P<name>\w+)\s+(?P<op>eq|ne)\s+(?P<value>{LITERAL})", re.IGNORECASE)
ONE_OF = re.compile(rf"(?P<name>\w+)\s+in\s*\((?P<values>\s*{LITERAL}(?:\s*,\s*{LITERAL})*)\s*\)", re.IGNORECASE)
STARTS = re.compile(rf"startswith\(\s*(?P<name>\w+)\s*,\s*(?P<value>{LITERAL})\s*\)", re.IGNORECASE)
WORDS = {"true": True, "false": False, "null": None}


def parse(text: str, allowed: frozenset[str]) -> Test:
    """Return a test of an entity. Raises GraphError 400 for what the directory (or this simulator) does not support."""
    for word, join in (("or", any), ("and", all)):
        clauses = _split(text, word)
        if len(clauses) > 1:
            tests = [parse(clause, allowed) for clause in clauses]
            return lambda entity, tests=tests, join=join: join(test(entity) for test in tests)  # type: ignore[misc]
    return _clause(text.strip(), allowed)


def _split(text: str, word: str) -> list[str]:
    """Split at a word outside of quotes."""
    parts = [""]
    for token in re.findall(rf"'(?:[^']|'')*'|\s+{word}\s+|.", text, re.DOTALL | re.IGNORECASE):
        if token.strip().lower() == word and token != token.strip():
            parts.append("")
        else:
            parts[-1] += token
    return parts


def _clause(text: str, allowed: frozenset[str]) -> Test:
    if found := COMPARE.fullmatch(text):
        name, value = _name(found["name"], allowed), _value(found["value"])
        wanted = found["op"].lower() == "eq"
        return lambda entity: (_fold(entity.get(name)) == _fold(value)) is wanted
    if found := ONE_OF.fullmatch(text):
        name = _name(found["name"], allowed)
        values = {_fold(_value(literal)) for literal in re.findall(LITERAL, found["values"], re.IGNORECASE)}
        return lambda entity: _fold(entity.get(name)) in values
    if found := STARTS.fullmatch(text):
        name, start = _name(found["name"], allowed), str(_fold(_value(found["value"])))
        return lambda entity: str(_fold(entity.get(name)) or "").startswith(start)
    raise GraphError(400, "Request_UnsupportedQuery", "Unsupported or invalid query filter clause specified.")


def _name(name: str, allowed: frozenset[str]) -> str:
    if name not in allowed:
        raise GraphError(
            400,
            "Request_UnsupportedQuery",
            f"Unsupported or invalid query filter clause specified for property '{name}'.",
        )
    return name


def _value(literal: str) -> Any:
    if literal.startswith("'"):
        return literal[1:-1].replace("''", "'")
    return WORDS[literal.lower()]


def _fold(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value
