"""The room: what Microsoft 365 is to the rest of the house, and the mail of Exchange Online as a service."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from arche.providers.budget import Allowance
from arche.providers.contract import Account, Change, Content, Gone, Into, Item, Loss, Outcome, Part, Service
from arche.providers.errors import Forbidden, ItemRefused
from arche.providers.http import Hosts
from arche.providers.microsoft365 import delta, directory, fields, folders, messages, restore, verify
from arche.providers.microsoft365.graph import Graph
from arche.providers.microsoft365.refusals import ExistsError, NotFoundError
from arche.providers.platform import Permissions, Platform, Session, SharedBudget

HOSTS: Final = Hosts(
    api=("graph.microsoft.com",),
    # Upload sessions of attachments and, later, mailbox import: their addresses carry their own proof.
    bare=("outlook.office.com", "outlook.office365.com"),
    login=("login.microsoftonline.com",),
)
_BACKUP: Final = ("Mail.Read", "MailboxSettings.Read", "User.Read.All")
_RESTORE: Final = ("Mail.ReadWrite", "MailboxSettings.Read", "User.Read.All")


class Exchange:
    """Mail of every mailbox of a tenant. Stateless: all state is in the arguments."""

    def __init__(self, session: Session) -> None:
        self._graph = Graph(session)

    def accounts(self) -> Iterator[Account]:
        """See contract.Service."""
        with _inside("tenant"):
            yield from directory.accounts(self._graph)

    def changes(self, account: Account, since: str | None) -> Iterator[Change]:
        """See contract.Service."""
        with _inside("account"):
            yield from delta.changes(self._graph, account.id, since)

    def find(self, account: Account, ids: Iterable[str]) -> Iterator[Item | Gone]:
        """See contract.Service."""
        with _inside("account"):
            yield from messages.find(self._graph, account.id, ids)

    def read(self, account: Account, item: Item, offset: int = 0) -> Iterator[Part]:
        """See contract.Service."""
        with _inside("item"):
            yield from messages.read(self._graph, account.id, item, offset)

    def folder(self, account: Account, path: Sequence[Item], into: str) -> str:
        """See contract.Service."""
        with _inside("item"):
            return folders.ensure(self._graph, account.id, path, into)

    def write(self, account: Account, item: Item, content: Content, into: Into) -> Outcome:
        """See contract.Service."""
        with _inside("item"):
            return restore.write(self._graph, account.id, item, content, into)

    def verify(self, account: Account, item: Item, content: Content, new_id: str) -> tuple[Loss, ...]:  # noqa: ARG002
        """See contract.Service. The stored fields say everything; ``item`` is not needed here."""
        with _inside("item"):
            return verify.verify(self._graph, account.id, content, new_id)


@contextmanager
def _inside(scope: str) -> Iterator[None]:
    """Let nothing out but the seven errors: say what a 404 means that no call inside could explain."""
    try:
        yield
    except (NotFoundError, ExistsError) as error:
        text, code, request_id = str(error), error.code, error.request_id
        if scope == "item":
            raise ItemRefused(text, code=code, status=error.status, request_id=request_id) from None
        # A mailbox or user that is not there closes the account to us; it is never a deletion of its items.
        closed = scope == "account"
        raise Forbidden(text, account=closed, code=code, status=error.status, request_id=request_id) from None


def _exchange(session: Session) -> Service:
    return Exchange(session)


_SERVICES: Final[dict[str, Callable[[Session], Service]]] = {"exchange": _exchange}


def platform() -> Platform:
    """Give the platform's data."""
    return Platform(
        name="microsoft365",
        title="Microsoft 365",
        hosts=HOSTS,
        services=_SERVICES,
        permissions={"exchange": Permissions(backup=_BACKUP, restore=_RESTORE)},
        losses={"mail": fields.ALWAYS_LOST},
        # Section 2.5 of the notes on the wire: 10,000 calls in 10 minutes, four at once and 150 MB sent in 5 minutes,
        # per app and mailbox. A little below, because other clocks count too.
        local={"mailbox": Allowance(units=9_600, seconds=600, places=4, bytes=145_000_000, byte_seconds=300)},
        # Directory: 3,500 units in 10 s for the smallest tenants; a listing costs 2, and batches count each part.
        shared={"directory": SharedBudget(block=400, seconds=10)},
        pace=(2.5, 16.0, 500_000.0),
        agent="ISV|Arche|Arche/1.0",
    )
