"""What the product relies on in the embedded cloud, seen from inside a function with a deployed role."""

from __future__ import annotations

import io
import json
import time
import urllib.error
import urllib.request
import uuid
import zipfile

import pytest

from localcloud.cloud import Cloud

pytestmark = pytest.mark.cloud

PROBE = """
import boto3, botocore.exceptions, os
def lambda_handler(event, context):
    if "fail" in event:
        raise type(event["fail"], (Exception,), {})("as asked")
    found, memory = [], {}
    for service, method, kwargs, session in event["calls"]:
        keys = {}
        if session is not None:
            c = memory[session]["Credentials"]
            keys = dict(aws_access_key_id=c["AccessKeyId"], aws_secret_access_key=c["SecretAccessKey"],
                        aws_session_token=c["SessionToken"])
        try:
            answer = getattr(boto3.client(service, **keys), method)(**kwargs)
            memory[len(found)] = answer
            found.append("ok")
        except botocore.exceptions.ClientError as error:
            found.append(error.response["Error"]["Code"])
    return {"found": found, "boto3": boto3.__file__, "pid": os.getpid()}
"""


def _zip(code: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("probe.py", code)
    return packed.getvalue()


@pytest.fixture(scope="module")
def probe(cloud: Cloud):
    """Invoke a function that has the role of a deployed one: ``probe(role, event)``."""
    lambda_ = cloud.client("lambda")
    layers = [
        layer["Arn"] for layer in lambda_.get_function(FunctionName="arche-access-grant")["Configuration"]["Layers"]
    ]
    made = {}

    def invoke(role: str, event: dict):
        if role not in made:
            arn = cloud.client("iam").get_role(RoleName=role)["Role"]["Arn"]
            made[role] = f"probe-{uuid.uuid4().hex[:8]}"
            lambda_.create_function(
                FunctionName=made[role],
                Runtime="python3.13",
                Handler="probe.lambda_handler",
                Role=arn,
                Code={"ZipFile": _zip(PROBE)},
                Layers=layers,
                Timeout=60,
            )
        answer = lambda_.invoke(FunctionName=made[role], Payload=json.dumps(event).encode())
        body = json.loads(answer["Payload"].read())
        return body if "FunctionError" not in answer else {"error": body["errorType"]}

    return invoke


def _session(cloud: Cloud, role: str, *statements: dict) -> list:
    arn = cloud.client("iam").get_role(RoleName=role)["Role"]["Arn"]
    kwargs = {"RoleArn": arn, "RoleSessionName": "probe"}
    if statements:
        kwargs["Policy"] = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    return ["sts", "assume_role", kwargs, None]


def test_failure_keeps_its_class_and_the_process(probe):
    assert probe("arche-access-grant", {"fail": "Unreachable"}) == {"error": "Unreachable"}
    first = probe("arche-access-grant", {"calls": []})["pid"]
    probe("arche-access-grant", {"fail": "Throttled"})
    assert probe("arche-access-grant", {"calls": []})["pid"] == first


def test_libraries_come_from_the_vendor_layer(probe):
    assert "/layer_" in probe("arche-access-grant", {"calls": []})["boto3"]


@pytest.mark.parametrize("role", ["vault-writer", "vault-reader"])
def test_only_grant_assumes_the_data_roles(cloud, probe, role):
    ask = {"calls": [_session(cloud, f"arche-{role}")]}
    assert probe("arche-access-grant", ask)["found"] == ["ok"]
    assert probe("arche-backup-collect-short", ask)["found"] == ["AccessDenied"]
    assert probe("arche-api-content", ask)["found"] == ["AccessDenied"]


def test_writer_creates_and_never_overwrites_or_deletes(cloud, probe):
    bucket, key = cloud.outputs["VaultBucketName"], f"m/K-000001/A-0001/{uuid.uuid4().hex}"
    other = key.replace("m/K-", "x/K-")
    session = _session(cloud, "arche-vault-writer")
    put = {"Bucket": bucket, "Key": key, "Body": "commit"}
    found = probe(
        "arche-access-grant",
        {
            "calls": [
                session,
                ["s3", "put_object", put, 0],
                ["s3", "put_object", put | {"IfNoneMatch": "*"}, 0],
                ["s3", "put_object", put | {"IfNoneMatch": "*"}, 0],
                ["s3", "delete_object", {"Bucket": bucket, "Key": key}, 0],
                ["s3", "put_object", put | {"IfNoneMatch": "*", "Key": other}, 0],
                ["s3", "get_object", {"Bucket": bucket, "Key": key}, 0],
            ],
        },
    )["found"]
    assert found == ["ok", "AccessDenied", "ok", "PreconditionFailed", "AccessDenied", "AccessDenied", "ok"]
    version = cloud.client("s3").list_object_versions(Bucket=bucket, Prefix=key)["Versions"][0]["VersionId"]
    retention = cloud.client("s3").get_object_retention(Bucket=bucket, Key=key, VersionId=version)["Retention"]
    assert retention["Mode"] == "GOVERNANCE"
    erase = ["s3", "delete_object", {"Bucket": bucket, "Key": key, "VersionId": version}, 0]
    assert probe("arche-access-grant", {"calls": [session, erase]})["found"][1] == "AccessDenied"


def test_session_is_narrowed_to_one_customer(cloud, probe):
    table, bucket = cloud.outputs["IndexTableName"], cloud.outputs["VaultBucketName"]
    key = cloud.outputs["VaultKeyArn"]
    session = _session(
        cloud,
        "arche-vault-writer",
        {
            "Effect": "Allow",
            "Action": "dynamodb:*",
            "Resource": "*",
            "Condition": {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["K-000001"]}},
        },
        {"Effect": "Allow", "Action": "s3:*", "Resource": f"arn:aws:s3:::{bucket}/m/K-000001/*"},
        {
            "Effect": "Allow",
            "Action": "kms:*",
            "Resource": "*",
            "Condition": {"StringEquals": {"kms:EncryptionContext:customer": "K-000001"}},
        },
    )

    def calls(customer: str) -> list:
        row = {"pk": {"S": customer}, "sk": {"S": "HEAD#A-0001"}}
        return [
            ["dynamodb", "put_item", {"TableName": table, "Item": row}, 0],
            ["dynamodb", "get_item", {"TableName": table, "Key": row}, 0],
            [
                "dynamodb",
                "query",
                {
                    "TableName": table,
                    "KeyConditionExpression": "#p = :p",
                    "ExpressionAttributeNames": {"#p": "pk"},
                    "ExpressionAttributeValues": {":p": {"S": customer}},
                },
                0,
            ],
            ["dynamodb", "transact_write_items", {"TransactItems": [{"Put": {"TableName": table, "Item": row}}]}, 0],
            ["dynamodb", "scan", {"TableName": table}, 0],
            [
                "s3",
                "put_object",
                {"Bucket": bucket, "Key": f"m/{customer}/A-0001/{uuid.uuid4()}", "IfNoneMatch": "*"},
                0,
            ],
            [
                "kms",
                "encrypt",
                {"KeyId": key, "Plaintext": "x", "EncryptionContext": {"customer": customer}},
                0,
            ],
            ["kms", "encrypt", {"KeyId": key, "Plaintext": "x"}, 0],
        ]

    mine = probe("arche-access-grant", {"calls": [session, *calls("K-000001")]})["found"]
    other = probe("arche-access-grant", {"calls": [session, *calls("K-000002")]})["found"]
    denied = "AccessDeniedException"
    assert mine == ["ok", "ok", "ok", "ok", "ok", denied, "ok", "ok", denied]
    assert other == ["ok", denied, denied, denied, denied, denied, "AccessDenied", denied, denied]


def test_workers_hold_no_data_right_of_their_own(cloud, probe):
    table, bucket = cloud.outputs["IndexTableName"], cloud.outputs["VaultBucketName"]
    found = probe(
        "arche-backup-collect-short",
        {
            "calls": [
                [
                    "dynamodb",
                    "get_item",
                    {"TableName": table, "Key": {"pk": {"S": "K-000001"}, "sk": {"S": "x"}}},
                    None,
                ],
                ["s3", "get_object", {"Bucket": bucket, "Key": "m/K-000001/A-0001/0"}, None],
                ["secretsmanager", "get_secret_value", {"SecretId": cloud.outputs["AppsSecretArn"]}, None],
                [
                    "kms",
                    "sign",
                    {"KeyId": cloud.outputs["AppKeyArn"], "Message": "x", "SigningAlgorithm": "RSASSA_PSS_SHA_256"},
                    None,
                ],
            ],
        },
    )["found"]
    assert found == ["AccessDeniedException", "AccessDenied", "AccessDeniedException", "AccessDeniedException"]


def test_token_signs_and_reads_the_secret(cloud, probe):
    cloud.client("secretsmanager").put_secret_value(SecretId=cloud.outputs["AppsSecretArn"], SecretString="{}") if not (
        cloud.record.apps
    ) else None
    sign = {"KeyId": cloud.outputs["AppKeyArn"], "Message": "x", "SigningAlgorithm": "RSASSA_PSS_SHA_256"}
    found = probe(
        "arche-access-token",
        {
            "calls": [
                ["kms", "sign", sign, None],
                ["kms", "sign", sign | {"KeyId": cloud.outputs["RestoreAppKeyArn"]}, None],
                ["secretsmanager", "get_secret_value", {"SecretId": cloud.outputs["AppsSecretArn"]}, None],
            ],
        },
    )["found"]
    assert found == ["ok", "ok", "ok"]


def test_buckets_are_as_the_template_says(cloud):
    s3 = cloud.client("s3")
    vault = cloud.outputs["VaultBucketName"]
    lock = s3.get_object_lock_configuration(Bucket=vault)["ObjectLockConfiguration"]
    assert lock["Rule"]["DefaultRetention"] == {"Mode": "GOVERNANCE", "Days": 30}
    rules = s3.get_bucket_lifecycle_configuration(Bucket=vault)["Rules"]
    assert {rule["ID"] for rule in rules} == {"abort-stale-uploads", "compacted-packs"}
    assert not any("Expiration" in rule for rule in rules)
    assert s3.get_bucket_versioning(Bucket=vault)["Status"] == "Enabled"


def test_api_asks_for_a_token_of_the_pool(cloud):
    def status(path: str, token: str = "") -> int:
        request = urllib.request.Request(cloud.outputs["ApiUrl"] + path)  # noqa: S310 - loopback
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310 - loopback
                return response.status
        except urllib.error.HTTPError as error:
            return error.code

    assert status("/v1/me") == 401
    assert status("/v1/me", "no.token.at-all") == 401
    assert status("/v1/me", cloud.token()) not in {401, 403}
    assert status("/v1/consents/callback") not in {401, 403}
    assert status("/v1/customers/K-000001/accounts/A-0001/items") == 401


def test_map_reads_lines_retries_by_class_and_tolerates(cloud, probe):
    probe("arche-backup-schedule", {"calls": []})
    s3, states = cloud.client("s3"), cloud.client("stepfunctions")
    bucket, key = cloud.outputs["WorkBucketName"], f"probe/{uuid.uuid4().hex}.jsonl"
    lines = [{"calls": []}, {"fail": "Unreachable"}, {"fail": "Forbidden"}]
    s3.put_object(Bucket=bucket, Key=key, Body="\n".join(map(json.dumps, lines)))
    function = next(
        f["FunctionArn"]
        for f in cloud.client("lambda").list_functions()["Functions"]
        if f["FunctionName"].startswith("probe-") and f["Role"].endswith("arche-backup-schedule")
    )
    task = {
        "Type": "Task",
        "Resource": function,
        "Retry": [{"ErrorEquals": ["Unreachable"], "IntervalSeconds": 1, "MaxAttempts": 1}],
        "Catch": [{"ErrorEquals": ["Forbidden"], "ResultPath": "$.caught", "Next": "Caught"}],
        "End": True,
    }
    machine = {
        "StartAt": "Each",
        "States": {
            "Each": {
                "Type": "Map",
                "ToleratedFailurePercentage": 50,
                "ItemReader": {
                    "Resource": "arn:aws:states:::s3:getObject",
                    "ReaderConfig": {"InputType": "JSONL"},
                    "Parameters": {"Bucket": bucket, "Key.$": "$.key"},
                },
                "ItemProcessor": {
                    "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
                    "StartAt": "Do",
                    "States": {"Do": task, "Caught": {"Type": "Pass", "Result": "caught", "End": True}},
                },
                "End": True,
            },
        },
    }
    role = cloud.client("iam").get_role(RoleName="arche-machine-backup")["Role"]["Arn"]
    made = states.create_state_machine(
        name=f"probe-{uuid.uuid4().hex[:8]}", definition=json.dumps(machine), roleArn=role
    )
    run = states.start_execution(stateMachineArn=made["stateMachineArn"], input=json.dumps({"key": key}))[
        "executionArn"
    ]
    seen = _ended(states, run)
    assert seen["status"] == "SUCCEEDED", seen
    output = json.loads(seen["output"])
    assert output[0]["found"] == []
    assert output[1] is None
    assert output[2] == "caught"


def _ended(states, run: str) -> dict:
    for _ in range(600):
        seen = states.describe_execution(executionArn=run)
        if seen["status"] != "RUNNING":
            return seen
        time.sleep(0.1)
    raise AssertionError("the run did not end")


def test_slots_are_there_and_still(cloud):
    scheduler = cloud.client("scheduler")
    found = scheduler.list_schedules(GroupName="arche")["Schedules"]
    assert len([s for s in found if s["Name"].startswith("arche-slot-")]) == 24
    assert {s["State"] for s in found} == {"DISABLED"}
    six = scheduler.get_schedule(GroupName="arche", Name="arche-slot-06")
    assert json.loads(six["Target"]["Input"]) == {"slot": "06"}
    assert six["Target"]["Arn"] == cloud.outputs["BackupMachineArn"]


def test_scheduler_starts_a_machine(cloud):
    states, scheduler = cloud.client("stepfunctions"), cloud.client("scheduler")
    role = cloud.client("iam").get_role(RoleName="arche-machine-backup")["Role"]["Arn"]
    machine = {"StartAt": "Done", "States": {"Done": {"Type": "Pass", "End": True}}}
    name = f"probe-{uuid.uuid4().hex[:8]}"
    arn = states.create_state_machine(name=name, definition=json.dumps(machine), roleArn=role)["stateMachineArn"]
    scheduler.create_schedule(
        Name=name,
        ScheduleExpression="at(2020-01-01T00:00:00)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": arn, "RoleArn": role, "Input": '{"slot": "06"}'},
    )
    for _ in range(300):
        runs = states.list_executions(stateMachineArn=arn)["executions"]
        if runs:
            break
        time.sleep(0.1)
    scheduler.delete_schedule(Name=name)
    assert states.describe_execution(executionArn=runs[0]["executionArn"])["input"] == '{"slot": "06"}'
