"""Graph's own limits: resource units of the directory per app and tenant, and the cap per app over all tenants."""

from __future__ import annotations

from simulators.frame.platform import Simulation
from simulators.microsoft365.graph import GraphCall, GraphError

WINDOW = 10
GLOBAL_LIMIT = 130_000
# Small (< 50 users), medium, large (> 500 users) tenants.
LIMITS = ((50, 3_500), (500, 5_000))
LARGE = 8_000
WARN_FROM = 0.8
SMALL_PAGE = 20
DIRECTORY = (
    "/users",
    "/users/{id}",
    "/users/delta",
    "/organization",
    "/organization/{id}",
    "/domains",
    "/domains/{id}",
)
DIRECTORY_MORE = ("/subscribedSkus", "/directory/deletedItems/microsoft.graph.user", "/groups", "/directoryRoles")
COSTS = {"/users": 2, "/users/delta": 2}


class DirectoryThrottle:
    """Counts resource units in windows of ten seconds of the simulators' clock."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._spent: dict[tuple[str, str], tuple[int, float]] = {}

    def __call__(self, call: GraphCall) -> dict[str, str]:
        """Count the call; gives the headers to add. Raises GraphError 429 beyond a limit."""
        window, left = divmod(self._simulation.clock.now(), WINDOW)
        wait = str(max(1, round(WINDOW - left)))
        if self._spend((call.app, ""), int(window), 1) > self._limit(call, GLOBAL_LIMIT, "app_limit"):
            raise _refused(wait, f"Application/{call.app}", "GlobalLimitExceeded")
        if call.template not in DIRECTORY and call.template not in DIRECTORY_MORE:
            return {}
        cost = self._cost(call)
        limit = self._limit(call, self._tenant_limit(call.tenant), "directory_limit")
        spent = self._spend((call.app, call.tenant), int(window), cost)
        scope = f"Tenant_Application/ReadWrite/{call.app}/{call.tenant}"
        if spent > limit:
            raise _refused(wait, scope, "ResourceUnitLimitExceeded")
        headers = {"x-ms-resource-unit": str(cost)}
        if spent >= WARN_FROM * limit:
            headers["x-ms-throttle-limit-percentage"] = f"{min(1.8, spent / limit):.1f}"
        return headers

    def _cost(self, call: GraphCall) -> int:
        cost = COSTS.get(call.template, 1)
        top = call.query.get("$top", "")
        cost -= 1 if "$select" in call.query else 0
        cost += 1 if "$expand" in call.query else 0
        cost -= 1 if top.isdecimal() and int(top) < SMALL_PAGE else 0
        return max(1, cost)

    def _tenant_limit(self, tenant: str) -> int:
        number = (
            self._simulation.state.database("microsoft365")
            .execute("SELECT count(*) FROM user WHERE tenant = ? AND state = 'live'", (tenant,))
            .fetchone()[0]
        )
        return next((limit for users, limit in LIMITS if number < users), LARGE)

    def _limit(self, call: GraphCall, limit: int, switch: str) -> int:
        fault = self._simulation.faults.strike(switch, call.log)
        return int(fault.parameters["units"]) if fault else limit

    def _spend(self, key: tuple[str, str], window: int, units: int) -> float:
        last, spent = self._spent.get(key, (window, 0))
        spent = spent + units if last == window else units
        self._spent[key] = (window, spent)
        return spent


def _refused(wait: str, scope: str, information: str) -> GraphError:
    headers = {"Retry-After": wait, "x-ms-throttle-scope": scope, "x-ms-throttle-information": information}
    return GraphError(429, "TooManyRequests", "Too many requests. Please retry after the given time.", headers)
