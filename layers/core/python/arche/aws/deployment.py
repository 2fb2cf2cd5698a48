"""What is deployed, as the operator's commands see it: the outputs of the stacks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from arche.aws import sessions
from arche.aws.errors import translated
from arche.catalog.catalog import Catalog
from arche.catalog.table import Tables

STACKS: Final = ("Data", "Service")


class NotDeployed(Exception):  # noqa: N818 - says what is the matter
    """A stack is missing; the message says which and what to run."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """Outputs by name, and the state of each stack ("" = there is none)."""

    prefix: str
    outputs: Mapping[str, str] = field(default_factory=dict)
    states: Mapping[str, str] = field(default_factory=dict)

    def output(self, name: str) -> str:
        """Give an output. Raises NotDeployed."""
        try:
            return self.outputs[name]
        except KeyError:
            raise NotDeployed(
                f"The stacks of prefix {self.prefix!r} are not deployed here ({name} is missing). "
                "Run `cdk deploy --all`, or name the right --prefix, AWS_PROFILE and AWS_REGION.",
            ) from None

    def catalog(self) -> Catalog:
        """Open the catalog with the caller's own rights."""
        tables = Tables(
            tenancy=self.output("TenancyTableName"),
            directory=self.output("DirectoryTableName"),
            index=self.output("IndexTableName"),
            work=self.output("WorkTableName"),
        )
        return Catalog(tables, region=sessions.region())


def find(prefix: str, cloudformation: Any) -> Deployment:
    """Read the stacks of a prefix. Raises AwsUnavailable, AwsDenied."""
    outputs: dict[str, str] = {}
    states: dict[str, str] = {}
    for kind in STACKS:
        name = f"{prefix.title()}{kind}"
        states[name] = ""
        try:
            stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        except (ClientError, BotoCoreError) as error:
            # CloudFormation answers a ValidationError for a stack that does not exist.
            if isinstance(error, ClientError) and "does not exist" in str(error):
                continue
            raise translated(error, f"stack {name} not read") from None
        states[name] = str(stack["StackStatus"])
        outputs |= {str(one["OutputKey"]): str(one["OutputValue"]) for one in stack.get("Outputs", [])}
    return Deployment(prefix, outputs, states)
