"""From a path to the route that answers it, in the manner of OData: no case in segments, keys, bound functions."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote

from simulators.microsoft365.graph import Handler

KEY = re.compile(r"(?P<name>[A-Za-z]+)\('(?P<key>(?:[^']|'')*)'\)")
FUNCTION = re.compile(r"(?:microsoft\.graph\.)?(?P<name>delta|createUploadSession|permanentDelete|move|copy)(?:\(\))?")


@dataclass
class Route:
    """A template and who answers each method. ``public``: the template with ``{id}`` for every brace."""

    template: str
    public: str
    handlers: dict[str, tuple[Handler, str]] = field(default_factory=dict)


@dataclass
class _Node:
    literals: dict[str, _Node] = field(default_factory=dict)
    brace: _Node | None = None
    name: str = ""
    route: Route | None = None


class Router:
    """A tree of segments; a literal goes before a brace. Braces at one place share the tree but not their names."""

    def __init__(self) -> None:
        self._root = _Node()

    def add(self, method: str, template: str, handler: Handler, permissions: str) -> None:
        """Register a handler. Raises ValueError if method and template are taken."""
        node = self._root
        for segment in template.strip("/").split("/"):
            if segment.startswith("{"):
                node.brace = node.brace or _Node()
                node = node.brace
            else:
                node = node.literals.setdefault(segment.lower(), _Node())
        public = re.sub(r"\{[^}]*\}", "{id}", template)
        node.route = node.route or Route(template, public)
        if method in node.route.handlers:
            raise ValueError(f"{method} {template} is answered already")
        node.route.handlers[method] = (handler, permissions)

    def find(self, path: str) -> tuple[Route, dict[str, str]] | str:
        """Return the route of an encoded path and what stood at its braces; else the segment that nobody knows."""
        values: list[str] = []
        node = self._root
        segments = list(_segments(path))
        for encoded in segments:
            segment = unquote(encoded)
            step = node.literals.get(segment.lower())
            if step is None:
                function = FUNCTION.fullmatch(segment)
                step = node.literals.get(function["name"].lower()) if function else None
            if step is None:
                if node.brace is None:
                    return segment
                values.append(segment)
                step = node.brace
            node = step
        if node.route is None:
            return unquote(segments[-1]) if segments else ""
        names = re.findall(r"\{([^}]*)\}", node.route.template)
        return node.route, dict(zip(names, values, strict=True))


def _segments(path: str) -> list[str]:
    parts: list[str] = []
    for segment in path.strip("/").split("/"):
        keyed = KEY.fullmatch(unquote(segment))
        parts += [keyed["name"], keyed["key"].replace("''", "'")] if keyed else [segment]
    return parts
