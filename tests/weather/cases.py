"""Each case: what happens, what is promised, and what was seen. A case ends with everything healed and proven."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from tests.weather.stage import CONTENT, DELTA, NORTH, SOUTH, Stage

HEALS: Final = "the next run heals it, proven byte for byte"


@dataclass(frozen=True)
class Case:
    """``run`` yields (what was seen, whether it is as promised), one pair for each promise."""

    name: str
    promised: str
    run: Callable[[Stage], Iterator[tuple[str, bool]]]


def _healed(stage: Stage) -> tuple[str, bool]:
    """Clear the weather, back up again, prove everything."""
    stage.control.clear()
    ended = stage.back_up()
    left = stage.unproven()
    colours = {stage.colour(person) for person in ("anna", "bert", "cora")}
    good = ended["state"] == "done" and not left and colours == {"green"}
    return f"healed: {ended['state']}, {'/'.join(sorted(colours))}, {len(left)} differences {left[:2]}", good


def _red_once(stage: Stage, *, everywhere: bool = False) -> Iterator[tuple[str, bool]]:
    """Check the connection after a rejected credential; the other customer must not notice.

    ``everywhere``: it is the operator's own secret, which all customers share.
    """
    for person in ("anna", "bert", "cora"):
        stage.deliver(person, 20)
    before = stage.connection()["state"]
    ended = stage.back_up()
    again = stage.back_up()
    shown = stage.connection()
    yield f"connection {before} -> {shown['state']} ({shown['reason']})", (before, shown["state"]) == ("live", "red")
    told = shown["message"]
    way = f"/v1/customers/{stage.north.customer.label}/connections/{stage.north.connection}/reconsent"
    yield f"message: {told[:60]}… {told[-40:]}", "consent again" in told and way in told
    states = f"runs {ended['state']}, {again['state']}"
    yield (
        states,
        {ended["state"], again["state"]} <= {"partial", "failed", "done"} and ended["colours"].get("green", 0) == 0,
    )
    other = stage.back_up(SOUTH)
    yield f"other customer: {other['state']} {other['colours']}", other["state"] == ("failed" if everywhere else "done")
    yield (
        f"points kept: {len(stage.unproven('dora', domain=SOUTH))} differences",
        not stage.unproven("dora", domain=SOUTH),
    )


def _expired_certificate(stage: Stage) -> Iterator[tuple[str, bool]]:
    stage.control.fault("certificate_expired", scope={"tenant": f"{_tenant(stage)}"})
    stage.forget_tokens()
    yield from _red_once(stage)
    stage.control.clear()
    stage.reconsent()
    yield _live(stage)
    yield _healed(stage)


def _wrong_secret(stage: Stage) -> Iterator[tuple[str, bool]]:
    with stage.secret_app("not-the-secret"):
        yield from _red_once(stage, everywhere=True)
    stage.reconsent()
    yield _live(stage)
    yield _healed(stage)
    other, left = stage.back_up(SOUTH), stage.unproven("dora", domain=SOUTH)
    yield (
        f"other customer without a new consent: {other['state']}, {len(left)} differences",
        not left and other["state"] == "done",
    )


def _withdrawn(stage: Stage) -> Iterator[tuple[str, bool]]:
    app = stage.cloud.record.apps["backup"]["client_id"]
    stage.control.act("consent_withdraw", tenant=NORTH, client_id=app)
    stage.forget_tokens()
    yield from _red_once(stage)
    stage.reconsent()
    yield _live(stage)
    yield _healed(stage)


def _live(stage: Stage) -> tuple[str, bool]:
    state = stage.connection()["state"]
    return f"after the new consent: {state}", state == "live"


def _tenant(stage: Stage) -> str:
    return str(stage.connection()["tenant"])


def _throttled(retry_after: str | None) -> Callable[[Stage], Iterator[tuple[str, bool]]]:
    def run(stage: Stage) -> Iterator[tuple[str, bool]]:
        stage.deliver("anna", 21)
        stage.control.fault("throttle_429", scope={"template": f"{DELTA}|{CONTENT}"}, count=4, retry_after=retry_after)
        ended = stage.back_up()
        yield (
            f"run ended {ended['state']} {ended['colours']}",
            ended["state"] == "done" and set(ended["colours"]) == {"green"},
        )
        yield _healed(stage)

    return run


def _dead_cursor(code: str, status: int) -> Callable[[Stage], Iterator[tuple[str, bool]]]:
    def run(stage: Stage) -> Iterator[tuple[str, bool]]:
        stage.deliver("bert", 22)
        user = stage.north.user("bert")
        stage.control.fault(
            "mail_delta_expired",
            scope={"user": user, "token": "delta"},
            count=40,
            code=code,
            status=status,
            location=True,
        )
        mark = stage.control.mark()
        ended = stage.back_up()
        reads = stage.read(mark)
        yield f"full pass: run {ended['state']} {ended['colours']}, {reads} content read for 1 new mail", reads == 1
        yield _healed(stage)

    return run


def _looping(stage: Stage) -> Iterator[tuple[str, bool]]:
    stage.deliver("cora", 23)
    stage.control.fault("mail_delta_loop", scope={"user": stage.north.user("cora")})
    ended = stage.back_up()
    problems = stage.last_run("cora")["problems"]
    named = " ".join(f"{one['code']} {one['message']}" for one in problems)
    yield (
        f"run ended {ended['state']} {ended['colours']}: {named[:90]}",
        "loop" in named.lower() and ended["state"] == "partial",
    )
    yield _healed(stage)


def _always_failing(stage: Stage) -> Iterator[tuple[str, bool]]:
    stage.deliver("anna", 24)
    newest = max(stage.north.box("anna").mails.values(), key=lambda mail: str(mail.json["createdDateTime"]))
    stage.control.fault(
        "mail_item_error", scope={"item": newest.id, "app": _app(stage)}, code="ErrorCorruptData", status=500
    )
    for _ in range(2):
        ended = stage.back_up()
    problems = stage.problems("anna")
    amber = stage.colour("anna") == "amber" and ended["state"] == "partial"
    yield f"amber, {sum(p['count'] for p in problems)} item named: {_first(problems)}", amber and _count(problems) == 1
    rest = stage.unproven("bert", "cora")
    yield f"others: {stage.colour('bert')}, {len(rest)} differences", stage.colour("bert") == "green" and not rest
    yield _healed(stage)


def _corrupt(stage: Stage) -> Iterator[tuple[str, bool]]:
    left = stage.unproven("anna")
    yield f"binary rubbish, no header, broken MIME: {len(left)} differences", not left
    yield _healed(stage)


def _truncated(switch: str, **parameters: Any) -> Callable[[Stage], Iterator[tuple[str, bool]]]:
    def run(stage: Stage) -> Iterator[tuple[str, bool]]:
        stage.deliver("bert", 25)
        stage.control.fault(switch, scope={"template": CONTENT, "app": _app(stage)}, **parameters)
        ended = stage.back_up()
        left = stage.unproven("bert")
        honest = (ended["state"] == "done" and not left) or (
            ended["state"] == "partial" and _count(stage.problems("bert")) > 0
        )
        yield f"run ended {ended['state']}, {_first(stage.problems('bert'))}", honest
        yield _healed(stage)

    return run


def _killed(after: int) -> Callable[[Stage], Iterator[tuple[str, bool]]]:
    def run(stage: Stage) -> Iterator[tuple[str, bool]]:
        for number in range(30, 36):
            stage.deliver("anna", number)
        stage.control.fault("latency", scope={"template": CONTENT, "app": _app(stage)}, seconds=0.3)
        mark = stage.control.mark()
        job = stage.start()
        begun = stage.when(lambda: stage.read(mark) >= after)
        killed = stage.kill("arche-backup-collect")
        stage.control.clear("")
        ended = stage.finish(job)
        yield f"{killed} processes killed, run ended {ended['state']}", begun and killed > 0
        yield _healed(stage)

    return run


def _app(stage: Stage) -> str:
    return str(stage.cloud.record.apps["backup"]["client_id"])


def _count(problems: list[dict[str, Any]]) -> int:
    return sum(int(problem["count"]) for problem in problems)


def _first(problems: list[dict[str, Any]]) -> str:
    return str(problems[0]["message"])[:80] if problems else "no problem named"


CASES: Final = (
    Case("wrong secret", f"connection red once, one message with the way out, old points stay; {HEALS}", _wrong_secret),
    Case("expired certificate", f"the same, and other customers run on; {HEALS}", _expired_certificate),
    Case("consent withdrawn", f"the same, and other customers run on; {HEALS}", _withdrawn),
    Case("429 with Retry-After 2.128", f"the run waits and ends green; {HEALS}", _throttled("2.128")),
    Case("429 without Retry-After", f"the run waits and ends green; {HEALS}", _throttled(None)),
    Case(
        "410 SyncStateNotFound",
        f"full pass that reads only what is new; {HEALS}",
        _dead_cursor("SyncStateNotFound", 410),
    ),
    Case("410 resyncRequired", f"full pass that reads only what is new; {HEALS}", _dead_cursor("resyncRequired", 410)),
    Case(
        "400 SyncStateInvalid", f"full pass that reads only what is new; {HEALS}", _dead_cursor("SyncStateInvalid", 400)
    ),
    Case("looping nextLink", f"amber, named, nothing lost; {HEALS}", _looping),
    Case("an item that always fails", f"amber, exactly this item named, others green; {HEALS}", _always_failing),
    Case("corrupt mails", "kept byte for byte", _corrupt),
    Case("download cut off", f"never kept as whole; {HEALS}", _truncated("truncated_body", count=2, bytes=100)),
    Case(
        "short download that looks whole", f"never kept as whole; {HEALS}", _truncated("mail_value_truncated", count=1)
    ),
    Case("killed while it begins", f"loses nothing; {HEALS}", _killed(1)),
    Case("killed in the middle", f"loses nothing; {HEALS}", _killed(3)),
    Case("killed before the end", f"loses nothing; {HEALS}", _killed(6)),
)
