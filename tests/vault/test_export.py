import io
import mailbox
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arche.vault import Row, export
from tests.vault.world import World, folder, mail, noise


def view_of(*rows):
    world = World()
    return world.commit_and_view(rows)


def test_files_folders_and_names(tmp_path):
    view = view_of(
        folder("in", name="Posteingang"),
        folder("sub", "in", name="Größe/..\\x"),
        folder("empty", name="Leer"),
        ("a", "in", mail(1, noise(3_000))),
        ("b", "sub", b"plain"),
        ("c", "nowhere", b"folder is gone"),
    )
    written = {row.id: path for row, _part, path in export.write_files(view, "exchange", tmp_path)}
    assert written["a"] == tmp_path / "Posteingang" / "name of a.eml"
    assert written["a"].read_bytes() == mail(1, noise(3_000))
    assert written["b"] == tmp_path / "Posteingang" / "Größe_.._x" / "name of b.eml"
    assert written["c"] == tmp_path / "name of c.eml"
    assert (tmp_path / "Leer").is_dir()
    assert written["a"].stat().st_mtime == 1.0


def test_equal_names_do_not_meet(tmp_path):
    world = World()
    writer = world.vault.writer(None, "r", "1")
    names = [
        "Angebot",
        "ANGEBOT",
        "angebot",
        unicodedata.normalize("NFD", "Grüße"),
        "Grüße",
        "",
        "..",
        "CON",
        "con.txt",
    ]
    for n, name in enumerate(names):
        part = writer.part("", "file", [b"%d" % n])
        more = writer.part("attachment:1", "file", [b"more"])
        writer.put(Row("exchange", f"i{n}", "mail", "", name, "1", n, 1, {}, (part, more)))
    view = world.vault.view(writer.commit("snapshot", {}))
    written = [(row, part, path) for row, part, path in export.write_files(view, "exchange", tmp_path)]
    folded = {unicodedata.normalize("NFKC", str(path)).casefold() for _row, _part, path in written}
    assert len(folded) == 2 * len(names)
    for row, part, path in written:
        assert path.read_bytes() == (b"more" if part.name else row.id[1:].encode())


def test_folders_that_are_their_own_parents(tmp_path):
    rows = [folder("a", "b"), folder("b", "a"), folder("c", "c"), folder("d", "a"), ("x", "a", b"1"), ("y", "d", b"2")]
    written = list(export.write_files(view_of(*rows), "exchange", tmp_path))
    assert len({path for _row, _part, path in written}) == 2
    assert all(tmp_path in path.resolve().parents for _row, _part, path in written)


def test_children_follow_their_folder_not_its_name():
    paths = export.folder_paths([folder("1", name="A"), folder("2", name="a"), folder("3", "2", name="child")])
    assert paths == {"1": "A", "2": "a (2)", "3": "a (2)/child"}


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.text(max_size=300))
def test_any_name_becomes_a_safe_one(name):
    safe = export.safe_name(name)
    assert safe
    assert len(safe.encode()) <= 121
    assert not set(safe) & set('<>:"/\\|?*\0\n\r')
    assert safe not in {".", ".."}
    assert safe == safe.strip(" .")
    assert export.safe_name(safe) == safe


@pytest.mark.parametrize("name", ["CON", "nul.txt", "Com1", "lpt9.a.b", "AUX "])
def test_devices(name):
    assert export.safe_name(name).startswith("_")


def test_mbox_is_read_by_the_standard_library(tmp_path):
    mails = {
        "a": b"From: a@example.org\nSubject: one\n\nFrom here on\n>From there\n",
        "b": b"From: b@example.org\nSubject: two\n\nno line end at the end",
        "c": mail(3, noise(2_000), eol=b"\n"),
    }
    view = view_of(*((id_, "f", raw) for id_, raw in mails.items()))
    out = io.BytesIO()
    assert export.write_mbox(view, view.rows("exchange"), out) == 3
    path = tmp_path / "export.mbox"
    path.write_bytes(out.getvalue())
    box = mailbox.mbox(path)
    found = sorted(bytes(message) for message in box)
    box.close()
    assert len(found) == 3
    assert any(b">From here on\n>>From there\n" in raw for raw in found), "mboxrd quoting"
    assert out.getvalue().count(b"\nFrom MAILER-DAEMON ") == 2
