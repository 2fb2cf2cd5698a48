"""State machines from readable files: ARNs substituted by CloudFormation, concurrency written from the context."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aws_cdk import Aws, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from infra import rights
from infra.acknowledged import acknowledge
from infra.data import DataStack
from infra.lambdas import log_group
from infra.options import ROOT, OptionRefused, Options

WORK_LISTS = "work lists and results are named by run, which is drawn when it begins; they end after two weeks"
OWN_RUNS = "executions of this one machine, whose names are drawn when they begin"


def definition(path: Path, concurrency: Mapping[str, int]) -> dict[str, Any]:
    """The machine in ``path`` with ``MaxConcurrency`` set on each distributed map.

    Raises OptionRefused if a distributed map has no figure in ``concurrency``.
    """
    machine: dict[str, Any] = json.loads(path.read_text())
    _limit(machine["States"], concurrency, path.name)
    return machine


def _limit(states: Mapping[str, Any], concurrency: Mapping[str, int], file: str) -> None:
    for name, state in states.items():
        for branch in state.get("Branches", []):
            _limit(branch["States"], concurrency, file)
        processor = state.get("ItemProcessor")
        if processor is None:
            continue
        if processor.get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED":
            if name not in concurrency:
                raise OptionRefused(f"context concurrency names no figure for the distributed map {name} of {file}")
            state["MaxConcurrency"] = concurrency[name]
        _limit(processor["States"], concurrency, file)


def machine_arn(scope: Construct, options: Options, name: str) -> str:
    """ARN of the machine ``name``, known before the machine is."""
    return f"arn:{Aws.PARTITION}:states:{Stack.of(scope).region}:{Aws.ACCOUNT_ID}:stateMachine:{options.prefix}-{name}"


def make(
    scope: Construct,
    name: str,
    options: Options,
    *,
    file: str,
    functions: Mapping[str, lambda_.IFunction],
    data: DataStack,
    substitutions: Mapping[str, str] | None = None,
) -> sfn.StateMachine:
    """Make the standard machine ``name`` from ``file``; ``functions`` by the name of their substitution."""
    full = f"{options.prefix}-{name}"
    arn = machine_arn(scope, options, name)
    role = iam.Role(
        scope,
        "MachineRole",
        role_name=f"{options.prefix}-machine-{name}",
        assumed_by=iam.ServicePrincipal("states.amazonaws.com"),
        description=f"Rights of the machine {full}",
    )
    rights.allow(role, ["lambda:InvokeFunction"], [function.function_arn for function in functions.values()])
    rights.allow(role, ["s3:GetObject"], [f"{data.bucket_arn('work')}/*"], because=WORK_LISTS)
    # A distributed map starts its children as executions of its own machine.
    rights.allow(role, ["states:StartExecution"], [arn])
    rights.allow(
        role,
        ["states:DescribeExecution", "states:StopExecution", "states:RedriveExecution"],
        [f"{arn.replace(':stateMachine:', ':execution:')}/*", f"{arn.replace(':stateMachine:', ':execution:')}:*"],
        because=OWN_RUNS,
    )
    acknowledge(role, "IAM5[Resource::*]", "delivery of logs is set up by account: its actions know no resource")
    machine = sfn.StateMachine(
        scope,
        "Machine",
        state_machine_name=full,
        state_machine_type=sfn.StateMachineType.STANDARD,
        definition_body=sfn.DefinitionBody.from_string(
            json.dumps(definition(ROOT / options.machines / file, options.concurrency), indent=1)
        ),
        definition_substitutions={
            **{key: function.function_arn for key, function in functions.items()},
            "WorkBucket": data.work_bucket.bucket_name,
            **(substitutions or {}),
        },
        role=role,
        logs=sfn.LogOptions(
            destination=log_group(scope, "MachineLogs", f"/aws/vendedlogs/states/{full}", options),
            level=sfn.LogLevel.ALL,
            # State holds references and labels only, and logs are kept longer than state: no data in them.
            include_execution_data=False,
        ),
    )
    acknowledge(
        machine, "SF2", "a trace per batch costs more than the batch; logs of every transition have what is needed"
    )
    return machine
