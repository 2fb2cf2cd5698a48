"""The room at work: discovery, first and incremental backup, dead cursors, restores with every policy, and weather."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from arche.providers import errors, registry
from arche.providers.contract import Account, Conflict, Into, Item, Service
from arche.providers.platform import Session
from tests.oracle.consent import Apps
from tests.oracle.letters import everything, letter
from tests.oracle.stage import Stage
from tests.oracle.tape import Tape
from tests.providers.contract_world import Kept, Model

# From the made-up world: meeting messages, attached mails, long threads.
_SEEDED = ("zeynep.oeztuerk", "auftrag")
_SAMPLE = 12
_MARK = "R-oracle"


@dataclass
class Restored:
    """One mail that was given back. ``renamed``: its subject differs on purpose."""

    user: str
    old: str
    new: str
    renamed: bool = False


@dataclass
class Room:
    """The room with the tokens of both apps, and everything it said and did."""

    stage: Stage
    tape: Tape
    apps: Apps
    kept: dict[str, tuple[Account, Item, Kept]] = field(default_factory=dict)
    rows: dict[str, Model] = field(default_factory=dict)
    restored: list[Restored] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    _sessions: list[Session] = field(default_factory=list)

    def open(self, token: str) -> Service:
        """Open the exchange service with a token."""
        platform = registry.platform("microsoft365")
        session = platform.session(self.stage.tenant, lambda: token, transport=self.tape.around(self.stage.transport()))
        self._sessions.append(session)
        return platform.service("exchange", session)

    def close(self) -> None:
        """Close the connections."""
        for session in self._sessions:
            session.close()

    def hold(self, what: str, *, good: bool) -> None:
        """Note something that must hold and does not."""
        if not good:
            self.faults.append(what)

    @contextmanager
    def raises(self, what: str, *wanted: type[errors.ProviderError]) -> Iterator[None]:
        """Note when a call is not refused as it must be."""
        try:
            yield
        except wanted:
            return
        except errors.ProviderError as error:
            self.faults.append(f"{what}: {type(error).__name__} {error.code}")
        else:
            self.faults.append(f"{what}: nothing was raised")

    # -- discovery ------------------------------------------------------------------------------------------------
    def discover(self) -> dict[str, Account]:
        """List the accounts, and be refused without the right and with a bad token."""
        backup = self.open(self.apps.backup.value)
        accounts = {account.id: account for account in backup.accounts()}
        live = [one for one in self.stage.control.act("users", tenant=self.stage.tenant) if one["state"] == "live"]
        wanted = {one["id"] for one in live if one["has_mailbox"] and not one["guest"]}
        self.hold("discovery finds every mailbox", good=set(accounts) == wanted)
        with self.raises("a bad token", errors.CredentialRejected):
            list(self.open("no.token.atall").accounts())
        self.stage.control.fault("status_error", scope={"template": "/users"}, count=1, status=403)
        with self.raises("a missing right", errors.Forbidden):
            list(backup.accounts())
        self.stage.control.fault("throttle_429", scope={"template": "*/mailboxSettings"}, count=1, retry_after="2.5")
        with self.raises("a throttled part of a batch", errors.Throttled):
            list(backup.accounts())
        return accounts

    # -- backup ---------------------------------------------------------------------------------------------------
    def first(self, accounts: list[Account]) -> None:
        """Back up: every change of the accounts, and the content of a sample of each (all of small ones)."""
        service = self.open(self.apps.backup.value)
        for account in accounts:
            model = self.rows[account.id] = Model().run(service, account)
            mails = [row for row in model.rows.values() if not row.is_folder]
            for row in _sample(mails):
                self.kept[row.id] = account, row, Kept(service, account, row)

    def incremental(self, account: Account) -> None:
        """Change things at the source, and read on from the cursors; then find single ones."""
        service, act, model = self.open(self.apps.backup.value), self.stage.control.act, self.rows[account.id]
        user = account.id
        mails = sorted(row.id for row in model.rows.values() if not row.is_folder)
        folder = act("mail_folder_add", user=user, name="Neu & größer", parent="inbox")
        gone = act("mail_folder_add", user=user, name="Bald weg")
        self.stage.deliver(user, letter("Bald weg").as_bytes(), gone)
        model.run(service, account)
        act("mail_edit", user=user, id=mails[0], properties={"isRead": True})
        act("mail_move", user=user, id=mails[1], folder=folder)
        act("mail_purge", user=user, ids=[mails[2]])
        act("mail_folder_delete", user=user, folder=gone, purge=True)
        new = self.stage.deliver(user, letter("Neu").as_bytes())
        model.run(service, account)
        self.hold("a new mail is seen", good=new in model.items())
        self.hold("a purged mail is gone", good=mails[2] not in model.items())
        self.hold("a moved mail lies in its new folder", good=model.rows[mails[1]].folder == folder)
        self.hold("a removed folder is gone", good=gone not in model.rows)
        found = [type(one).__name__ for one in service.find(account, [mails[0], mails[2]])]
        self.hold("find tells what is there and what is gone", good=found == ["Item", "Gone"])
        with self.raises("a mail that went", errors.ItemChanged):
            _read(service, account, self.kept[mails[2]][1])
        with self.raises("a mail that changed", errors.ItemChanged):
            _read(service, account, self.kept[mails[0]][1])

    def expired(self, account: Account) -> None:
        """Let cursors die: of one folder with each code, of the tree, of everything, and in the middle of a listing."""
        service, control = self.open(self.apps.backup.value), self.stage.control
        model, scope = self.rows[account.id], {"user": account.id}
        before = model.items()
        for code in ("SyncStateNotFound", "SyncStateInvalid", "resyncRequired"):
            for status, location in ((410, True), (400, False)):
                scoped = scope | {"template": "*/messages/delta"}
                control.fault("mail_delta_expired", scope=scoped, count=1, code=code, status=status, location=location)
                model.run(service, account)
        tree = scope | {"template": "/users/{id}/mailFolders/delta"}
        control.fault("mail_delta_expired", scope=tree, count=1)
        model.run(service, account)
        control.act("mail_forget_deltas", user=account.id)
        model.run(service, account)
        control.fault("mail_delta_expired", scope=scope | {"token": "next", "template": "*/messages/delta"}, count=1)
        control.act("mail_forget_deltas", user=account.id)
        model.run(service, account)
        self.hold("dead cursors lose and invent nothing", good=model.items() == before)

    def weather(self, account: Account) -> None:
        """Throttling, corrupt items, closed mailboxes and servers that fail. Each meets a session without a past."""
        control, row = self.stage.control, self._any_row(account)
        content = {"template": "/users/{id}/messages/{id}", "path": f"*{account.id}*"}
        for name, wanted, given in (
            ("throttle_429", errors.Throttled, {"retry_after": "2.128"}),
            ("throttle_429", errors.Throttled, {"retry_after": None}),
            ("status_503_empty", errors.Throttled, {}),
            ("html_502", errors.Unreachable, {}),
            ("answer_lost_504", errors.Unreachable, {}),
        ):
            control.fault(name, scope=content, count=1, **given)
            with self.raises(name, wanted):
                _read(self.open(self.apps.backup.value), account, row)
        control.fault("mail_item_error", scope={"item": row.id}, count=1)
        with self.raises("a corrupt mail", errors.ItemRefused):
            _read(self.open(self.apps.backup.value), account, row)
        for fault in ("mail_not_enabled", "mail_access_policy", "mail_over_quota"):
            control.fault(fault, scope={"user": account.id}, count=1)
            with self.raises(fault, errors.Unreachable if fault == "mail_over_quota" else errors.Forbidden):
                list(self.open(self.apps.backup.value).changes(account, None))
        ghost = Account("00000000-0000-4000-8000-000000000000", "person", "", "")
        with self.raises("an unknown mailbox", errors.Forbidden):
            list(self.open(self.apps.backup.value).changes(ghost, None))
        control.clear()

    def _any_row(self, account: Account) -> Item:
        key = next(key for key in self.kept if key in self.rows[account.id].items())
        found = next(iter(self.open(self.apps.backup.value).find(account, [key])))
        assert isinstance(found, Item)
        return found

    # -- restore --------------------------------------------------------------------------------------------------
    def restore(self) -> None:
        """Give every kept mail back into its own folder after a purge."""
        service = self.open(self.apps.restore.value)
        for account, row, content in self.kept.values():
            if row.id in self.rows[account.id].items():
                self.stage.control.act("mail_purge", user=account.id, ids=[row.id])
            where = service.folder(account, self._path(account, row), "")
            outcome = service.write(account, row, content, Into(where, mark=_MARK))
            self.hold(f"a purged mail is written, not {outcome.action}", good=outcome.action == "written")
            left = service.verify(account, row, content, outcome.new_id)
            self.hold(f"verify finds nothing: {[loss.field for loss in left]}", good=left == ())
            self.restored.append(Restored(account.id, row.id, outcome.new_id))

    def policies(self) -> None:
        """Meet a mail that is there by each policy, and a try that was cut off."""
        service = self.open(self.apps.restore.value)
        account, row, content = next(iter(self.kept.values()))
        where = service.folder(account, self._path(account, row), "")
        policies: tuple[tuple[Conflict, str], ...] = (
            ("skip", "skipped"),
            ("rename", "renamed"),
            ("keep_both", "written"),
            ("replace", "replaced"),
        )
        for conflict, action in policies:
            outcome = service.write(account, row, content, Into(where, conflict, mark=f"{_MARK}-{conflict}"))
            self.hold(f"{conflict}: {outcome.action}", good=outcome.action == action)
        again = service.write(account, row, content, Into(where, "replace", mark=f"{_MARK}-replace", again=True))
        self.hold("a second try finds its own work", good=(again.action, again.new_id) == ("existing", outcome.new_id))
        # The replacement took away everything of the same id, date and subject.
        self.restored = [one for one in self.restored if one.old != row.id]
        self.restored.append(Restored(account.id, row.id, again.new_id))
        outcome = service.write(account, row, content, Into(where, "rename", mark=f"{_MARK}-2"))
        self.restored.append(Restored(account.id, row.id, outcome.new_id, renamed=True))
        fresh = Item("f", "folder", "", "Wiederherstellung", "1", row.date)
        aside = service.folder(account, [fresh, *self._path(account, row)], "")
        self.hold("a new folder is made", good=aside != where)
        outcome = service.write(account, row, content, Into(aside))
        self.hold(f"beside: {outcome.action}", good=outcome.action == "written")
        self._refusals(service)

    def _refusals(self, service: Service) -> None:
        """Be refused while writing: no folder, no right, a full mailbox, a mail that is late, a lost session."""
        control = self.stage.control
        account, row, content = next(entry for entry in self.kept.values() if dict(entry[2].parts)[""] > 10_000_000)
        folder = control.act("mail_folder_add", user=account.id, name="Versuche")
        missing = control.act("mail_folder_add", user=account.id, name="Gibt es nicht mehr")
        control.act("mail_folder_delete", user=account.id, folder=missing, purge=True)
        with self.raises("a target that is not there", errors.ItemRefused):
            service.write(account, row, content, Into(missing))
        with self.raises("no right to write", errors.Forbidden):
            self.open(self.apps.backup.value).write(account, row, content, Into(folder))
        control.fault("mail_refuse_new", scope={"user": account.id}, count=1)
        with self.raises("a mail that cannot be made", errors.ItemRefused):
            service.write(account, row, content, Into(folder))
        control.fault("mail_late", scope={"user": account.id}, count=1)
        with self.raises("a new mail that is late", errors.Unreachable):
            service.write(account, row, content, Into(folder, "keep_both"))
        control.fault("mail_upload_lost", count=1)
        with self.raises("a lost upload session", errors.ItemRefused, errors.Unreachable):
            service.write(account, row, content, Into(folder, "keep_both"))
        control.act("mail_message_limit", tenant=self.stage.tenant, megabytes=1)
        with self.raises("a mail over the tenant's limit", errors.ItemRefused):
            service.write(account, row, content, Into(folder, "keep_both"))
        control.act("mail_message_limit", tenant=self.stage.tenant, megabytes=35)
        control.fault("throttle_429", scope={"template": "/AttachmentSessions/{id}"}, count=1, retry_after="4")
        with self.raises("a throttled upload", errors.Throttled):
            service.write(account, row, content, Into(folder, "keep_both"))
        control.clear()

    def _path(self, account: Account, row: Item) -> list[Item]:
        rows, path, folder = self.rows[account.id].rows, [], row.folder
        while folder in rows:
            path.append(rows[folder])
            folder = rows[folder].folder
        return path[::-1]


def populate(stage: Stage) -> tuple[str, list[str]]:
    """Make a person with a mail of every kind in nested folders; gives the user and the ids."""
    user = stage.person("sonder")
    act: Any = stage.control.act
    deep = act("mail_folder_add", user=user, name="Kunden/2026 & später")
    below = act("mail_folder_add", user=user, name="Größer", parent=deep)
    places = ("inbox", deep, below, "sentitems")
    ids = [
        stage.deliver(user, raw, places[number % len(places)], state)
        for number, (raw, state) in enumerate(everything())
    ]
    return user, ids


def seeded(accounts: dict[str, Account]) -> list[Account]:
    """Give the accounts of the made-up world that take part."""
    return [one for one in accounts.values() if one.address.split("@")[0] in _SEEDED]


def _sample(mails: list[Item]) -> list[Item]:
    if len(mails) <= 3 * _SAMPLE:
        return mails
    attached = [row for row in mails if row.properties.get("hasAttachments")]
    chosen = {row.id: row for row in (*attached[:_SAMPLE], *mails[:: max(1, len(mails) // _SAMPLE)])}
    return list(chosen.values())


def _read(service: Service, account: Account, row: Item) -> None:
    for part in service.read(account, row):
        for _ in part.chunks:
            pass
