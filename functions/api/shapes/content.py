"""Folders and items of a restore point, and restores."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from functions.api.shapes.base import AccountRef, Conflict, Label, Line, Moment, Shape

_TEXT = 1000


class Part(Shape):
    """One stored stream of an item: "" is the main content, others are attachments."""

    part: str
    size: int = Field(ge=0, description="Bytes")


class Entry(Shape):
    """One item or folder. ``id`` is for addresses, and the provider's own id where that has plain characters only."""

    id: str
    service: str = Field(max_length=20)
    kind: str = Field(max_length=40)
    name: str
    folder: str = Field(description="id of the parent folder, empty for a root")
    date: Moment
    size: int = Field(ge=0)
    version: str
    problem: str = Field(description="Empty, or why the newest version could not be read")
    parts: list[Part]


class ItemDetail(Entry):
    """An item with what the provider said of it; ``properties`` is the provider's JSON, as kept for a restore."""

    snapshot: int = Field(ge=1)
    properties: dict[str, Any]


class Folders(Shape):
    """All folders of a service as of a restore point; each names its parent."""

    snapshot: int = Field(ge=1)
    folders: list[Entry]


class Items(Shape):
    """A page of a folder, newest first."""

    snapshot: int = Field(ge=1)
    items: list[Entry] = Field(max_length=200)
    next: str | None = Field(max_length=4096)


class ItemRef(Shape):
    """An item or folder to give back, by the ``id`` of an entry."""

    service: str = Field(pattern=r"^[a-z]{2,20}$", max_length=20)
    id: str = Field(min_length=1, max_length=_TEXT)


class NewRestore(Shape):
    """What to give back and where to. Either items, or folders (with their subfolders), or the whole account."""

    account: AccountRef
    at: str = Field(default="", max_length=40, description="Number of a snapshot, or an instant; empty for the newest")
    items: list[ItemRef] = Field(default_factory=list, max_length=500)
    folders: list[ItemRef] = Field(default_factory=list, max_length=100)
    whole: bool = False
    target_account: AccountRef | Literal[""] = ""
    into: str = Field(default="", max_length=_TEXT, description="id of an existing folder; empty for in place")
    new_folder: Line = ""
    conflict: Conflict = "skip"
    undo: bool = Field(default=True, description="Take a snapshot of the target before anything is written")

    @model_validator(mode="after")
    def one_way(self) -> NewRestore:
        """Exactly one of the three."""
        if sum((bool(self.items), bool(self.folders), self.whole)) != 1:
            raise ValueError("either items, or folders, or whole")
        return self


class KindLoss(Shape):
    """A property that cannot, or could not, be given back, and for how many items; ``kind`` in a plan only."""

    kind: str = ""
    field: str
    reason: str
    items: int = Field(ge=0)


class RestorePlan(Shape):
    """What a restore would do: nothing is written before it is started."""

    items: int = Field(ge=0)
    folders: int = Field(ge=0)
    bytes: int = Field(ge=0)
    in_place: bool
    conflicts: int = Field(ge=0, description="Items that are still there; `conflict_rule` says what happens to them")
    conflict_rule: Conflict
    without_content: int = Field(ge=0, description="Items whose content could never be read; they cannot be given back")
    losses: list[KindLoss]
    calls: int = Field(ge=0, description="Calls to the vendor, at the least")
    seconds: int = Field(ge=0)
    earliest_finish: Moment


class RestoreReport(Shape):
    """How a restore ended. Every item has exactly one action; the results name each."""

    items: int = Field(ge=0)
    actions: dict[str, int]
    given_back: int = Field(ge=0)
    verified: int = Field(ge=0, description="Items that were read again and found equal")
    failed: int = Field(ge=0)
    unfinished: int = Field(ge=0)
    declared_loss: int = Field(ge=0)
    items_with_losses: int = Field(ge=0)
    losses: list[KindLoss]
    ended: Moment
    problem: str = Field(description="Empty, or the stable code of what cut it off")


class Restore(Shape):
    """A restore. Poll until ``state`` is planned, then start it; poll until done, partial or failed."""

    job: str = Field(max_length=64)
    state: str = Field(max_length=20)
    started: Moment
    account: Label
    target_account: Label
    connection: Label
    snapshot: int = Field(ge=0, description="0 until the plan has chosen the newest")
    message: str
    plan: RestorePlan | None
    report: RestoreReport | None


class Loss(Shape):
    """A property that could not be given back."""

    field: str
    reason: str


class Result(Shape):
    """How one item of a restore ended."""

    service: str = Field(max_length=20)
    id: str
    action: str = Field(max_length=20)
    new_id: str
    verified: bool
    message: str
    losses: list[Loss]


class Results(Shape):
    """A page of results."""

    results: list[Result]
    next: str | None = Field(max_length=4096)
