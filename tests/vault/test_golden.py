"""The golden files of version 1: whatever the engine becomes, it reads them. They are never made again."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from arche.vault import AccountVault, DirectoryStore, KeyRing, LocalWrapper, Row
from arche.vault.verify import verify
from localcloud import second_reader
from tests.vault.make_golden import CUSTOMER, SECRET, listing

HERE = Path(__file__).parent / "golden" / "v1"
ACCOUNTS = ("A-0001", "A-0002")


@pytest.fixture(scope="module")
def expected():
    return json.loads((HERE / "expected.json").read_text())


def vault_in(folder, account):
    ring = KeyRing.open(DirectoryStore(folder / "keys"), LocalWrapper(SECRET), CUSTOMER)
    return AccountVault(DirectoryStore(folder / "vault"), ring.account(account), CUSTOMER, account)


def test_the_files_are_the_ones_that_were_made():
    digest = hashlib.sha256()
    for path in sorted(path for path in HERE.rglob("*") if path.is_file()):
        digest.update(path.relative_to(HERE).as_posix().encode() + path.read_bytes())
    assert digest.hexdigest() == "4dc1a5933d49598b51319f5b535816b0f59225728b19b12a8cd4e78968f6d064"


@pytest.mark.parametrize("account", ACCOUNTS)
def test_every_state_reads_as_expected(expected, account):
    vault = vault_in(HERE, account)
    assert json.loads(json.dumps(listing(vault))) == expected[account]
    assert verify(vault, vault.head()).good


def test_old_states_read_the_same_through_the_head(expected):
    vault = vault_in(HERE, "A-0001")
    head = vault.head()
    for seq, state in expected["A-0001"]["states"].items():
        view = vault.view(vault.manifest(int(seq)), head)
        rows = {(row.service, row.id): row.version for name in ("exchange", "onedrive") for row in view.rows(name)}
        assert rows == {(row["service"], row["id"]): row["version"] for row in state["rows"]}


def test_a_writer_goes_on_from_them(tmp_path):
    shutil.copytree(HERE, tmp_path / "copy")
    vault = vault_in(tmp_path / "copy", "A-0001")
    before = len(list(vault.view(vault.head()).rows("exchange")))
    writer = vault.writer(vault.head(), "run", "1")
    row = writer.row("exchange", "M01")
    part = writer.part("", "mail", vault.view(vault.head()).read(row.parts[0]), row)
    assert part == row.parts[0], "digests are as they were"
    writer.put(Row("exchange", "new", "mail", "F1", "new", "1", 1, 0, {}, (part,)))
    manifest = writer.commit("snapshot", {})
    assert len(list(vault.view(manifest).rows("exchange"))) == before + 1
    assert verify(vault, manifest).good


@pytest.mark.parametrize("account", ACCOUNTS)
def test_the_second_reader_finds_the_same(expected, account):
    """A reader that was written from docs/format.md alone."""
    opened = second_reader.Account.open(
        second_reader.Folder(HERE / "vault"),
        second_reader.Folder(HERE / "keys"),
        second_reader.local_unwrap(SECRET),
        CUSTOMER,
        account,
    )
    assert opened.check_chain() == len(expected[account]["states"])
    for seq, wanted in expected[account]["states"].items():
        state = opened.state(int(seq))
        assert (state.manifest["kind"], state.manifest["run"], state.manifest["stored"], state.manifest["note"]) == (
            wanted["kind"],
            wanted["run"],
            wanted["stored"],
            wanted["note"],
        )
        assert json.loads(json.dumps(state.manifest["services"])) == wanted["services"]
        found = [
            {
                "service": entry.service,
                "id": entry.id,
                "kind": entry.kind,
                "folder": entry.folder,
                "name": entry.name,
                "version": entry.version,
                "date": entry.date,
                "size": entry.size,
                "problem": entry.problem,
                "properties": state.properties(entry),
                "parts": [[p[0], p[2], hashlib.sha256(state.part(entry, p[0])).hexdigest()] for p in entry.parts],
            }
            for entry in state.rows()
        ]
        assert sorted(found, key=lambda row: (row["service"], row["id"])) == wanted["rows"]
    assert state.points() == expected[account]["points"]
