"""Refusals: what an operation answers when it does not do what was asked.

Each has a stable ``code`` (snake case, part of the API's contract) and a ``detail`` for people: what happened and
what to do next. Neither ever holds a name, a token or content, and ``NotFound`` never says more than that.
"""

from __future__ import annotations


class Refusal(Exception):  # noqa: N818 - a refusal is an answer, not a fault
    """Base of all refusals."""

    code = "refused"

    def __init__(self, detail: str, *, code: str = "") -> None:
        """Keep the sentence for people; ``code`` replaces the class's own."""
        super().__init__(detail)
        self.detail = detail
        self.code = code or type(self).code


class NotFound(Refusal):
    """There is no such thing within the caller's own. The same for unknown ids and for ids of another tenant."""

    code = "not_found"

    def __init__(self) -> None:
        """One sentence for all cases, so that it tells nothing."""
        super().__init__(
            "There is nothing here under this id. Check the id, or list the collection to see what there is."
        )


class NotAllowed(Refusal):
    """The caller's role does not allow it."""

    code = "role_missing"


class Invalid(Refusal):
    """The request is well-formed, but means something that cannot be."""

    code = "invalid_request"


class Conflict(Refusal):
    """The present state does not allow it; another time or after another step it may."""

    code = "state_conflict"


class Stale(Refusal):
    """What the caller wants to edit has changed since it was read."""

    code = "precondition_failed"

    def __init__(self) -> None:
        """One sentence, with the way out."""
        super().__init__("This was changed in the meantime. Read it again and repeat the edit with its new ETag.")


class Unavailable(Refusal):
    """Something behind the product does not answer; ``after`` is the wait in seconds that makes sense."""

    code = "try_again"

    def __init__(self, detail: str, *, code: str = "", after: int = 5) -> None:
        """As Refusal, with the wait in seconds."""
        super().__init__(detail, code=code)
        self.after = after
