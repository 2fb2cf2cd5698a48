"""Alarms and the dashboard of the operator. Customers and accounts are log fields, never metric dimensions."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from infra.options import Options

_FIVE_MINUTES = Duration.minutes(5)


class Watch(Construct):
    """One topic; an alarm per function, machine and queue; one dashboard."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        options: Options,
        *,
        functions: Mapping[str, lambda_.Function],
        machines: Mapping[str, sfn.StateMachine],
        undelivered: sqs.Queue,
    ) -> None:
        super().__init__(scope, name)
        self.topic = sns.Topic(self, "Alarms", topic_name=f"{options.prefix}-alarms", enforce_ssl=True)
        if options.alarm_mail:
            self.topic.add_subscription(subscriptions.EmailSubscription(options.alarm_mail))
        self._action = actions.SnsAction(self.topic)
        for key, function in functions.items():
            self._alarm(f"{_title(key)}Errors", function.metric_errors(period=_FIVE_MINUTES), f"functions: {key} fails")
        for key, machine in machines.items():
            self._alarm(
                f"{_title(key)}Failed", machine.metric_failed(period=_FIVE_MINUTES), f"machine {key}: a run failed"
            )
            self._alarm(
                f"{_title(key)}TimedOut",
                machine.metric_timed_out(period=_FIVE_MINUTES),
                f"machine {key}: a run timed out",
            )
        self._alarm(
            "Undelivered",
            undelivered.metric_approximate_number_of_messages_visible(period=_FIVE_MINUTES),
            "a scheduled start was not delivered: look into the queue and start the slot by hand",
        )
        throttles = cloudwatch.MathExpression(
            expression="SUM(METRICS())",
            using_metrics={f"m{n}": f.metric_throttles(period=_FIVE_MINUTES) for n, f in enumerate(functions.values())},
            period=_FIVE_MINUTES,
            label="throttled invocations",
        )
        self._dashboard(options, functions, machines, undelivered, throttles)

    def _alarm(self, name: str, metric: cloudwatch.IMetric, what: str) -> None:
        alarm = cloudwatch.Alarm(
            self,
            name,
            metric=metric,
            threshold=1,
            evaluation_periods=1,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            alarm_description=f"Arche: {what}",
        )
        alarm.add_alarm_action(self._action)

    def _dashboard(
        self,
        options: Options,
        functions: Mapping[str, lambda_.Function],
        machines: Mapping[str, sfn.StateMachine],
        undelivered: sqs.Queue,
        throttles: cloudwatch.MathExpression,
    ) -> None:
        board = cloudwatch.Dashboard(self, "Dashboard", dashboard_name=options.prefix)
        for key, machine in machines.items():
            board.add_widgets(
                cloudwatch.GraphWidget(
                    title=f"{key}: runs",
                    width=12,
                    left=[machine.metric_started(), machine.metric_succeeded(), machine.metric_failed()],
                ),
                cloudwatch.GraphWidget(title=f"{key}: duration", width=12, left=[machine.metric_time()]),
            )
        board.add_widgets(
            cloudwatch.GraphWidget(title="errors", width=12, left=[f.metric_errors() for f in functions.values()]),
            cloudwatch.GraphWidget(
                title="duration, p99", width=12, left=[f.metric_duration(statistic="p99") for f in functions.values()]
            ),
            cloudwatch.GraphWidget(title="throttled", width=12, left=[throttles]),
            cloudwatch.GraphWidget(
                title="not delivered",
                width=12,
                left=[undelivered.metric_approximate_number_of_messages_visible()],
            ),
        )


def _title(key: str) -> str:
    return "".join(part.title() for part in key.split("-"))
