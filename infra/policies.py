"""Statements of bucket and key policies.

Roles are named by pattern, so that the service stack can be deleted and deployed again without touching what holds
data (a principal's id would outlive its role and match nobody).
"""

from __future__ import annotations

from aws_cdk import Aws
from aws_cdk import aws_iam as iam

_KEY_USERS = ("vault-writer", "vault-reader", "erase", "recovery")
"""Roles that use customer keys. The operator makes ``recovery`` for the stand-alone reader when all else is gone."""

MAX_LOCK_DAYS = 130
"""No retention further away than this is written to the vault, except by the role that a compliance lock needs."""


_RUNTIME = (
    "access-*",
    "api-*",
    "backup-*",
    "billing-*",
    "clock",
    "compliance",
    "erase",
    "machine-*",
    "replication",
    "restore-*",
    "sweep",
    "vault-*",
)
"""Roles that work without a person. By families and not by ``*``: a deploying role may begin with the prefix too, and a
key policy that locks it out could only be mended by AWS."""


def role(prefix: str, name: str) -> str:
    """ARN pattern of the deployment's role ``name`` (which may hold ``*``)."""
    return f"arn:{Aws.PARTITION}:iam::{Aws.ACCOUNT_ID}:role/{prefix}-{name}"


def _deny(sid: str, actions: list[str], resources: list[str], conditions: dict[str, object]) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        sid=sid,
        effect=iam.Effect.DENY,
        principals=[iam.AnyPrincipal()],
        actions=actions,
        resources=resources,
        conditions=conditions,
    )


def locked_bucket(bucket_arn: str, prefix: str, erasers: list[str]) -> list[iam.PolicyStatement]:
    """Rules of a bucket whose objects are written once: vault and keys.

    ``erasers`` are the names of the roles that may delete versions whose lock has lapsed.
    """
    objects = [f"{bucket_arn}/*"]
    return [
        # A write that names no `If-None-Match` could replace a commit. Parts of a multipart upload carry no such header
        # and create nothing; the completion does (`s3:ObjectCreationOperation` tells them apart, S3 user guide,
        # "Enforce conditional writes").
        _deny(
            "CreateOnly",
            ["s3:PutObject"],
            objects,
            {"Null": {"s3:if-none-match": "true"}, "Bool": {"s3:ObjectCreationOperation": "true"}},
        ),
        # A delete marker would make `If-None-Match: *` succeed again, and a void seq would come back to life.
        _deny("NoDeleteMarkers", ["s3:DeleteObject"], objects, {}),
        _deny(
            "VersionsGoByEraserOnly",
            ["s3:DeleteObjectVersion"],
            objects,
            {"ArnNotLike": {"aws:PrincipalArn": [role(prefix, name) for name in erasers]}},
        ),
        _deny("NoBypassOfGovernance", ["s3:BypassGovernanceRetention"], objects, {}),
        # `Null`: an upload without lock headers gets the bucket's default and is no retention write.
        _deny(
            "RetentionGovernanceOnly",
            ["s3:PutObjectRetention", "s3:PutObject"],
            objects,
            {
                "StringNotEquals": {"s3:object-lock-mode": "GOVERNANCE"},
                "Null": {"s3:object-lock-mode": "false"},
                "ArnNotLike": {"aws:PrincipalArn": [role(prefix, "compliance")]},
            },
        ),
        _deny(
            "RetentionNotTooLong",
            ["s3:PutObjectRetention", "s3:PutObject"],
            objects,
            {
                "NumericGreaterThan": {"s3:object-lock-remaining-retention-days": str(MAX_LOCK_DAYS)},
                "ArnNotLike": {"aws:PrincipalArn": [role(prefix, "compliance")]},
            },
        ),
    ]


def replica_bucket(bucket_arn: str, prefix: str) -> list[iam.PolicyStatement]:
    """Rules of a copy: only replication writes; nobody deletes, except the erasure of both copies."""
    objects = [f"{bucket_arn}/*"]
    return [
        _deny(
            "OnlyReplicationWrites",
            ["s3:PutObject", "s3:ReplicateObject", "s3:ReplicateTags", "s3:ReplicateDelete"],
            objects,
            {"ArnNotLike": {"aws:PrincipalArn": [role(prefix, "replication")]}},
        ),
        _deny("NoDeleteMarkers", ["s3:DeleteObject"], objects, {}),
        _deny(
            "VersionsGoByEraserOnly",
            ["s3:DeleteObjectVersion"],
            objects,
            {"ArnNotLike": {"aws:PrincipalArn": [role(prefix, name) for name in ("sweep", "erase")]}},
        ),
        _deny("NoBypassOfGovernance", ["s3:BypassGovernanceRetention"], objects, {}),
    ]


def customer_key(prefix: str) -> list[iam.PolicyStatement]:
    """Rules of the key that wraps customer keys (``*`` in a key policy is this key)."""
    uses = ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
    return [
        _deny(
            "DataRolesOnly",
            uses,
            ["*"],
            {"ArnNotLike": {"aws:PrincipalArn": [role(prefix, name) for name in _KEY_USERS]}},
        ),
        # Without a customer in the context, one customer's wrapped key could be unwrapped in another's name.
        _deny("CustomerIsNamed", uses, ["*"], {"Null": {"kms:EncryptionContext:customer": "true"}}),
        keep_key(prefix),
    ]


def signing_key(prefix: str) -> list[iam.PolicyStatement]:
    """Rules of an app key: of the deployment's roles ``token`` alone signs; none ends the key.

    A person with rights in the account signs the app's certificate with it (``arche app-certificate``).
    """
    return [
        _deny(
            "OfRuntimeTokenAlone",
            ["kms:Sign"],
            ["*"],
            {
                "ArnLike": {"aws:PrincipalArn": [role(prefix, name) for name in _RUNTIME]},
                "ArnNotLike": {"aws:PrincipalArn": [role(prefix, "access-token")]},
            },
        ),
        keep_key(prefix),
    ]


def keep_key(prefix: str) -> iam.PolicyStatement:
    """No role of the deployment ends a key."""
    return _deny(
        "RuntimeNeverEndsKeys",
        ["kms:ScheduleKeyDeletion", "kms:DisableKey", "kms:PutKeyPolicy", "kms:DeleteImportedKeyMaterial"],
        ["*"],
        {"ArnLike": {"aws:PrincipalArn": [role(prefix, name) for name in _RUNTIME]}},
    )
