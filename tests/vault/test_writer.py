import pytest

from arche.vault import Conflict, Row, ServiceState, TooNew, VaultError
from arche.vault.errors import AlreadyExists
from arche.vault.packs import PackWriter
from tests.vault.world import Counting, Failing, Outage, World, folder, item, mail, noise, read, tight


@pytest.fixture
def world():
    return World()


def test_an_account_without_commits(world):
    assert world.vault.head() is None
    assert list(world.vault.points()) == []


def test_what_was_put_is_read(world):
    raw = mail(1, noise(100_000))
    manifest = world.commit([folder("inbox", name="Posteingang"), ("a", "inbox", raw), ("b", "inbox", b"")])
    view = world.vault.view(manifest)
    row = view.row("exchange", "a")
    assert (row.name, row.folder, row.size, row.properties) == ("name of a", "inbox", len(raw), {"v": "a"})
    assert read(view, row) == raw
    assert read(view, view.row("exchange", "b")) == b""
    assert [r.name for r in view.folders("exchange")] == ["Posteingang"]
    assert {r.id for r in view.rows("exchange")} == {"inbox", "a", "b"}
    assert view.row("exchange", "nobody") is None
    assert view.row("onedrive", "a") is None
    assert view.services() == ["exchange"]


def test_nothing_is_visible_before_the_commit(world):
    writer = world.vault.writer(None, "run", "1")
    writer.put(item(writer, "a", content=b"x" * 1_000))
    writer.flush()
    assert world.vault.head() is None
    assert any(key.startswith("p0/") for key in world.store.objects)


@pytest.mark.parametrize("offset", [0, 1, 99, 5_000, 66_000, 70_000, 160_000, 174_000])
def test_a_mail_is_read_from_any_offset(world, offset):
    raw = mail(1, noise(125_000))
    view = world.vault.view(world.commit([("a", "f", raw)]))
    assert read(view, view.row("exchange", "a"), offset) == raw[offset:]


@pytest.mark.parametrize("size", [10, 64 << 10, 1_500_000])
@pytest.mark.parametrize("offset", [0, 5, 65_536, 1_400_000, 2_000_000])
def test_a_file_is_read_from_any_offset(world, size, offset):
    data = noise(size)
    writer = world.vault.writer(None, "r", "1")
    writer.put(item(writer, "a", content=data, media="file"))
    view = world.vault.view(writer.commit("snapshot", {}))
    assert read(view, view.row("exchange", "a"), offset) == data[offset:]


def test_a_long_file_has_a_tree(world, monkeypatch):
    monkeypatch.setattr("arche.vault.intake.LEAF", 3)
    data = noise(2_000_000)
    writer = world.vault.writer(None, "r", "1")
    writer.put(item(writer, "a", content=data, media="file"))
    manifest = writer.commit("snapshot", {})
    view = world.vault.view(manifest)
    row = view.row("exchange", "a")
    assert read(view, row) == data
    assert read(view, row, 1_234_567) == data[1_234_567:]
    changed = data[:1_000_000] + b"inserted" + data[1_000_000:]
    writer = world.vault.writer(manifest, "r", "2")
    part = writer.part("", "file", [changed], row)
    writer.put(Row("exchange", "a", "file", "f", "a", "2", 1, part.size, {}, (part,)))
    second = writer.commit("snapshot", {})
    assert second.stored_bytes < 700_000
    view = world.vault.view(second)
    assert read(view, view.row("exchange", "a")) == changed


def test_mail_that_is_too_long_is_a_file(world, monkeypatch):
    monkeypatch.setattr("arche.vault.split_mail.LONGEST", 10_000)
    raw = mail(1, noise(200_000))
    writer = world.vault.writer(None, "r", "1")
    part = writer.part("", "mail", (raw[i : i + 3_000] for i in range(0, len(raw), 3_000)))
    writer.put(Row("exchange", "a", "mail", "f", "a", "1", 1, part.size, {}, (part,)))
    view = world.vault.view(writer.commit("snapshot", {}))
    assert read(view, view.row("exchange", "a")) == raw


def test_attachments_are_stored_once_and_decoded(world):
    attachment = noise(50_000)
    first = world.commit([("a", "f", mail(1, attachment))])
    assert first.stored_bytes < 56_000, "not in base64"
    second = world.commit([("b", "f", mail(2, attachment, width=57, eol=b"\n"))])
    assert second.stored_bytes < 6_000
    view = world.vault.view(second)
    assert read(view, view.row("exchange", "b")) == mail(2, attachment, width=57, eol=b"\n")


def test_attachments_are_found_again_through_segments(world):
    with tight():
        world.commit([(f"m{n}", "f", mail(n, noise(6_000, n))) for n in range(20)])
        manifest = world.vault.head()
        assert manifest.runs
        assert not manifest.packs
        second = world.commit([("again", "f", mail(99, noise(6_000, 7)))])
    assert second.stored_bytes < 6_000


def test_equal_content_gives_the_old_part_back(world):
    raw = mail(1, noise(2_000))
    manifest = world.commit([("a", "f", raw)])
    row = world.vault.view(manifest).row("exchange", "a")
    writer = world.vault.writer(manifest, "r", "2")
    assert writer.part("", "mail", [raw[:100], raw[100:]], row) == row.parts[0]
    writer.flush()
    assert sum(key.startswith("p0/") for key in world.store.objects) == 1


def test_no_change_is_no_change(world):
    manifest = world.commit([folder("f"), ("a", "f", b"text")])
    writer = world.vault.writer(manifest, "r", "2")
    writer.put(world.vault.view(manifest).row("exchange", "a"))
    writer.gone("exchange", "nobody")
    writer.put(item(writer, "b"))
    assert writer.changed
    writer.gone("exchange", "b")
    assert not writer.changed
    writer.gone("exchange", "a")
    assert writer.changed
    assert writer.row("exchange", "a") is None
    writer.put(world.vault.view(manifest).row("exchange", "a"))
    assert not writer.changed


def test_writer_sees_its_own_changes(world):
    manifest = world.commit([("a", "f", b"1"), ("b", "f", b"2")])
    writer = world.vault.writer(manifest, "r", "2")
    moved = item(writer, "a", "g", b"3", version="2")
    writer.put(moved)
    writer.gone("exchange", "b")
    assert writer.row("exchange", "a") == moved
    assert writer.row("exchange", "b") is None


@pytest.mark.parametrize(
    "row", [folder("f").__class__("exchange", "x", "", "", "", "", 0), Row("#points", "x", "k", "", "", "", 0)]
)
def test_bad_rows_are_refused(world, row):
    with pytest.raises(ValueError, match="kind and a service"):
        world.vault.writer(None, "r", "1").put(row)


def test_long_properties_leave_the_catalog(world):
    text = "ä" * 30_000
    writer = world.vault.writer(None, "r", "1")
    row = Row("exchange", "a", "event", "f", "n", "1", 1, 0, {"body": text})
    writer.put(row)
    assert writer.row("exchange", "a") is not None
    manifest = writer.commit("snapshot", {})
    assert world.vault.view(manifest).row("exchange", "a") == row
    second = world.vault.writer(manifest, "r", "2")
    second.put(row)
    assert not second.changed


def test_a_row_with_a_problem_keeps_its_last_good_content(world):
    manifest = world.commit([("a", "f", b"good")])
    row = world.vault.view(manifest).row("exchange", "a")
    writer = world.vault.writer(manifest, "r", "2")
    writer.put(Row(**{f: getattr(row, f) for f in row.__struct_fields__} | {"problem": "ItemRefused", "version": "2"}))
    state = ServiceState(cursor="c2", problems={"a": "ItemRefused"}, flags=["x"], listings={"f": [1, 2]})
    second = world.vault.manifest(writer.commit("snapshot", {"exchange": state}).seq)
    view = world.vault.view(second)
    assert view.row("exchange", "a").problem == "ItemRefused"
    assert read(view, view.row("exchange", "a")) == b"good"
    assert second.services == {"exchange": state}


def test_services_that_a_run_does_not_touch_stay(world):
    world.commit([("a", "f", b"1")], cursor="exchange-1")
    writer = world.vault.writer(world.vault.head(), "r", "2")
    manifest = writer.commit("checkpoint", {"onedrive": ServiceState(cursor="drive-1")})
    assert manifest.services["exchange"].cursor == "exchange-1"
    assert manifest.services["onedrive"].cursor == "drive-1"


def test_chain_and_points(world):
    for n in range(4):
        world.commit([(f"i{n}", "f", b"x")], kind="checkpoint" if n == 2 else "snapshot", run=f"r{n}")
    manifests = [world.vault.manifest(seq) for seq in range(1, 5)]
    assert [m.parent for m in manifests] == [b"", *(m.digest for m in manifests[:-1])]
    assert [m.seq for m in world.vault.points()] == [4, 2, 1]
    assert world.vault.head(2).seq == 4
    assert world.vault.head(99).seq == 4, "a remembered head that is not there"
    assert [m.first for m in manifests] == [1, 2, 3, 4]


def test_checkpoints_of_one_run_in_several_processes(world):
    for n in range(3):
        writer = world.vault.writer(world.vault.head(), "run", f"slice {n}")
        writer.put(item(writer, f"i{n}", content=noise(1_000, n)))
        writer.commit("checkpoint", {"exchange": ServiceState(cursor=f"after {n}")})
    writer = world.vault.writer(world.vault.head(), "run", "seal")
    assert not writer.changed
    manifest = writer.commit("snapshot", {"exchange": ServiceState(cursor="after 2", complete=True)})
    assert manifest.first == 1
    assert {row.id for row in world.vault.view(manifest).rows("exchange")} == {"i0", "i1", "i2"}
    assert [m.seq for m in world.vault.points()] == [4]


def test_one_writer_commits_again_and_again(world):
    writer = world.vault.writer(None, "run", "1")
    with tight():
        for n in range(30):
            writer.put(item(writer, f"i{n}", content=noise(400, n), date=n))
            if n % 3 == 2:
                writer.commit("checkpoint", {"exchange": ServiceState(cursor=str(n))})
        assert not writer.changed
    view = world.vault.view(world.vault.head())
    assert {row.id: read(view, row) for row in view.rows("exchange")} == {f"i{n}": noise(400, n) for n in range(30)}


def test_stored_bytes_counts_every_object(world):
    with tight():
        total = 0
        for n in range(6):
            total += world.commit(
                [(f"{n}-{i}", "f", noise(700, 10 * n + i)) for i in range(5 * n)], run=f"r{n}"
            ).stored_bytes
    assert total == sum(len(data) for data in world.store.objects.values())


def test_requests_of_an_incremental_run(world):
    seq = world.commit([folder("f"), *((f"i{n}", "f", mail(n)) for n in range(500))]).seq
    counting = Counting(world.store)
    vault = world.open(counting)
    writer = vault.writer(vault.head(seq), "r2", "1")
    row = writer.row("exchange", "i7")
    writer.put(item(writer, "i7", content=mail(7, text=b"changed"), version="2", like=row))
    writer.put(item(writer, "new", content=mail(900, noise(20_000))))
    writer.gone("exchange", "i8")
    writer.commit("checkpoint", {})
    assert counting.count("create") <= 3
    assert counting.count("create", "p0/") == 1
    assert counting.count("create", "m/") == 1
    assert counting.count("list") == 0
    sealing = Counting(world.store)
    vault = world.open(sealing)
    vault.writer(vault.head(seq), "r2", "1").commit("snapshot", {})
    assert (sealing.count("create"), sealing.count("list")) == (1, 0)


def test_many_small_runs_stay_within_three_creates(world):
    writes = []
    for n in range(40):
        counting = Counting(world.store)
        vault = world.open(counting)
        writer = vault.writer(vault.head(n), f"r{n}", "1")
        for i in range(20):
            writer.put(item(writer, f"{n}-{i}", content=mail(n * 100 + i), name="a subject of some length " * 3))
        writer.commit("snapshot", {})
        writes.append(counting.count("create"))
    assert max(writes) == 3
    assert writes.count(2) > 25, "most runs need no segment"
    assert len(world.vault.head().runs) <= 6


class TestConflicts:
    def test_two_writers_race(self, world):
        base = world.commit([("a", "f", b"1")])
        one, two = (world.vault.writer(base, f"run {n}", "1") for n in (1, 2))
        one.put(item(one, "one", content=b"one"))
        two.put(item(two, "two", content=b"two"))
        won = one.commit("snapshot", {})
        with pytest.raises(Conflict) as caught:
            two.commit("snapshot", {})
        assert caught.value.manifest.digest == won.digest
        assert world.vault.view(world.vault.head()).row("exchange", "two") is None
        again = world.vault.writer(caught.value.manifest, "run 2", "2")
        again.put(item(again, "two", content=b"two"))
        ids = {row.id for row in world.vault.view(again.commit("snapshot", {})).rows("exchange")}
        assert ids == {"a", "one", "two"}

    def test_a_twin_with_the_same_attempt_is_somebody_else(self, world):
        one, two = (world.vault.writer(None, "run", "attempt") for _ in range(2))
        one.put(item(one, "one"))
        two.put(item(two, "two"))
        one.commit("snapshot", {})
        with pytest.raises(Conflict):
            two.commit("snapshot", {})

    def test_a_lost_reply_is_success(self, world):
        class Deaf:
            """Creates a manifest, then says that it exists already, as S3 does to a repeated request."""

            def __getattr__(self, name):
                return getattr(world.store, name)

            def create(self, key, data):
                world.store.create(key, data)
                if key.startswith("m/"):
                    raise AlreadyExists(key)

        vault = world.open(Deaf())
        writer = vault.writer(None, "run", "1")
        writer.put(item(writer, "a"))
        manifest = writer.commit("snapshot", {})
        assert manifest.digest == world.vault.head().digest
        assert not writer.changed

    @pytest.mark.parametrize("after", [False, True])
    def test_repeating_a_commit_after_an_outage(self, world, after):
        failing = Failing(world.store, 2, after=after, dead=False, only="create")
        vault = world.open(failing)
        writer = vault.writer(None, "run", "1")
        writer.put(item(writer, "a", content=b"1"))
        state = {"exchange": ServiceState(cursor="1")}
        with pytest.raises(Outage):
            writer.commit("snapshot", state)
        with pytest.raises(VaultError, match="unknown"):
            writer.put(item(writer, "b"))
        with pytest.raises(VaultError, match="unknown"):
            writer.gone("exchange", "a")
        manifest = writer.commit("snapshot", state)
        assert manifest.seq == 1
        assert world.vault.head().seq == 1
        writer.put(item(writer, "b", content=b"2"))
        assert {row.id for row in vault.view(writer.commit("snapshot", state)).rows("exchange")} == {"a", "b"}

    def test_repeating_with_another_state_goes_on_top(self, world):
        failing = Failing(world.store, 2, after=True, dead=False, only="create")
        writer = world.open(failing).writer(None, "run", "1")
        writer.put(item(writer, "a", content=b"1"))
        with pytest.raises(Outage):
            writer.commit("checkpoint", {"exchange": ServiceState(cursor="1")})
        manifest = writer.commit("snapshot", {"exchange": ServiceState(cursor="2", complete=True)})
        assert (manifest.seq, manifest.kind, manifest.services["exchange"].cursor) == (2, "snapshot", "2")
        assert [row.id for row in world.vault.view(manifest).rows("exchange")] == ["a"]

    @pytest.mark.parametrize("after", [False, True])
    def test_a_pack_that_failed_is_stored_again(self, world, after):
        failing = Failing(world.store, 1, after=after, dead=False, only="create")
        writer = world.open(failing).writer(None, "run", "1")
        writer.put(item(writer, "a", content=b"first"))
        with pytest.raises(Outage):
            writer.flush()
        writer.put(item(writer, "b", content=b"second"))
        view = world.vault.view(writer.commit("snapshot", {}))
        assert [read(view, view.row("exchange", id_)) for id_ in "ab"] == [b"first", b"second"]

    def test_rebase_on_maintenance(self, world):
        base = world.commit([("a", "f", b"1")])
        with tight():
            writer = world.vault.writer(base, "run", "1")
            for n in range(30):
                writer.put(item(writer, f"i{n}", content=noise(300, n), date=n))
            writer.gone("exchange", "a")
            other = world.vault.writer(base, "keeper", "1")
            other._draft, draft = lambda *args: maintenance(draft(*args)), other._draft
            other.commit("checkpoint", {})
            with pytest.raises(Conflict) as caught:
                writer.commit("snapshot", {})
            writer.rebase(caught.value.manifest)
            manifest = writer.commit("snapshot", {})
        assert manifest.seq == 3
        view = world.vault.view(manifest)
        assert {row.id: read(view, row) for row in view.rows("exchange")} == {f"i{n}": noise(300, n) for n in range(30)}
        assert world.vault.view(base, manifest).row("exchange", "i3") is None
        assert world.vault.view(caught.value.manifest, manifest).row("exchange", "i3") is None, "it came after that"
        assert world.vault.view(base, manifest).row("exchange", "a") is not None

    @pytest.mark.parametrize("change", [{"kind": "snapshot"}, {"retired": ["p0/x"]}, {"abandoned": ["run"]}])
    def test_no_rebase_where_it_is_not_safe(self, world, change):
        base = world.commit([("a", "f", b"1")])
        writer = world.vault.writer(base, "run", "1")
        writer.put(item(writer, "b"))
        other = world.vault.writer(base, "keeper", "1")
        other._draft, draft = lambda *args: maintenance(draft(*args), **change), other._draft
        with pytest.raises(Conflict):
            writer.rebase(other.commit("checkpoint", {}))


def maintenance(manifest, **change):
    for name, value in ({"kind": "compact"} | change).items():
        setattr(manifest, name, value)
    return manifest


def test_a_chain_that_needs_a_newer_writer(world):
    base = world.commit([("a", "f", b"1")])
    base.least = 2
    with pytest.raises(TooNew):
        world.vault.writer(base, "r", "1")


def test_base_manifests(world, monkeypatch):
    monkeypatch.setattr("arche.vault.writer.BASE_EVERY", 3)
    assert [world.commit([(f"i{n}", "f", b"x")]).base for n in range(6)] == [False, False, True, False, False, True]


def test_incompressible_blobs_are_stored_raw(world):
    packs = PackWriter(world.store, world.keys)
    packs.add(b"\1" * 32, noise(100_000))
    packs.add(b"\2" * 32, b"text " * 20_000)
    packs.flush()
    assert 100_000 < packs.stored_bytes < 104_000


def test_source_that_fails_leaves_nothing_behind(world):
    def broken():
        yield b"x" * 100_000
        raise Outage

    writer = world.vault.writer(None, "r", "1")
    with pytest.raises(Outage):
        writer.part("", "file", broken())
    writer.put(item(writer, "a", content=b"good"))
    view = world.vault.view(writer.commit("snapshot", {}))
    assert read(view, view.row("exchange", "a")) == b"good"
