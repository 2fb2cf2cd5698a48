"""When a source is not believed at once: mass removals, deltas that go round in circles, accounts empty at a stroke."""

from __future__ import annotations

MASS_ITEMS = 100
SMALL_ACCOUNT = 20
REPEATS = 2_000
SAME_MARKS = 100

#: Flags of a service's state. The first two make a run amber; the others say what a pass is about.
MASS_CHANGE = "mass_change"
DELTA_MISTRUSTED = "delta_mistrusted"
FULL = "full"
PROVING = "proving"

#: Reasons of ``Mistrusted``.
MASS_REMOVAL = "mass_removal"
LOOPING = "looping"

#: Code of the Unreachable by which a room says that a delta does not end.
CIRCLES = "delta_loop"

#: Reasons of ``Quarantined``.
QUARANTINES = frozenset({"empty_at_once", "contradiction", LOOPING})

AMBER_FLAGS = frozenset({MASS_CHANGE, DELTA_MISTRUSTED})


class Mistrusted(Exception):  # noqa: N818 - the name says what happened
    """The delta claims what only a full listing may prove; ``reason`` is ``mass_removal`` or ``looping``."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Quarantined(Exception):  # noqa: N818 - the name says what happened
    """The source contradicts itself or shows nothing at all: keep the last good snapshot, do not move the cursor."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def mass(removed: int, before: int) -> bool:
    """Whether ``removed`` of ``before`` items in one run is more than happens by itself."""
    more_than_half = removed > MASS_ITEMS and removed * 2 > before
    everything = before > SMALL_ACCOUNT and removed >= before
    return more_than_half or everything


def emptied(left: int, before: int) -> bool:
    """Whether an account that held more than a handful of items shows none any more."""
    return left <= 0 and before > SMALL_ACCOUNT


def looping(announced: int, known: int, same_marks: int) -> bool:
    """Whether a run shows far more items than there are, or one cursor again and again.

    Full passes after a dead cursor, a proof of removals or a lost spool repeat everything, hence the factor.
    """
    return announced > REPEATS + 6 * known or same_marks > SAME_MARKS


def empty_at_once(service: str, before: int) -> Quarantined:
    """Build the refusal for an account that was full and now lists nothing."""
    return Quarantined(
        "empty_at_once",
        f"The source lists no item in {service}, where there were {before} before. The last good restore point is kept "
        "and nothing was removed. If the account was emptied on purpose, the next new item ends this state.",
    )


def contradiction(service: str) -> Quarantined:
    """Build the refusal for a delta that removes what a full listing has just shown."""
    return Quarantined(
        "contradiction",
        f"The source removes items of {service} that its own full listing shows. The last good restore point is kept; "
        "the next run asks again.",
    )


def circles(service: str) -> Quarantined:
    """Build the refusal for a source whose listing never ends."""
    return Quarantined(
        "looping",
        f"The source lists the same items of {service} again and again. The last good restore point is kept; "
        "the next run asks again.",
    )
