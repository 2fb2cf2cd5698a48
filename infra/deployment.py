"""The stacks of one deployment, and the rules they are checked by."""

from __future__ import annotations

from aws_cdk import App, CliCredentialsStackSynthesizer, Environment, Tags, Validations
from cdk_nag import AwsSolutionsChecks

from infra.data import DataStack
from infra.options import Options
from infra.replication import CopiesStack, CopyKeyStack
from infra.service import ServiceStack


def build(app: App, options: Options) -> tuple[DataStack, ServiceStack]:
    """Put the stacks into ``app``; ``files`` is the folder of the state machines."""
    if options.check == "yes":
        Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    title = options.prefix.title()
    away = Environment(region=options.second_region) if options.second_region else None
    copies = CopiesStack(app, f"{title}Copies", options, env=away, synthesizer=_synthesizer(options)) if away else None
    data = DataStack(app, f"{title}Data", options, synthesizer=_synthesizer(options))
    if copies is not None:
        data.add_stack_dependency(copies)
        CopyKeyStack(
            app,
            f"{title}CopyKey",
            options,
            primary=data.vault_key,
            env=away,
            synthesizer=_synthesizer(options),
        )
    service = ServiceStack(app, f"{title}Service", options, data, synthesizer=_synthesizer(options))
    for name, value in options.tags.items():
        Tags.of(app).add(name, value)
    return data, service


def _synthesizer(options: Options) -> CliCredentialsStackSynthesizer | None:
    """None is the default: the roles of the CDK bootstrap."""
    return CliCredentialsStackSynthesizer() if options.deploy_with == "cli-credentials" else None
