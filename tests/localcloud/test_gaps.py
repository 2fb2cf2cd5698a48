"""What the S3 API is told from the template."""

from __future__ import annotations

import json

import pytest

from localcloud import gaps

BUCKET = {
    "ObjectLockEnabled": True,
    "ObjectLockConfiguration": {
        "ObjectLockEnabled": "Enabled",
        "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 30}},
    },
    "BucketEncryption": {
        "ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
    },
    "LifecycleConfiguration": {
        "Rules": [
            {"Id": "abort", "Status": "Enabled", "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}},
            {
                "Id": "packs",
                "Status": "Enabled",
                "Prefix": "p1/",
                "Transitions": [{"StorageClass": "GLACIER_IR", "TransitionInDays": 1}],
            },
            {"Id": "gone", "Status": "Enabled", "ExpirationInDays": 7},
        ],
    },
}


class Aws:
    """Takes note of what it is told."""

    def __init__(self) -> None:
        self.told = {}

    def describe_stack_resource(self, StackName, LogicalResourceId):  # noqa: N803 - boto3's names
        return {"StackResourceDetail": {"PhysicalResourceId": f"{StackName}-{LogicalResourceId}".lower()}}

    def __getattr__(self, name):
        return lambda **kwargs: self.told.update({(name, kwargs.pop("Bucket")): kwargs})


def _templates(tmp_path, properties):
    resources = {"Vault": {"Type": "AWS::S3::Bucket", "Properties": properties}, "Other": {"Type": "AWS::SNS::Topic"}}
    (tmp_path / "Data.template.json").write_text(json.dumps({"Resources": resources}))
    return tmp_path


def test_bucket_gets_what_cloudformation_left_out(tmp_path):
    aws = Aws()
    assert gaps.apply(_templates(tmp_path, BUCKET), aws, aws) == 1
    lifecycle = aws.told["put_bucket_lifecycle_configuration", "data-vault"]["LifecycleConfiguration"]["Rules"]
    assert lifecycle == [
        {
            "ID": "abort",
            "Status": "Enabled",
            "Filter": {"Prefix": ""},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
        },
        {
            "ID": "packs",
            "Status": "Enabled",
            "Filter": {"Prefix": "p1/"},
            "Transitions": [{"Days": 1, "StorageClass": "GLACIER_IR"}],
        },
        {"ID": "gone", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 7}},
    ]
    lock = aws.told["put_object_lock_configuration", "data-vault"]["ObjectLockConfiguration"]
    assert lock == {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 30}}}
    assert ("put_bucket_encryption", "data-vault") in aws.told


def test_bucket_without_any_is_left_alone(tmp_path):
    aws = Aws()
    assert gaps.apply(_templates(tmp_path, {}), aws, aws) == 1
    assert aws.told == {}


def test_a_word_that_would_be_lost_is_refused():
    rule = {"Id": "x", "Status": "Enabled", "ObjectSizeGreaterThan": 1}
    with pytest.raises(KeyError, match="ObjectSizeGreaterThan"):
        gaps.lifecycle({"LifecycleConfiguration": {"Rules": [rule]}})
