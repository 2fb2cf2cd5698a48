"""Budgets at a vendor that many workers share, leased in blocks: one write per block, not per call.

=====  ==================================  ===========================================================
table  pk, sk                              attributes
=====  ==================================  ===========================================================
work   {customer}, BUDGET#{C-..}#{key}     window (number), used (units), fence (epoch milliseconds), ttl
=====  ==================================  ===========================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from arche.catalog.errors import ConditionFailed
from arche.catalog.table import Rows
from arche.catalog.writes import Update, absent, attr, present, setting, value

_KEPT: Final = 86_400


@dataclass(frozen=True, slots=True)
class Limit:
    """What the vendor gives: ``units`` in each window of ``seconds``."""

    units: int
    seconds: float


class Budgets:
    """Shared budgets of one connection. Fills ``providers.budget.Blocks``.

    ``limits`` go by the first word of a key; ``clock`` tells epoch seconds. A key without a limit is granted in full.
    """

    def __init__(
        self, rows: Rows, customer: str, connection: str, limits: Mapping[str, Limit], clock: Callable[[], float]
    ) -> None:
        self._rows = rows
        self._customer = customer
        self._connection = connection
        self._limits = limits
        self._clock = clock

    def take(self, key: str, units: int) -> int:
        """Lease up to ``units`` of the budget ``key``; 0 means: none now, or a fence stands.

        Another worker's units of the same window are never given twice: the counter moves under a condition.
        """
        limit = self._limit(key)
        if limit is None:
            return units
        wanted = min(units, limit.units)
        now = self._clock()
        window = int(now // limit.seconds)
        free = attr("fence") <= value(int(now * 1000))
        fits = attr("used") <= value(limit.units - wanted)
        add = [attr("used").add(value(wanted))]
        if self._try(key, add, present() & free & (attr("window") == value(window)) & fits):
            return wanted
        opened = {"window": window, "used": wanted, "ttl": int(now) + _KEPT}
        if self._try(key, setting(opened), present() & free & (attr("window") < value(window))):
            return wanted
        if self._try(key, setting({**opened, "fence": 0}), absent()):
            return wanted
        # Somebody else may have opened the window between the two tries, or less than wanted is left in it.
        left = min(wanted, limit.units - self._used(key, window))
        fits = attr("used") <= value(limit.units - left)
        add = [attr("used").add(value(left))]
        same = present() & free & (attr("window") == value(window))
        return left if left > 0 and self._try(key, add, same & fits) else 0

    def fence(self, key: str, seconds: float) -> None:
        """Let nobody take from ``key`` for so long: the vendor asked for patience. A longer fence stays."""
        now = self._clock()
        until = int((now + max(0.0, seconds)) * 1000)
        if self._try(key, setting({"fence": until, "ttl": int(until / 1000) + _KEPT}), attr("fence") < value(until)):
            return
        fresh = {"window": 0, "used": 0, "fence": until, "ttl": int(until / 1000) + _KEPT}
        self._try(key, setting(fresh), absent())

    def _used(self, key: str, window: int) -> int:
        row = self._rows.get("work", self._customer, f"BUDGET#{self._connection}#{key}")
        return int(row["used"]) if row and row["window"] == window else 0

    def _limit(self, key: str) -> Limit | None:
        # Keys come as platform:tenant:what[:id] (providers.platform); the limit goes by what.
        words = key.split(":")
        return next((self._limits[word] for word in (words[2:3] or words[:1]) if word in self._limits), None)

    def _try(self, key: str, actions: Sequence[Action], condition: Condition) -> bool:
        write = Update(
            "work",
            self._customer,
            f"BUDGET#{self._connection}#{key}",
            actions,
            condition,
        )
        try:
            self._rows.update(write)
        except ConditionFailed:
            return False
        return True
