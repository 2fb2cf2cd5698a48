"""Who gets at data: the data roles, ``grant`` that alone assumes them, ``token`` that alone signs for the platforms."""

from __future__ import annotations

from aws_cdk import Duration, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra import rights
from infra.data import DataStack
from infra.lambdas import Lambdas

_NARROWED = "a data role reaches every customer only on paper: grant alone assumes it and narrows each session to one"
_VAULT_PREFIXES = ("p0", "p1", "s", "m")


class Access(Construct):
    """``writer`` and ``reader`` roles, functions ``grant`` and ``token``."""

    def __init__(self, scope: Construct, name: str, data: DataStack, lambdas: Lambdas) -> None:
        super().__init__(scope, name)
        self._prefix = lambdas.options.prefix
        # The roles' names are settings of `grant`, whose role their trust names: so the names are made first.
        lambdas.settings["writer_role"] = _role_arn(self, f"{self._prefix}-vault-writer")
        lambdas.settings["reader_role"] = _role_arn(self, f"{self._prefix}-vault-reader")
        self.grant = lambdas.make(
            self,
            "access.grant",
            settings=(
                "tenancy_table",
                "directory_table",
                "index_table",
                "work_table",
                "vault_bucket",
                "keys_bucket",
                "work_bucket",
                "exports_bucket",
                "vault_key",
                "writer_role",
                "reader_role",
            ),
            seconds=15,
        )
        rights.tables(self.grant, rights.READ, data.work_table, data.tenancy_table)
        self.token = lambdas.make(
            self,
            "access.token",
            settings=("tenancy_table", "work_table", "app_key", "restore_app_key", "apps_secret", "public_url"),
            seconds=30,
            egress=True,
        )
        rights.tables(self.token, rights.READ, data.work_table, data.tenancy_table)
        rights.allow(self.token, ["kms:Sign"], [data.app_key.key_arn, data.restore_app_key.key_arn])
        rights.allow(self.token, ["secretsmanager:GetSecretValue"], [data.apps_secret_arn])

        self.writer = self._data_role("Writer", "vault-writer")
        self.reader = self._data_role("Reader", "vault-reader")
        rights.allow(self.grant, ["sts:AssumeRole"], [self.writer.role_arn, self.reader.role_arn])
        self._vault_rights(data)
        self._other_rights(data)

    def _data_role(self, kind: str, name: str) -> iam.Role:
        grant = self.grant.role
        if grant is None:
            raise TypeError("grant has no role")
        return iam.Role(
            self,
            kind,
            role_name=f"{self._prefix}-{name}",
            assumed_by=iam.ArnPrincipal(grant.role_arn),
            max_session_duration=Duration.hours(1),
            description="Data rights; grant alone assumes it, narrowed to one customer",
        )

    def _vault_rights(self, data: DataStack) -> None:
        vault, keys = data.bucket_arn("vault"), data.bucket_arn("keys")
        objects = [*(f"{vault}/{part}/K-*" for part in _VAULT_PREFIXES), f"{keys}/k/K-*"]
        rights.allow(self.writer, ["s3:GetObject", "s3:PutObject"], objects, because=_NARROWED)
        rights.allow(self.reader, ["s3:GetObject"], objects, because=_NARROWED)
        for role in (self.writer, self.reader):
            rights.allow(role, ["s3:ListBucket"], [vault, keys])
        named = {"Null": {"kms:EncryptionContext:customer": "false"}}
        rights.allow(
            self.writer,
            ["kms:Encrypt", "kms:Decrypt"],
            [data.vault_key.key_arn],
            named,
        )
        rights.allow(self.reader, ["kms:Decrypt"], [data.vault_key.key_arn], named)

    def _other_rights(self, data: DataStack) -> None:
        own = rights.OF_A_CUSTOMER
        read_write = (*rights.READ, *rights.WRITE)
        # Never the directory: names of people are not needed to back up or to restore.
        rights.tables(self.writer, read_write, data.index_table, data.work_table, data.tenancy_table, conditions=own)
        rights.tables(self.reader, rights.READ, data.index_table, data.tenancy_table, conditions=own)
        rights.tables(self.reader, read_write, data.work_table, conditions=own)
        for role in (self.writer, self.reader):
            _objects(role, data.bucket_arn("work"), "customers/K-*")
        exports = data.bucket_arn("exports")
        _objects(self.reader, exports, "K-*")
        # A download above 5 MB goes up in parts; one that breaks off is taken back.
        rights.allow(self.reader, ["s3:AbortMultipartUpload"], [f"{exports}/K-*"], because=_NARROWED)


def _objects(role: iam.Role, bucket: str, keys: str) -> None:
    rights.allow(role, ["s3:GetObject", "s3:PutObject"], [f"{bucket}/{keys}"], because=_NARROWED)
    rights.allow(role, ["s3:ListBucket"], [bucket])


def _role_arn(scope: Construct, name: str) -> str:
    return Stack.of(scope).format_arn(service="iam", region="", resource="role", resource_name=name)
