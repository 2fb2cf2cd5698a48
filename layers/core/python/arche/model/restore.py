"""Nouns of a restore: what is asked for, what is planned, how each item ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from arche.model import labels

Conflict = Literal["skip", "rename", "keep_both", "replace"]
JobState = Literal["new", "planned", "running", "done", "partial", "failed"]
Action = Literal["written", "skipped", "renamed", "replaced", "existing", "failed", "unfinished"]


class RequestRefused(ValueError):  # noqa: N818 - the name says what happened
    """A restore request that cannot be carried out; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Ref:
    """One item or folder of a service, by the provider's id."""

    service: str
    id: str


@dataclass(frozen=True, slots=True)
class RestoreRequest:
    """What to give back, as of which restore point, and where to.

    Exactly one of ``items``, ``folders``, ``whole`` is used; folders include their subfolders. ``seq`` names the
    restore point (0 = the newest). ``target_account`` "" means the account itself. ``into`` is the id of an existing
    folder ("" = in place, or the root for a new folder) and ``new_folder`` the name of a folder to make below it.
    """

    account: str
    seq: int = 0
    items: tuple[Ref, ...] = ()
    folders: tuple[Ref, ...] = ()
    whole: bool = False
    target_account: str = ""
    into: str = ""
    new_folder: str = ""
    conflict: Conflict = "skip"
    undo: bool = True

    def __post_init__(self) -> None:
        """Refuse what makes no sense, before anything is written."""
        labels.require_account(self.account)
        if self.target_account:
            labels.require_account(self.target_account)
        if sum((bool(self.items), bool(self.folders), self.whole)) != 1:
            raise RequestRefused("Choose either single items, or folders, or the whole account.")
        if self.conflict not in get_args(Conflict):
            raise RequestRefused(f"Choose a conflict rule among {', '.join(get_args(Conflict))}.")
        if self.seq < 0:
            raise RequestRefused("A restore point is named by its number, from 1.")

    @property
    def target(self) -> str:
        """Label of the account that is written to."""
        return self.target_account or self.account

    @property
    def elsewhere(self) -> bool:
        """Whether items go to another folder than the one they came from."""
        return bool(self.into or self.new_folder)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready form, as kept in the job row."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RestoreRequest:
        """Inverse of ``as_dict``. Raises RequestRefused, LabelError or TypeError."""
        refs = {
            key: tuple(Ref(service=str(ref["service"]), id=str(ref["id"])) for ref in data.get(key, ()))
            for key in ("items", "folders")
        }
        return cls(**{**data, **refs})


@dataclass(frozen=True, slots=True)
class RestoreJob:
    """A restore's row. ``plan`` and ``report`` are JSON-ready dictionaries (``plan*.py``, ``report.py``)."""

    id: str
    customer: str
    connection: str
    run: str
    lease: str
    request: RestoreRequest
    state: JobState = "new"
    started: str = ""
    message: str = ""
    plan: Mapping[str, Any] = field(default_factory=dict)
    report: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """How one item of a restore ended. ``losses`` are (field, reason) pairs; ``verified`` says it was read again."""

    service: str
    id: str
    action: Action
    new_id: str = ""
    losses: tuple[tuple[str, str], ...] = ()
    verified: bool = False
    message: str = ""

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready form: one line of a result file."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Result:
        """Inverse of ``as_dict``."""
        return cls(**{**data, "losses": tuple((str(f), str(r)) for f, r in data.get("losses", ()))})
