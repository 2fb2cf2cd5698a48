"""Restores: plan, deliver, report, and their machine."""

from __future__ import annotations

from aws_cdk import Aws, Stack
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from infra import machines, rights
from infra.access import Access
from infra.backup import WORKER
from infra.data import DataStack
from infra.lambdas import Lambdas

_RULE = "arn:{}:events:{}:{}:rule/StepFunctionsGetEventsForStepFunctionsExecutionRule"


class Restore(Construct):
    """Functions of a restore and the machine ``restore``, which runs ``backup`` for the undo snapshot."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        data: DataStack,
        lambdas: Lambdas,
        access: Access,
        backup: sfn.StateMachine,
    ) -> None:
        super().__init__(scope, name)
        self.plan = lambdas.make(self, "restore.plan", settings=WORKER, seconds=900, egress=True)
        self.deliver = lambdas.make(self, "restore.deliver", settings=WORKER, seconds=900, egress=True)
        self.report = lambdas.make(self, "restore.report", settings=WORKER, seconds=900, egress=True)
        for worker in (self.plan, self.deliver, self.report):
            rights.invoke(worker, access.grant, access.token)
        backup_arn = machines.machine_arn(self, lambdas.options, "backup")
        self.machine = machines.make(
            self,
            "restore",
            lambdas.options,
            file="restore.asl.json",
            functions={"PlanArn": self.plan, "DeliverArn": self.deliver, "ReportArn": self.report},
            data=data,
            substitutions={"BackupMachineArn": backup_arn},
        )
        rights.allow(self.machine, ["states:StartExecution"], [backup_arn])
        rights.allow(
            self.machine,
            ["states:DescribeExecution", "states:StopExecution"],
            [f"{backup_arn.replace(':stateMachine:', ':execution:')}:*"],
            because=machines.OWN_RUNS,
        )
        # Waiting for another machine (`startExecution.sync`) goes through a rule that Step Functions manages itself.
        rights.allow(
            self.machine,
            ["events:PutTargets", "events:PutRule", "events:DescribeRule"],
            [_RULE.format(Aws.PARTITION, Stack.of(self).region, Aws.ACCOUNT_ID)],
        )
        self.node.add_dependency(backup)
