"""Mail in bad weather: rounds that shuffle, repeat, loop and die; folders and mails that move; odd content."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from arche.providers import errors
from arche.providers.contract import Account, Gone, Item, Listed, Listing, Mark, Service
from arche.providers.microsoft365 import cursor
from tests.providers.contract_world import Model
from tests.providers.microsoft365.world import ExchangeWorld, letter

DELTA = "/users/{id}/mailFolders/{id}/messages/delta"
VALUE = "/users/{id}/messages/{id}/$value"


@pytest.fixture
def world(mailbox: ExchangeWorld) -> ExchangeWorld:
    mailbox.fill()
    return mailbox


@pytest.fixture
def service(world: ExchangeWorld) -> Service:
    return world.open()


@pytest.fixture
def account(world: ExchangeWorld) -> Account:
    return Account(world.user, "person", "", "")


def names(known: Model) -> dict[str, Item]:
    return {row.name: row for row in known.rows.values()}


def test_the_tree_is_told_with_hidden_folders_and_without_searches(
    world: ExchangeWorld, service: Service, account: Account
) -> None:
    world.control.act("mail_folder_add", user=world.user, name="Versteckt", hidden=True)
    rows = names(Model().run(service, account))
    assert rows["Versteckt"].properties["isHidden"] is True
    assert rows["Inbox"].properties["wellKnown"] == "inbox"
    assert rows["Größer"].folder == rows["Kunden/2026 & später"].id
    assert rows["Kunden/2026 & später"].folder == ""
    known = {row.properties.get("wellKnown") for row in rows.values()}
    assert {"inbox", "deleteditems", "drafts", "recoverableitemsdeletions"} <= known
    assert not {"msgfolderroot", "searchfolders"} & known
    raw = world.get("/mailFolders/searchfolders/childFolders").json()["value"]
    assert not {one["id"] for one in raw} & set(Model().run(service, account).rows)


def test_what_lies_in_the_bin_of_bins_is_kept(world: ExchangeWorld, service: Service, account: Account) -> None:
    item = world.deliver(letter("Endgültig gelöscht"), "recoverableitemsdeletions")
    known = Model().run(service, account)
    assert known.rows[known.rows[item].folder].properties["wellKnown"] == "recoverableitemsdeletions"


def test_a_move_is_gone_there_and_here_again_under_the_same_id(
    world: ExchangeWorld, service: Service, account: Account
) -> None:
    known = Model().run(service, account)
    item = names(known)["Brief 0"]
    world.move(item.id, "archive")
    told = list(service.changes(account, known.cursor))
    assert Gone(item.id, item.folder) in told
    for change in told:
        known.take(change)
    assert known.rows[item.id].folder == names(known)["Archive"].id
    assert known.items() == world.live()


def test_a_mail_that_moves_during_the_pass_is_not_lost(
    world: ExchangeWorld, service: Service, account: Account
) -> None:
    known = Model().run(service, account)
    changes = service.changes(account, None)
    fresh = Model()
    item, read = names(known)["Brief 5"], names(known)["Inbox"]
    for change in changes:
        fresh.take(change)
        # The inbox is read to its end; now the mail leaves a folder that comes later for it.
        if isinstance(change, Listed) and change.scope == read.id:
            world.move(item.id, "inbox")
    assert fresh.rows[item.id].folder == read.id
    assert fresh.items() == world.live()


def test_renamed_moved_and_new_folders(world: ExchangeWorld, service: Service, account: Account) -> None:
    known = Model().run(service, account)
    below = names(known)["Größer"]
    world.control.act("mail_folder_rename", user=world.user, folder=below.id, name="Kleiner")
    world.control.act("mail_folder_move", user=world.user, folder=below.id, parent="archive")
    new = world.add_folder("Neu", "inbox")
    item = world.add("In einem neuen Ordner", new)
    known.run(service, account)
    assert (known.rows[below.id].name, known.rows[below.id].folder) == ("Kleiner", names(known)["Archive"].id)
    assert known.rows[item].folder == new
    assert known.items() == world.live()


@pytest.mark.parametrize("purge", [True, False])
def test_a_deleted_folder(world: ExchangeWorld, service: Service, account: Account, purge: bool) -> None:
    known = Model().run(service, account)
    folder = names(known)["Kunden/2026 & später"]
    world.control.act("mail_folder_delete", user=world.user, folder=folder.id, purge=purge)
    told = list(service.changes(account, known.cursor))
    for change in told:
        known.take(change)
    assert known.items() == world.live()
    assert (folder.id in known.rows) is not purge
    if purge:
        assert Listing(folder.id) in told
        assert told.index(Listed(folder.id)) < told.index(Gone(folder.id, folder.folder))
    else:
        assert known.rows[folder.id].folder == names(known)["Deleted Items"].id


def test_mails_saved_from_a_purged_folder_stay(world: ExchangeWorld, service: Service, account: Account) -> None:
    known = Model().run(service, account)
    folder, item = names(known)["Größer"], names(known)["Brief 5"]
    world.move(item.id, "inbox")
    world.control.act("mail_folder_delete", user=world.user, folder=folder.id, purge=True)
    known.run(service, account)
    assert item.id in known.rows
    assert known.items() == world.live()


@pytest.mark.parametrize("fault", ["mail_delta_shuffle", "mail_delta_duplicates", "mail_delta_replay"])
def test_rounds_may_shuffle_repeat_and_replay(
    world: ExchangeWorld, service: Service, account: Account, fault: str
) -> None:
    world.fault(fault, "*")
    known = Model().run(service, account)
    assert known.items() == world.live()
    world.purge(min(world.live()))
    world.add("Neu", "inbox")
    known.run(service, account)
    assert known.items() == world.live()


def test_empty_pages_and_strangers_removed_in_round_one(
    world: ExchangeWorld, service: Service, account: Account
) -> None:
    world.fault("mail_delta_empty_page", DELTA, count=3)
    world.fault("mail_delta_removed_first", DELTA)
    assert Model().run(service, account).items() == world.live()


def test_pages_are_followed(world: ExchangeWorld, service: Service, account: Account) -> None:
    world.control.act("mail_fill", user=world.user, count=620, folder="inbox")
    marks = 0
    known = Model()
    for change in service.changes(account, None):
        known.take(change)
        marks += isinstance(change, Mark)
    assert known.items() == world.live()
    assert marks >= 3
    dates = [row.date for row in known.rows.values() if row.folder == names(known)["Inbox"].id]
    assert dates == sorted(dates, reverse=True), "newest first"


@pytest.mark.parametrize("where", [DELTA, "/users/{id}/mailFolders/delta"])
def test_a_round_that_loops_ends_by_its_name(
    world: ExchangeWorld, service: Service, account: Account, where: str
) -> None:
    world.fault("mail_delta_loop", where)
    before = len(world.calls)
    with pytest.raises(errors.Unreachable) as caught:
        list(service.changes(account, None))
    assert caught.value.code == "delta_loop"
    assert len(world.calls) - before < 60


@pytest.mark.parametrize(
    ("code", "form"),
    [
        ("SyncStateNotFound", (410, True)),
        ("SyncStateNotFound", (404, False)),
        ("SyncStateInvalid", (400, False)),
        ("resyncRequired", (410, False)),
    ],
)
def test_one_dead_folder_is_listed_anew_and_the_others_are_not(
    world: ExchangeWorld, service: Service, account: Account, code: str, form: tuple[int, bool]
) -> None:
    status, location = form
    known = Model().run(service, account)
    inbox = names(known)["Inbox"]
    gone = names(known)["Brief 0"]
    world.purge(gone.id)
    world.control.fault(
        "mail_delta_expired",
        scope={"template": DELTA, "folder": "Inbox", "user": world.user},
        count=1, code=code, status=status, location=location,
    )  # fmt: skip
    told = list(service.changes(account, known.cursor))
    assert [one for one in told if isinstance(one, Listing)] == [Listing(inbox.id)]
    for change in told:
        known.take(change)
    assert known.items() == world.live()
    assert not known.open


def test_a_dead_tree_is_read_anew(world: ExchangeWorld, service: Service, account: Account) -> None:
    known = Model().run(service, account)
    folder = names(known)["Größer"]
    world.control.act("mail_folder_delete", user=world.user, folder=folder.id, purge=True)
    world.fault("mail_delta_expired", "/users/{id}/mailFolders/delta", count=1)
    known.run(service, account)
    assert folder.id not in known.rows
    assert known.items() == world.live()


def test_a_link_that_dies_within_a_listing_starts_that_listing_anew(
    world: ExchangeWorld, service: Service, account: Account
) -> None:
    world.control.act("mail_fill", user=world.user, count=600, folder="inbox")
    known = Model()
    for change in service.changes(account, None):
        known.take(change)
        if isinstance(change, Mark) and known.open:
            break
    assert known.open
    world.control.act("mail_purge", user=world.user, folder="inbox")
    world.control.fault("mail_delta_expired", scope={"user": world.user, "token": "next"}, count=1)
    known.run(service, account)
    assert known.items() == world.live()
    assert not known.open


def test_a_run_without_changes_asks_once_per_folder(world: ExchangeWorld, service: Service, account: Account) -> None:
    known = Model().run(service, account)
    folders = sum(row.is_folder for row in known.rows.values())
    before = len(world.calls)
    known.run(service, account)
    assert len(world.calls) - before == folders + 1


@pytest.mark.parametrize(
    ("fault", "code"),
    [("mail_not_enabled", "MailboxNotEnabledForRESTAPI"), ("mail_access_policy", "ErrorAccessDenied")],
)
def test_a_closed_mailbox_is_this_accounts_matter(
    world: ExchangeWorld, service: Service, account: Account, fault: str, code: str
) -> None:
    known = Model().run(service, account)
    before = known.state()
    world.control.fault(fault, scope={"user": world.user})
    for since in (None, known.cursor):
        with pytest.raises(errors.Forbidden) as caught:
            list(service.changes(account, since))
        assert caught.value.account is True
        assert caught.value.code == code
    assert known.state() == before


def test_an_unknown_mailbox_is_never_an_empty_one(service: Service) -> None:
    stranger = Account("99999999-2222-4333-8444-555555555555", "person", "", "")
    with pytest.raises(errors.Forbidden) as caught:
        list(service.changes(stranger, None))
    assert caught.value.account is True


def test_a_throttled_part_of_a_batch_throttles_the_whole(
    world: ExchangeWorld, service: Service, account: Account
) -> None:
    world.control.fault("throttle_429", scope={"template": "/users/{id}/mailFolders/{id}"}, count=1, retry_after="11.5")
    with pytest.raises(errors.Throttled) as caught:
        list(service.changes(account, None))
    assert caught.value.after == 11.5


@pytest.mark.parametrize("fault", ["html_502", "status_503_empty", "connection_reset", "truncated_body"])
def test_weather_is_one_of_the_seven(world: ExchangeWorld, service: Service, account: Account, fault: str) -> None:
    world.fault(fault, "*", count=1)
    with pytest.raises((errors.Unreachable, errors.Throttled)):
        list(service.changes(account, None))
    assert Model().run(service, account).items() == world.live()


def test_cursors_are_small_and_hold_no_secret(world: ExchangeWorld, service: Service, account: Account) -> None:
    known = Model().run(service, account)
    assert known.cursor is not None
    assert len(known.cursor) < 16_000
    place = cursor.read(known.cursor)
    assert set(place.folders) == {row.id for row in known.rows.values() if row.is_folder}
    assert all(spot.link.startswith("https://graph.microsoft.com/") for spot in place.folders.values())


def test_a_cursor_cannot_lead_elsewhere(world: ExchangeWorld, service: Service, account: Account) -> None:
    known = Model().run(service, account)
    assert known.cursor is not None
    place = cursor.read(known.cursor)
    place.tree = "https://evil.example.net/v1.0/users/x/mailFolders/delta"
    with pytest.raises(errors.Unreachable) as caught:
        list(service.changes(account, cursor.write(place)))
    assert caught.value.code == "egress_refused"


def test_dates_are_instants(world: ExchangeWorld, service: Service, account: Account) -> None:
    item = world.deliver(letter("Datiert"), state={"receivedDateTime": "2024-02-29T23:59:59Z"})
    assert Model().run(service, account).rows[item].date == datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC)
