"""``python -m tests.oracle``: clients nobody here wrote and the vendor's contract; exit 1 on any failure."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.figures import Figure, forget, report
from localcloud.demo.compare import Verdict
from tests.oracle.comparing import READ, differences, unproven
from tests.oracle.consent import consented
from tests.oracle.contract import LOGIN, Contract
from tests.oracle.expected import expected, unlisted_templates
from tests.oracle.room import Restored, Room, populate, seeded
from tests.oracle.stage import PYTHON, Sdk, Stage
from tests.oracle.tape import BATCHED, Seen, Tape
from tests.simulators import csdl

NAME = "oracle"


def say(line: str) -> None:
    """Tell what is going on."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class Oracle:
    """Collects the figures and names every failure in one line."""

    def __init__(self) -> None:
        self.figures: dict[str, Figure] = {}

    def counted(self, name: str, unit: str, found: int, *, least: int = 1) -> None:
        """Record how much was done; nothing done is a failure."""
        self.figures[name] = Figure(found, unit, ">=", least)

    def none(self, name: str, unit: str, found: list[str]) -> None:
        """Record what must not be, and say each."""
        for one in found:
            say(f"oracle: {name}: {one}")
        self.figures[name] = Figure(len(found), unit, "==", 0)

    def judge_sdk(self, part: str, *reports: dict[str, Any]) -> None:
        """Take the checks and unknown properties of runs of msgraph-sdk."""
        checks = [check for one in reports for check in one["checks"]]
        if part == "sdk":
            self.counted(f"{part}_checks", "checks", len(checks))
        self.none(f"{part}_failed", "checks", [f"{one['name']}: {one['note']}" for one in checks if not one["ok"]])
        self.counted(f"{part}_objects", "objects", sum(one["objects"] for one in reports))
        self.none(f"{part}_unknown", "properties", sorted({name for one in reports for name in one["unknown"]}))


def main() -> int:
    """Run everything and return the exit code."""
    forget(NAME)
    if not PYTHON.exists():
        say("oracle: msgraph-sdk is not installed; run: make oracle")
        return 1
    began, oracle = time.monotonic(), Oracle()
    with tempfile.TemporaryDirectory(prefix="arche-oracle-") as folder, Stage.open(Path(folder)) as stage:
        sdk = Sdk(stage)
        say("oracle: msgraph-sdk asks the simulators")
        oracle.judge_sdk("sdk", sdk.run("calls", users=[stage.person("eins"), stage.person("zwei")]))
        tape = Tape()
        mark = stage.control.mark()
        say("oracle: the room backs up and gives back, msgraph-sdk reads before and after")
        room = _story(oracle, stage, sdk, tape)
        _same_calls(oracle, stage, tape, mark, room)
    _whole(oracle, tape)
    if csdl.available():
        _judge(oracle, tape)
    else:
        say(f"oracle: {csdl.MISSING}: the room's answers are not judged by it")
    oracle.figures["wall_time"] = Figure(time.monotonic() - began, "s")
    return 0 if report(NAME, oracle.figures) else 1


def _story(oracle: Oracle, stage: Stage, sdk: Sdk, tape: Tape) -> Room:
    user, _ = populate(stage)
    room = Room(stage, tape, consented(stage, tape))
    try:
        accounts = room.discover()
        room.first([accounts[user], *seeded(accounts)])
        before = sdk.run("read", names=READ, mails=[(account.id, row.id) for account, row, _ in room.kept.values()])
        told = stage.control.act("mail_notifications")
        room.incremental(accounts[user])
        room.expired(accounts[user])
        room.weather(accounts[user])
        room.restore()
        room.policies()
        after = sdk.run("read", names=READ, mails=[(one.user, one.new) for one in room.restored])
        room.hold("nobody is notified", good=stage.control.act("mail_notifications") == told)
    finally:
        room.close()
    oracle.none("room_faults", "faults", room.faults)
    oracle.judge_sdk("read", before, after)
    _compared(oracle, room.restored, before["found"], after["found"])
    return room


def _compared(oracle: Oracle, restored: list[Restored], before: dict[str, Any], after: dict[str, Any]) -> None:
    verdict = Verdict()
    differences(restored, before, after, verdict)
    oracle.counted("restored_mails", "mails", verdict.mails)
    oracle.counted("restored_fields", "fields", verdict.fields)
    oracle.counted("restored_bytes", "B", verdict.bytes)
    oracle.none("restored_differences", "mails", verdict.differences)
    oracle.none("restored_unproven", "properties", unproven(before))


def _same_calls(oracle: Oracle, stage: Stage, tape: Tape, mark: int, room: Room) -> None:
    """Compare what the room says it called with what the simulators saw of its apps, in both directions."""
    # A call with a bad token has no app.
    calls = [
        (call["app"], (f"{BATCHED if call.get('parent') else ''}{call['method']}", call["template"], call["status"]))
        for call in stage.control.calls(since=mark, limit=1_000_000)
        if call["host"] != LOGIN and call["app"] in {*room.apps.ids, ""}
    ]
    told = {entry.seen for entry in tape.entries if entry.host != LOGIN}
    oracle.none("calls_not_recorded", "calls", [_said(one) for one in sorted({c for app, c in calls if app} - told)])
    oracle.none("calls_misnamed", "calls", [_said(one) for one in sorted(told - {c for _, c in calls})])


def _whole(oracle: Oracle, tape: Tape) -> None:
    counts, wanted = tape.counts(), expected()
    oracle.counted("room_calls", "calls", sum(counts.values()))
    oracle.figures["room_kinds_of_call"] = Figure(len(counts), "kinds", "==", len(wanted))
    oracle.none("room_calls_not_seen", "kinds", [_said(one) for one in sorted(wanted - set(counts))])
    oracle.none("room_calls_not_listed", "kinds", [_said(one) for one in sorted(set(counts) - wanted)])
    oracle.none("room_templates_not_listed", "templates", sorted(unlisted_templates()))


def _judge(oracle: Oracle, tape: Tape) -> None:
    contract = Contract()
    problems: dict[str, int] = {}
    for entry in tape.entries:
        for one in contract.problems(entry):
            problems[one] = problems.get(one, 0) + 1
    judged = [entry for entry in tape.entries if entry.body is not None]
    oracle.counted("contract_answers", "answers", len(judged))
    oracle.none("contract_problems", "problems", [f"{one} ({count} times)" for one, count in sorted(problems.items())])


def _said(call: Seen) -> str:
    return " ".join(map(str, call))


if __name__ == "__main__":
    sys.exit(main())
