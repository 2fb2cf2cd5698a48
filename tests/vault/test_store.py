import os
from pathlib import Path

import pytest

from arche.vault import AlreadyExists, DirectoryStore, MemoryStore
from tests.vault.store_suite import StoreSuite


class TestMemoryStore(StoreSuite):
    @pytest.fixture
    def store(self):
        return MemoryStore()


class TestDirectoryStore(StoreSuite):
    @pytest.fixture
    def store(self, tmp_path):
        return DirectoryStore(tmp_path / "vault")

    @pytest.mark.parametrize("key", ["../x", "a/../b", "/etc/x", "a//b", "", ".new/x", "a/.hidden", "a\\b", "a/."])
    def test_keys_never_leave_the_directory(self, store, key):
        with pytest.raises(ValueError, match="not an object key"):
            store.create(key, b"x")
        with pytest.raises(ValueError, match="not an object key"):
            store.read(key)

    def test_nothing_unfinished_is_left_or_listed(self, store, tmp_path):
        store.create("a/b", b"1")
        with pytest.raises(AlreadyExists):
            store.create("a/b", b"2")
        assert list((tmp_path / "vault" / ".new").iterdir()) == []
        assert list(store.list("")) == ["a/b"]

    def test_file_and_directories_are_synced_before_create_returns(self, store, tmp_path, monkeypatch):
        synced = []
        real = os.fsync

        def fsync(handle):
            synced.append(str(Path(f"/proc/self/fd/{handle}").readlink()))
            real(handle)

        if not Path("/proc/self/fd").is_dir():
            pytest.skip("needs /proc to name open files")
        monkeypatch.setattr(os, "fsync", fsync)
        store.create("p0/K/A/x", b"data")
        root = str(tmp_path / "vault")
        assert any(path.startswith(f"{root}/.new/") for path in synced)
        assert synced[-1] == f"{root}/p0/K/A"
        assert {f"{root}/p0/K", f"{root}/p0", root} <= set(synced)
