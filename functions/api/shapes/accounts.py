"""Accounts, backups now, jobs, restore points."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from functions.api.shapes.base import AccountRef, Colour, Label, Moment, Shape


class Account(Shape):
    """One owner of data. ``present``: still there at the source; ``active``: is backed up."""

    account: Label
    connection: Label
    kind: str = Field(max_length=20)
    name: str
    address: str
    provider_id: str
    services: list[str] = Field(max_length=20)
    active: bool
    present: bool
    colour: Colour
    last_run: Moment | None
    last_snapshot: Moment | None


class Accounts(Shape):
    """A page of accounts."""

    accounts: list[Account] = Field(max_length=200)
    next: str | None = Field(max_length=4096)


class Activate(Shape):
    """Which accounts to back up from now on: all that are present, or those named."""

    all: bool = False
    accounts: list[AccountRef] = Field(default_factory=list, max_length=1000)
    per_day: Literal[1, 3, 12] = 1

    @model_validator(mode="after")
    def one_way(self) -> Activate:
        """Either all or some."""
        if self.all == bool(self.accounts):
            raise ValueError("either all or accounts")
        return self


class Activated(Shape):
    """What activation did. The first run starts in the account's slot or by a backup now."""

    activated: int = Field(ge=0)
    already_active: int = Field(ge=0)


class BackupNow(Shape):
    """What to back up now: the named accounts, one connection, or (nothing named) the whole customer."""

    connection: str | None = Field(default=None, pattern=r"^C-\d{2,6}$", max_length=8)
    accounts: list[AccountRef] | None = Field(default=None, min_length=1, max_length=1000)

    @model_validator(mode="after")
    def one_way(self) -> BackupNow:
        """Not both."""
        if self.connection and self.accounts:
            raise ValueError("either connection or accounts")
        return self


class Job(Shape):
    """Long work. Poll until ``state`` is one of done, partial, failed, planned, needs_confirmation."""

    job: str = Field(max_length=64)
    kind: Literal["backup", "restore", "discover"]
    state: str = Field(max_length=20)
    created: Moment
    message: str
    accounts: int = Field(ge=0)
    accounts_done: int = Field(ge=0)
    colours: dict[str, int] = Field(max_length=4, description="Finished accounts by colour")


class Jobs(Shape):
    """A page of jobs, newest first."""

    jobs: list[Job] = Field(max_length=200)
    next: str | None = Field(max_length=4096)


class Counts(Shape):
    """Items of one service in one run, by ending; green if expected = stored + unchanged + vanished + skipped."""

    expected: int = Field(default=0, ge=0)
    stored: int = Field(default=0, ge=0)
    unchanged: int = Field(default=0, ge=0)
    vanished: int = Field(default=0, ge=0)
    skipped: int = Field(default=0, ge=0)
    failed: int = Field(default=0, ge=0)


class RunProblem(Shape):
    """What kept a run from being green, and what to do."""

    code: str = Field(max_length=60)
    message: str
    count: int = Field(ge=0)
    service: str = Field(max_length=20)


class Snapshot(Shape):
    """A restore point: the state of one account, all its services, when it was ``taken``."""

    snapshot: int = Field(ge=1, description="Number of the point within its account; use it as `at`")
    taken: Moment
    started: Moment
    colour: Colour
    items: int = Field(ge=0)
    stored_bytes: int = Field(ge=0)
    services: dict[str, Counts] = Field(max_length=20)
    problems: list[RunProblem] = Field(max_length=50)


class Snapshots(Shape):
    """A page of restore points, newest first."""

    snapshots: list[Snapshot] = Field(max_length=200)
    next: str | None = Field(max_length=4096)


class AccountRun(Shape):
    """How one run ended for one account. ``snapshot`` is the point it made, null if it made none."""

    run: str = Field(max_length=80)
    started: Moment
    ended: Moment
    colour: Colour
    outcome: Literal["snapshot", "unchanged", "quarantined", "stopped", "unfinished", "queued"]
    snapshot: int | None
    services: dict[str, Counts] = Field(max_length=20)
    problems: list[RunProblem] = Field(max_length=50)


class AccountRuns(Shape):
    """A page of runs, newest first."""

    runs: list[AccountRun] = Field(max_length=200)
    next: str | None = Field(max_length=4096)
