"""The vault's ObjectStore over one S3 bucket, and a wrapper that counts what is paid for."""

from __future__ import annotations

import base64
import hashlib
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from arche.aws.errors import AwsUnavailable, code_of, translated
from arche.vault import AlreadyExists, NoSuchObject, ObjectStore

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_TRIES: Final = 6
_MISSING: Final = frozenset({"NoSuchKey", "404"})
_BEYOND: Final = frozenset({"InvalidRange", "416"})
_TAKEN: Final = frozenset({"PreconditionFailed", "412"})
#: Another conditional write of the same key is under way; S3 asks to try again (S3 API, PutObject, ConflictException).
_RACING: Final = frozenset({"ConditionalRequestConflict", "OperationAborted", "409"})
_RANGE: Final = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


def jittered(attempt: int) -> None:
    """Wait a random time, up to 0.1, 0.2, 0.4 … seconds."""
    time.sleep(random.uniform(0, 0.1 * 2**attempt))  # noqa: S311 - spreads retries, guards nothing


class S3Store:
    """Create once, read ranges, list in key order. See ``arche.vault.store.ObjectStore`` for the promises.

    ``prefix`` stands before every key in the bucket and is not part of the keys that the caller sees. ``pause`` waits
    before try number 1, 2 … of what may be repeated. It also raises AwsUnavailable and AwsDenied.

    A missing key is a 404 only for who may list it, else a 403. S3 asks the policy with the wanted key as ``s3:prefix``
    (as ceph/ceph#68577 found), so a right to list that is narrowed to the key's own prefix is enough.
    """

    def __init__(
        self, client: S3Client, bucket: str, prefix: str = "", pause: Callable[[int], None] = jittered
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix
        self._pause = pause

    def create(self, key: str, data: bytes) -> None:
        """Create the object. Raises AlreadyExists if the key is taken; a 409 is retried inside.

        The SHA-256 goes along and S3 compares it with what arrived. If S3's answer to a first try is lost, the next try
        of botocore meets our own object: then this is AlreadyExists, too, and the caller reads what is there.
        """
        digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
        for attempt in range(1, _TRIES + 1):
            try:
                self._client.put_object(
                    Bucket=self._bucket, Key=self._prefix + key, Body=data, IfNoneMatch="*", ChecksumSHA256=digest
                )
            except (ClientError, BotoCoreError) as error:
                code = code_of(error)
                if code in _TAKEN:
                    raise AlreadyExists(key) from None
                if code not in _RACING:
                    raise translated(error, "object not created") from None
                self._pause(attempt)
                continue
            return
        raise AwsUnavailable("object not created: another write of the same key does not end", "409")

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """Bytes from ``start``, at most ``length`` (None = to the end). Raises NoSuchObject."""
        if length is not None and length <= 0:
            self.size(key)
            return b""
        wanted = (
            "" if start == 0 and length is None else f"bytes={start}-{'' if length is None else start + length - 1}"
        )
        body, _total = self._get(key, wanted)
        return body

    def tail(self, key: str, length: int) -> tuple[bytes, int]:
        """Read the last ``length`` bytes (fewer if it is shorter) and the object's whole size. Raises NoSuchObject."""
        if length <= 0:
            return b"", self.size(key)
        return self._get(key, f"bytes=-{length}")

    def size(self, key: str) -> int:
        """Size in bytes. Raises NoSuchObject."""
        try:
            return int(self._client.head_object(Bucket=self._bucket, Key=self._prefix + key)["ContentLength"])
        except (ClientError, BotoCoreError) as error:
            if code_of(error) in _MISSING:
                raise NoSuchObject(key) from None
            raise translated(error, "object not read") from None

    def list(self, prefix: str, after: str = "") -> Iterator[str]:
        """List keys that start with ``prefix`` and are greater than ``after``, in the order of their bytes."""
        asked: dict[str, Any] = {"Bucket": self._bucket, "Prefix": self._prefix + prefix}
        if after:
            asked["StartAfter"] = self._prefix + after
        while True:
            try:
                page = self._client.list_objects_v2(**asked)
            except (ClientError, BotoCoreError) as error:
                raise translated(error, "objects not listed") from None
            for entry in page.get("Contents", []):
                yield entry["Key"].removeprefix(self._prefix)
            if not page.get("IsTruncated"):
                return
            asked["ContinuationToken"] = page["NextContinuationToken"]

    def _get(self, key: str, wanted: str) -> tuple[bytes, int]:
        """Bytes of a range and the size of the whole. A body that breaks off is asked for again."""
        ranged: dict[str, Any] = {"Range": wanted} if wanted else {}
        for attempt in range(1, _TRIES + 1):
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + key, **ranged)
                body = answer["Body"].read()
            except HTTPError:
                self._pause(attempt)
                continue
            except ClientError as error:
                return self._refused(key, error)
            except BotoCoreError as error:
                # The body broke off (IncompleteReadError, ResponseStreamingError, ReadTimeoutError): botocore itself
                # repeats requests, but not the reading of an answer.
                if attempt == _TRIES:
                    raise translated(error, "object not read") from None
                self._pause(attempt)
                continue
            found = _RANGE.fullmatch(answer.get("ContentRange", ""))
            return body, int(found.group(3)) if found else int(answer["ContentLength"])
        raise AwsUnavailable("object not read: its answer keeps breaking off", "HTTPError")

    def _refused(self, key: str, error: ClientError) -> tuple[bytes, int]:
        code = code_of(error)
        if code in _MISSING:
            raise NoSuchObject(key) from None
        if code in _BEYOND:
            return b"", self.size(key)
        raise translated(error, "object not read") from None


class CountingStore:
    """An ObjectStore that counts requests by kind (PUT, GET, LIST) and bytes (bytes_out, bytes_in). Safe in threads."""

    def __init__(self, inner: ObjectStore) -> None:
        self._inner = inner
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()

    def create(self, key: str, data: bytes) -> None:
        """See ObjectStore."""
        self._count("PUT", bytes_out=len(data))
        self._inner.create(key, data)

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """See ObjectStore."""
        data = self._inner.read(key, start, length)
        self._count("GET", bytes_in=len(data))
        return data

    def tail(self, key: str, length: int) -> tuple[bytes, int]:
        """See ObjectStore."""
        data, size = self._inner.tail(key, length)
        self._count("GET", bytes_in=len(data))
        return data, size

    def list(self, prefix: str, after: str = "") -> Iterator[str]:
        """See ObjectStore. Counts one LIST per 1,000 keys, as S3 pages them."""
        for number, key in enumerate(self._inner.list(prefix, after)):
            if number % 1000 == 0:
                self._count("LIST")
            yield key

    def _count(self, kind: str, **amounts: int) -> None:
        with self._lock:
            self.counts[kind] += 1
            self.counts.update(amounts)
