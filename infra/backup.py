"""Backups: workers, the machine, and the clock that starts it."""

from __future__ import annotations

from constructs import Construct

from infra import machines, rights
from infra.access import Access
from infra.clock import Clock
from infra.data import DataStack
from infra.lambdas import Lambdas

WORKER = (
    "tenancy_table",
    "directory_table",
    "index_table",
    "work_table",
    "vault_bucket",
    "keys_bucket",
    "work_bucket",
    "vault_key",
    "grant_function",
    "token_function",
    "public_url",
)
"""Settings of every worker: names alone; the rights come from ``grant``."""


class Backup(Construct):
    """``schedule``, ``collect`` (short and long), ``seal``, ``discover``, the machine ``backup`` and its slots."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        data: DataStack,
        lambdas: Lambdas,
        access: Access,
        clock: Clock,
    ) -> None:
        super().__init__(scope, name)
        self.schedule = lambdas.make(
            self,
            "backup.schedule",
            settings=("tenancy_table", "index_table", "work_table", "work_bucket"),
            seconds=300,
            memory=512,
        )
        self._schedule_rights(data)
        self.collect_short = lambdas.make(
            self, "backup.collect", name="backup-collect-short", settings=WORKER, seconds=240, egress=True
        )
        self.collect_long = lambdas.make(
            self, "backup.collect", name="backup-collect-long", settings=WORKER, seconds=900, egress=True
        )
        self.seal = lambdas.make(self, "backup.seal", settings=WORKER, seconds=240)
        self.discover = lambdas.make(self, "backup.discover", settings=WORKER, seconds=900, egress=True)
        for worker in (self.collect_short, self.collect_long, self.seal):
            rights.invoke(worker, access.grant, access.token)
        # Discovery reads the platform's directory and writes labels and names; it never holds a vault right.
        rights.invoke(self.discover, access.token)
        # ... and counts the labels it gives in the customer's row.
        rights.tables(self.discover, (*rights.READ, *rights.SCAN, "dynamodb:UpdateItem"), data.tenancy_table)
        rights.tables(
            self.discover, (*rights.READ, *rights.WRITE), data.directory_table, data.index_table, data.work_table
        )

        self.machine = machines.make(
            self,
            "backup",
            lambdas.options,
            file="backup.asl.json",
            functions={
                "ScheduleArn": self.schedule,
                "CollectShortArn": self.collect_short,
                "CollectLongArn": self.collect_long,
                "SealArn": self.seal,
                "DiscoverArn": self.discover,
            },
            data=data,
        )
        clock.slots(self.machine)
        clock.daily("discovery", hour=3, function=self.discover)

    def _schedule_rights(self, data: DataStack) -> None:
        """Rows of all customers, because a run has accounts of many; work lists; nothing of any vault."""
        rights.tables(self.schedule, rights.READ, data.tenancy_table)
        rights.allow(self.schedule, ["dynamodb:Query"], [f"{data.index_table.table_arn}/index/by_slot"])
        rights.tables(self.schedule, (*rights.READ, *rights.WRITE), data.index_table, data.work_table)
        work = data.bucket_arn("work")
        rights.allow(self.schedule, ["s3:GetObject", "s3:PutObject"], [f"{work}/runs/*"], because=machines.WORK_LISTS)
        # Without the right to list, a list that is not there yet would be answered like a forbidden one.
        rights.allow(self.schedule, ["s3:ListBucket"], [work])
