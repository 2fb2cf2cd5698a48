"""The Microsoft 365 room keeps every promise, against the vendor on the wire."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.providers.contract_suite import RoomContract
from tests.providers.microsoft365.world import ExchangeWorld


@pytest.mark.contract
class TestExchange(RoomContract):
    @pytest.fixture
    def world(self, mailbox: ExchangeWorld) -> Iterator[ExchangeWorld]:
        mailbox.fill()
        return mailbox
