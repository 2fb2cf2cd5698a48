"""What the pages for administrators say: ending -> language -> (title, text)."""

from __future__ import annotations

from typing import Final

from arche.operations.consent import Ending

TEXTS: Final[dict[Ending, dict[str, tuple[str, str]]]] = {
    "connected": {
        "en": (
            "Connected",
            "The tenant is connected and its accounts are being listed. You can close this window.",
        ),
        "de": (
            "Verbunden",
            ("Der Mandant ist verbunden, seine Konten werden gerade gelesen. Sie können dieses Fenster schließen."),
        ),
    },
    "restore_ready": {
        "en": (
            "Ready to restore",
            "Restores into this tenant are possible from now on. You can close this window.",
        ),
        "de": (
            "Bereit zur Wiederherstellung",
            ("Wiederherstellungen in diesen Mandanten sind ab jetzt möglich. Sie können dieses Fenster schließen."),
        ),
    },
    "declined": {
        "en": (
            "Not connected",
            (
                "The consent or the sign-in was declined. Nothing was changed. To try again, ask your service "
                "provider for a new link."
            ),
        ),
        "de": (
            "Nicht verbunden",
            (
                "Die Zustimmung oder die Anmeldung wurde abgelehnt. Es wurde nichts geändert. Für einen neuen "
                "Versuch bitten Sie Ihren Dienstleister um einen neuen Link."
            ),
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
            (
                "You signed in, but not as a Global Administrator or Privileged Role Administrator. Ask your "
                "service provider for a new link and let an administrator open it."
            ),
        ),
        "de": (
            "Ein Administrator wird gebraucht",
            (
                "Sie sind angemeldet, aber nicht als Globaler Administrator oder Administrator für privilegierte "
                "Rollen. Bitten Sie Ihren Dienstleister um einen neuen Link und lassen Sie ihn von einem "
                "Administrator öffnen."
            ),
        ),
    },
    "guest": {
        "en": (
            "A guest cannot connect a tenant",
            (
                "You signed in as a guest. Ask your service provider for a new link and sign in with an account "
                "that belongs to the tenant."
            ),
        ),
        "de": (
            "Gäste können keinen Mandanten verbinden",
            (
                "Sie sind als Gast angemeldet. Bitten Sie Ihren Dienstleister um einen neuen Link und melden Sie "
                "sich mit einem Konto an, das zum Mandanten gehört."
            ),
        ),
    },
    "not_available": {
        "en": (
            "Not available",
            "This tenant cannot be connected here. Talk to your service provider.",
        ),
        "de": (
            "Nicht verfügbar",
            "Dieser Mandant kann hier nicht verbunden werden. Sprechen Sie mit Ihrem Dienstleister.",
        ),
    },
    "other_tenant": {
        "en": (
            "Another tenant",
            (
                "You signed in to another tenant than the one that this link is for. Ask your service provider "
                "for a new link."
            ),
        ),
        "de": (
            "Ein anderer Mandant",
            (
                "Sie haben sich bei einem anderen Mandanten angemeldet als dem, für den der Link gilt. Bitten "
                "Sie Ihren Dienstleister um einen neuen Link."
            ),
        ),
    },
    "sign_in_failed": {
        "en": (
            "The sign-in could not be verified",
            "Nothing was connected. Ask your service provider for a new link and sign in again.",
        ),
        "de": (
            "Die Anmeldung ließ sich nicht prüfen",
            (
                "Es wurde nichts verbunden. Bitten Sie Ihren Dienstleister um einen neuen Link und melden Sie "
                "sich erneut an."
            ),
        ),
    },
    "try_again": {
        "en": (
            "That did not work just now",
            (
                "A service did not answer and nothing was connected. Wait some minutes, "
                "then ask your service provider for a new link."
            ),
        ),
        "de": (
            "Das hat gerade nicht geklappt",
            (
                "Ein Dienst hat nicht geantwortet, es wurde nichts verbunden. Warten Sie einige Minuten "
                "und bitten Sie dann Ihren Dienstleister um einen neuen Link."
            ),
        ),
    },
}
