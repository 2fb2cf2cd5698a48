"""The HTTP API: routes, authorizer, access log, throttling, and the two functions behind it."""

from __future__ import annotations

import json

from aws_cdk import Duration, Stack
from aws_cdk import aws_apigatewayv2 as apigw
from aws_cdk import aws_apigatewayv2_authorizers as authorizers
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from infra import rights
from infra.access import Access
from infra.acknowledged import acknowledge
from infra.data import DataStack
from infra.lambdas import Lambdas, log_group
from infra.options import Options

MAIN = (
    "tenancy_table",
    "directory_table",
    "index_table",
    "work_table",
    "backup_machine",
    "restore_machine",
    "token_function",
    "public_url",
)
CONTENT_ROUTES = tuple(
    f"/v1/customers/{{customer}}/{rest}"
    for rest in (
        "accounts/{account}/folders",
        "accounts/{account}/items",
        "accounts/{account}/items/{service}/{item}",
        "accounts/{account}/items/{service}/{item}/content",
        "restores/{job}/results",
    )
)


class Door(Construct):
    """The API itself, made first: its address is a setting of functions."""

    def __init__(self, scope: Construct, name: str, data: DataStack, options: Options) -> None:
        super().__init__(scope, name)
        origin = "/".join(options.dashboard_url.split("/")[:3])
        self.api = apigw.HttpApi(
            self,
            "Http",
            api_name=options.prefix,
            description="Arche",
            create_default_stage=False,
            cors_preflight=apigw.CorsPreflightOptions(
                allow_origins=[origin],
                allow_methods=[apigw.CorsHttpMethod.ANY],
                allow_headers=["authorization", "content-type", "idempotency-key", "if-match"],
                expose_headers=["etag", "location", "retry-after"],
                max_age=Duration.hours(1),
            ),
        )
        self.authorizer = authorizers.HttpUserPoolAuthorizer(
            "Members",
            data.members.pool,
            user_pool_clients=data.members.clients,
        )
        group = log_group(self, "Logs", f"/aws/vendedlogs/apis/{options.prefix}", options)
        self.stage = apigw.HttpStage(
            self,
            "Stage",
            http_api=self.api,
            stage_name="$default",
            auto_deploy=True,
            throttle=apigw.ThrottleSettings(rate_limit=100, burst_limit=200),
        )
        resource = self.stage.node.default_child
        if not isinstance(resource, apigw.CfnStage):
            raise TypeError("the stage has no resource of its own")
        resource.access_log_settings = apigw.CfnStage.AccessLogSettingsProperty(
            destination_arn=group.log_group_arn,
            # The route and not the path: a path may hold a consent's state. No address, no subject: logs carry labels.
            format=json.dumps(
                {
                    "at": "$context.requestTime",
                    "request": "$context.requestId",
                    "route": "$context.routeKey",
                    "status": "$context.status",
                    "ms": "$context.responseLatency",
                    "refused": "$context.authorizer.error",
                    "integration": "$context.integrationErrorMessage",
                },
            ),
        )
        self.url = (
            options.public_url.rstrip("/")
            or f"https://{self.api.api_id}.execute-api.{Stack.of(self).region}.amazonaws.com"
        )


class Api(Construct):
    """``main`` and ``content`` behind the door."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        door: Door,
        data: DataStack,
        lambdas: Lambdas,
        access: Access,
        machines: tuple[sfn.StateMachine, sfn.StateMachine],
        discover: lambda_.Function,
    ) -> None:
        super().__init__(scope, name)
        every = (data.tenancy_table, data.directory_table, data.index_table, data.work_table)
        self.main = lambdas.make(self, "api.main", settings=(*MAIN, "discover_function"), seconds=29, memory=512)
        rights.tables(self.main, (*rights.READ, *rights.WRITE), *every)
        rights.allow(self.main, ["states:StartExecution"], [machine.state_machine_arn for machine in machines])
        rights.invoke(self.main, access.token, discover)

        self.content = lambdas.make(
            self,
            "api.content",
            settings=(
                *MAIN,
                "grant_function",
                "vault_bucket",
                "keys_bucket",
                "work_bucket",
                "exports_bucket",
                "vault_key",
            ),
            seconds=29,
            memory=1024,
        )
        rights.tables(self.content, rights.READ, *every)
        rights.tables(self.content, rights.WRITE, data.work_table)
        rights.invoke(self.content, access.grant)
        self._routes(door)

    def _routes(self, door: Door) -> None:
        main = integrations.HttpLambdaIntegration("Main", self.main)
        content = integrations.HttpLambdaIntegration("Content", self.content)
        get = [apigw.HttpMethod.GET]
        # Named methods instead of ANY: an OPTIONS of a browser must reach the CORS answer, not the authorizer.
        methods = [getattr(apigw.HttpMethod, name) for name in ("GET", "POST", "PUT", "PATCH", "DELETE")]
        door.api.add_routes(
            path="/v1/{proxy+}",
            methods=methods,
            integration=main,
            authorizer=door.authorizer,
        )
        # The platforms send the administrator's browser here, which has no token of ours: the one-time state decides.
        for route in door.api.add_routes(path="/v1/consents/callback", methods=get, integration=main):
            acknowledge(
                route,
                "APIG4",
                "browsers come here from the platform; a one-time state of 256 bits is the authorization",
            )
        for path in CONTENT_ROUTES:
            door.api.add_routes(path=path, methods=get, integration=content, authorizer=door.authorizer)
