from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulators import csdl
from tests.simulators.microsoft365_mail.post import Post, postbox, tally


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Post]:
    """One simulator for all tests of a module."""
    place: Path = tmp_path_factory.mktemp("mail")
    with postbox(place / "state", place / "world") as post:
        yield post


@pytest.fixture
def post(shared: Post) -> Iterator[Post]:
    """An emptied mailbox without faults; no test may notify anybody."""
    shared.control.clear()
    shared.control.act("mail_empty", user=shared.who)
    yield shared
    assert shared.control.act("mail_notifications") == 0
    assert shared.problems == [], shared.problems[:5]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    seen = tally["answers"]
    how = f"{seen} answers of the mail simulator checked against the CSDL" if csdl.available() else csdl.MISSING
    terminalreporter.write_line(how)
