"""Findings of cdk-nag that stay: acknowledged beside the construct that has them, never without a reason."""

from __future__ import annotations

from aws_cdk import Acknowledgment, Aws, Validations
from constructs import IConstruct

_SHORTEST_REASON = 20


def acknowledge(construct: IConstruct, finding: str, reason: str) -> None:
    """Accept ``finding`` (a rule of the AwsSolutions pack, with its detail in brackets) on ``construct`` and below."""
    if len(reason) < _SHORTEST_REASON:
        raise ValueError(f"{finding} on {construct.node.path} is acknowledged without a reason")
    Validations.of(construct).acknowledge(Acknowledgment(id=f"AwsSolutions::AwsSolutions-{finding}", reason=reason))


def wildcard(resource: str) -> str:
    """The finding that cdk-nag makes of a ``*`` in ``resource``: it writes pseudo parameters in angle brackets."""
    for token, name in (
        (Aws.PARTITION, "AWS::Partition"),
        (Aws.REGION, "AWS::Region"),
        (Aws.ACCOUNT_ID, "AWS::AccountId"),
    ):
        resource = resource.replace(token, f"<{name}>")
    return f"IAM5[Resource::{resource}]"
