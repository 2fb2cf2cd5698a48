"""What holds data is kept, whatever happens to the stacks."""

from __future__ import annotations

import pytest

from tests.infra.conftest import synthesize

HOLDS_DATA = {
    "AWS::S3::Bucket",
    "AWS::DynamoDB::Table",
    "AWS::DynamoDB::GlobalTable",
    "AWS::KMS::Key",
    "AWS::KMS::ReplicaKey",
    "AWS::SecretsManager::Secret",
    "AWS::Cognito::UserPool",
}
PINNED = {
    "LogsBucket": "AWS::S3::Bucket",
    "VaultBucket": "AWS::S3::Bucket",
    "KeysBucket": "AWS::S3::Bucket",
    "WorkBucket": "AWS::S3::Bucket",
    "ExportsBucket": "AWS::S3::Bucket",
    "TenancyTable": "AWS::DynamoDB::Table",
    "DirectoryTable": "AWS::DynamoDB::Table",
    "IndexTable": "AWS::DynamoDB::Table",
    "WorkTable": "AWS::DynamoDB::Table",
    "VaultKey": "AWS::KMS::Key",
    "AppKey": "AWS::KMS::Key",
    "RestoreAppKey": "AWS::KMS::Key",
    "AppsSecret": "AWS::SecretsManager::Secret",
    "UserPool": "AWS::Cognito::UserPool",
}


def _holding(template: dict) -> dict[str, dict]:
    return {name: r for name, r in template["Resources"].items() if r["Type"] in HOLDS_DATA}


def test_logical_ids_are_pinned(assembly):
    assert {name: r["Type"] for name, r in _holding(assembly.data).items()} == PINNED


def test_service_stack_holds_no_data(assembly):
    assert _holding(assembly.service) == {}


def test_everything_is_retained(assembly):
    for name, resource in _holding(assembly.data).items():
        assert resource["DeletionPolicy"] == "Retain", name
        assert resource["UpdateReplacePolicy"] == "Retain", name


def test_tables_and_pool_are_protected_from_deletion(assembly):
    for name, table in assembly.resources("ArcheData", "AWS::DynamoDB::Table").items():
        assert table["Properties"]["DeletionProtectionEnabled"] is True, name
        assert table["Properties"]["BillingMode"] == "PAY_PER_REQUEST", name
    (pool,) = assembly.resources("ArcheData", "AWS::Cognito::UserPool").values()
    assert pool["Properties"]["DeletionProtection"] == "ACTIVE"


def test_truth_has_point_in_time_recovery(assembly):
    recovered = {
        name
        for name, table in assembly.resources("ArcheData", "AWS::DynamoDB::Table").items()
        if table["Properties"]["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"]
    }
    assert recovered == {"TenancyTable", "DirectoryTable"}


def test_rows_expire_in_work_and_tenancy_alone(assembly):
    tables = assembly.resources("ArcheData", "AWS::DynamoDB::Table")
    expiring = {name: t["Properties"].get("TimeToLiveSpecification") for name, t in tables.items()}
    on = {"AttributeName": "ttl", "Enabled": True}
    assert expiring == {"TenancyTable": on, "WorkTable": on, "IndexTable": None, "DirectoryTable": None}


def test_stack_is_protected_from_termination(assembly):
    protected = {
        name: artifact.get("properties", {}).get("terminationProtection", False)
        for name, artifact in assembly.manifest["artifacts"].items()
        if artifact["type"] == "aws:cloudformation:stack"
    }
    assert protected == {"ArcheData": True, "ArcheService": False}


def test_service_depends_on_data_and_never_the_other_way(assembly):
    artifacts = assembly.manifest["artifacts"]
    assert "ArcheData" in artifacts["ArcheService"]["dependencies"]
    assert "ArcheService" not in artifacts["ArcheData"]["dependencies"]
    assert "Fn::ImportValue" not in str(assembly.data)


@pytest.mark.parametrize("bucket", ["VaultBucket", "KeysBucket"])
def test_locked_buckets(assembly, bucket):
    properties = assembly.data["Resources"][bucket]["Properties"]
    assert properties["ObjectLockEnabled"] is True
    assert properties["ObjectLockConfiguration"]["Rule"]["DefaultRetention"] == {"Mode": "GOVERNANCE", "Days": 30}
    assert properties["VersioningConfiguration"] == {"Status": "Enabled"}


@pytest.mark.parametrize("bucket", ["VaultBucket", "KeysBucket"])
def test_no_rule_expires_anything_that_is_locked(assembly, bucket):
    rules = assembly.data["Resources"][bucket]["Properties"]["LifecycleConfiguration"]["Rules"]
    for rule in rules:
        words = set(rule) - {"Id", "Status", "Prefix"}
        assert words <= {"AbortIncompleteMultipartUpload", "Transitions"}, rule
        if "Transitions" in rule:
            assert rule["Prefix"] == "p1/"
    assert any("AbortIncompleteMultipartUpload" in rule for rule in rules)


@pytest.mark.parametrize(("bucket", "days"), [("WorkBucket", 14), ("ExportsBucket", 7)])
def test_buckets_that_end_by_themselves(assembly, bucket, days):
    properties = assembly.data["Resources"][bucket]["Properties"]
    assert "ObjectLockEnabled" not in properties
    assert "VersioningConfiguration" not in properties
    assert days in [rule.get("ExpirationInDays") for rule in properties["LifecycleConfiguration"]["Rules"]]


def test_every_bucket_is_private_encrypted_and_owned(assembly):
    for name, bucket in assembly.resources("ArcheData", "AWS::S3::Bucket").items():
        properties = bucket["Properties"]
        assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}, name
        assert "BucketEncryption" in properties, name
        owners = properties["OwnershipControls"]["Rules"]
        assert owners == [{"ObjectOwnership": "BucketOwnerEnforced"}], name


def test_keys(assembly):
    keys = {name: key["Properties"] for name, key in assembly.resources("ArcheData", "AWS::KMS::Key").items()}
    assert {name: key["MultiRegion"] for name, key in keys.items()} == dict.fromkeys(keys, True)
    assert keys["VaultKey"]["EnableKeyRotation"] is True
    for name in ("AppKey", "RestoreAppKey"):
        assert (keys[name]["KeySpec"], keys[name]["KeyUsage"]) == ("RSA_3072", "SIGN_VERIFY")


def test_members_need_a_second_factor_and_an_invitation(assembly):
    (pool,) = assembly.resources("ArcheData", "AWS::Cognito::UserPool").values()
    properties = pool["Properties"]
    assert properties["MfaConfiguration"] == "ON"
    assert properties["EnabledMfas"] == ["SOFTWARE_TOKEN_MFA"]
    assert properties["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"] is True
    assert "DeviceConfiguration" not in properties
    (client,) = assembly.resources("ArcheData", "AWS::Cognito::UserPoolClient").values()
    assert client["Properties"]["AllowedOAuthFlows"] == ["code"]
    assert client["Properties"]["GenerateSecret"] is False


def test_second_region_has_copies_of_vault_keys_and_key(tmp_path):
    away = synthesize(tmp_path / "out", region="eu-central-1", second_region="eu-west-1")
    copies, key = away.templates["ArcheCopies"], away.templates["ArcheCopyKey"]
    assert {n: r["Type"] for n, r in _holding(copies).items()} == {
        "VaultCopyBucket": "AWS::S3::Bucket",
        "KeysCopyBucket": "AWS::S3::Bucket",
    }
    assert {n: r["Type"] for n, r in _holding(key).items()} == {"VaultKeyCopy": "AWS::KMS::ReplicaKey"}
    for resource in [*_holding(copies).values(), *_holding(key).values()]:
        assert resource["DeletionPolicy"] == "Retain"
    for bucket in _holding(copies).values():
        assert bucket["Properties"]["ObjectLockEnabled"] is True
        assert "Expiration" not in str(bucket["Properties"]["LifecycleConfiguration"])
    for name in ("VaultBucket", "KeysBucket"):
        (rule,) = away.data["Resources"][name]["Properties"]["ReplicationConfiguration"]["Rules"]
        assert rule["Status"] == "Enabled"
        assert "copy" in str(rule["Destination"]["Bucket"])
    order = away.manifest["artifacts"]
    assert "ArcheCopies" in order["ArcheData"]["dependencies"]
    assert {n: r["Type"] for n, r in _holding(away.data).items()} == PINNED
    assert away.violations() == set()
