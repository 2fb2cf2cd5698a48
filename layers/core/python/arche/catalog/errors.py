"""What can go wrong with a row, sorted by the caller's next move. Messages hold labels only, never names."""

from __future__ import annotations


class CatalogError(Exception):
    """Base of all errors of the catalog."""


class NotFound(CatalogError):  # noqa: N818 - named for what the caller does next
    """There is no such row in this scope. Another tenant's row is exactly this, too (promise P7)."""


class Conflict(CatalogError):  # noqa: N818
    """The row is in a state that does not allow this; read it again and decide anew."""


class BadCursor(CatalogError):  # noqa: N818
    """The paging cursor is not one that this query gave out; begin at the first page."""


class Busy(CatalogError):  # noqa: N818
    """DynamoDB could not answer just now (throttled, no network); the same call may work in a moment."""


class Denied(CatalogError):  # noqa: N818
    """DynamoDB refuses: the run's rights have lapsed or do not cover this row. Repeating it changes nothing."""


class ConditionFailed(CatalogError):  # noqa: N818
    """A condition did not hold, nothing was written. ``failed`` names the writes of a transaction that refused."""

    def __init__(self, message: str, failed: tuple[str, ...] = ()) -> None:
        """``failed`` holds the ``name`` of each refusing write, empty for a single write."""
        super().__init__(message)
        self.failed = failed
