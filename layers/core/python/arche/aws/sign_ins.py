"""Consent and sign-in at a vendor, for the API. Fills ``operations.front_ports.SignIns``."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

from arche.aws.tokens import app_named
from arche.model.tenancy import Binding, Consent
from arche.operations.front_ports import SignInRefused
from arche.operations.refusals import Invalid, Unavailable
from arche.providers import registry
from arche.providers.errors import ProviderError, Throttled, Unreachable

if TYPE_CHECKING:
    from arche.aws.tokens import Tokens
    from arche.catalog.apps import Apps

CALLBACK: Final = "/v1/consents/callback"


class VendorSignIns:
    """Addresses at the vendor, with our client ids; proofs come from the function ``token``."""

    def __init__(self, apps: Apps, tokens: Tokens, public_url: str) -> None:
        self._apps = apps
        self._tokens = tokens
        self._redirect = redirect_uri(public_url)

    def consent_url(self, platform: str, app: str, state: str) -> str:
        """Where an administrator consents to the app. Raises Invalid, Unavailable."""
        url: str = _consent(platform).consent_url(self._client_id(platform, app), self._redirect, state)
        return url

    def sign_in_url(self, platform: str, app: str, *, state: str, nonce: str, verifier: str) -> str:
        """Where an administrator proves who it is. Raises Invalid, Unavailable."""
        room = _consent(platform)
        flow = room.Flow(state=state, nonce=nonce, verifier=verifier)
        url: str = room.sign_in_url(self._client_id(platform, app), self._redirect, flow)
        return url

    def prove(self, consent: Consent, code: str) -> Binding:
        """Redeem the code and verify the sign-in. Raises SignInRefused, AwsError."""
        request = {
            "platform": consent.platform,
            "app": consent.app,
            "code": code,
            "nonce": consent.nonce,
            "verifier": consent.verifier,
        }
        try:
            answer = self._tokens.prove(request)
        except (Throttled, Unreachable):
            raise SignInRefused("unreachable") from None
        except ProviderError:
            raise SignInRefused("refused") from None
        if "refused" in answer:
            raise SignInRefused(str(answer["refused"]))
        return Binding(consent.platform, str(answer["tenant"]))

    def _client_id(self, platform: str, app: str) -> str:
        registered = self._apps.get(platform, app_named(app))
        if registered is None:
            raise Unavailable(
                f"The {app} app is not registered with this platform yet. Tell the operator: `arche app-register`.",
                code="app_unregistered",
                after=3600,
            )
        return registered.client_id


def redirect_uri(public_url: str) -> str:
    """Where vendors send browsers back to; the app registrations name it to the letter."""
    return public_url.rstrip("/") + CALLBACK


def _consent(platform: str) -> Any:
    if platform not in registry.names():
        raise Invalid("This platform is not known here. Choose one of: " + ", ".join(registry.names()) + ".")
    return importlib.import_module(f"arche.providers.{platform}.consent")
