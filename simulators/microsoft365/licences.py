"""What can be bought: two SKUs and the service plans that a backup looks at.

SKU ids and plan ids as Microsoft's "Product names and service plan identifiers" lists them.
"""

from __future__ import annotations

from typing import Any

SPE_E3 = "05e9a617-0261-4cee-bb44-138d3ef5d965"
EXCHANGE_ENTERPRISE = "19ec0d23-8335-4cbd-94ac-6050e30712fa"
EXCHANGE_S_ENTERPRISE = "efb87545-963c-4e0d-99df-69c6916d9eb0"
PLANS = {
    "EXCHANGE_S_ENTERPRISE": (EXCHANGE_S_ENTERPRISE, "exchange"),
    "TEAMS1": ("57ff2da0-773e-42df-b2af-ffb7a2317929", "TeamspaceAPI"),
    "SHAREPOINTENTERPRISE": ("5dbe027f-2339-4123-9542-606e4d348a72", "SharePoint"),
}
SKUS = {
    SPE_E3: ("SPE_E3", ("EXCHANGE_S_ENTERPRISE", "TEAMS1", "SHAREPOINTENTERPRISE")),
    EXCHANGE_ENTERPRISE: ("EXCHANGEENTERPRISE", ("EXCHANGE_S_ENTERPRISE",)),
}


def assigned_plans(skus: list[str], since: str) -> list[dict[str, Any]]:
    """``user.assignedPlans`` for the assigned SKUs."""
    names = sorted({name for sku in skus for name in SKUS[sku][1]})
    return [
        {
            "assignedDateTime": since,
            "capabilityStatus": "Enabled",
            "service": PLANS[name][1],
            "servicePlanId": PLANS[name][0],
        }
        for name in names
    ]


def subscribed_sku(tenant: str, tenant_name: str, sku: str, consumed: int) -> dict[str, Any]:
    """One ``subscribedSku``."""
    part, plans = SKUS[sku]
    return {
        "accountName": tenant_name,
        "accountId": tenant,
        "appliesTo": "User",
        "capabilityStatus": "Enabled",
        "consumedUnits": consumed,
        "id": f"{tenant}_{sku}",
        "skuId": sku,
        "skuPartNumber": part,
        "subscriptionIds": [],
        "prepaidUnits": {"enabled": consumed + 5, "suspended": 0, "warning": 0, "lockedOut": 0},
        "servicePlans": [
            {
                "servicePlanId": PLANS[name][0],
                "servicePlanName": name,
                "provisioningStatus": "Success",
                "appliesTo": "User",
            }
            for name in plans
        ],
    }
