"""The local partner: one log-in in the user pool and its membership rows."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from arche.catalog.table import Credentials, Rows, Tables
from arche.catalog.tenancy import Partner, TenancyBook
from arche.model.tenancy import Member
from localcloud.toolkit import REGION

EMAIL = "anna.arche@partner.example"
PARTNER = "p-demo"


def partner(cognito: Any, outputs: Mapping[str, str], endpoint: str, earlier: Mapping[str, str]) -> dict[str, str]:
    """Make the partner and its administrator, or keep the ones of an earlier start. Returns log-in and ``sub``."""
    if earlier:
        return dict(earlier)
    # Long, drawn at random and with one character of each class that the pool asks for.
    password = f"Aa1-{secrets.token_urlsafe(18)}"
    pool = outputs["UserPoolId"]
    made = cognito.admin_create_user(
        UserPoolId=pool,
        Username=EMAIL,
        MessageAction="SUPPRESS",
        TemporaryPassword=password,  # the emulator draws one that its own policy refuses
        UserAttributes=[{"Name": "email", "Value": EMAIL}, {"Name": "email_verified", "Value": "true"}],
    )
    cognito.admin_set_user_password(UserPoolId=pool, Username=EMAIL, Password=password, Permanent=True)
    sub = next(a["Value"] for a in made["User"]["Attributes"] if a["Name"] == "sub")
    tables = Tables(tenancy=outputs["TenancyTableName"], directory=outputs["DirectoryTableName"])
    book = TenancyBook(Rows(tables, region=REGION, endpoint=endpoint, credentials=Credentials("test", "test", "")))
    book.add_partner(Partner(PARTNER, "Systemhaus Beispiel", datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")))
    book.put_member(Member(sub=sub, partner=PARTNER, role="admin", sees_content=True))
    return {"email": EMAIL, "password": password, "sub": sub, "partner": PARTNER}


def sign_in(cognito: Any, outputs: Mapping[str, str], member: Mapping[str, str]) -> str:
    """An access token for ``member``, by the app client for scripts."""
    answer = cognito.admin_initiate_auth(
        UserPoolId=outputs["UserPoolId"],
        ClientId=outputs["ScriptClientId"],
        AuthFlow="ADMIN_USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": member["email"], "PASSWORD": member["password"]},
    )
    token: str = answer["AuthenticationResult"]["AccessToken"]
    return token
