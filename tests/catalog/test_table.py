"""Rows: values, credentials of one run, transactions, and what is kept out of messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arche.catalog.catalog import Catalog
from arche.catalog.errors import Busy, ConditionFailed, Denied
from arche.catalog.table import Credentials, Rows, Tables
from arche.catalog.values import decode, encode
from arche.catalog.writes import Check, Delete, Put, Update, absent, attr, present, setting, value
from tests.catalog.conftest import REGION, TABLES

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.text(max_size=20) | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(plain)
def test_values_come_back_as_they_went(held):
    assert decode(encode(held)) == held


@pytest.mark.parametrize("held", [1.5, 0.1, 1e21, -2.0])
def test_floats_come_back(held):
    assert decode(encode(held)) == held


def test_what_a_row_cannot_hold_is_refused():
    with pytest.raises(TypeError, match="set"):
        encode({"a": {1, 2}})
    with pytest.raises(ValueError, match="NS"):
        decode({"NS": ["1"]})


def test_two_catalogs_have_two_connections_with_their_own_credentials(dynamodb):
    clients = [
        Catalog(TABLES, region=REGION, credentials=Credentials(f"key{n}", "secret", "token")).rows._connection.client
        for n in range(2)
    ]
    keys = [client._request_signer._credentials.access_key for client in clients]
    assert keys == ["key0", "key1"]
    assert "secret" not in repr(Credentials("key", "secret", "token"))
    assert "token" not in repr(Credentials("key", "secret", "tok" + "en-value"))


def test_a_transaction_writes_all_or_nothing_and_names_who_refused(catalog):
    rows = catalog.rows
    rows.put(Put("work", "p", "there", {"n": 1}))
    with pytest.raises(ConditionFailed) as refused:
        rows.transact(
            Update("work", "p", "there", [attr("n").add(value(1))], attr("n") == value(9), "update"),
            Put("work", "p", "new", {}, absent(), "put"),
            Delete("work", "p", "gone", present(), "delete"),
            Check("work", "p", "other", absent(), "check"),
        )
    assert sorted(refused.value.failed) == ["delete", "update"]
    assert rows.get("work", "p", "new") is None
    assert rows.get("work", "p", "there")["n"] == 1


def test_many_rows_come_by_key_beyond_one_batch(catalog):
    for number in range(130):
        catalog.rows.put(Put("work", "p", f"s{number:03d}", {"n": number}))
    keys = [("p", f"s{number:03d}") for number in range(130)] + [("p", "none"), ("p", "s001")]
    found = catalog.rows.many("work", keys)
    assert len(found) == 130
    assert found["p", "s129"]["n"] == 129


def test_a_table_that_a_function_was_not_told_is_out_of_reach(dynamodb):
    with pytest.raises(LookupError, match="directory"):
        Rows(Tables(work="t-work"), region=REGION).get("directory", "p", "s")


def test_refusals_carry_no_values(dynamodb):
    rows = Rows(Tables(work="t-none"), region=REGION)
    for call in (
        lambda: rows.put(Put("work", "geheim", "geheim", {"a": "geheim"})),
        lambda: rows.update(Update("work", "geheim", "s", setting({"a": "geheim"}))),
        lambda: rows.get("work", "geheim", "s"),
        lambda: list(rows.all("work", "geheim", "s")),
        lambda: rows.many("work", [("geheim", "s")]),
        lambda: rows.transact(Put("work", "geheim", "s", {})),
    ):
        with pytest.raises(Denied) as caught:
            call()
        assert "geheim" not in str(caught.value)
        assert caught.value.__cause__ is None


def test_throttling_is_busy(dynamodb):
    rows = Rows(TABLES, region=REGION)
    rows._connection._max_retry_attempts_exception = 0
    answers = {"ThrottlingException": Busy, "AccessDeniedException": Denied, "ExpiredTokenException": Denied}
    for code, expected in answers.items():
        client = rows._connection.client

        def fail(*_args, _code=code):
            from botocore.exceptions import ClientError

            raise ClientError({"Error": {"Code": _code, "Message": "geheim"}}, "GetItem")

        client._make_api_call = fail
        with pytest.raises(expected, match=code):
            rows.get("work", "p", "s")
