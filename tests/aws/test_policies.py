"""Session policies: short enough, and another customer's anything is out of reach."""

from __future__ import annotations

import fnmatch
import json

import pytest

from arche.aws.policies import LIMIT, ROLE_OF, Names, PolicyTooLong, session_policy
from arche.model.labels import LabelError

ME, OTHER = "K-004711", "K-004712"


def names(bucket=63, table=70):
    """The longest names that are promised to fit."""
    buckets = {f"{kind}_bucket": kind.ljust(bucket, "b") for kind in ("vault", "keys", "work", "exports")}
    tables = {f"{kind}_table": kind.ljust(table, "t") for kind in ("tenancy", "index", "work")}
    key = "arn:aws-us-gov:kms:ap-southeast-4:123456789012:key/mrk-0123456789abcdef0123456789abcdef"
    return Names(partition="aws-us-gov", region="ap-southeast-4", account="123456789012", key=key, **buckets, **tables)


NAMES = names()


def allows(policy, action, resource, **context):
    """Evaluate as IAM does, for the operators that are used."""
    return any(
        any(fnmatch.fnmatchcase(action, pattern) for pattern in statement["Action"])
        and any(fnmatch.fnmatchcase(resource, pattern) for pattern in statement["Resource"])
        and all(
            _holds(operator, context.get(key.replace(":", "_")), wanted)
            for operator, pairs in statement.get("Condition", {}).items()
            for key, wanted in pairs.items()
        )
        for statement in json.loads(policy)["Statement"]
        if statement["Effect"] == "Allow"
    )


def _holds(operator, given, wanted):
    wanted = [wanted] if isinstance(wanted, str) else wanted
    match operator:
        case "StringEquals":
            return given in wanted
        case "StringLike":
            return given is not None and any(fnmatch.fnmatchcase(given, pattern) for pattern in wanted)
        case "ForAllValues:StringEquals":
            return set(given or ()) <= set(wanted)
    raise AssertionError(operator)


def vault(key):
    return f"arn:aws-us-gov:s3:::{NAMES.vault_bucket}/{key}"


def s3(bucket, key=""):
    return f"arn:aws-us-gov:s3:::{bucket}" + (f"/{key}" if key else "")


def table(name):
    return f"arn:aws-us-gov:dynamodb:ap-southeast-4:123456789012:table/{name}"


@pytest.mark.parametrize("purpose", sorted(ROLE_OF))
def test_the_longest_names_fit(purpose):
    text = session_policy(purpose, "K-00471100", NAMES)
    assert len(text) <= LIMIT
    assert text.isascii()
    json.loads(text)


def test_names_that_are_too_long_say_so():
    with pytest.raises(PolicyTooLong, match="shorter prefix"):
        session_policy("backup", ME, names(table=255))


@pytest.mark.parametrize("customer", ["", "K-*", "*", "K-004711/*", "K-0047?1", "k-004711"])
def test_only_a_label_gets_into_a_policy(customer):
    with pytest.raises(LabelError):
        session_policy("backup", customer, NAMES)


@pytest.mark.parametrize("purpose", sorted(ROLE_OF))
def test_nothing_of_another_customer_is_allowed(purpose):
    policy = session_policy(purpose, ME, NAMES)
    keys = [f"{part}/{OTHER}/A-0001/x" for part in ("p0", "p1", "s", "m", "k", "customers")] + [f"{OTHER}/x"]
    keys += [f"p0/{ME}0/A-0001/x", f"p0/{ME}", f"x/p0/{ME}/A-0001/x", "", f"p0/../{ME}/x"]
    for bucket in (NAMES.vault_bucket, NAMES.keys_bucket, NAMES.work_bucket, NAMES.exports_bucket):
        for action in ("s3:GetObject", "s3:PutObject", "s3:DeleteObject"):
            assert not [key for key in keys if allows(policy, action, s3(bucket, key))]
        for prefix in (
            f"p0/{OTHER}/",
            f"m/{OTHER}/A-0001/",
            "p0/",
            "",
            f"p0/{ME}",
            f"customers/{OTHER}/",
            "runs/",
            None,
        ):
            assert not allows(policy, "s3:ListBucket", s3(bucket), s3_prefix=prefix)
    for action in ("kms:Decrypt", "kms:Encrypt"):
        for named in (OTHER, None):
            assert not allows(policy, action, NAMES.key, kms_EncryptionContext_customer=named)
    for name in (NAMES.tenancy_table, NAMES.index_table, NAMES.work_table):
        for action in ("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"):
            for leading in ([OTHER], [ME, OTHER], ["RUN#r"], ["PARTNER#p"], ["BINDING#m#t"], ["APP#m#backup"]):
                assert not allows(policy, action, table(name), dynamodb_LeadingKeys=leading)
        assert not allows(policy, "dynamodb:Scan", table(name))
        assert not allows(policy, "dynamodb:Query", table(name) + "/index/by_slot", dynamodb_LeadingKeys=[ME])


@pytest.mark.parametrize(
    ("purpose", "writes_vault", "writes_export", "rows", "encrypts"),
    [
        ("backup", True, False, True, True),
        ("restore", False, False, True, False),
        ("browse", False, True, False, False),
    ],
)
def test_each_purpose_gets_what_it_needs_and_no_more(purpose, writes_vault, writes_export, rows, encrypts):
    policy = session_policy(purpose, ME, NAMES)
    for part in ("p0", "p1", "s", "m"):
        key = f"{part}/{ME}/A-0001/x"
        assert allows(policy, "s3:GetObject", vault(key))
        assert allows(policy, "s3:PutObject", vault(key)) is (writes_vault and part != "p1")
        assert allows(policy, "s3:ListBucket", s3(NAMES.vault_bucket), s3_prefix=f"{part}/{ME}/A-0001/")
    keyring = s3(NAMES.keys_bucket, f"k/{ME}/c/000001")
    assert allows(policy, "s3:GetObject", keyring)
    assert allows(policy, "s3:PutObject", keyring) is writes_vault
    # S3 asks the right to list with the very key to tell a missing object from a forbidden one.
    assert allows(policy, "s3:ListBucket", s3(NAMES.keys_bucket), s3_prefix=f"k/{ME}/c/000002")
    assert allows(policy, "s3:GetObject", s3(NAMES.work_bucket, f"customers/{ME}/j-1/x"))
    assert allows(policy, "s3:PutObject", s3(NAMES.work_bucket, f"customers/{ME}/j-1/x")) is (purpose != "browse")
    assert allows(policy, "s3:PutObject", s3(NAMES.exports_bucket, f"{ME}/A-0001/x")) is writes_export
    assert allows(policy, "kms:Decrypt", NAMES.key, kms_EncryptionContext_customer=ME)
    assert allows(policy, "kms:Encrypt", NAMES.key, kms_EncryptionContext_customer=ME) is encrypts
    for name in (NAMES.tenancy_table, NAMES.index_table, NAMES.work_table):
        assert allows(policy, "dynamodb:UpdateItem", table(name), dynamodb_LeadingKeys=[ME]) is rows
    for action in (
        "s3:DeleteObject",
        "s3:DeleteObjectVersion",
        "s3:BypassGovernanceRetention",
        "s3:PutObjectRetention",
    ):
        assert not allows(policy, action, vault(f"p0/{ME}/A-0001/x"))
    assert not allows(policy, "kms:ScheduleKeyDeletion", NAMES.key, kms_EncryptionContext_customer=ME)
