"""S3Store: the promises of every store, and S3's own ways to fail."""

from __future__ import annotations

import base64
import hashlib
import io

import pytest
from botocore.exceptions import ClientError, IncompleteReadError, ReadTimeoutError
from botocore.response import StreamingBody

from arche.aws import sessions
from arche.aws.errors import AwsDenied, AwsUnavailable
from arche.aws.s3 import CountingStore, S3Store
from arche.vault import AlreadyExists, MemoryStore, NoSuchObject
from tests.aws.conftest import REGION, aws_client
from tests.vault.store_suite import StoreSuite


@pytest.fixture
def client(aws):
    made = aws_client("s3")
    made.create_bucket(Bucket="vault", CreateBucketConfiguration={"LocationConstraint": REGION})
    return made


def never(_attempt):
    pytest.fail("nothing was to be repeated")


class TestS3Store(StoreSuite):
    @pytest.fixture
    def store(self, client):
        return S3Store(client, "vault", pause=never)


class TestS3StoreBelowAPrefix(StoreSuite):
    @pytest.fixture
    def store(self, client):
        client.put_object(Bucket="vault", Key="m/K-1/A-1/0", Body=b"of somebody else")
        return S3Store(client, "vault", "customers/", pause=never)


class TestCountingStore(StoreSuite):
    @pytest.fixture
    def store(self):
        return CountingStore(MemoryStore())


def refusal(code, status=400):
    response = {"Error": {"Code": code, "Message": "geheim"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "Operation")


class Fake:
    """An S3 client that answers from a list and writes down what it was asked."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    def _next(self, **asked):
        self.asked.append(asked)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    put_object = get_object = head_object = list_objects_v2 = _next


class Pauses(list):
    def __call__(self, attempt):
        self.append(attempt)


def body(data, length=None):
    return {"Body": StreamingBody(io.BytesIO(data), length or len(data)), "ContentLength": length or len(data)}


def test_a_create_is_conditional_and_carries_its_checksum():
    fake = Fake({})
    S3Store(fake, "b").create("k", b"data")
    (asked,) = fake.asked
    assert asked["IfNoneMatch"] == "*"
    assert asked["ChecksumSHA256"] == base64.b64encode(hashlib.sha256(b"data").digest()).decode()


def test_a_race_is_tried_again_until_it_is_decided():
    pauses = Pauses()
    fake = Fake(refusal("ConditionalRequestConflict", 409), refusal("409", 409), refusal("PreconditionFailed", 412))
    with pytest.raises(AlreadyExists):
        S3Store(fake, "b", pause=pauses).create("k", b"data")
    assert pauses == [1, 2]


def test_an_endless_race_ends():
    pauses = Pauses()
    fake = Fake(*[refusal("ConditionalRequestConflict", 409)] * 6)
    with pytest.raises(AwsUnavailable, match="does not end"):
        S3Store(fake, "b", pause=pauses).create("k", b"data")
    assert len(pauses) == 6


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [("AccessDenied", 403, AwsDenied), ("ExpiredToken", 400, AwsDenied), ("SlowDown", 503, AwsUnavailable),
     ("Whatever", 500, AwsUnavailable), ("BadDigest", 400, AwsDenied)],
)  # fmt: skip
def test_refusals_are_sorted_by_the_next_move_and_say_nothing(code, status, expected):
    for call in (
        lambda store: store.create("K-1/geheim", b"x"),
        lambda store: store.read("K-1/geheim"),
        lambda store: store.tail("K-1/geheim", 1),
        lambda store: store.size("K-1/geheim"),
        lambda store: list(store.list("K-1/geheim")),
    ):
        with pytest.raises(expected) as caught:
            call(S3Store(Fake(refusal(code, status)), "b", pause=never))
        assert caught.value.code == code
        assert "geheim" not in str(caught.value)


def test_a_body_that_breaks_off_is_read_again():
    pauses = Pauses()
    fake = Fake(body(b"12", 4), ReadTimeoutError(endpoint_url="x"), body(b"1234"))
    assert S3Store(fake, "b", pause=pauses).read("k") == b"1234"
    assert pauses == [1, 2]
    with pytest.raises(AwsUnavailable):
        S3Store(Fake(*[body(b"12", 4)] * 6), "b", pause=Pauses()).read("k")
    assert issubclass(IncompleteReadError, Exception)


def test_a_denied_read_is_never_taken_for_a_missing_object():
    with pytest.raises(AwsDenied):
        S3Store(Fake(refusal("AccessDenied", 403)), "b", pause=never).read("m/K-1/A-1/0000000009")


def test_a_range_behind_the_end_is_empty(client):
    store = S3Store(client, "vault", pause=never)
    store.create("k", b"0123")
    assert store.read("k", 4) == b""
    assert store.read("k", 9, 3) == b""
    assert store.read("k", 1, 0) == b""
    assert store.tail("k", 0) == (b"", 4)
    for call in (lambda: store.read("none", 1, 0), lambda: store.tail("none", 0), lambda: store.size("none")):
        with pytest.raises(NoSuchObject):
            call()


def test_lists_go_over_pages(client):
    fake = Fake(
        {"Contents": [{"Key": "runs/a"}], "IsTruncated": True, "NextContinuationToken": "t"},
        {"Contents": [{"Key": "runs/b"}]},
    )
    assert list(S3Store(fake, "b", "runs/").list("", after="0")) == ["a", "b"]
    assert fake.asked[0]["StartAfter"] == "runs/0"
    assert fake.asked[1]["ContinuationToken"] == "t"


def test_requests_and_bytes_are_counted():
    store = CountingStore(MemoryStore())
    store.create("a", b"123")
    with pytest.raises(AlreadyExists):
        store.create("a", b"123")
    store.read("a", 1)
    store.tail("a", 1)
    assert list(store.list("")) == ["a"]
    assert store.counts == {"PUT": 2, "GET": 2, "LIST": 1, "bytes_out": 6, "bytes_in": 3}


def test_sessions_take_their_own_credentials(aws):
    from arche.catalog.table import Credentials

    made = sessions.session(Credentials("key", "secret", "token"))
    assert made.get_credentials().access_key == "key"
    assert sessions.session().get_credentials().access_key != "key"
    assert sessions.client(made, "s3").meta.region_name == REGION


def test_a_missing_region_says_what_to_do(monkeypatch):
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(LookupError, match="Set AWS_REGION"):
        sessions.region()
