"""Emulator and simulators for real, without a deployment: what is kept, and what an interruption leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from localcloud.children import Refused, command_of
from localcloud.cloud import Cloud
from localcloud.record import Record
from localcloud.toolkit import ROOT

pytestmark = pytest.mark.cloud


def test_state_survives_a_restart_and_ends_with_fresh(tmp_path):
    first = Cloud(tmp_path)
    first.start()
    try:
        endpoint = first.endpoint
        first.client("s3").create_bucket(
            Bucket="kept", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
        )
        first.client("s3").put_object(Bucket="kept", Key="a", Body=b"pack")
        first.client("dynamodb").create_table(
            TableName="kept",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        first.client("dynamodb").put_item(TableName="kept", Item={"pk": {"S": "row"}})
        key = first.client("kms").create_key(KeySpec="RSA_3072", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
        # What a deployment would have noted at its end.
        first.record.whole = True
    finally:
        first.stop()
    assert Record.read(tmp_path / "state.json").phase == "stopped"

    second = Cloud(tmp_path)
    second.start()
    try:
        assert second.endpoint == endpoint
        assert second.client("s3").get_object(Bucket="kept", Key="a")["Body"].read() == b"pack"
        assert second.client("dynamodb").get_item(TableName="kept", Key={"pk": {"S": "row"}})["Item"]
        assert second.client("kms").get_public_key(KeyId=key)["KeySpec"] == "RSA_3072"
    finally:
        second.stop()

    third = Cloud(tmp_path, fresh=True)
    third.start()
    try:
        assert third.client("s3").list_buckets()["Buckets"] == []
        assert third.client("dynamodb").list_tables()["TableNames"] == []
    finally:
        third.stop()


def test_interrupted_start_leaves_no_process_and_asks_for_fresh(tmp_path):
    paths = os.pathsep.join([str(ROOT), str(ROOT / "layers" / "core" / "python")])
    process = subprocess.Popen(
        [sys.executable, "-m", "localcloud", "up", "--home", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        for line in process.stdout:
            if "stacks: synthesize" in line:
                break
        children = Record.read(tmp_path / "state.json").children
        assert set(children) == {"emulator", "simulators"}
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(60) == 0
        finally:
            process.kill()
    for pid in children.values():
        assert command_of(pid) == ""
    with pytest.raises(Refused, match="--fresh"), Cloud(tmp_path):
        pass


def test_processes_of_a_killed_start_are_ended(tmp_path):
    killed = Cloud(tmp_path)
    killed.start()
    children = dict(killed.record.children)
    # As if this process had been killed: nobody holds the lock, nobody stops anything.
    killed._lock.close()
    said: list[str] = []
    again = Cloud(tmp_path, fresh=True, say=said.append)
    try:
        again.start()
        assert len([line for line in said if "of an earlier start" in line]) == 2
        assert not set(children.values()) & set(again.record.children.values())
    finally:
        again.stop()
        killed.stop()
    assert [command_of(pid) for pid in children.values()] == ["", ""]
