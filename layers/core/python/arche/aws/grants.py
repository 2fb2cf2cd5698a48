"""``grant``: rights for one run, narrowed to one customer. Both sides of the function."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from arche.aws.errors import translated
from arche.aws.functions import invoke
from arche.aws.policies import ROLE_OF, DataRole, GrantPurpose, Names, session_policy
from arche.catalog.table import Credentials
from arche.catalog.work import read_lease, read_run
from arche.operations.access import AccessRefused, Ask, allowed

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sts import STSClient

    from arche.aws.settings import GrantSettings
    from arche.catalog.table import Rows

#: A role assumed by a role gets one hour at most (IAM user guide, "Role chaining"); STS gives no less than 15 minutes.
_LONGEST: Final = 3600
_SHORTEST: Final = 900
_PURPOSES: Final = frozenset(ROLE_OF)
_ARN: Final = re.compile(r"arn:(?P<partition>[\w-]+):iam::(?P<account>\d{12}):role/.+")

Audit = Callable[[str, Mapping[str, Any]], None]


class GrantOffice:
    """The function's side: reads the lease, decides, assumes the data role.

    ``audit`` hears of every answer (event, fields with labels only). ``now`` tells epoch seconds.
    """

    def __init__(
        self,
        rows: Rows,
        sts: STSClient,
        *,
        names: Names,
        roles: Mapping[DataRole, str],
        audit: Audit,
        now: Callable[[], float],
    ) -> None:
        self._rows = rows
        self._sts = sts
        self._names = names
        self._roles = roles
        self._audit = audit
        self._now = now

    def answer(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one question: credentials, or ``{"refused": true}`` without a reason. Raises AwsError."""
        told: dict[str, Any] = {}
        try:
            ask = Ask.from_event(event)
            told = dict(ask.as_event())
            lease = read_lease(self._rows, ask.customer, ask.lease)
            lease = allowed(ask, lease, read_run(self._rows, ask.run), _PURPOSES, int(self._now()))
        except AccessRefused as refused:
            self._audit("grant refused", {**told, "reason": refused.reason})
            return {"refused": True}
        purpose: GrantPurpose = lease.purpose  # type: ignore[assignment] # `allowed` let no other purpose through
        seconds = max(_SHORTEST, min(_LONGEST, lease.expires - int(self._now())))
        granted = self._assume(purpose, ask, seconds)
        self._audit("granted", {**told, "purpose": purpose, "seconds": seconds})
        return granted

    def _assume(self, purpose: GrantPurpose, ask: Ask, seconds: int) -> dict[str, Any]:
        try:
            answer = self._sts.assume_role(
                RoleArn=self._roles[ROLE_OF[purpose]],
                # Shows up in CloudTrail beside every call of the session.
                RoleSessionName=re.sub(r"[^\w+=,.@-]", "-", f"{purpose}-{ask.customer}-{ask.run}")[:64],
                Policy=session_policy(purpose, ask.customer, self._names),
                DurationSeconds=seconds,
            )
        except (ClientError, BotoCoreError) as error:
            raise translated(error, "role not assumed") from None
        made = answer["Credentials"]
        return {
            "access_key": made["AccessKeyId"],
            "secret_key": made["SecretAccessKey"],
            "token": made["SessionToken"],
            "expires": int(made["Expiration"].timestamp()),
        }


class Grants:
    """The worker's side: asks the function ``grant`` directly, never through state."""

    def __init__(self, client: LambdaClient, function: str) -> None:
        self._client = client
        self._function = function

    def ask(self, ask: Ask) -> Credentials:
        """Get the credentials of one open lease. Raises AccessRefused, AwsUnavailable, AwsDenied."""
        answer = invoke(self._client, self._function, json.dumps(ask.as_event()))
        if answer.get("refused"):
            raise AccessRefused("unknown")
        return Credentials(answer["access_key"], answer["secret_key"], answer["token"], int(answer["expires"]))


def names_of(settings: GrantSettings, region: str) -> Names:
    """Name everything that a policy names. Partition and account come from the writer role's ARN."""
    found = _ARN.fullmatch(settings.writer_role)
    if found is None:
        raise ValueError("ARCHE_WRITER_ROLE is not the ARN of a role")
    partition, account = found["partition"], found["account"]
    key = settings.vault_key
    return Names(
        partition=partition,
        region=region,
        account=account,
        vault_bucket=settings.vault_bucket,
        keys_bucket=settings.keys_bucket,
        work_bucket=settings.work_bucket,
        exports_bucket=settings.exports_bucket,
        key=key if key.startswith("arn:") else f"arn:{partition}:kms:{region}:{account}:key/{key}",
        tenancy_table=settings.tenancy_table,
        index_table=settings.index_table,
        work_table=settings.work_table,
    )
