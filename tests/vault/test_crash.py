"""Crash at every call of the store, before and after its effect, and run again: the same end state (promise P5)."""

import pytest

from arche.vault import Conflict, ServiceState
from arche.vault.verify import verify
from tests.vault.world import Failing, Outage, World, folder, item, noise, read, tight


def steps():
    """What the source shows: three states of a mailbox, and the cursor of each."""
    first = {f"i{n}": ("inbox", noise(250, n), n) for n in range(40)}
    second = first | {"i3": ("archive", noise(250, 3), 3), "i4": ("inbox", b"changed", 4), "new": ("inbox", b"new", 50)}
    del second["i5"], second["i6"]
    return [({}, ""), (first, "cursor 1"), (second, "cursor 2")]


def run(vault):
    """One backup run, as it would be started again after a crash: it goes on from the cursor in the head."""
    head = vault.head()
    cursor = head.services["exchange"].cursor if head else ""
    known = steps()
    while (at := [cursor for _state, cursor in known].index(cursor)) + 1 < len(known):
        before, after, cursor = known[at][0], known[at + 1][0], known[at + 1][1]
        writer = vault.writer(head, "run", "attempt")
        writer.put(folder("inbox"))
        writer.put(folder("archive"))
        for number, (id_, (where, content, date)) in enumerate(sorted(after.items())):
            if before.get(id_) != after[id_]:
                row = writer.row("exchange", id_)
                writer.put(item(writer, id_, where, content, date=date, media="file", like=row, version=str(date)))
            if number % 5 == 4:
                writer.flush()
        for id_ in before.keys() - after.keys():
            writer.gone("exchange", id_)
        head = writer.commit("snapshot", {"exchange": ServiceState(cursor=cursor, complete=True)})


def shown(vault):
    """The whole state, and every older restore point's."""
    states = []
    for manifest in vault.points():
        view = vault.view(manifest)
        rows = {row.id: (row.folder, read(view, row), row.date) for row in view.rows("exchange") if not row.is_folder}
        states.append((manifest.services["exchange"].cursor, rows))
    return states


@pytest.fixture(scope="module")
def wanted():
    return [(cursor, state) for state, cursor in reversed(steps()[1:])]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("share", range(4))
def test_crash_anywhere_and_run_again(after, share, wanted):
    with tight():
        world = World()
        quiet = Failing(world.store, 10**9)
        run(world.open(quiet))
        calls = quiet.calls
        assert calls > 30
        assert shown(world.vault) == wanted
        for at in range(1 + share, calls + 1, 4):
            world = World()
            with pytest.raises(Outage):
                run(world.open(Failing(world.store, at, after=after)))
            states = shown(world.vault)
            assert states == wanted[len(wanted) - len(states) :], "what is visible is whole"
            run(world.vault)
            assert shown(world.vault) == wanted
            assert verify(world.vault, world.vault.head()).good


@pytest.mark.parametrize("after", [False, True])
def test_two_crashes_in_a_row(after, wanted):
    with tight():
        for at in range(3, 28, 3):
            world = World()
            for again in (at, at // 2 + 1):
                with pytest.raises(Outage):
                    run(world.open(Failing(world.store, again, after=after)))
            run(world.vault)
            assert shown(world.vault) == wanted


@pytest.mark.parametrize("at", range(1, 30, 3))
def test_a_paused_writer_never_overtakes(at, wanted):
    """One run stops at some call, another one does all the work, then the first one goes on."""

    class PauseError(Exception):
        pass

    class Pausing(Failing):
        def _call(self, name, *args):
            self.calls += 1
            if self.calls == at:
                run(world.vault)
            return getattr(self._store, name)(*args)

    with tight():
        world = World()
        try:
            run(world.open(Pausing(world.store, at)))
        except Conflict:
            run(world.vault)
        assert shown(world.vault) == wanted
        assert verify(world.vault, world.vault.head()).good
