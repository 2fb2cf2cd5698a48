"""DataStack: everything that holds data. It is kept when the stack goes, and its logical ids never change."""

from __future__ import annotations

from aws_cdk import Aws, CfnOutput, CfnResource, Duration, Environment, RemovalPolicy, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct, IConstruct

from infra import policies
from infra.acknowledged import acknowledge
from infra.members import Members
from infra.options import Options
from infra.replication import replicate

LOCK_DAYS = 30
EXPORT_DAYS = 7
WORK_DAYS = 14


def pin(construct: IConstruct, logical_id: str) -> None:
    """Fix the logical id of what holds data: a changed one would replace it, whatever file it moves to."""
    child = construct.node.default_child
    if not isinstance(child, CfnResource):
        raise TypeError(f"{construct.node.path} has no resource of its own")
    child.override_logical_id(logical_id)


class DataStack(Stack):
    """Vault, keys, work and export buckets, tables, KMS keys, the secret of the apps, the user pool."""

    def __init__(self, scope: Construct, name: str, options: Options, *, synthesizer: object = None) -> None:
        super().__init__(
            scope,
            name,
            description="Arche: what holds data",
            env=Environment(region=options.region) if options.region else None,
            termination_protection=True,
            synthesizer=synthesizer,  # type: ignore[arg-type]
            cross_region_references=bool(options.second_region) or None,
        )
        self._options = options
        self.logs_bucket = self._bucket("Logs", expires=options.log_days + 275)
        self.vault_bucket = self._bucket("Vault", locked=True)
        self.keys_bucket = self._bucket("Keys", locked=True)
        self.work_bucket = self._bucket("Work", expires=WORK_DAYS)
        self.exports_bucket = self._bucket("Exports", expires=EXPORT_DAYS)
        self._vault_lifecycle()

        acknowledge(
            self, "COG8", "the plus plan costs more than everything else; MFA is required and log-ins are by invitation"
        )
        acknowledge(
            self, "SMG4", "holds client ids and certificates: the private keys stay in KMS, certificates end by date"
        )
        self.tenancy_table = self._table("Tenancy", truth=True, ttl=True)
        self.directory_table = self._table("Directory", truth=True)
        self.index_table = self._table("Index")
        self.work_table = self._table("Work", ttl=True)
        self.index_table.add_global_secondary_index(
            index_name="by_slot",
            partition_key=dynamodb.Attribute(name="slot_shard", type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name="pk", type=dynamodb.AttributeType.STRING),
        )

        self.vault_key = self._customer_key()
        self.app_key = self._signing_key("App", "reads: the certificate of the backup app")
        self.restore_app_key = self._signing_key("RestoreApp", "writes: the certificate of the restore app")
        self.apps_secret = secretsmanager.Secret(
            self,
            "AppsSecret",
            description="Client ids and certificates of the apps registered with the platforms",
            removal_policy=RemovalPolicy.RETAIN,
        )
        pin(self.apps_secret, "AppsSecret")
        secret = self.apps_secret.node.default_child
        if not isinstance(secret, secretsmanager.CfnSecret):
            raise TypeError("the secret has no resource of its own")
        # `Ref` and `Id` are the same ARN in CloudFormation; the embedded cloud's `Ref` is the name.
        self.apps_secret_arn = secret.attr_id
        self.members = Members(self, "Members", options)
        pin(self.members.pool, "UserPool")
        if options.second_region:
            replicate(self, options, [self.vault_bucket, self.keys_bucket])
        self._outputs()

    def bucket_arn(self, kind: str) -> str:
        """ARN of bucket ``kind`` by its name: the same in every stack, without a reference."""
        return f"arn:{Aws.PARTITION}:s3:::{self._options.prefix}-{kind}-{Aws.ACCOUNT_ID}-{Aws.REGION}"

    def _bucket(self, kind: str, *, locked: bool = False, expires: int = 0) -> s3.Bucket:
        bucket = s3.Bucket(
            self,
            f"{kind}Bucket",
            bucket_name=f"{self._options.prefix}-{kind.lower()}-{Aws.ACCOUNT_ID}-{Aws.REGION}",
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            versioned=locked,
            object_lock_enabled=locked or None,
            object_lock_default_retention=s3.ObjectLockRetention.governance(Duration.days(LOCK_DAYS))
            if locked
            else None,
            removal_policy=RemovalPolicy.RETAIN,
            server_access_logs_bucket=None if kind == "Logs" else self.logs_bucket,
            server_access_logs_prefix=None if kind == "Logs" else f"{kind.lower()}/",
        )
        pin(bucket, f"{kind}Bucket")
        bucket.add_lifecycle_rule(id="abort-stale-uploads", abort_incomplete_multipart_upload_after=Duration.days(7))
        if expires:
            bucket.add_lifecycle_rule(id="gone", expiration=Duration.days(expires))
        if locked:
            for statement in policies.locked_bucket(bucket.bucket_arn, self._options.prefix, ["sweep", "erase"]):
                bucket.add_to_resource_policy(statement)
        return bucket

    def _vault_lifecycle(self) -> None:
        """Compacted packs (``p1/``) were read in full before they were written and are rarely read again.

        Nothing in the vault ever expires by a rule: only prune knows what a kept restore point needs.
        """
        self.vault_bucket.add_lifecycle_rule(
            id="compacted-packs",
            prefix="p1/",
            transitions=[
                s3.Transition(
                    storage_class=s3.StorageClass.GLACIER_INSTANT_RETRIEVAL, transition_after=Duration.days(1)
                ),
            ],
        )

    def _table(self, kind: str, *, truth: bool = False, ttl: bool = False) -> dynamodb.Table:
        table = dynamodb.Table(
            self,
            f"{kind}Table",
            partition_key=dynamodb.Attribute(name="pk", type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name="sk", type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.AWS_MANAGED,
            deletion_protection=True,
            removal_policy=RemovalPolicy.RETAIN,
            time_to_live_attribute="ttl" if ttl else None,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=truth,
            ),
        )
        pin(table, f"{kind}Table")
        if not truth:
            acknowledge(table, "DDB3", "rows are derived from the vault or end with their run: nothing in it is truth")
        return table

    def _customer_key(self) -> kms.Key:
        key = kms.Key(
            self,
            "VaultKey",
            description="Arche: wraps customer keys",
            multi_region=True,
            enable_key_rotation=True,
            pending_window=Duration.days(30),
            removal_policy=RemovalPolicy.RETAIN,
        )
        pin(key, "VaultKey")
        for statement in policies.customer_key(self._options.prefix):
            key.add_to_resource_policy(statement)
        return key

    def _signing_key(self, kind: str, what: str) -> kms.Key:
        key = kms.Key(
            self,
            f"{kind}Key",
            description=f"Arche: {what}",
            key_spec=kms.KeySpec.RSA_3072,
            key_usage=kms.KeyUsage.SIGN_VERIFY,
            multi_region=True,
            pending_window=Duration.days(30),
            removal_policy=RemovalPolicy.RETAIN,
        )
        pin(key, f"{kind}Key")
        for statement in policies.signing_key(self._options.prefix):
            key.add_to_resource_policy(statement)
        return key

    def _outputs(self) -> None:
        values = {
            "VaultBucketName": self.vault_bucket.bucket_name,
            "KeysBucketName": self.keys_bucket.bucket_name,
            "WorkBucketName": self.work_bucket.bucket_name,
            "ExportsBucketName": self.exports_bucket.bucket_name,
            "TenancyTableName": self.tenancy_table.table_name,
            "DirectoryTableName": self.directory_table.table_name,
            "IndexTableName": self.index_table.table_name,
            "WorkTableName": self.work_table.table_name,
            "VaultKeyArn": self.vault_key.key_arn,
            "AppKeyArn": self.app_key.key_arn,
            "RestoreAppKeyArn": self.restore_app_key.key_arn,
            "AppsSecretArn": self.apps_secret_arn,
            "UserPoolId": self.members.pool.user_pool_id,
            "DashboardClientId": self.members.dashboard.user_pool_client_id,
        }
        if self.members.scripts is not None:
            values["ScriptClientId"] = self.members.scripts.user_pool_client_id
        for name, value in values.items():
            CfnOutput(self, name, value=value)
