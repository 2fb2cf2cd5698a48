"""Small pages for the administrator whose browser the vendor sends back to us. German and English, no script.

They speak to someone who is no member and may be anybody: no names, no labels, nothing of the customer.
"""

from __future__ import annotations

import html
import re
from typing import Final

from aws_lambda_powertools.event_handler import Response

from arche.operations.consent import Ending
from functions.api.page_texts import TEXTS

_GOOD: Final = frozenset({"connected", "restore_ready"})
_STYLE: Final = (
    "body{font:1.1rem/1.5 system-ui,sans-serif;max-width:36rem;margin:15vh auto;padding:0 1.5rem;"
    "color:#16191f;background:#fff}h1{font-size:1.5rem}"
)
HEADERS: Final[dict[str, str | list[str]]] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
}


def page(ending: Ending, language: str, status: int = 0) -> Response[str]:
    """Make the page about how it ended: 200 if it went well, else 400, or ``status``. ``language`` is de or en."""
    title, text = (html.escape(line) for line in TEXTS[ending][language])
    body = (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>Arche: {title}</title>'
        f"<style>{_STYLE}</style></head><body><main><h1>{title}</h1><p>{text}</p></main></body></html>"
    )
    return Response(status or (200 if ending in _GOOD else 400), "text/html; charset=utf-8", body, HEADERS)


def preferred(accept_language: str) -> str:
    """``de`` if the browser prefers German, else ``en``."""
    weights = {"de": 0.0, "en": 0.0}
    for entry in accept_language.lower().split(",")[:20]:
        tag, _, quality = entry.strip().partition(";q=")
        found = re.fullmatch(r"[01](\.\d{1,3})?", quality)
        weight = float(quality) if found else 1.0
        primary = tag.partition("-")[0]
        if primary in weights:
            weights[primary] = max(weights[primary], weight)
    return "de" if weights["de"] > weights["en"] else "en"
