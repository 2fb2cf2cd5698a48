"""What every ObjectStore promises. A test module inherits ``StoreSuite`` and gives the fixture ``store``.

class TestDirectoryStore(StoreSuite):
    @pytest.fixture
    def store(self, tmp_path):
        return DirectoryStore(tmp_path)
"""

import threading

import pytest

from arche.vault import AlreadyExists, NoSuchObject


class StoreSuite:
    def test_what_was_created_is_read(self, store):
        store.create("p0/K-1/A-1/aa", b"hello")
        assert store.read("p0/K-1/A-1/aa") == b"hello"

    def test_an_empty_object(self, store):
        store.create("p0/K-1/A-1/empty", b"")
        assert store.read("p0/K-1/A-1/empty") == b""
        assert store.tail("p0/K-1/A-1/empty", 10) == (b"", 0)

    def test_create_never_replaces(self, store):
        store.create("m/K-1/A-1/0000000001", b"first")
        with pytest.raises(AlreadyExists):
            store.create("m/K-1/A-1/0000000001", b"second")
        assert store.read("m/K-1/A-1/0000000001") == b"first"

    @pytest.mark.parametrize(
        ("start", "length", "wanted"),
        [(0, None, b"0123456789"), (3, None, b"3456789"), (3, 4, b"3456"), (8, 10, b"89"), (0, 1, b"0")],
    )
    def test_ranges(self, store, start, length, wanted):
        store.create("s/K-1/A-1/bb", b"0123456789")
        assert store.read("s/K-1/A-1/bb", start, length) == wanted

    def test_tail_tells_the_whole_size(self, store):
        store.create("s/K-1/A-1/cc", b"0123456789")
        assert store.tail("s/K-1/A-1/cc", 4) == (b"6789", 10)
        assert store.tail("s/K-1/A-1/cc", 100) == (b"0123456789", 10)

    def test_what_is_not_there(self, store):
        store.create("s/K-1/A-1/dd", b"x")
        for key in ("s/K-1/A-1/ee", "s/K-1/A-1", "s/K-1/A-1/dd/ff", "q/none"):
            with pytest.raises(NoSuchObject):
                store.read(key)
            with pytest.raises(NoSuchObject):
                store.read(key, 0, 1)
            with pytest.raises(NoSuchObject):
                store.tail(key, 1)

    def test_list_in_the_order_of_bytes(self, store):
        keys = ["m/K-1/A-1/2", "m/K-1/A-1/10", "m/K-1/A-1-2/1", "m/K-1/A-10/1", "m/K-1/A-1/1", "m/K-2/A-1/1", "n/x"]
        for key in keys:
            store.create(key, b"")
        assert list(store.list("m/K-1/")) == sorted(key for key in keys if key.startswith("m/K-1/"))
        assert list(store.list("m/K-1/A-1/")) == ["m/K-1/A-1/1", "m/K-1/A-1/10", "m/K-1/A-1/2"]
        assert list(store.list("m/K-1/A-1/", after="m/K-1/A-1/10")) == ["m/K-1/A-1/2"]
        assert list(store.list("m/K-1/A-1/1")) == ["m/K-1/A-1/1", "m/K-1/A-1/10"]
        assert list(store.list("m/K-9/")) == []

    def test_of_many_creators_one_wins(self, store):
        won, barrier = [], threading.Barrier(4)

        def create(data):
            barrier.wait()
            try:
                store.create("m/K-1/A-1/0000000007", data)
            except AlreadyExists:
                return
            won.append(data)

        threads = [threading.Thread(target=create, args=(bytes((n,)) * 1000,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1
        assert store.read("m/K-1/A-1/0000000007") == won[0]
