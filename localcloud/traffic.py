"""What reaches the emulator's object store, written down by the emulator: one line a request, bucket and kind.

It stands outside of the product, so a measurement can count requests without believing the product's own figures.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

FILE = "object-store.jsonl"
_LISTS = frozenset({"list-type", "prefix", "delimiter", "marker", "max-keys", "versions", "uploads", "encoding-type"})
Serve = Callable[..., Awaitable[Any]]


def kind_of(method: str, path: str, query: Mapping[str, Any]) -> tuple[str, str]:
    """``(bucket, kind)`` of a request to S3: PUT, POST, GET, HEAD, DELETE of objects, LIST, or BUCKET for the rest."""
    bucket, _, key = path.lstrip("/").partition("/")
    if key:
        return bucket, method
    listing = method == "GET" and bucket and (not query or _LISTS & query.keys())
    return bucket, "LIST" if listing else "BUCKET"


def recording(serve: Serve, file: Path) -> Serve:
    """Wrap the emulator's S3 so that each request leaves a line in ``file``, however it ends."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()

    async def recorded(
        method: str, path: str, headers: Any, body: Any, query_params: Any, *args: Any, **kwargs: Any
    ) -> Any:
        bucket, kind = kind_of(method, path, query_params or {})
        with file.open("a", encoding="utf-8") as sink:
            sink.write(json.dumps([bucket, kind]) + "\n")
        return await serve(method, path, headers, body, query_params, *args, **kwargs)

    return recorded


def count(file: Path, since: int = 0) -> Counter[tuple[str, str]]:
    """Count the requests after ``since`` by bucket and kind. ``mark`` gives a ``since``."""
    with file.open("rb") as lines:
        lines.seek(since)
        return Counter((bucket, kind) for bucket, kind in map(json.loads, lines))


def mark(file: Path) -> int:
    """Return the present end of the file."""
    return file.stat().st_size
