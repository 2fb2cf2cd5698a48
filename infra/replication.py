"""Copies in a second region: buckets and key there, replication rules here."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Aws, Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra import policies, rights
from infra.acknowledged import acknowledge
from infra.options import Options

COPIED = ("vault", "keys")
_READ = (
    "s3:GetObjectVersionForReplication",
    "s3:GetObjectVersionAcl",
    "s3:GetObjectVersionTagging",
    "s3:GetObjectRetention",
    "s3:GetObjectLegalHold",
)
_WHOLE = "replication copies every object of the bucket; the role belongs to S3 and to nobody else"


def copy_name(options: Options, kind: str) -> str:
    """Name of the copy of bucket ``kind``."""
    return f"{options.prefix}-{kind}-copy-{Aws.ACCOUNT_ID}-{options.second_region}"


class CopiesStack(Stack):
    """The buckets in the second region. Deployed before the DataStack: replication wants its destination to exist."""

    def __init__(
        self, scope: Construct, name: str, options: Options, *, env: object, synthesizer: object = None
    ) -> None:
        super().__init__(
            scope,
            name,
            description="Arche: read-only copies",
            env=env,  # type: ignore[arg-type]
            synthesizer=synthesizer,  # type: ignore[arg-type]
            termination_protection=True,
        )
        for kind in COPIED:
            bucket = s3.Bucket(
                self,
                f"{kind.title()}Copy",
                bucket_name=copy_name(options, kind),
                encryption=s3.BucketEncryption.S3_MANAGED,
                block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
                object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
                enforce_ssl=True,
                versioned=True,
                object_lock_enabled=True,
                removal_policy=RemovalPolicy.RETAIN,
            )
            bucket.node.default_child.override_logical_id(f"{kind.title()}CopyBucket")  # type: ignore[union-attr]
            acknowledge(bucket, "S1", "nobody reads or writes copies but S3 itself; the sources keep access logs")
            bucket.add_lifecycle_rule(
                id="abort-stale-uploads",
                abort_incomplete_multipart_upload_after=Duration.days(7),
            )
            for statement in policies.replica_bucket(bucket.bucket_arn, options.prefix):
                bucket.add_to_resource_policy(statement)


class CopyKeyStack(Stack):
    """The replica of the customer key. Deployed after the DataStack, whose key it repeats."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        options: Options,
        *,
        primary: kms.IKey,
        env: object,
        synthesizer: object = None,
    ) -> None:
        super().__init__(
            scope,
            name,
            description="Arche: the customer key in the second region",
            env=env,  # type: ignore[arg-type]
            synthesizer=synthesizer,  # type: ignore[arg-type]
            termination_protection=True,
            cross_region_references=True,
        )
        document = iam.PolicyDocument(
            statements=[
                iam.PolicyStatement(
                    principals=[iam.AccountRootPrincipal()],
                    actions=["kms:*"],
                    resources=["*"],
                ),
                *policies.customer_key(options.prefix),
            ],
        )
        key = kms.CfnReplicaKey(
            self,
            "VaultKeyCopy",
            primary_key_arn=primary.key_arn,
            key_policy=document.to_json(),
            description="Arche: wraps customer keys, second region",
            pending_window_in_days=30,
        )
        key.override_logical_id("VaultKeyCopy")
        key.apply_removal_policy(RemovalPolicy.RETAIN)


def replicate(scope: Construct, options: Options, buckets: Sequence[s3.Bucket]) -> None:
    """Copy every new version in ``buckets`` to the second region; deletes of versions are never copied (S3's rule)."""
    role = iam.Role(
        scope,
        "Replication",
        role_name=f"{options.prefix}-replication",
        assumed_by=iam.ServicePrincipal("s3.amazonaws.com"),
        description="Copies vault and keys to the second region",
    )
    for kind, bucket in zip(COPIED, buckets, strict=True):
        copy_arn = f"arn:{Aws.PARTITION}:s3:::{copy_name(options, kind)}"
        # By name: the bucket refers to the role and must wait for its rights, so these cannot refer to the bucket.
        source_arn = f"arn:{Aws.PARTITION}:s3:::{options.prefix}-{kind}-{Aws.ACCOUNT_ID}-{Aws.REGION}"
        rights.allow(role, ["s3:GetReplicationConfiguration", "s3:ListBucket"], [source_arn])
        rights.allow(role, _READ, [f"{source_arn}/*"], because=_WHOLE)
        rights.allow(role, ["s3:ReplicateObject", "s3:ReplicateTags"], [f"{copy_arn}/*"], because=_WHOLE)
        resource = bucket.node.default_child
        if not isinstance(resource, s3.CfnBucket):
            raise TypeError(f"{bucket.node.path} is no bucket")
        resource.replication_configuration = s3.CfnBucket.ReplicationConfigurationProperty(
            role=role.role_arn,
            rules=[
                s3.CfnBucket.ReplicationRuleProperty(
                    id="second-region",
                    priority=1,
                    status="Enabled",
                    filter=s3.CfnBucket.ReplicationRuleFilterProperty(prefix=""),
                    # Versioned buckets with a filter must say so; nothing here makes markers anyway.
                    delete_marker_replication=s3.CfnBucket.DeleteMarkerReplicationProperty(status="Disabled"),
                    destination=s3.CfnBucket.ReplicationDestinationProperty(
                        bucket=copy_arn, storage_class="STANDARD_IA"
                    ),
                ),
            ],
        )
        resource.node.add_dependency(role)
