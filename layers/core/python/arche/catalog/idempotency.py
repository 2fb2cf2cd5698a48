"""Idempotency keys: the same request twice has one effect and one answer.

=====  ===========================  ================================================================
table  pk, sk                       attributes
=====  ===========================  ================================================================
work   IDEMPOTENCY#{partner}, {key}  fingerprint, claimed (epoch seconds), answer (map, once known), ttl
=====  ===========================  ================================================================
"""

from __future__ import annotations

from typing import Final, Literal

from arche.catalog.errors import ConditionFailed
from arche.catalog.values import fields, record
from arche.catalog.work import WorkBook
from arche.catalog.writes import Delete, Put, Update, absent, attr, present, setting, value
from arche.model.listing import Answer

_KEPT: Final = 24 * 3600
#: A claim without an answer after this time belongs to a function that died; the API's own limit is 30 seconds.
_ABANDONED: Final = 60


class IdempotentWorkBook(WorkBook):
    """WorkBook with idempotency keys of partners."""

    def claim_key(self, partner: str, key: str, fingerprint: str, now: int) -> Answer | Literal["new", "busy", "other"]:
        """Claim a key: ``new`` (do it), ``busy`` (being done), ``other`` (another request), or the stored answer.

        ``now`` is in epoch seconds. A claim holds for 24 hours, whatever DynamoDB removes when.
        """
        pk = f"IDEMPOTENCY#{partner}"
        values = {"fingerprint": fingerprint, "claimed": now, "ttl": now + _KEPT}
        lapsed = attr("claimed") <= value(now - _KEPT)
        abandoned = (
            attr("answer").does_not_exist()
            & (attr("claimed") <= value(now - _ABANDONED))
            & (attr("fingerprint") == value(fingerprint))
        )
        try:
            self._rows.put(Put("work", pk, key, values, absent() | lapsed | abandoned))
        except ConditionFailed:
            row = self._rows.get("work", pk, key)
        else:
            return "new"
        if row is None or row["fingerprint"] != fingerprint:
            return "busy" if row is None else "other"
        return record(Answer, row["answer"]) if "answer" in row else "busy"

    def store_answer(self, partner: str, key: str, answer: Answer) -> None:
        """Keep the answer for 24 hours after the claim; nothing if the claim is gone."""
        write = Update("work", f"IDEMPOTENCY#{partner}", key, setting({"answer": fields(answer)}), present())
        try:
            self._rows.update(write)
        except ConditionFailed:
            return

    def release_key(self, partner: str, key: str) -> None:
        """Forget a claim whose request was refused, so that it may be tried again; an answer is never forgotten."""
        try:
            self._rows.delete(
                Delete("work", f"IDEMPOTENCY#{partner}", key, attr("answer").does_not_exist()),
            )
        except ConditionFailed:
            return
