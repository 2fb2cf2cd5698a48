"""Machines, functions, secrets, exports: what is asked of AWS, and what a failure becomes."""

from __future__ import annotations

import io
import json

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from arche.aws.app_secrets import AppSecrets
from arche.aws.errors import AwsDenied, AwsUnavailable
from arche.aws.exports import ExportBucket
from arche.aws.functions import invoke, tell
from arche.aws.machines import StateMachines
from tests.aws.conftest import REGION, aws_client


class Fake:
    """A client whose every operation writes down what it was asked and answers or raises."""

    def __init__(self, answer=None):
        self.answer = answer
        self.asked = []

    def __getattr__(self, name):
        def call(**asked):
            self.asked.append((name, asked))
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.answer

        return call


def refusal(code):
    return ClientError({"Error": {"Code": code, "Message": "geheim"}}, "X")


def payload(body, **more):
    return {"Payload": io.BytesIO(json.dumps(body).encode()), **more}


def machines(states, functions=None):
    return StateMachines(states, functions or Fake(), backup="arn:b", restore="arn:r", discover="d")


def test_a_machine_is_started_once_per_name():
    states = Fake({})
    machines(states).start_backup("backup-1", {"customer": "K-000001"})
    machines(states).start_restore("restore-1", {})
    assert [asked["stateMachineArn"] for _, asked in states.asked] == ["arn:b", "arn:r"]
    machines(Fake(refusal("ExecutionAlreadyExists"))).start_backup("backup-1", {})
    with pytest.raises(AwsDenied) as caught:
        machines(Fake(refusal("StateMachineDoesNotExist"))).start_backup("backup-1", {})
    assert "geheim" not in str(caught.value)


def test_names_of_executions_always_fit_and_stay_apart():
    states = Fake({})
    for name in ("x" * 90 + "1", "x" * 90 + "2", "a b", "a/b"):
        machines(states).start_backup(name, {})
    names = [asked["name"] for _, asked in states.asked]
    assert len(set(names)) == 4
    assert all(len(name) <= 80 and " " not in name and "/" not in name for name in names)


def test_discovery_is_told_and_not_waited_for():
    functions = Fake({})
    machines(Fake(), functions).discover({"run": "r"})
    ((name, asked),) = functions.asked
    assert (name, asked["FunctionName"], asked["InvocationType"]) == ("invoke", "d", "Event")


def test_a_function_answers_or_its_failure_is_named_without_its_text():
    assert invoke(Fake(payload({"a": 1})), "f", "{}") == {"a": 1}
    failed = payload({"errorType": "KeyError", "errorMessage": "geheim"}, FunctionError="Unhandled")
    with pytest.raises(AwsUnavailable, match="KeyError") as caught:
        invoke(Fake(failed), "f", "{}")
    assert "geheim" not in str(caught.value)
    with pytest.raises(AwsUnavailable):
        invoke(Fake(payload(["no", "map"])), "f", "{}")
    with pytest.raises(AwsUnavailable):
        invoke(Fake(EndpointConnectionError(endpoint_url="x")), "f", "{}")
    for code, expected in (("AccessDeniedException", AwsDenied), ("TooManyRequestsException", AwsUnavailable)):
        with pytest.raises(expected):
            invoke(Fake(refusal(code)), "f", "{}")
        with pytest.raises(expected):
            tell(Fake(refusal(code)), "f", "{}")


def test_app_secrets():
    secrets = AppSecrets(Fake({"SecretString": json.dumps({"google": {"backup": "s3cret"}})}), "name")
    assert secrets.get("google", "backup") == "s3cret"
    for text in (json.dumps({"google": {}}), "not json geheim", '"text"'):
        with pytest.raises(AwsDenied) as caught:
            AppSecrets(Fake({"SecretString": text}), "name").get("google", "backup")
        assert "geheim" not in str(caught.value)
    with pytest.raises(AwsDenied):
        AppSecrets(Fake(refusal("ResourceNotFoundException")), "name").get("google", "backup")


@pytest.fixture
def exports(aws):
    client = aws_client("s3")
    client.create_bucket(Bucket="exports", CreateBucketConfiguration={"LocationConstraint": REGION})
    return client


@pytest.mark.parametrize("sizes", [[], [5], [8 << 20], [(8 << 20) + 1], [5 << 20, 5 << 20, 9 << 20]])
def test_a_stream_becomes_an_object_with_an_address(exports, sizes):
    chunks = [bytes((n % 251,)) * size for n, size in enumerate(sizes, 1)]
    url = ExportBucket(exports, "exports").offer(
        "K-000001/A-0001/x", iter(chunks), media="message/rfc822", disposition='attachment; filename="a.eml"'
    )
    stored = exports.get_object(Bucket="exports", Key="K-000001/A-0001/x")
    assert stored["Body"].read() == b"".join(chunks)
    assert stored["ContentType"] == "message/rfc822"
    assert "response-content-disposition=attachment" in url
    assert "X-Amz-Expires=900" in url or "Expires=" in url


def test_a_stream_that_breaks_off_leaves_nothing(exports):
    def broken():
        yield b"x" * (20 << 20)
        raise ValueError("damaged")

    with pytest.raises(ValueError, match="damaged"):
        ExportBucket(exports, "exports").offer("K-000001/A-0001/x", broken(), media="a/b", disposition="attachment")
    assert exports.list_multipart_uploads(Bucket="exports").get("Uploads", []) == []
    assert exports.list_objects_v2(Bucket="exports")["KeyCount"] == 0


def test_exports_that_are_refused():
    with pytest.raises(AwsDenied):
        ExportBucket(Fake(refusal("AccessDenied")), "b").offer("k", iter([b"x"]), media="a/b", disposition="attachment")
