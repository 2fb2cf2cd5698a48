"""The user pool: who may log in. Who may do what stands in the membership table, never in a token."""

from __future__ import annotations

from aws_cdk import Aws, Duration, RemovalPolicy
from aws_cdk import aws_cognito as cognito
from constructs import Construct

from infra.options import Options


class Members(Construct):
    """Pool with MFA by authenticator app, no remembered devices, no self sign-up; app clients."""

    def __init__(self, scope: Construct, name: str, options: Options) -> None:
        super().__init__(scope, name)
        self.pool = cognito.UserPool(
            self,
            "Pool",
            sign_in_aliases=cognito.SignInAliases(email=True),
            sign_in_case_sensitive=False,
            self_sign_up_enabled=False,
            mfa=cognito.Mfa.REQUIRED if options.mfa == "required" else cognito.Mfa.OPTIONAL,
            mfa_second_factor=cognito.MfaSecondFactor(otp=True, sms=False),
            account_recovery=cognito.AccountRecovery.EMAIL_ONLY,
            password_policy=cognito.PasswordPolicy(
                min_length=14,
                require_digits=True,
                require_lowercase=True,
                require_symbols=True,
                require_uppercase=True,
                temp_password_validity=Duration.days(3),
            ),
            standard_attributes=cognito.StandardAttributes(
                email=cognito.StandardAttribute(required=True, mutable=True),
            ),
            deletion_protection=True,
            removal_policy=RemovalPolicy.RETAIN,
        )
        self.domain = self.pool.add_domain(
            "Domain",
            cognito_domain=cognito.CognitoDomainOptions(domain_prefix=f"{options.prefix}-{Aws.ACCOUNT_ID}"),
        )
        self.dashboard = self.pool.add_client(
            "Dashboard",
            generate_secret=False,
            auth_flows=cognito.AuthFlow(user_srp=True),
            o_auth=cognito.OAuthSettings(
                # A public client: Cognito holds whoever sends a code challenge to it, and the dashboard always does.
                flows=cognito.OAuthFlows(authorization_code_grant=True),
                scopes=[cognito.OAuthScope.OPENID, cognito.OAuthScope.EMAIL],
                callback_urls=[options.dashboard_url],
                logout_urls=[options.dashboard_url],
            ),
            supported_identity_providers=[cognito.UserPoolClientIdentityProvider.COGNITO],
            prevent_user_existence_errors=True,
            enable_token_revocation=True,
            access_token_validity=Duration.minutes(15),
            id_token_validity=Duration.minutes(15),
            refresh_token_validity=Duration.hours(12),
        )
        self.scripts: cognito.UserPoolClient | None = None
        if options.script_client == "yes":
            # Needs IAM rights on the pool beside the password, so it opens nothing to the outside.
            self.scripts = self.pool.add_client(
                "Scripts",
                generate_secret=False,
                auth_flows=cognito.AuthFlow(admin_user_password=True),
                disable_o_auth=True,
                prevent_user_existence_errors=True,
                access_token_validity=Duration.hours(1),
                id_token_validity=Duration.hours(1),
                refresh_token_validity=Duration.hours(12),
            )

    @property
    def clients(self) -> list[cognito.IUserPoolClient]:
        """App clients whose tokens the API takes."""
        return [client for client in (self.dashboard, self.scripts) if client is not None]
