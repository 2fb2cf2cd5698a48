"""Random histories against a dictionary: every state is read the same from its own manifest and from any later one."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arche.vault import Row, ServiceState
from tests.vault.world import World, read, tight

IDS = st.sampled_from([f"i{n}" for n in range(12)])
OPERATIONS = st.one_of(
    st.tuples(
        st.just("put"), IDS, st.sampled_from(["", "f1", "f2"]), st.integers(-5, 3), st.integers(0, 40), st.booleans()
    ),
    st.tuples(st.just("put"), IDS, st.just("f1"), st.just(0), st.integers(0, 3), st.just(value=False)),
    st.tuples(st.just("gone"), IDS),
    st.tuples(st.just("commit"), st.sampled_from(["snapshot", "checkpoint"])),
    st.tuples(st.just("crash")),
)


def state_of(view, service="mail"):
    return {row.id: (row, read(view, row)) for row in view.rows(service)}


def check(view, model, service="mail"):
    """Compare all ways to read with the model: {id: (row, content)}."""
    assert state_of(view, service) == model
    for number in range(12):
        id_ = f"i{number}"
        assert view.row(service, id_) == (model[id_][0] if id_ in model else None)
    folders = {id_: row for id_, (row, _content) in model.items() if row.is_folder}
    assert {row.id: row for row in view.folders(service)} == folders
    for folder in ("", "f1", "f2"):
        wanted = sorted(
            (row for row, _content in model.values() if row.folder == folder and not row.is_folder),
            key=lambda row: -row.date,
        )
        pages, after = [], ""
        while True:
            page = view.folder(service, folder, after, limit=2)
            assert len(page.items) <= 2
            pages += page.items
            after = page.after
            if not after:
                break
        assert [row.date for row in pages] == [row.date for row in wanted]
        assert {row.id: row for row in pages} == {row.id: row for row in wanted}
        assert len(pages) == len(wanted)


@settings(max_examples=200, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(OPERATIONS, min_size=20, max_size=120))
def test_any_history_is_read_back_at_every_time(operations):
    with tight():
        world = World()
        model, committed, states = {}, {}, []
        writer = world.vault.writer(None, "run", "0")
        for number, operation in enumerate(operations):
            match operation:
                case ("put", id_, folder, date, version, is_folder):
                    content = b"%s in version %d " % (id_.encode(), version) * (version * 2)
                    before = writer.row("mail", id_)
                    part = writer.part("", "file", [content], before)
                    kind = "folder" if is_folder else "mail"
                    properties = {"long": "x" * 20_000} if version == 40 else {"n": version}
                    row = Row(
                        "mail", id_, kind, folder, f"n{version}", str(version), date, version, properties, (part,)
                    )
                    writer.put(row)
                    model[id_] = (row, content)
                case ("gone", id_):
                    writer.gone("mail", id_)
                    model.pop(id_, None)
                case ("commit", kind):
                    manifest = writer.commit(kind, {"mail": ServiceState(cursor=str(number))})
                    assert manifest.services["mail"].cursor == str(number)
                    committed = dict(model)
                    states.append((manifest, committed))
                case ("crash",):
                    writer = world.vault.writer(world.vault.head(), "run", str(number))
                    model = dict(committed)
        head = world.vault.head()
        for manifest, wanted in states:
            check(world.vault.view(world.vault.manifest(manifest.seq)), wanted)
            check(world.vault.view(manifest, head), wanted)
        snapshots = [manifest.seq for manifest, _wanted in reversed(states) if manifest.kind == "snapshot"]
        assert [manifest.seq for manifest in world.vault.points()] == snapshots


def test_ids_and_folders_of_any_kind():
    names = ["", "\0", "a\0b", "ä", "a", "A", "x" * 3_000, "../..", "\ud800", "😀", "#points"]
    world = World()
    writer = world.vault.writer(None, "r", "1")
    rows = [Row("mail", id_, "mail", folder, id_, "1", 5) for id_, folder in zip(names, reversed(names), strict=True)]
    rows = [row for row in rows if "\ud800" not in row.id + row.folder]
    for row in rows:
        writer.put(row)
    view = world.vault.view(writer.commit("snapshot", {}))
    for row in rows:
        assert view.row("mail", row.id) == row
        assert row in view.folder("mail", row.folder).items


@pytest.mark.parametrize("text", ["x", "äöü", "AAAA", "=" * 8, "A" * 39, "A" * 40])
def test_what_is_no_cursor(text):
    view = World().commit_and_view([(f"i{n}", "f", b"") for n in range(4)])
    with pytest.raises(ValueError, match="cursor"):
        view.folder("exchange", "f", text)


def test_a_cursor_belongs_to_its_folder():
    view = World().commit_and_view([(f"{folder}{n}", folder, b"") for n in range(4) for folder in "fg"])
    page = view.folder("exchange", "f", limit=2)
    assert page.after
    assert len(view.folder("exchange", "f", page.after).items) == 2
    with pytest.raises(ValueError, match="cursor"):
        view.folder("exchange", "g", page.after)
