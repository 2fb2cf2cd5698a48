"""The promises of a room (contract.py, docs/design.md), as tests that every room runs against its simulator.

A room's test module makes a subclass of ``RoomContract`` and a fixture ``world`` that gives a ``World``: the hands of
the vendor's people, its weather, and the room opened on it.
"""

from __future__ import annotations

import itertools
import json
import logging
import time
from dataclasses import replace

import pytest

from arche.providers import errors
from arche.providers.contract import Account, Gone, Into, Item, Mark, Service
from tests.providers.contract_world import Kept, Model, World, any_date

TOKEN_WORDS = ("Bearer", "good")


class RoomContract:
    """Inherit in a room's test module, beside a fixture ``world``."""

    @pytest.fixture(autouse=True)
    def _no_sleep(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(_: float) -> None:
            raise AssertionError("a room never sleeps")

        monkeypatch.setattr(time, "sleep", refuse)

    @pytest.fixture
    def service(self, world: World) -> Service:
        return world.open()

    @pytest.fixture
    def account(self, world: World) -> Account:
        return world.account()

    def test_accounts_are_data_and_lazy(self, world: World, service: Service) -> None:
        before = len(world.calls)
        found = service.accounts()
        assert len(world.calls) == before
        accounts = list(found)
        assert world.account() in accounts
        assert len({one.id for one in accounts}) == len(accounts)
        for one in accounts:
            json.dumps(one.properties)
            assert world.service_name in one.services

    def test_first_pass_tells_everything_and_ends_with_a_mark(
        self, world: World, service: Service, account: Account
    ) -> None:
        changes = list(service.changes(account, None))
        assert isinstance(changes[-1], Mark)
        assert {one.id for one in changes if isinstance(one, Item) and not one.is_folder} == world.live()

    def test_what_is_not_told_is_proven_gone(self, world: World, service: Service, account: Account) -> None:
        known = Model().run(service, account)
        known.rows["ghost"] = replace(next(row for row in known.rows.values() if not row.is_folder), id="ghost")
        known.rows["ghost folder"] = replace(next(r for r in known.rows.values() if r.is_folder), id="ghost folder")
        known.cursor = None
        known.run(service, account)
        assert known.items() == world.live()
        assert "ghost folder" not in known.rows
        assert not known.open

    def test_folders_come_before_what_is_in_them(self, service: Service, account: Account) -> None:
        seen = {""}
        for one in service.changes(account, None):
            if isinstance(one, Item):
                assert one.folder in seen, "an item before its folder"
                seen.add(one.id)

    def test_items_are_data(self, service: Service, account: Account) -> None:
        for one in service.changes(account, None):
            if isinstance(one, Item):
                assert json.loads(json.dumps(one.properties)) == one.properties
                assert one.date.tzinfo is not None
                assert one.version

    def test_changes_are_lazy(self, world: World, service: Service, account: Account) -> None:
        before = len(world.calls)
        stream = service.changes(account, None)
        assert len(world.calls) == before
        next(stream)
        some = len(world.calls)
        list(stream)
        assert some < len(world.calls) or some - before <= 1

    def test_nothing_new_is_told_as_nothing(self, service: Service, account: Account) -> None:
        known = Model().run(service, account)
        later = list(service.changes(account, known.cursor))
        assert later
        assert all(isinstance(one, Mark) for one in later)

    def test_a_run_may_begin_again_at_any_mark(self, world: World, service: Service, account: Account) -> None:
        whole = Model()
        stops = []
        for change in service.changes(account, None):
            whole.take(change)
            if isinstance(change, Mark):
                stops.append(whole.copy())
        assert stops
        for stop in stops:
            again = stop.run(service, account)
            assert again.state() == whole.state()
            assert not again.open, "a listing begun before the Mark must end"
        assert whole.items() == world.live()

    def test_replay_is_idempotent(self, world: World, service: Service, account: Account) -> None:
        known = Model().run(service, account)
        start = known.cursor
        folder = next(row.id for row in known.rows.values() if row.is_folder)
        world.add("Neu dazu", folder)
        world.purge(min(world.live()))
        once = known.copy().run(service, account)
        twice = once.copy()
        twice.cursor = start
        twice.run(service, account)
        assert once.state() == twice.state()
        assert once.items() == world.live()

    def test_new_changed_and_purged_items_are_told(self, world: World, service: Service, account: Account) -> None:
        known = Model().run(service, account)
        before = known.state()
        changed, purged = sorted(world.live())[:2]
        world.change(changed)
        world.purge(purged)
        added = world.add("Neu dazu", known.rows[changed].folder)
        told = list(service.changes(account, known.cursor))
        touched = {one.id for one in told if isinstance(one, Item | Gone) and one.id in before | {added: ()}}
        assert {changed, purged, added} <= touched
        for one in told:
            known.take(one)
        assert known.items() == world.live()
        assert known.rows[changed].version != before[changed][3]
        assert {key for key, row in known.state().items() if before.get(key) != row and row[0] != "folder"} == {
            changed,
            added,
        }

    def test_a_dead_cursor_costs_a_listing_and_loses_nothing(
        self, world: World, service: Service, account: Account
    ) -> None:
        known = Model().run(service, account)
        purged = min(world.live())
        world.purge(purged)
        world.expire()
        try:
            known.run(service, account)
        except errors.CursorExpired:
            known.cursor = None
            known.run(service, account)
        assert known.items() == world.live()
        assert not known.open

    @pytest.mark.parametrize("cursor", ["", "x", "AAAA", "ÿ", "0" * 64 + "z"])
    def test_a_foreign_cursor_is_expired(self, world: World, service: Service, account: Account, cursor: str) -> None:
        before = len(world.calls)
        with pytest.raises(errors.CursorExpired):
            list(service.changes(account, cursor))
        assert len(world.calls) == before

    def test_content_comes_byte_for_byte_from_any_offset(
        self, world: World, service: Service, account: Account
    ) -> None:
        item = _any(Model().run(service, account))
        truth = world.content(item.id)
        for offset in (0, 1, len(truth) // 2, len(truth), len(truth) + 1):
            parts = iter(service.read(account, item, offset))
            part = next(parts)
            assert part.name == ""
            assert b"".join(part.chunks) == truth[offset:]

    def test_reading_is_lazy(self, world: World, service: Service, account: Account) -> None:
        item = _any(Model().run(service, account))
        before = len(world.calls)
        service.read(account, item)
        assert len(world.calls) == before

    def test_a_changed_version_is_told(self, world: World, service: Service, account: Account) -> None:
        item = _any(Model().run(service, account))
        world.change(item.id)
        with pytest.raises(errors.ItemChanged):
            Kept(service, account, item)
        found = next(iter(service.find(account, [item.id])))
        assert isinstance(found, Item)
        assert found.version != item.version
        assert Kept(service, account, found).parts

    def test_an_item_that_vanished_is_found_gone(self, world: World, service: Service, account: Account) -> None:
        known = Model().run(service, account)
        item, other = itertools.islice((row for row in known.rows.values() if not row.is_folder), 2)
        world.purge(item.id)
        with pytest.raises(errors.ItemChanged):
            Kept(service, account, item)
        found = list(service.find(account, [item.id, other.id]))
        assert found[0] == Gone(item.id, "")
        assert isinstance(found[1], Item)
        assert (found[1].id, found[1].folder, found[1].version) == (other.id, other.folder, other.version)

    def test_a_refused_item_is_one_item(self, world: World, service: Service, account: Account) -> None:
        known = Model().run(service, account)
        item, other = itertools.islice((row for row in known.rows.values() if not row.is_folder), 2)
        world.refuse(item.id)
        with pytest.raises(errors.ItemRefused):
            Kept(service, account, item)
        assert Kept(service, account, other).parts
        assert other.id in {one.id for one in service.find(account, [item.id, other.id])}

    def test_a_cut_download_is_noticed(self, world: World, service: Service, account: Account) -> None:
        item = _any(Model().run(service, account))
        world.cut()
        with pytest.raises(errors.Unreachable):
            Kept(service, account, item)
        assert Kept(service, account, item).parts

    @pytest.mark.parametrize("told", ["7", "2.128", None])
    def test_throttling_names_the_time_and_nothing_is_tried_again(
        self, world: World, service: Service, account: Account, told: str | None
    ) -> None:
        least, most = (float(told), float(told)) if told else (0.1, 300.0)
        world.throttle(told)
        before = len(world.calls)
        with pytest.raises(errors.Throttled) as caught:
            list(service.changes(account, None))
        assert least <= caught.value.after <= most
        assert len(world.calls) == before + 1

    def test_a_broken_connection_is_unreachable(self, world: World, service: Service, account: Account) -> None:
        world.disconnect()
        before = len(world.calls)
        with pytest.raises(errors.Unreachable):
            list(service.changes(account, None))
        assert len(world.calls) == before + 1

    def test_a_bad_token_stops_the_connection(self, world: World, account: Account) -> None:
        for call in (lambda s: list(s.accounts()), lambda s: list(s.changes(account, None))):
            with pytest.raises(errors.CredentialRejected):
                call(world.open("bad"))

    def test_a_missing_right_is_never_a_deletion(self, world: World, service: Service, account: Account) -> None:
        known = Model().run(service, account)
        before = known.state()
        world.forbid()
        with pytest.raises(errors.Forbidden):
            known.run(service, account)
        assert known.state() == before

    def test_what_was_written_reads_the_same(self, world: World, service: Service, account: Account) -> None:
        item, kept, into = self._saved(world, service, account)
        world.purge(item.id)
        outcome = service.write(account, item, kept, Into(into))
        assert outcome.action == "written"
        assert outcome.new_id in world.live()
        assert service.verify(account, item, kept, outcome.new_id) == ()
        assert all(loss.field and loss.reason for loss in outcome.losses)

    def test_verify_sees_a_difference(self, world: World, service: Service, account: Account) -> None:
        item, kept, into = self._saved(world, service, account)
        world.purge(item.id)
        outcome = service.write(account, item, kept, Into(into))
        world.change(outcome.new_id)
        assert service.verify(account, item, kept, outcome.new_id) != ()

    def test_skip_writes_nothing_over_what_is_there(self, world: World, service: Service, account: Account) -> None:
        item, kept, into = self._saved(world, service, account)
        before = world.live()
        assert service.write(account, item, kept, Into(into, "skip")).action == "skipped"
        assert world.live() == before

    @pytest.mark.parametrize(("policy", "action"), [("keep_both", "written"), ("rename", "renamed")])
    def test_both_stay(self, world: World, service: Service, account: Account, policy: str, action: str) -> None:
        item, kept, into = self._saved(world, service, account)
        before = world.live()
        outcome = service.write(account, item, kept, Into(into, policy))
        assert outcome.action == action
        assert world.live() == before | {outcome.new_id}

    def test_replace_writes_first_and_deletes_after(self, world: World, service: Service, account: Account) -> None:
        item, kept, into = self._saved(world, service, account)
        mark = len(world.calls)
        outcome = service.write(account, item, kept, Into(into, "replace"))
        assert outcome.action == "replaced"
        left = {row.id for row in Model().run(service, account).rows.values() if row.folder == item.folder}
        assert outcome.new_id in left
        assert item.id not in left
        methods = [call.method for call in world.calls[mark:] if call.method in {"POST", "DELETE"}]
        assert methods.index("POST") < methods.index("DELETE")

    def test_a_failed_write_deletes_nothing(self, world: World, service: Service, account: Account) -> None:
        item, kept, into = self._saved(world, service, account)
        before = world.live()
        world.throttle("1")
        with pytest.raises(errors.Throttled):
            service.write(account, item, kept, Into(into, "replace"))
        assert world.live() >= before

    def test_a_rerun_finds_its_own_work(self, world: World, service: Service, account: Account) -> None:
        item, kept, into = self._saved(world, service, account)
        world.purge(item.id)
        for policy in ("skip", "keep_both", "rename", "replace"):
            first = service.write(account, item, kept, Into(into, policy, mark=f"R-{policy}"))
            before = world.live()
            again = service.write(account, item, kept, Into(into, policy, mark=f"R-{policy}", again=True))
            assert (again.action, again.new_id) == ("existing", first.new_id), policy
            assert world.live() == before
            world.purge(first.new_id)

    def test_a_rerun_without_a_mark_goes_by_what_is_there(
        self, world: World, service: Service, account: Account
    ) -> None:
        item, kept, into = self._saved(world, service, account)
        world.purge(item.id)
        first = service.write(account, item, kept, Into(into, "keep_both"))
        again = service.write(account, item, kept, Into(into, "keep_both", again=True))
        assert (again.action, again.new_id) == ("existing", first.new_id)

    def test_folders_are_made_once(self, world: World, service: Service, account: Account) -> None:
        path = [
            Item("f1", "folder", "", "Wiederhergestellt: Ä/Ö", "1", any_date()),
            Item("f2", "folder", "f1", "2026", "1", any_date()),
        ]
        first = service.folder(account, path, "")
        assert service.folder(account, path, "") == first
        rows = Model().run(service, account).rows
        assert rows[first].name == "2026"
        assert rows[rows[first].folder].name == "Wiederhergestellt: Ä/Ö"

    def test_restores_notify_nobody(self, world: World, service: Service, account: Account) -> None:
        item, kept, into = self._saved(world, service, account)
        before = world.notified()
        for policy in ("keep_both", "rename", "replace"):
            service.write(account, item, kept, Into(into, policy))
        assert world.notified() == before

    def test_only_the_platforms_hosts_are_called(self, world: World, service: Service, account: Account) -> None:
        item, kept, into = self._saved(world, service, account)
        service.write(account, item, kept, Into(into, "keep_both"))
        list(service.accounts())
        assert world.calls
        assert {call.host for call in world.calls} <= set(world.platform.hosts.all)
        assert all(call.template and item.id not in call.template for call in world.calls)

    def test_nothing_secret_is_logged(
        self, world: World, service: Service, account: Account, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.DEBUG):
            item, kept, into = self._saved(world, service, account)
            service.write(account, item, kept, Into(into, "keep_both"))
        assert not [word for word in TOKEN_WORDS if word in caplog.text]
        assert item.name not in caplog.text

    def _saved(self, world: World, service: Service, account: Account) -> tuple[Item, Kept, str]:
        item = _any(Model().run(service, account))
        return item, Kept(service, account, item), item.folder


def _any(known: Model) -> Item:
    return min((row for row in known.rows.values() if not row.is_folder), key=lambda row: row.id)
