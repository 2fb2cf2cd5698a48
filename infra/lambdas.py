"""The one way to make a function: a role of its own, a log group that ends, the layers, settings by name."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Duration, IgnoreMode, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.layers import RUNTIME, Layers, architecture
from infra.options import ROOT, Options

_RETENTION = {
    30: logs.RetentionDays.ONE_MONTH,
    90: logs.RetentionDays.THREE_MONTHS,
    180: logs.RetentionDays.SIX_MONTHS,
    365: logs.RetentionDays.ONE_YEAR,
}


ALLOCATOR = {"MALLOC_ARENA_MAX": "2", "MALLOC_TRIM_THRESHOLD_": "131072"}
"""The C library's own knobs (mallopt(3)): threads share arenas, and large blocks go back to the system when freed.

With the defaults a worker of 26 threads keeps about twice the memory that it uses.
"""


def log_group(scope: Construct, name: str, group: str, options: Options) -> logs.LogGroup:
    """A log group whose entries end after the chosen days."""
    return logs.LogGroup(
        scope,
        name,
        log_group_name=group,
        retention=_RETENTION[options.log_days],
        removal_policy=RemovalPolicy.DESTROY,
    )


class Lambdas:
    """Makes the functions of one stack and remembers them, so that ``watch`` can watch each."""

    def __init__(self, scope: Stack, options: Options, settings: Mapping[str, str]) -> None:
        """``settings``: value of each ``ARCHE_`` variable, by its name without the prefix, in lower case."""
        self.options = options
        self.settings = dict(settings)
        self.made: dict[str, lambda_.Function] = {}
        self._layers = Layers(scope, "Layers", options)
        self._assets: dict[str, lambda_.AssetCode] = {}

    def make(
        self,
        scope: Construct,
        module: str,
        *,
        settings: tuple[str, ...],
        name: str = "",
        seconds: int = 30,
        memory: int = 256,
        egress: bool = False,
    ) -> lambda_.Function:
        """Make the function ``functions.<module>.lambda_handler``.

        ``name`` is its deployed name without the prefix (default: the module with ``-``); ``settings`` are the
        variables it is told; ``egress`` gives it proxy and CA bundle of the context: for those that talk to platforms.
        """
        folder, verb = module.split(".")
        name = name or f"{folder}-{verb}"
        full = f"{self.options.prefix}-{name}"
        identity = "".join(part.title() for part in name.split("-"))
        group = log_group(scope, f"{identity}Logs", f"/aws/lambda/{full}", self.options)
        role = iam.Role(
            scope,
            f"{identity}Role",
            role_name=full,
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description=f"Rights of functions.{module}",
        )
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                resources=[group.log_group_arn],
            ),
        )
        function = lambda_.Function(
            scope,
            identity,
            function_name=full,
            runtime=RUNTIME,
            architecture=architecture(self.options),
            handler=f"functions.{module}.lambda_handler",
            code=self._code(folder),
            layers=[self._layers.core, self._layers.vendor],
            role=role,
            log_group=group,
            memory_size=memory,
            timeout=Duration.seconds(seconds),
            environment=self._environment(settings, egress=egress),
            reserved_concurrent_executions=self.options.reserved.get(name),
            logging_format=lambda_.LoggingFormat.JSON,
            # A worker that is killed is started again by its machine, which knows when; Lambda's own second try would
            # run beside it.
            retry_attempts=0,
        )
        self.made[name] = function
        return function

    def _environment(self, settings: tuple[str, ...], *, egress: bool) -> dict[str, str]:
        environment = ALLOCATOR | {f"ARCHE_{name.upper()}": self.settings[name] for name in settings}
        if egress and self.options.egress_proxy:
            environment["HTTPS_PROXY"] = self.options.egress_proxy
            environment["NO_PROXY"] = self.options.no_proxy
        if egress and self.options.ca_bundle:
            environment["SSL_CERT_FILE"] = self.options.ca_bundle
        return environment

    def _code(self, folder: str) -> lambda_.AssetCode:
        """The repository filtered to one folder of functions, so that the dotted name is the same everywhere."""
        if folder not in self._assets:
            self._assets[folder] = lambda_.Code.from_asset(
                str(ROOT),
                ignore_mode=IgnoreMode.GIT,
                exclude=[
                    "/*",
                    "!/functions",
                    "/functions/*",
                    "!/functions/__init__.py",
                    f"!/functions/{folder}",
                    "__pycache__",
                ],
            )
        return self._assets[folder]
