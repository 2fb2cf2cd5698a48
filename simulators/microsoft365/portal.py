"""The Entra portal by hand: app registrations, secrets, certificates, consent; and the switches of login and Graph."""

from __future__ import annotations

from simulators.microsoft365.apps import Apps
from simulators.microsoft365.cloud import Cloud


def install(cloud: Cloud, apps: Apps) -> None:
    """Register actions and switches."""
    at = _Portal(cloud, apps)
    cloud.action("app_register", "register an app, or change the one with this client id", apps.register)
    cloud.action("app_secret_add", "a new client secret; its value is shown once", apps.add_secret)
    cloud.action("app_secret_remove", "take a client secret away", apps.remove_secret)
    cloud.action("app_certificate_add", "upload the public half of a key (PEM)", apps.add_certificate)
    cloud.action("app_certificate_remove", "take a certificate away by its SHA-256 thumbprint", apps.remove_certificate)
    cloud.action("consent_grant", "grant a tenant's consent without the page", at.grant)
    cloud.action("consent_withdraw", "remove the enterprise app from a tenant", at.withdraw)
    cloud.action("consent_show", "state and granted roles of an app in a tenant", at.show)
    cloud.switch(
        "token_endpoint_429", "the token endpoint is throttled; retry_after null leaves the header out", retry_after="5"
    )
    cloud.switch(
        "aadsts",
        "the token endpoint answers with any AADSTS code",
        code=500014,
        error="invalid_resource",
        status=400,
        note="The service principal for the resource is disabled.",
    )
    cloud.switch("consent_withdrawn", "tokens and calls of the app are refused as after removal of the enterprise app")
    cloud.switch("consent_lag", "tokens come without roles, as in the minutes after a consent")
    cloud.switch("certificate_expired", "the app's certificate counts as expired")
    cloud.switch("secret_expired", "the app's secret counts as expired")
    cloud.switch(
        "permission_missing", "Graph behaves as if these roles (blank separated) were not granted", permissions=""
    )
    cloud.switch("directory_page_size", "pages of users are at most that long", size=2)
    cloud.switch("directory_limit", "resource units per ten seconds, app and tenant", units=3500)
    cloud.switch("app_limit", "requests per ten seconds and app over all tenants", units=130_000)


class _Portal:
    def __init__(self, cloud: Cloud, apps: Apps) -> None:
        self._directory = cloud.directory
        self._apps = apps

    def grant(self, tenant: str, client_id: str) -> None:
        self._apps.consent(self._directory.tenant(tenant).id, client_id.lower())

    def withdraw(self, tenant: str, client_id: str) -> None:
        self._apps.withdraw(self._directory.tenant(tenant).id, client_id.lower())

    def show(self, tenant: str, client_id: str) -> dict[str, object]:
        state, roles = self._apps.granted(self._directory.tenant(tenant).id, client_id.lower())
        return {"state": state, "roles": list(roles)}
