"""Small pages for the administrator whose browser the vendor sends back to us. German and English, no script.

They speak to someone who is no member and may be anybody: no names, no labels, nothing of the customer.
"""

from __future__ import annotations

import html
import re
from typing import Final

from aws_lambda_powertools.event_handler import Response

from arche.operations.consent import Ending

_GOOD: Final = frozenset({"connected", "restore_ready"})
_TEXTS: Final[dict[Ending, dict[str, tuple[str, str]]]] = {
    "connected": {
        "en": ("Connected", "The tenant is connected and its accounts are being listed. You can close this window."),
        "de": (
            "Verbunden",
            "Der Mandant ist verbunden, seine Konten werden gerade gelesen. Sie können dieses Fenster schließen.",
        ),
    },
    "restore_ready": {
        "en": ("Ready to restore", "Restores into this tenant are possible from now on. You can close this window."),
        "de": (
            "Bereit zur Wiederherstellung",
            "Wiederherstellungen in diesen Mandanten sind ab jetzt möglich. Sie können dieses Fenster schließen.",
        ),
    },
    "declined": {
        "en": (
            "Not connected",
            "The consent or the sign-in was declined. Nothing was changed. To try again, ask your service provider for a new link.",
        ),
        "de": (
            "Nicht verbunden",
            "Die Zustimmung oder die Anmeldung wurde abgelehnt. Es wurde nichts geändert. Für einen neuen Versuch bitten Sie "
            "Ihren Dienstleister um einen neuen Link.",
        ),
    },
    "link_used": {
        "en": (
            "This link no longer works",
            "A link works once and for one hour. Ask your service provider for a new one.",
        ),
        "de": (
            "Dieser Link gilt nicht mehr",
            "Ein Link gilt einmal und eine Stunde lang. Bitten Sie Ihren Dienstleister um einen neuen.",
        ),
    },
    "not_admin": {
        "en": (
            "An administrator is needed",
            "You signed in, but not as a Global Administrator or Privileged Role Administrator. Ask your service provider for a "
            "new link and let an administrator open it.",
        ),
        "de": (
            "Ein Administrator wird gebraucht",
            "Sie sind angemeldet, aber nicht als Globaler Administrator oder Administrator für privilegierte Rollen. Bitten Sie "
            "Ihren Dienstleister um einen neuen Link und lassen Sie ihn von einem Administrator öffnen.",
        ),
    },
    "guest": {
        "en": (
            "A guest cannot connect a tenant",
            "You signed in as a guest. Ask your service provider for a new link and sign in with an account that belongs to the tenant.",
        ),
        "de": (
            "Gäste können keinen Mandanten verbinden",
            "Sie sind als Gast angemeldet. Bitten Sie Ihren Dienstleister um einen neuen Link und melden Sie sich mit einem "
            "Konto an, das zum Mandanten gehört.",
        ),
    },
    "not_available": {
        "en": ("Not available", "This tenant cannot be connected here. Talk to your service provider."),
        "de": (
            "Nicht verfügbar",
            "Dieser Mandant kann hier nicht verbunden werden. Sprechen Sie mit Ihrem Dienstleister.",
        ),
    },
    "other_tenant": {
        "en": (
            "Another tenant",
            "You signed in to another tenant than the one that this link is for. Ask your service provider for a new link.",
        ),
        "de": (
            "Ein anderer Mandant",
            "Sie haben sich bei einem anderen Mandanten angemeldet als dem, für den der Link gilt. Bitten Sie Ihren "
            "Dienstleister um einen neuen Link.",
        ),
    },
    "sign_in_failed": {
        "en": (
            "The sign-in could not be verified",
            "Nothing was connected. Ask your service provider for a new link and sign in again.",
        ),
        "de": (
            "Die Anmeldung ließ sich nicht prüfen",
            "Es wurde nichts verbunden. Bitten Sie Ihren Dienstleister um einen neuen Link und melden Sie sich erneut an.",
        ),
    },
    "try_again": {
        "en": (
            "The sign-in service did not answer",
            "Nothing was connected. Wait some minutes, then ask your service provider for a new link.",
        ),
        "de": (
            "Der Anmeldedienst hat nicht geantwortet",
            "Es wurde nichts verbunden. Warten Sie einige Minuten und bitten Sie dann Ihren Dienstleister um einen neuen Link.",
        ),
    },
}
_STYLE: Final = (
    "body{font:1.1rem/1.5 system-ui,sans-serif;max-width:36rem;margin:15vh auto;padding:0 1.5rem;color:#16191f;background:#fff}"
    "h1{font-size:1.5rem}"
)
HEADERS: Final[dict[str, str | list[str]]] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
}


def page(ending: Ending, language: str) -> Response[str]:
    """The page about how it ended: 200 if it went well, else 400."""
    title, text = _TEXTS[ending]["de" if language == "de" else "en"]
    body = (
        f'<!doctype html><html lang="{"de" if language == "de" else "en"}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{html.escape(title)} – Arche</title>'
        f"<style>{_STYLE}</style></head>"
        f"<body><main><h1>{html.escape(title)}</h1><p>{html.escape(text)}</p></main></body></html>"
    )
    return Response(200 if ending in _GOOD else 400, "text/html; charset=utf-8", body, HEADERS)


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
