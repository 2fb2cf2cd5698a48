"""Exchange's limits per app and mailbox."""

from __future__ import annotations

import threading
from pathlib import Path
from random import Random

import httpx
import pytest

from simulators.microsoft365.graph import GraphError
from simulators.microsoft365.mail.throttle import REQUESTS, UPLOAD, Throttle
from tests.simulators.clients import GRAPH, https
from tests.simulators.microsoft365_mail.post import ANNA, BERT, Post, postbox


class Time:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_ten_thousand_requests_in_ten_minutes() -> None:
    time = Time()
    throttle = Throttle(time, Random(1))
    for number in range(REQUESTS):
        time.now = 1000 + number / 100
        throttle.leave(throttle.enter("app", 1, 0))
    with pytest.raises(GraphError) as refused:
        throttle.enter("app", 1, 0)
    assert refused.value.status == 429
    wait = float(refused.value.headers["Retry-After"])
    assert wait == 501
    throttle.leave(throttle.enter("app", 2, 0))
    throttle.leave(throttle.enter("other", 1, 0))
    time.now += wait
    throttle.leave(throttle.enter("app", 1, 0))


def test_a_hundred_and_fifty_megabytes_in_five_minutes() -> None:
    time = Time()
    throttle = Throttle(time, Random(1))
    throttle.upload("app", 1, UPLOAD - 10)
    throttle.upload("app", 1, 10)
    with pytest.raises(GraphError) as refused:
        throttle.upload("app", 1, 1)
    assert refused.value.headers["Retry-After"] == "300"
    throttle.upload("app", 2, 1)
    time.now += 300
    throttle.upload("app", 1, UPLOAD)


def test_the_fifth_call_at_a_time_is_refused_sometimes_without_a_word_of_when() -> None:
    throttle = Throttle(Time(), Random(1))
    places = [throttle.enter("app", 1, 0) for _ in range(4)]
    patience = set()
    for _ in range(20):
        with pytest.raises(GraphError) as refused:
            throttle.enter("app", 1, 0)
        assert refused.value.message == "Application is over its MailboxConcurrency limit."
        patience.add(refused.value.headers.get("Retry-After"))
    assert patience == {None, "1"}
    throttle.leave(throttle.enter("app", 2, 0))
    throttle.leave(places[0])
    throttle.enter("app", 1, 0)


def test_concurrency_counted_over_the_whole_app() -> None:
    throttle = Throttle(Time(), Random(1))
    for mailbox in range(4):
        throttle.enter("app", mailbox + 1, 0, whole_app=True)
    with pytest.raises(GraphError):
        throttle.enter("app", 9, 0, whole_app=True)


def parallel(post: Post, users: list[str]) -> list[httpx.Response]:
    answers: list[httpx.Response] = []
    headers = post.at.headers()

    def run(who: str) -> None:
        with https(post.at.sim) as client:
            answers.append(client.get(f"{GRAPH}/users/{who}/messages", headers=headers))

    threads = [threading.Thread(target=run, args=(who,)) for who in users]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_on_the_wire(tmp_path: Path) -> None:
    with postbox(tmp_path / "state", tmp_path / "world") as post:
        fault = post.control.fault("mail_slow", seconds=0.5)
        answers = parallel(post, [ANNA] * 5 + [BERT])
        assert sorted(one.status_code for one in answers) == [200] * 5 + [429]
        [refused] = [one for one in answers if one.status_code == 429]
        assert refused.json()["error"]["code"] == "ApplicationThrottled"
        assert "MailboxConcurrency" in refused.json()["error"]["message"]
        post.control.fault("mail_concurrency_per_app")
        answers = parallel(post, [ANNA] * 3 + [BERT] * 3)
        assert sorted(one.status_code for one in answers) == [200] * 4 + [429] * 2
        post.control.clear(fault)


def test_a_batch_of_more_than_four_meets_the_same_limit(shared: Post) -> None:
    steps = [{"id": str(number), "method": "GET", "url": f"/users/{ANNA}/messages"} for number in range(6)]
    answer = shared.at.post("/$batch", {"requests": steps}).json()["responses"]
    assert sorted(one["status"] for one in answer) == [200] * 4 + [429] * 2
    serial = [step | ({"dependsOn": [str(number - 1)]} if number else {}) for number, step in enumerate(steps)]
    answer = shared.at.post("/$batch", {"requests": serial}).json()["responses"]
    assert {one["status"] for one in answer} == {200}


def test_limits_can_be_set_for_a_test(shared: Post) -> None:
    shared.control.clear()
    shared.control.fault("mail_limits", scope={"mailbox": "*"}, requests=1, parallel=1)
    answers = [shared.get("/messages") for _ in range(2)]
    assert answers[1].status_code == 429
    assert 1 <= int(answers[1].headers["retry-after"]) <= 600
    shared.control.clear()
    assert shared.get("/messages").status_code == 200
