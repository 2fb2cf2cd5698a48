"""ServiceStack: all that can be deleted and deployed again. It refers to the DataStack, never the other way round."""

from __future__ import annotations

from aws_cdk import CfnOutput, Environment, Stack
from constructs import Construct

from infra import machines
from infra.access import Access
from infra.acknowledged import acknowledge
from infra.api import Api, Door
from infra.backup import Backup
from infra.billing import Billing
from infra.clock import Clock
from infra.data import DataStack
from infra.lambdas import Lambdas
from infra.options import Options
from infra.restore import Restore
from infra.watch import Watch


class ServiceStack(Stack):
    """API, functions, machines, schedules, alarms."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        options: Options,
        data: DataStack,
        *,
        synthesizer: object = None,
    ) -> None:
        super().__init__(
            scope,
            name,
            description="Arche: API, workers, machines",
            env=Environment(region=options.region) if options.region else None,
            synthesizer=synthesizer,  # type: ignore[arg-type]
        )
        acknowledge(self, "L1", "the runtime is the one that the vendor layer is built for, 3.13; both change together")
        door = Door(self, "Door", data, options)
        lambdas = Lambdas(
            self,
            options,
            {
                "vault_bucket": data.vault_bucket.bucket_name,
                "keys_bucket": data.keys_bucket.bucket_name,
                "work_bucket": data.work_bucket.bucket_name,
                "exports_bucket": data.exports_bucket.bucket_name,
                "tenancy_table": data.tenancy_table.table_name,
                "directory_table": data.directory_table.table_name,
                "index_table": data.index_table.table_name,
                "work_table": data.work_table.table_name,
                "vault_key": data.vault_key.key_arn,
                "app_key": data.app_key.key_arn,
                "restore_app_key": data.restore_app_key.key_arn,
                "apps_secret": data.apps_secret_arn,
                "backup_machine": machines.machine_arn(self, options, "backup"),
                "restore_machine": machines.machine_arn(self, options, "restore"),
                "grant_function": f"{options.prefix}-access-grant",
                "token_function": f"{options.prefix}-access-token",
                "discover_function": f"{options.prefix}-backup-discover",
                "public_url": door.url,
            },
        )
        clock = Clock(self, "Clock", options)
        access = Access(self, "Access", data, lambdas)
        backup = Backup(self, "Backup", data=data, lambdas=lambdas, access=access, clock=clock)
        restore = Restore(self, "Restore", data=data, lambdas=lambdas, access=access, backup=backup.machine)
        Billing(self, "Billing", data, lambdas, clock)
        Api(
            self,
            "Api",
            door=door,
            data=data,
            lambdas=lambdas,
            access=access,
            machines=(backup.machine, restore.machine),
            discover=backup.discover,
        )
        Watch(
            self,
            "Watch",
            options,
            functions=lambdas.made,
            machines={"backup": backup.machine, "restore": restore.machine},
            undelivered=clock.undelivered,
        )
        for key, value in {
            "ApiUrl": door.url,
            "ApiId": door.api.api_id,
            "BackupMachineArn": backup.machine.state_machine_arn,
            "RestoreMachineArn": restore.machine.state_machine_arn,
            "GrantFunctionName": access.grant.function_name,
            "TokenFunctionName": access.token.function_name,
            "DiscoverFunctionName": backup.discover.function_name,
            "UndeliveredQueueUrl": clock.undelivered.queue_url,
        }.items():
            CfnOutput(self, key, value=value)
