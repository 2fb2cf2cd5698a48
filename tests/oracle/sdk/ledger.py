"""What was asked, whether the answer was right, and every property that msgraph-sdk does not know."""

from __future__ import annotations

import json
import re
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

from kiota_abstractions.serialization import Parsable
from kiota_serialization_json.json_parse_node_factory import JsonParseNodeFactory
from kiota_serialization_json.json_serialization_writer import JsonSerializationWriter
from msgraph.generated.models.message_collection_response import MessageCollectionResponse

# What an answer may hold beside the properties of its type: annotations of OData and of Graph.
ANNOTATION = re.compile(r"(\w+)?@odata\.\w+|@removed|@microsoft\.graph\.\w+|\w+@delta")


class Ledger:
    """Collects checks over all calls of one run."""

    def __init__(self) -> None:
        self.checks: list[dict[str, Any]] = []
        self.unknown: set[str] = set()
        self.objects = 0

    def check(self, name: str, got: Any, wanted: Any = True) -> None:
        """Record whether something is as it must be."""
        note = "" if got == wanted else f"got {_short(got)}, wanted {_short(wanted)}"
        self.checks.append({"name": name, "ok": got == wanted, "note": note})

    def look(self, answer: Any) -> Any:
        """Look through an answer of the SDK at every depth; hands it back."""
        self._look(answer, type(answer).__name__)
        return answer

    async def run(self, name: str, part: Callable[[], Awaitable[None]]) -> None:
        """Run one part; an exception is a failed check, and the other parts still run."""
        try:
            await part()
        except Exception as error:  # noqa: BLE001 - what it was goes into the report
            place = traceback.extract_tb(error.__traceback__)[-1]
            note = f"{type(error).__name__}: {_short(error)} ({place.name}:{place.lineno})"
            self.checks.append({"name": name, "ok": False, "note": note})

    def _look(self, value: Any, where: str) -> None:
        if isinstance(value, list | tuple):
            for one in value:
                self._look(one, where)
        if not isinstance(value, Parsable):
            return
        self.objects += 1
        for key in getattr(value, "additional_data", None) or {}:
            if not ANNOTATION.fullmatch(key):
                self.unknown.add(f"{where}: {key}")
        for name, member in vars(value).items():
            if name == "backing_store":
                continue
            for one in member if isinstance(member, list) else [member]:
                if isinstance(one, Parsable):
                    self._look(one, type(one).__name__)


def proven() -> bool:
    """Whether a ledger notices a property that the SDK does not know, at any depth, and passes what it may."""
    body = {"@odata.etag": "e", "id": "1", "from": {"emailAddress": {"address": "a", "nickname": "b"}}, "isLate": True}
    ledger = Ledger()
    node = JsonParseNodeFactory().get_root_parse_node("application/json", json.dumps({"value": [body]}).encode())
    ledger.look(node.get_object_value(MessageCollectionResponse))
    return ledger.unknown == {"EmailAddress: nickname", "Message: isLate"}


def plain(value: Parsable) -> dict[str, Any]:
    """Give an object of the SDK as Graph's JSON, as the SDK itself would send it."""
    writer = JsonSerializationWriter()
    value.serialize(writer)
    return dict(writer.writer)


def _short(value: Any) -> str:
    text = repr(value) if not isinstance(value, Exception) else str(value)
    return text if len(text) <= 300 else f"{text[:300]}…"
