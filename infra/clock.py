"""What starts by itself: hourly slots, daily discovery and metering. What cannot be started is kept and alarmed."""

from __future__ import annotations

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_scheduler_targets as targets
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from infra import rights
from infra.acknowledged import acknowledge
from infra.options import Options


class Clock(Construct):
    """A schedule group and the queue of starts that failed."""

    def __init__(self, scope: Construct, name: str, options: Options) -> None:
        super().__init__(scope, name)
        self._enabled = options.schedules == "on"
        self._prefix = options.prefix
        self.undelivered = sqs.Queue(
            self,
            "Undelivered",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=Duration.days(14),
            removal_policy=RemovalPolicy.DESTROY,
        )
        acknowledge(
            self.undelivered, "SQS3", "it is itself where schedules put what could not be started; an alarm looks at it"
        )
        self._role = iam.Role(
            self,
            "Role",
            role_name=f"{options.prefix}-clock",
            assumed_by=iam.ServicePrincipal("scheduler.amazonaws.com"),
            description="Starts slots, discovery and metering",
        )
        rights.allow(self._role, ["sqs:SendMessage"], [self.undelivered.queue_arn])
        self._group = scheduler.ScheduleGroup(
            self,
            "Group",
            schedule_group_name=options.prefix,
            removal_policy=RemovalPolicy.DESTROY,
        )

    def slots(self, machine: sfn.IStateMachine) -> None:
        """Start ``machine`` each hour with its slot.

        One schedule per slot instead of one per hour of the clock: a start that the scheduler repeats or delays still
        names the slot it was meant for. Hours are UTC, which has neither a missing nor a double hour.
        """
        rights.allow(self._role, ["states:StartExecution"], [machine.state_machine_arn])
        for hour in range(24):
            slot = f"{hour:02d}"
            self._schedule(
                f"Slot{slot}",
                f"slot-{slot}",
                scheduler.ScheduleExpression.cron(minute="0", hour=str(hour)),
                targets.StepFunctionsStartExecution(
                    machine,
                    input=scheduler.ScheduleTargetInput.from_object({"slot": slot}),
                    dead_letter_queue=self.undelivered,
                    max_event_age=Duration.hours(1),
                    role=self._role.without_policy_updates(),
                ),
            )

    def daily(self, name: str, *, hour: int, function: lambda_.IFunction) -> None:
        """Invoke ``function`` each day at ``hour`` (UTC)."""
        rights.allow(self._role, ["lambda:InvokeFunction"], [function.function_arn])
        self._schedule(
            name.title(),
            name,
            scheduler.ScheduleExpression.cron(minute="17", hour=str(hour)),
            targets.LambdaInvoke(
                function,
                input=scheduler.ScheduleTargetInput.from_object({"daily": True}),
                dead_letter_queue=self.undelivered,
                role=self._role.without_policy_updates(),
            ),
        )

    def _schedule(
        self,
        identity: str,
        name: str,
        when: scheduler.ScheduleExpression,
        target: scheduler.IScheduleTarget,
    ) -> None:
        scheduler.Schedule(
            self,
            identity,
            schedule_name=f"{self._prefix}-{name}",
            schedule_group=self._group,
            schedule=when,
            target=target,
            enabled=self._enabled,
        )
