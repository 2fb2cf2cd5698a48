"""Seven errors, sorted by the caller's next move.

The class names of those that end a task are the ``ErrorEquals`` of the state machines; do not rename them.
Messages never hold tokens, secrets or content (promise P11); names of people are content.
"""

# ruff: noqa: N818 -- the names say the caller's next move, and state machines match them

from __future__ import annotations


class ProviderError(Exception):
    """Base of the seven. ``request_id`` is the vendor's own id, for its support."""

    def __init__(self, message: str, *, code: str = "", status: int = 0, request_id: str = "") -> None:
        """Keep the vendor's code, HTTP status (0 if none) and request id beside the message."""
        super().__init__(message)
        self.code = code
        self.status = status
        self.request_id = request_id


class Throttled(ProviderError):
    """The vendor asks for patience: come back ``after`` seconds from now (result ``later``, not a failure)."""

    def __init__(self, message: str, *, after: float, code: str = "", status: int = 0, request_id: str = "") -> None:
        """``after`` is in seconds, from Retry-After or our own back-off when the vendor named none."""
        super().__init__(message, code=code, status=status, request_id=request_id)
        self.after = after


class Unreachable(ProviderError):
    """Network or server fault; the same call may work in a moment."""


class CredentialRejected(ProviderError):
    """Secret, certificate or consent no longer valid: stop the connection, tell the partner to re-consent."""


class Forbidden(ProviderError):
    """A permission is missing for the whole connection or one account: stop it, tell the partner. Never a deletion.

    ``account`` is True when only this account is closed to us (an access policy, a mailbox without licence): the
    other accounts of the connection run on.
    """

    def __init__(
        self, message: str, *, account: bool = False, code: str = "", status: int = 0, request_id: str = ""
    ) -> None:
        """Say whether only one account is meant."""
        super().__init__(message, code=code, status=status, request_id=request_id)
        self.account = account


class CursorExpired(ProviderError):
    """The cursor of the whole service is dead: do a full pass that compares and re-downloads nothing unchanged."""


class ItemRefused(ProviderError):
    """One item cannot be read or written: record it and go on."""


class ItemChanged(ProviderError):
    """The item changed while it was read: begin it anew."""
