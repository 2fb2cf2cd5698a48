"""Rights as statements: exact actions on exact resources, one helper per kind of need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import IConstruct

from infra.acknowledged import acknowledge, wildcard

READ = ("dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:ConditionCheckItem")
WRITE = ("dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:BatchWriteItem")
SCAN = ("dynamodb:Scan",)

OF_A_CUSTOMER = {
    # ForAllValues is true when the key is absent (a Scan), so its presence is asked for too.
    "ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["K-*"]},
    "Null": {"dynamodb:LeadingKeys": "false"},
}
"""Only rows about a customer; the session policy of ``grant`` narrows it to the one customer."""


def allow(
    role: iam.IGrantable,
    actions: Iterable[str],
    resources: Iterable[str],
    conditions: Mapping[str, object] | None = None,
    *,
    because: str = "",
) -> None:
    """Add one allowing statement to ``role``; ``because`` says why a resource with a ``*`` is as narrow as can be."""
    named = list(resources)
    role.grant_principal.add_to_principal_policy(
        iam.PolicyStatement(actions=list(actions), resources=named, conditions=conditions),
    )
    for resource in named:
        if "*" in resource:
            acknowledge(_holder(role), wildcard(resource), because)


def _holder(role: iam.IGrantable) -> IConstruct:
    """The construct whose policy ``role`` adds to: the role itself, or the one of a function or machine."""
    holder = role if isinstance(role, iam.Role) else getattr(role, "role", None)
    if holder is None:
        raise TypeError("rights are given to roles, functions and machines")
    return cast("IConstruct", holder)


def tables(
    role: iam.IGrantable,
    actions: Iterable[str],
    *wanted: dynamodb.Table,
    conditions: Mapping[str, object] | None = None,
) -> None:
    """Allow ``actions`` on the tables (not on their indexes)."""
    allow(role, actions, [table.table_arn for table in wanted], conditions)


def invoke(caller: lambda_.Function, *callees: lambda_.IFunction) -> None:
    """Allow ``caller`` to invoke the functions."""
    allow(caller, ["lambda:InvokeFunction"], [callee.function_arn for callee in callees])
