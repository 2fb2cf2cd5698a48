import msgspec
import pytest

from arche.vault import (
    AccountVault,
    Damaged,
    Erased,
    KeyRing,
    LocalWrapper,
    MemoryStore,
    NoKeys,
    TooNew,
    layout,
)
from tests.vault.world import ACCOUNT, CUSTOMER, SECRET, Failing, Outage, World, read


def test_a_ring_is_made_once_and_found_again():
    store = MemoryStore()
    ring = KeyRing.open(store, LocalWrapper(SECRET), CUSTOMER, create=True)
    keys = ring.account(ACCOUNT, create=True)
    again = KeyRing.open(store, LocalWrapper(SECRET), CUSTOMER).account(ACCOUNT)
    assert (again.secret(1), again.blob_key, again.digest_key) == (keys.secret(1), keys.blob_key, keys.digest_key)
    assert sorted(store.objects) == [f"k/{CUSTOMER}/a/{ACCOUNT}/000001", f"k/{CUSTOMER}/c/000001"]


def test_nothing_is_made_unasked():
    store = MemoryStore()
    with pytest.raises(NoKeys):
        KeyRing.open(store, LocalWrapper(SECRET), CUSTOMER)
    ring = KeyRing.open(store, LocalWrapper(SECRET), CUSTOMER, create=True)
    with pytest.raises(NoKeys):
        ring.account(ACCOUNT)
    assert len(store.objects) == 1


def test_accounts_share_nothing():
    world = World()
    other = world.ring.account("A-0002", create=True)
    assert other.secret(1) != world.keys.secret(1)
    assert other.blob_key != world.keys.blob_key


def test_keys_of_another_account_open_no_vault():
    world = World()
    with pytest.raises(ValueError, match="another account"):
        AccountVault(world.store, world.keys, CUSTOMER, "A-0002")


def test_wrong_secret_or_customer():
    store = MemoryStore()
    KeyRing.open(store, LocalWrapper(SECRET), CUSTOMER, create=True).account(ACCOUNT, create=True)
    with pytest.raises(Damaged):
        KeyRing.open(store, LocalWrapper(b"another"), CUSTOMER).account(ACCOUNT)
    moved = MemoryStore()
    moved.create(layout.customer_key("K-000002", 1), store.objects[layout.customer_key(CUSTOMER, 1)])
    with pytest.raises(Damaged, match="another customer"):
        KeyRing.open(moved, LocalWrapper(SECRET), "K-000002")


def test_wrapped_key_of_another_customer_does_not_unwrap():
    """Even with the label altered: the encryption context holds it."""
    store = MemoryStore()
    KeyRing.open(store, LocalWrapper(SECRET), CUSTOMER, create=True)
    body = msgspec.msgpack.decode(store.objects[layout.customer_key(CUSTOMER, 1)])
    moved = MemoryStore()
    moved.create(layout.customer_key("K-000002", 1), msgspec.msgpack.encode(body | {"customer": "K-000002"}))
    with pytest.raises(Damaged, match="context"):
        KeyRing.open(moved, LocalWrapper(SECRET), "K-000002").account(ACCOUNT, create=True)


def test_swapped_account_keys_are_refused():
    world = World()
    world.ring.account("A-0002", create=True)
    objects = world.keys_store.objects
    one, two = layout.account_key(CUSTOMER, ACCOUNT, 1), layout.account_key(CUSTOMER, "A-0002", 1)
    objects[one], objects[two] = objects[two], objects[one]
    with pytest.raises(Damaged):
        world.ring.account(ACCOUNT)


def test_altered_ring_objects_are_refused_or_harmless():
    """Only the time of creation is not authenticated, and nothing depends on it."""
    world = World()
    harmless = 0
    for key, data in list(world.keys_store.objects.items()):
        for byte in range(len(data)):
            broken = bytearray(data)
            broken[byte] ^= 4
            world.keys_store.objects[key] = bytes(broken)
            try:
                keys = KeyRing.open(world.keys_store, LocalWrapper(SECRET), CUSTOMER).account(ACCOUNT)
            except (Damaged, TooNew):
                continue
            assert (keys.secret(1), keys.blob_key) == (world.keys.secret(1), world.keys.blob_key)
            harmless += 1
        world.keys_store.objects[key] = data
    assert harmless <= len(b"created") + 9 + len(b"v") + 1


def test_rotation_keeps_ids_and_reads_the_old():
    world = World()
    world.commit([("a", "f", b"old content" * 100)])
    keys = world.ring.rotate_account(ACCOUNT)
    assert keys.generation == 2
    assert keys.secret(2) != keys.secret(1)
    assert keys.blob_key == world.keys.blob_key
    world.keys, world.vault = keys, AccountVault(world.store, keys, CUSTOMER, ACCOUNT)
    manifest = world.commit([("b", "f", b"new content" * 100)])
    view = world.vault.view(manifest)
    assert read(view, view.row("exchange", "a")) == b"old content" * 100
    assert read(view, view.row("exchange", "b")) == b"new content" * 100
    newest = max(key for key in world.store.objects if key.startswith("m/"))
    assert world.store.objects[newest][8:12] == b"\0\0\0\2"


def test_rotation_of_the_customer_key():
    world = World()
    world.ring.rotate()
    assert world.ring.generation == 2
    keys = world.ring.rotate_account(ACCOUNT)
    fresh = KeyRing.open(world.keys_store, LocalWrapper(SECRET), CUSTOMER)
    assert fresh.account(ACCOUNT).secret(2) == keys.secret(2)


@pytest.mark.parametrize("whose", ["account", "customer"])
def test_an_erased_mark_ends_everything(whose):
    world = World()
    mark = msgspec.msgpack.encode({"v": 1, "erased": 1_700_000_000_000})
    key = layout.account_key(CUSTOMER, ACCOUNT, 2) if whose == "account" else layout.customer_key(CUSTOMER, 2)
    world.keys_store.create(key, mark)
    with pytest.raises(Erased):
        KeyRing.open(world.keys_store, LocalWrapper(SECRET), CUSTOMER, create=True).account(ACCOUNT, create=True)


def test_two_workers_make_one_key():
    class Late:
        """Shows nothing until the other has created its object."""

        def __init__(self, store):
            self.store, self.lied = store, set()

        def read(self, key, *args):
            if key not in self.lied:
                self.lied.add(key)
                World(keys_store=self.store)  # the other worker is faster
                raise_missing(key)
            return self.store.read(key, *args)

        def create(self, key, data):
            self.store.create(key, data)

    def raise_missing(key):
        from arche.vault import NoSuchObject

        raise NoSuchObject(key)

    store = MemoryStore()
    keys = KeyRing.open(Late(store), LocalWrapper(SECRET), CUSTOMER, create=True).account(ACCOUNT, create=True)
    assert keys.secret(1) == World(keys_store=store).keys.secret(1)


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_at_any_call_leaves_a_usable_ring(after):
    at = 1
    while True:
        store = MemoryStore()
        failing = Failing(store, at, after=after)
        try:
            World(keys_store=failing)
        except Outage:
            pass
        else:
            break
        assert World(keys_store=store).keys.secret(1)
        at += 1
    assert at > 4


@pytest.mark.parametrize("label", ["", "..", "A/B", "a b", "-x", "x" * 40, "A-1\n"])
def test_labels_that_are_none(label):
    with pytest.raises(ValueError, match="label"):
        KeyRing.open(MemoryStore(), LocalWrapper(SECRET), label, create=True)
