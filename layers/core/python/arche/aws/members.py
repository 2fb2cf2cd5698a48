"""Log-ins in the user pool."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from arche.aws.errors import AwsDenied, code_of, translated


def create_log_in(client: Any, pool: str, mail: str) -> str:
    """Create a log-in for an address and return its ``sub``; of one that is there, the ``sub`` it has.

    Cognito mails a first password to a new one. Raises AwsUnavailable, AwsDenied.
    """
    attributes = [{"Name": "email", "Value": mail}, {"Name": "email_verified", "Value": "true"}]
    try:
        try:
            made = client.admin_create_user(
                UserPoolId=pool, Username=mail, UserAttributes=attributes, DesiredDeliveryMediums=["EMAIL"]
            )["User"]["Attributes"]
        except ClientError as error:
            if code_of(error) != "UsernameExistsException":
                raise
            made = client.admin_get_user(UserPoolId=pool, Username=mail)["UserAttributes"]
    except (ClientError, BotoCoreError) as error:
        raise translated(error, "log-in not created") from None
    for attribute in made:
        if attribute["Name"] == "sub":
            return str(attribute["Value"])
    raise AwsDenied("log-in not created: the pool gave no sub", "NoSub")
