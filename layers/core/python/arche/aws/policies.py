"""Session policies: what one run may do, written out for one customer.

A role's own policy and the session policy both have to allow a call, so a session can never do more than the role;
this narrows the role to one customer's prefixes, key context and rows. STS takes at most 2,048 characters.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final, Literal

from arche.model import labels

LIMIT: Final = 2048
GrantPurpose = Literal["backup", "restore", "browse"]
DataRole = Literal["writer", "reader"]

ROLE_OF: Final[dict[GrantPurpose, DataRole]] = {"backup": "writer", "restore": "reader", "browse": "reader"}
"""Which data role a purpose uses. Discovery touches no vault and is granted nothing."""

_ROWS: Final = ["dynamodb:*Item", "dynamodb:Query"]
"""Get, put, update, delete, check and their batches, but no Scan; the data role says which of them on which table."""


class PolicyTooLong(ValueError):  # noqa: N818 - says what is wrong with the names
    """The deployment's names are so long that a session policy does not fit."""


@dataclass(frozen=True, slots=True)
class Names:
    """What the policies name. ``key`` is the ARN of the KMS key; tables and buckets by name."""

    partition: str
    region: str
    account: str
    vault_bucket: str
    keys_bucket: str
    work_bucket: str
    exports_bucket: str
    key: str
    tenancy_table: str
    index_table: str
    work_table: str


def session_policy(purpose: GrantPurpose, customer: str, names: Names) -> str:
    """Write the policy of one run as JSON. Raises LabelError, PolicyTooLong.

    ``backup`` writes the customer's vault, ``restore`` and ``browse`` read it; a restore keeps its books in the work
    table and bucket, a browse may put downloads into the exports bucket and touches no table at all. No run may read
    the directory: names of people are not needed to back up or restore.
    """
    labels.require_customer(customer)
    statements = [*_objects(purpose, customer, names), _lists(customer, names), _key(purpose, customer, names)]
    statements += _rows(purpose, customer, names)
    text = json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"))
    if len(text) > LIMIT:
        raise PolicyTooLong(
            f"The session policy of {purpose} has {len(text)} characters, {LIMIT} are allowed. "
            "Deploy with a shorter prefix, so that buckets and tables get shorter names.",
        )
    return text


def _allow(actions: list[str], resources: list[str], conditions: dict[str, Any] | None = None) -> dict[str, Any]:
    allowed: dict[str, Any] = {"Effect": "Allow", "Action": actions, "Resource": resources}
    return {**allowed, "Condition": conditions} if conditions else allowed


def _objects(purpose: GrantPurpose, customer: str, names: Names) -> list[dict[str, Any]]:
    def arn(bucket: str, prefix: str) -> str:
        return f"arn:{names.partition}:s3:::{bucket}/{prefix}{customer}/*"

    packs = [arn(names.vault_bucket, f"{part}/") for part in ("p0", "s", "m")]
    compacted = arn(names.vault_bucket, "p1/")
    keys = arn(names.keys_bucket, "k/")
    work = arn(names.work_bucket, "customers/")
    both = ["s3:GetObject", "s3:PutObject"]
    if purpose == "backup":
        return [_allow(both, [*packs, keys, work]), _allow(["s3:GetObject"], [compacted])]
    written = [work] if purpose == "restore" else [arn(names.exports_bucket, "")]
    read = [*packs, compacted, keys] + ([work] if purpose == "browse" else [])
    return [_allow(["s3:GetObject"], read), _allow(both, written)]


def _lists(customer: str, names: Names) -> dict[str, Any]:
    """Allow to list, which is also what makes a missing object a 404 and not a 403 (see ``s3``)."""
    buckets = [f"arn:{names.partition}:s3:::{b}" for b in (names.vault_bucket, names.keys_bucket, names.work_bucket)]
    prefixes = [f"{part}/{customer}/*" for part in ("p0", "p1", "s", "m", "k", "customers")]
    return _allow(["s3:ListBucket"], buckets, {"StringLike": {"s3:prefix": prefixes}})


def _key(purpose: GrantPurpose, customer: str, names: Names) -> dict[str, Any]:
    actions = ["kms:Decrypt", "kms:Encrypt"] if purpose == "backup" else ["kms:Decrypt"]
    return _allow(actions, [names.key], {"StringEquals": {"kms:EncryptionContext:customer": customer}})


def _rows(purpose: GrantPurpose, customer: str, names: Names) -> list[dict[str, Any]]:
    if purpose == "browse":
        return []

    def arn(table: str) -> str:
        return f"arn:{names.partition}:dynamodb:{names.region}:{names.account}:table/{table}"

    # ForAllValues holds when a call names no key at all (a Scan): no such action is allowed here.
    own = {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [customer]}}
    tables = [arn(table) for table in (names.tenancy_table, names.index_table, names.work_table)]
    return [_allow(_ROWS, tables, own)]
