"""Everything that is missing, altered, cut or swapped is found, named and contained."""

import random

import msgspec
import pytest

from arche.vault import Damaged, Row, recipes
from arche.vault.content import Content
from arche.vault.verify import verify
from tests.vault.world import World, folder, item, mail, noise, read, tight


def rich():
    """An account with packs, several runs, history, inline rows and long properties."""
    with tight():
        world = World()
        world.commit([folder("f", name="Folder"), *((f"i{n}", "f", mail(n, noise(1_500, n))) for n in range(12))])
        world.commit([(f"i{n}", "g", mail(n, noise(1_500, n), text=b"changed")) for n in range(4)], gone=["i5"])
        world.commit([("last", "f", noise(80_000))])
    return world


@pytest.fixture(scope="module")
def world():
    return rich()


@pytest.fixture
def broken(world):
    """The same account again, to be broken."""
    copy = World(keys_store=world.keys_store)
    copy.store.objects.update(world.store.objects)
    return copy


def test_a_good_account(world):
    report = verify(world.vault, world.vault.head())
    assert report.good, report
    assert report.rows == 13
    assert report.blobs > 12
    assert report.content_bytes > 80_000
    assert report.objects <= len(world.store.objects)


def kinds(world):
    return {
        prefix: sorted(key for key in world.store.objects if key.startswith(prefix)) for prefix in ("p0/", "s/", "m/")
    }


def referenced(world):
    """Objects that the head needs."""
    head = world.vault.head()
    names = {segment.name.hex() for run in head.runs for segment in run.segments}
    names |= {pack.name.hex() for pack in world.vault.view(head).packs()}
    return [key for key in world.store.objects if key.rpartition("/")[2] in names]


def test_every_object_kind_is_there(world):
    assert all(kinds(world).values())
    assert {key[:2] for key in referenced(world)} == {"p0", "s/"}


def test_flipped_bits_everywhere(broken):
    draw = random.Random(7)
    head = broken.vault.head()
    for key in referenced(broken):
        good = broken.store.objects[key]
        regions = [0, 10, 40, 60, 81, len(good) - 1, len(good) - 6, len(good) - 50, len(good) - 100]
        for at in [*regions, *(draw.randrange(len(good)) for _ in range(5))]:
            data = bytearray(good)
            data[at] ^= 1 << draw.randrange(8)
            broken.store.objects[key] = bytes(data)
            report = verify(broken.vault, head)
            assert any(key in line for line in report.damage), (key, at)
        broken.store.objects[key] = good
    assert verify(broken.vault, head).good


def test_missing_and_cut_objects(broken):
    head = broken.vault.head()
    for key in referenced(broken):
        good = broken.store.objects.pop(key)
        assert any(key in line for line in verify(broken.vault, head).damage)
        for length in (0, 50, 167, 168, len(good) // 2, len(good) - 1):
            broken.store.objects[key] = good[:length]
            assert any(key in line for line in verify(broken.vault, head).damage)
        broken.store.objects[key] = good


def test_damage_in_one_pack_is_contained(broken):
    """Items without a blob in it are given back; the others are named, never delivered as good."""
    head = broken.vault.head()
    good = {row.id: read(broken.vault.view(head), row) for row in broken.vault.view(head).rows("exchange") if row.parts}
    ever = set()
    for key in [key for key in referenced(broken) if key.startswith("p0/")]:
        whole = broken.store.objects[key]
        broken.store.objects[key] = whole[:90] + bytes(20) + whole[110:]
        named = {id_ for _service, id_ in verify(broken.vault, head).items}
        view = broken.vault.view(head)
        for row in view.rows("exchange"):
            if not row.parts:
                continue
            try:
                assert read(view, row) == good[row.id]
            except Damaged:
                assert row.id in named
            else:
                assert row.id not in named
        ever |= named
        broken.store.objects[key] = whole
    assert len(ever) > 4


def test_swapped_objects(broken):
    head = broken.vault.head()
    for prefix in ("p0/", "s/"):
        first, second = [key for key in referenced(broken) if key.startswith(prefix)][:2]
        objects = broken.store.objects
        objects[first], objects[second] = objects[second], objects[first]
        assert any(first in line for line in verify(broken.vault, head).damage)
        objects[first], objects[second] = objects[second], objects[first]


def test_manifests(broken):
    keys = kinds(broken)["m/"]
    objects = broken.store.objects
    good = dict(objects)
    objects[keys[1]], objects[keys[2]] = objects[keys[2]], objects[keys[1]]
    with pytest.raises(Damaged, match="holds seq"):
        broken.vault.manifest(2)
    objects.update(good)
    for at in (0, 7, 30, 70, 90, 300, -1, -20):
        data = bytearray(good[keys[2]])
        data[at] ^= 1
        objects[keys[2]] = bytes(data)
        with pytest.raises(Damaged):
            broken.vault.manifest(3)
    objects.update(good)
    other = World(keys_store=broken.keys_store)
    other.commit([("x", "f", b"y")])
    other.commit([("x", "f", b"z")])
    objects[keys[1]] = other.store.objects[keys[1]]
    with pytest.raises(Damaged, match="chain broken"):
        broken.vault.head(1)


def test_a_damaged_item_is_healed_by_the_next_backup(broken):
    head = broken.vault.head()
    row = broken.vault.view(head).row("exchange", "last")
    pack = next(pack for pack in head.packs or broken.vault.view(head).packs() if pack.tag == row.parts[0].recipe[16:])
    del broken.store.objects[f"p0/K-000001/A-0001/{pack.name.hex()}"]
    writer = broken.vault.writer(head, "heal", "1")
    writer.put(item(writer, "last", "f", noise(80_001), version="2", like=row, media="file"))
    view = broken.vault.view(writer.commit("snapshot", {}))
    assert view.row("exchange", "last") is not None


def forged(world, **change):
    """An account whose only row refers to a recipe that says something else than its content is."""
    writer = world.vault.writer(None, "r", "1")
    data = noise(500)
    part = writer.part("", "file", [data])
    writer.flush()
    recipe = Content(world.store, world.keys, writer._catalog).recipe(part)._replace(**change)
    ref = writer._intake.own(recipes.flat(recipe.size, recipe.digest, 0, recipe.links))
    return writer, msgspec.structs.replace(part, recipe=ref), data


@pytest.mark.parametrize(
    "change", [{"digest": b"x" * 32}, {"size": 499}, {"size": 501}, {"links": b""}, {"links": b"x" * 20}]
)
def test_content_that_differs_from_its_recipe_is_never_delivered_as_good(change):
    world = World()
    writer, part, _data = forged(world, **change)
    if "digest" in change:
        part = msgspec.structs.replace(part, digest=change["digest"][:16])
    part = msgspec.structs.replace(part, size=change.get("size", part.size))
    writer.put(Row("exchange", "a", "file", "f", "a", "1", 1, part.size, {}, (part,)))
    manifest = writer.commit("snapshot", {})
    view = world.vault.view(manifest)
    with pytest.raises(Damaged):
        read(view, view.row("exchange", "a"))
    assert verify(world.vault, manifest).items == [("exchange", "a")]


@pytest.mark.parametrize("change", [{"digest": b"y" * 16}, {"size": 7}])
def test_row_and_recipe_must_agree(change):
    world = World()
    writer, part, _data = forged(world)
    part = msgspec.structs.replace(part, **change)
    writer.put(Row("exchange", "a", "file", "f", "a", "1", 1, part.size, {}, (part,)))
    view = world.vault.view(writer.commit("snapshot", {}))
    with pytest.raises(Damaged):
        read(view, view.row("exchange", "a"))


class TestUnresolved:
    def test_nothing(self, world):
        assert list(world.vault.unresolved(world.vault.head())) == []

    def test_rows_of_this_run_only(self, broken):
        first = broken.commit([("x", "f", noise(5_000, 1))], run="r1")
        second = broken.commit([("y", "f", noise(5_000, 2)), ("z", "f", noise(9_000, 3))], run="r2", kind="checkpoint")
        third = broken.commit([("q", "f", noise(100, 4))], run="r2", kind="checkpoint")
        lost = second.packs[-1].name.hex()
        del broken.store.objects[f"p0/K-000001/A-0001/{lost}"]
        assert list(broken.vault.unresolved(first)) == []
        assert {row.id for row in broken.vault.unresolved(third)} == {"y", "z"}

    def test_long_properties_count(self, broken):
        writer = broken.vault.writer(broken.vault.head(), "r", "1")
        writer.put(Row("exchange", "long", "event", "f", "n", "1", 1, 0, {"x": "y" * 20_000}))
        manifest = writer.commit("checkpoint", {})
        assert list(broken.vault.unresolved(manifest)) == []
        del broken.store.objects[f"p0/K-000001/A-0001/{manifest.packs[-1].name.hex()}"]
        assert [row.id for row in broken.vault.unresolved(manifest)] == ["long"]


def test_a_blob_under_a_wrong_id_is_found():
    world = World()
    writer = world.vault.writer(None, "r", "1")
    writer.put(item(writer, "a", content=b"good"))
    writer._intake.packs.add(b"\1" * 32, b"not what the id says")
    report = verify(world.vault, writer.commit("snapshot", {}))
    assert ["differs from its id" in line for line in report.damage] == [True]
