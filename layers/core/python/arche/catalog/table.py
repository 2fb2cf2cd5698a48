"""Reads and writes of rows, with conditions and transactions, on a connection of its own.

pynamodb's Models keep one connection per Model class for the life of the process, which would hand one run's
credentials to the next; its low-level ``Connection`` belongs to whoever made it. So the catalog stands on that and on
pynamodb's expressions. All reads are strongly consistent unless they use an index of a table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NoReturn

from botocore.loaders import Loader
from botocore.session import Session
from pynamodb.connection import Connection
from pynamodb.connection.base import MetaTable
from pynamodb.exceptions import PynamoDBException, TransactWriteError

from arche.catalog.errors import BadCursor, Busy, ConditionFailed, Denied
from arche.catalog.values import decode_row, encode_row
from arche.catalog.writes import Check, Delete, Put, TableName, Update, Write, attr, value

BY_SLOT = "by_slot"
Row = dict[str, Any]
_BATCH = 100
_FRUITLESS = 5
_PASSING = frozenset(
    {
        "InternalServerError",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "ThrottlingException",
        # Some write met another transaction; botocore has retried a few times by now.
        "TransactionCanceledException",
        "TransactionConflictException",
        "TransactionInProgressException",
    },
)


@dataclass(frozen=True, slots=True)
class Tables:
    """Names of the deployed tables; "" for one that the function has no business with."""

    tenancy: str = ""
    directory: str = ""
    index: str = ""
    work: str = ""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Temporary credentials of one run. ``expires`` is in epoch seconds (0 if unknown)."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str = field(repr=False)
    expires: int = 0


@cache
def _models() -> Loader:
    """Descriptions of AWS's services: large, alike for everybody, and without credentials; read once per process."""
    return Loader()


class _Connection(Connection):
    """pynamodb's connection, with a session of its own that reads the description of DynamoDB only once."""

    @property
    def session(self) -> Session:
        made = super().session
        made.register_component("data_loader", _models())
        return made


class Rows:
    """The tables, seen with one set of credentials (those of the process if None).

    The client is made here and not at the first call: botocore's making of clients is not safe in threads, using
    them is. Raises Busy when DynamoDB does not answer, ConditionFailed when a condition does not hold.
    """

    def __init__(
        self,
        tables: Tables,
        *,
        region: str | None = None,
        endpoint: str | None = None,
        credentials: Credentials | None = None,
    ) -> None:
        self._names: dict[TableName, str] = {
            "tenancy": tables.tenancy,
            "directory": tables.directory,
            "index": tables.index,
            "work": tables.work,
        }
        self._connection = _Connection(
            region=region,
            host=endpoint,
            aws_access_key_id=credentials.access_key if credentials else None,
            aws_secret_access_key=credentials.secret_key if credentials else None,
            aws_session_token=credentials.token if credentials else None,
        )
        for name in filter(None, self._names.values()):
            self._connection.add_meta_table(_shape(name))
        _ = self._connection.client

    def get(self, table: TableName, pk: str, sk: str) -> Row | None:
        """Read a row, or None."""
        try:
            answer = self._connection.get_item(self._name(table), pk, range_key=sk, consistent_read=True)
        except PynamoDBException as error:
            _refuse(error)
        return decode_row(answer["Item"]) if answer.get("Item") else None

    def put(self, write: Put) -> None:
        """Write a whole row."""
        try:
            self._connection.put_item(
                self._name(write.table),
                write.pk,
                range_key=write.sk,
                attributes=encode_row(write.values),
                condition=write.condition,
            )
        except PynamoDBException as error:
            _refuse(error)

    def update(self, write: Update) -> Row:
        """Change attributes and return the row as it is then."""
        try:
            answer = self._connection.update_item(
                self._name(write.table),
                write.pk,
                range_key=write.sk,
                actions=write.actions,
                condition=write.condition,
                return_values="ALL_NEW",
            )
        except PynamoDBException as error:
            _refuse(error)
        return decode_row(answer["Attributes"])

    def delete(self, write: Delete) -> Row | None:
        """Remove a row and return what it held, or None if there was none."""
        try:
            answer = self._connection.delete_item(
                self._name(write.table),
                write.pk,
                range_key=write.sk,
                condition=write.condition,
                return_values="ALL_OLD",
            )
        except PynamoDBException as error:
            _refuse(error)
        return decode_row(answer["Attributes"]) if answer.get("Attributes") else None

    def page(
        self,
        table: TableName,
        pk: str,
        prefix: str,
        *,
        until: str = "",
        after: str = "",
        limit: int = 100,
        newest_first: bool = False,
    ) -> tuple[list[Row], str]:
        """Read up to ``limit`` rows whose sort key starts with ``prefix`` (and is at most ``prefix + until``).

        Goes on after the sort key ``after``, which must be one of the range (BadCursor). Returns the rows and the sort
        key to go on after ("" when there are no more).
        """
        if after and not after.startswith(prefix):
            raise BadCursor("the position is not one of this list")
        wanted = attr("sk").between(value(prefix), value(prefix + until)) if until else attr("sk").startswith(prefix)
        try:
            answer = self._connection.query(
                self._name(table),
                pk,
                range_key_condition=wanted,
                consistent_read=True,
                exclusive_start_key=encode_row({"pk": pk, "sk": after}) if after else None,
                limit=limit,
                scan_index_forward=not newest_first,
            )
        except PynamoDBException as error:
            _refuse(error)
        last = answer.get("LastEvaluatedKey")
        return [decode_row(row) for row in answer["Items"]], decode_row(last)["sk"] if last else ""

    def many(self, table: TableName, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Row]:
        """Read the rows of ``keys``; those that do not exist are not in the answer."""
        found: dict[tuple[str, str], Row] = {}
        name = self._name(table)
        wanted: list[Any] = [{"pk": pk, "sk": sk} for pk, sk in dict.fromkeys(keys)]
        tries = 0
        while wanted:
            part, wanted = wanted[:_BATCH], wanted[_BATCH:]
            try:
                answer = self._connection.batch_get_item(name, part, consistent_read=True)
            except PynamoDBException as error:
                _refuse(error)
            for row in map(decode_row, answer["Responses"].get(name, [])):
                found[row["pk"], row["sk"]] = row
            left = answer.get("UnprocessedKeys", {}).get(name, {}).get("Keys", [])
            tries = tries + 1 if len(left) == len(part) else 0
            if tries > _FRUITLESS:
                raise Busy("the table did not answer: it is throttled")
            wanted += [decode_row(key) for key in left]
        return found

    def all(self, table: TableName, pk: str, prefix: str) -> Iterator[Row]:
        """Read all rows whose sort key starts with ``prefix``, in its order."""
        after = ""
        while True:
            rows, after = self.page(table, pk, prefix, after=after, limit=1000)
            yield from rows
            if not after:
                return

    def slot(self, shard: str) -> Iterator[Row]:
        """Read all rows of one ``slot_shard`` (index ``by_slot`` of the index table, eventually consistent)."""
        start: Any = None
        while True:
            try:
                answer = self._connection.query(
                    self._name("index"), shard, index_name=BY_SLOT, exclusive_start_key=start
                )
            except PynamoDBException as error:
                _refuse(error)
            yield from (decode_row(row) for row in answer["Items"])
            start = answer.get("LastEvaluatedKey")
            if not start:
                return

    def scan(self, table: TableName, sk: str) -> Iterator[Row]:
        """Read all rows of the whole table that have this sort key. Costs a read of everything: once a day at most."""
        start: Any = None
        while True:
            try:
                answer = self._connection.scan(
                    self._name(table), filter_condition=attr("sk") == value(sk), exclusive_start_key=start
                )
            except PynamoDBException as error:
                _refuse(error)
            yield from (decode_row(row) for row in answer["Items"])
            start = answer.get("LastEvaluatedKey")
            if not start:
                return

    def transact(self, *writes: Write) -> None:
        """Do all writes or none, at most 100. ConditionFailed.failed names those that refused."""
        kinds: dict[type, list[dict[str, Any]]] = {Check: [], Delete: [], Put: [], Update: []}
        names: dict[type, list[str]] = {Check: [], Delete: [], Put: [], Update: []}
        for write in writes:
            kinds[type(write)].append(self._prepared(write))
            names[type(write)].append(write.name)
        try:
            self._connection.transact_write_items(
                condition_check_items=kinds[Check],
                delete_items=kinds[Delete],
                put_items=kinds[Put],
                update_items=kinds[Update],
            )
        except TransactWriteError as error:
            # The reasons come in the order in which pynamodb sends the writes, not in ours.
            sent = [name for kind in (Check, Delete, Put, Update) for name in names[kind]]
            reasons = list(error.cancellation_reasons)
            codes = {reason.code for reason in reasons if reason is not None}
            if codes == {"ConditionalCheckFailed"}:
                refused = tuple(n for n, reason in zip(sent, reasons, strict=True) if reason is not None)
                raise ConditionFailed("a condition of the transaction did not hold", refused) from None
            _refuse(error)

    def _prepared(self, write: Write) -> dict[str, Any]:
        name = self._name(write.table)
        actions = write.actions if isinstance(write, Update) else None
        prepared: dict[str, Any] = self._connection.get_operation_kwargs(
            name,
            write.pk,
            range_key=write.sk,
            key="Item" if isinstance(write, Put) else "Key",
            attributes=encode_row(write.values) if isinstance(write, Put) else None,
            actions=actions,
            condition=write.condition,
        )
        return prepared

    def _name(self, table: TableName) -> str:
        name = self._names[table]
        if not name:
            raise LookupError(f"this function was not told the {table} table")
        return name


def _shape(name: str) -> MetaTable:
    def key(attribute: str, kind: str) -> dict[str, str]:
        return {"AttributeName": attribute, "KeyType": kind}

    return MetaTable(
        {
            "TableName": name,
            "KeySchema": [key("pk", "HASH"), key("sk", "RANGE")],
            "AttributeDefinitions": [
                {"AttributeName": attribute, "AttributeType": "S"} for attribute in ("pk", "sk", "slot_shard")
            ],
            "GlobalSecondaryIndexes": [
                {"IndexName": BY_SLOT, "KeySchema": [key("slot_shard", "HASH"), key("pk", "RANGE")]},
            ],
        },
    )


def _refuse(error: PynamoDBException) -> NoReturn:
    """Raise ours instead. pynamodb puts whole requests into some messages, so none of its text is kept."""
    code = error.cause_response_code
    if code == "ConditionalCheckFailedException":
        raise ConditionFailed("the condition of the write did not hold") from None
    if code is None:
        raise Busy(f"the table did not answer: {type(error.cause).__name__}") from None
    raise (Busy if code in _PASSING else Denied)(f"the table refused the request: {code}") from None
