"""Who may do what, decided by our own evaluator over the synthesized policies.

The embedded cloud enforces most of this too (tests/localcloud/test_embedded.py); what it cannot is decided here alone:
TLS, retention writes, keys' ends, and every role that nobody assumes in a test.
"""

from __future__ import annotations

import json

import pytest

from arche.aws.policies import LIMIT, ROLE_OF, Names, session_policy
from tests.infra.evaluator import ACCOUNT, REGION, Request, Stacks, decide, role_arn

VAULT, KEYS = f"arche-vault-{ACCOUNT}-{REGION}", f"arche-keys-{ACCOUNT}-{REGION}"
WORK, EXPORTS = f"arche-work-{ACCOUNT}-{REGION}", f"arche-exports-{ACCOUNT}-{REGION}"
COMMIT = f"arn:aws:s3:::{VAULT}/m/K-000001/A-0001/0000000001"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key"
CREATE = {"s3:if-none-match": "*", "s3:ObjectCreationOperation": "true"}
OVERWRITE = {"s3:ObjectCreationOperation": "true"}
PART = {"s3:ObjectCreationOperation": "false"}
MINE = {"kms:EncryptionContext:customer": "K-000001"}
EVERYTHING = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
"""What an administrator's own policy says; only denials of the bucket or key hold it back."""


def _table(name: str) -> str:
    return f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{name}Table"


def _function(name: str) -> str:
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:arche-{name}"


def _identity(stacks: Stacks, role: str):
    return (
        EVERYTHING
        if role in {"Admin", "arche-deploy", "arche-sweep", "arche-erase", "arche-compliance"}
        else stacks.identity(role)
    )


BUCKET_CASES = [
    ("arche-vault-writer", "s3:PutObject", CREATE, "allow"),
    ("arche-vault-writer", "s3:PutObject", OVERWRITE, "deny"),
    ("arche-vault-writer", "s3:PutObject", PART, "allow"),
    ("arche-vault-writer", "s3:GetObject", {}, "allow"),
    ("arche-vault-writer", "s3:GetObject", {"aws:SecureTransport": "false"}, "deny"),
    ("arche-vault-writer", "s3:DeleteObject", {}, "deny"),
    ("arche-vault-writer", "s3:DeleteObjectVersion", {}, "deny"),
    ("arche-vault-writer", "s3:BypassGovernanceRetention", {}, "deny"),
    ("arche-vault-writer", "s3:PutObjectRetention", {}, "none"),
    ("arche-vault-reader", "s3:GetObject", {}, "allow"),
    ("arche-vault-reader", "s3:PutObject", CREATE, "none"),
    ("arche-backup-collect-short", "s3:GetObject", {}, "none"),
    ("arche-backup-collect-long", "s3:PutObject", CREATE, "none"),
    ("arche-restore-deliver", "s3:GetObject", {}, "none"),
    ("arche-access-grant", "s3:GetObject", {}, "none"),
    ("arche-api-main", "s3:GetObject", {}, "none"),
    ("arche-api-content", "s3:GetObject", {}, "none"),
    ("Admin", "s3:PutObject", OVERWRITE, "deny"),
    ("Admin", "s3:DeleteObject", {}, "deny"),
    ("Admin", "s3:DeleteObjectVersion", {}, "deny"),
    ("Admin", "s3:BypassGovernanceRetention", {}, "deny"),
    ("arche-sweep", "s3:DeleteObjectVersion", {}, "allow"),
    ("arche-erase", "s3:DeleteObjectVersion", {}, "allow"),
    ("arche-sweep", "s3:DeleteObject", {}, "deny"),
    ("arche-sweep", "s3:BypassGovernanceRetention", {}, "deny"),
]


@pytest.mark.parametrize(("role", "action", "context", "expected"), BUCKET_CASES)
def test_vault_bucket(stacks, *, role, action, context, expected):
    request = Request(role_arn(role), action, COMMIT, context)
    assert decide(request, _identity(stacks, role), resource=stacks.bucket_policy(VAULT)) == expected


RETENTION_CASES = [
    ("Admin", "GOVERNANCE", "30", "allow"),
    ("Admin", "GOVERNANCE", "130", "allow"),
    ("Admin", "GOVERNANCE", "131", "deny"),
    ("Admin", "COMPLIANCE", "30", "deny"),
    ("arche-compliance", "COMPLIANCE", "3650", "allow"),
]


@pytest.mark.parametrize(("role", "mode", "days", "expected"), RETENTION_CASES)
@pytest.mark.parametrize("bucket", [VAULT, KEYS])
def test_retention_writes(stacks, *, bucket, role, mode, days, expected):
    context = {"s3:object-lock-mode": mode, "s3:object-lock-remaining-retention-days": days}
    for action, more in (("s3:PutObjectRetention", {}), ("s3:PutObject", CREATE)):
        request = Request(role_arn(role), action, f"arn:aws:s3:::{bucket}/k/x", context | more)
        assert decide(request, EVERYTHING, resource=stacks.bucket_policy(bucket)) == expected


def test_keys_bucket_has_the_rules_of_the_vault(stacks):
    def rules(bucket: str):
        return {s["Sid"]: s["Condition"] for s in stacks.bucket_policy(bucket) if "Sid" in s and "Condition" in s}

    assert rules(KEYS) == rules(VAULT)
    assert rules(VAULT)


KEY_CASES = [
    ("arche-vault-writer", "kms:Encrypt", "VaultKey", MINE, "allow"),
    ("arche-vault-writer", "kms:Decrypt", "VaultKey", MINE, "allow"),
    ("arche-vault-writer", "kms:Decrypt", "VaultKey", {}, "deny"),
    ("arche-vault-reader", "kms:Decrypt", "VaultKey", MINE, "allow"),
    ("arche-vault-reader", "kms:Encrypt", "VaultKey", MINE, "none"),
    ("arche-access-grant", "kms:Decrypt", "VaultKey", MINE, "deny"),
    ("arche-access-token", "kms:Decrypt", "VaultKey", MINE, "deny"),
    ("Admin", "kms:Decrypt", "VaultKey", MINE, "deny"),
    ("Admin", "kms:ScheduleKeyDeletion", "VaultKey", {}, "allow"),
    ("arche-erase", "kms:ScheduleKeyDeletion", "VaultKey", {}, "deny"),
    ("arche-erase", "kms:PutKeyPolicy", "VaultKey", {}, "deny"),
    ("arche-deploy", "kms:PutKeyPolicy", "VaultKey", {}, "allow"),
    ("arche-access-token", "kms:Sign", "AppKey", {}, "allow"),
    ("arche-access-token", "kms:Sign", "RestoreAppKey", {}, "allow"),
    ("arche-backup-collect-short", "kms:Sign", "AppKey", {}, "deny"),
    ("arche-restore-deliver", "kms:Sign", "RestoreAppKey", {}, "deny"),
    ("arche-access-grant", "kms:Sign", "AppKey", {}, "deny"),
    ("Admin", "kms:Sign", "AppKey", {}, "allow"),
    ("arche-access-token", "kms:ScheduleKeyDeletion", "AppKey", {}, "deny"),
]


@pytest.mark.parametrize(("role", "action", "key", "context", "expected"), KEY_CASES)
def test_kms_keys(stacks, *, role, action, key, context, expected):
    request = Request(role_arn(role), action, f"{KEY}/{key}", context)
    assert decide(request, _identity(stacks, role), resource=stacks.key_policy(key)) == expected


ROW_CASES = [
    ("arche-vault-writer", "dynamodb:PutItem", "Index", ["K-000001"], "allow"),
    ("arche-vault-writer", "dynamodb:PutItem", "Index", ["PARTNER#p-1"], "none"),
    ("arche-vault-writer", "dynamodb:PutItem", "Tenancy", ["MEMBER#x"], "none"),
    ("arche-vault-writer", "dynamodb:UpdateItem", "Work", ["K-000001", "RUN#1"], "none"),
    ("arche-vault-writer", "dynamodb:Query", "Index", None, "none"),
    ("arche-vault-writer", "dynamodb:Scan", "Index", None, "none"),
    ("arche-vault-reader", "dynamodb:GetItem", "Index", ["K-000001"], "allow"),
    ("arche-vault-reader", "dynamodb:PutItem", "Index", ["K-000001"], "none"),
    ("arche-vault-reader", "dynamodb:PutItem", "Work", ["K-000001"], "allow"),
    ("arche-backup-collect-short", "dynamodb:GetItem", "Work", ["K-000001"], "none"),
    ("arche-backup-collect-long", "dynamodb:GetItem", "Index", ["K-000001"], "none"),
    ("arche-backup-seal", "dynamodb:PutItem", "Index", ["K-000001"], "none"),
    ("arche-backup-schedule", "dynamodb:PutItem", "Work", ["RUN#1"], "allow"),
    ("arche-backup-schedule", "dynamodb:UpdateItem", "Index", ["K-000001"], "allow"),
    ("arche-backup-schedule", "dynamodb:PutItem", "Tenancy", ["K-000001"], "none"),
    ("arche-vault-writer", "dynamodb:GetItem", "Directory", ["K-000001"], "none"),
    ("arche-backup-discover", "dynamodb:PutItem", "Directory", ["K-000001"], "allow"),
    ("arche-backup-discover", "dynamodb:PutItem", "Tenancy", ["MEMBER#x"], "none"),
    ("arche-access-grant", "dynamodb:GetItem", "Work", ["K-000001"], "allow"),
    ("arche-access-grant", "dynamodb:PutItem", "Work", ["K-000001"], "none"),
    ("arche-access-grant", "dynamodb:GetItem", "Directory", ["K-000001"], "none"),
    ("arche-access-token", "dynamodb:GetItem", "Index", ["K-000001"], "none"),
    ("arche-api-main", "dynamodb:PutItem", "Tenancy", ["PARTNER#p-1"], "allow"),
    ("arche-api-main", "dynamodb:Scan", "Tenancy", None, "none"),
    ("arche-api-content", "dynamodb:PutItem", "Tenancy", ["PARTNER#p-1"], "none"),
    ("arche-api-content", "dynamodb:PutItem", "Index", ["K-000001"], "none"),
    ("arche-billing-meter", "dynamodb:PutItem", "Index", ["K-000001"], "allow"),
    ("arche-billing-meter", "dynamodb:PutItem", "Tenancy", ["K-000001"], "none"),
]


@pytest.mark.parametrize(("role", "action", "table", "keys", "expected"), ROW_CASES)
def test_rows(stacks, *, role, action, table, keys, expected):
    context = {} if keys is None else {"dynamodb:LeadingKeys": keys}
    assert decide(Request(role_arn(role), action, _table(table), context), stacks.identity(role)) == expected


WORKERS = [
    "backup-collect-short",
    "backup-collect-long",
    "backup-seal",
    "restore-plan",
    "restore-deliver",
    "restore-report",
]
INVOKES = {
    **{worker: {"access-grant", "access-token"} for worker in WORKERS},
    "backup-discover": {"access-token"},
    "api-main": {"access-token", "backup-discover"},
    "api-content": {"access-grant"},
}


def test_who_invokes_whom(assembly, stacks):
    functions = [p["FunctionName"] for _s, _i, p in stacks.resources("AWS::Lambda::Function")]
    for caller in functions:
        role = stacks.identity(caller)
        reached = {
            callee
            for callee in functions
            if decide(
                Request(
                    role_arn(caller), "lambda:InvokeFunction", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{callee}"
                ),
                role,
            )
            == "allow"
        }
        wanted = {f"arche-{name}" for name in INVOKES.get(caller.removeprefix("arche-"), set())}
        assert reached == wanted, caller


@pytest.mark.parametrize("kind", ["writer", "reader"])
def test_only_grant_assumes_the_data_roles(stacks, kind):
    (trust,) = stacks.trust(f"arche-vault-{kind}")
    assert trust["Principal"] == {"AWS": role_arn("arche-access-grant")}
    assert trust["Action"] == "sts:AssumeRole"
    holders = set()
    for _stack, _id, role in stacks.resources("AWS::IAM::Role"):
        name = role.get("RoleName", "")
        if (
            decide(Request(role_arn(name), "sts:AssumeRole", role_arn(f"arche-vault-{kind}")), stacks.identity(name))
            == "allow"
        ):
            holders.add(name)
    assert holders == {"arche-access-grant"}


def test_every_role_of_the_deployment_is_one_that_never_ends_keys(stacks):
    for _stack, _id, role in stacks.resources("AWS::IAM::Role"):
        for key in ("VaultKey", "AppKey", "RestoreAppKey"):
            request = Request(role_arn(role["RoleName"]), "kms:ScheduleKeyDeletion", f"{KEY}/{key}")
            assert decide(request, EVERYTHING, resource=stacks.key_policy(key)) == "deny", role["RoleName"]


def test_every_other_role_is_for_a_service(stacks):
    for _stack, _id, role in stacks.resources("AWS::IAM::Role"):
        for trust in role["AssumeRolePolicyDocument"]["Statement"]:
            if role.get("RoleName") not in {"arche-vault-writer", "arche-vault-reader"}:
                assert set(trust["Principal"]) == {"Service"}, role


def test_only_token_reads_the_secret(stacks):
    (secret,) = stacks.resources("AWS::SecretsManager::Secret")
    arn = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{secret[1]}"
    readers = {
        role["RoleName"]
        for _s, _i, role in stacks.resources("AWS::IAM::Role")
        if decide(Request("x", "secretsmanager:GetSecretValue", arn), stacks.identity(role["RoleName"])) == "allow"
    }
    assert readers == {"arche-access-token"}


def test_no_star_in_actions_of_any_role(stacks):
    for _stack, _id, policy in stacks.resources("AWS::IAM::Policy"):
        for statement in policy["PolicyDocument"]["Statement"]:
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            assert not [action for action in actions if "*" in action], policy["Roles"]
            assert "NotAction" not in statement
            assert "NotResource" not in statement


def test_a_star_as_resource_is_for_log_delivery_alone(stacks):
    for _stack, _id, policy in stacks.resources("AWS::IAM::Policy"):
        for statement in policy["PolicyDocument"]["Statement"]:
            if statement["Resource"] == "*":
                actions = statement["Action"]
                assert all(action.startswith("logs:") for action in actions), statement


def _names() -> Names:
    return Names(
        partition="aws",
        region=REGION,
        account=ACCOUNT,
        vault_bucket=VAULT,
        keys_bucket=KEYS,
        work_bucket=WORK,
        exports_bucket=EXPORTS,
        key=f"{KEY}/VaultKey",
        tenancy_table="TenancyTable",
        index_table="IndexTable",
        work_table="WorkTable",
    )


SESSION_CASES = [
    ("backup", "s3:PutObject", f"{VAULT}/p0/{{}}/A-0001/x", "allow"),
    ("backup", "s3:PutObject", f"{VAULT}/m/{{}}/A-0001/1", "allow"),
    ("backup", "s3:PutObject", f"{KEYS}/k/{{}}/ring", "allow"),
    ("restore", "s3:GetObject", f"{VAULT}/m/{{}}/A-0001/1", "allow"),
    ("restore", "s3:PutObject", f"{VAULT}/m/{{}}/A-0001/1", "none"),
    ("restore", "s3:PutObject", f"{WORK}/customers/{{}}/x", "allow"),
    ("browse", "s3:GetObject", f"{VAULT}/p1/{{}}/A-0001/x", "allow"),
    ("browse", "s3:PutObject", f"{EXPORTS}/{{}}/x", "allow"),
    ("browse", "s3:PutObject", f"{VAULT}/m/{{}}/A-0001/1", "none"),
]


@pytest.mark.parametrize(("purpose", "action", "path", "expected"), SESSION_CASES)
def test_session_of_a_run_reaches_its_customer_and_no_other(stacks, purpose, action, path, expected):
    policy = session_policy(purpose, "K-000001", _names())
    assert len(policy) <= LIMIT
    session = json.loads(policy)["Statement"]
    role = f"arche-vault-{ROLE_OF[purpose]}"
    bucket = stacks.bucket_policy(path.split("/")[0])

    def asked(customer: str) -> str:
        request = Request(role_arn(role), action, f"arn:aws:s3:::{path.format(customer)}", CREATE)
        return decide(request, stacks.identity(role), resource=bucket, session=session)

    assert asked("K-000001") == expected
    assert asked("K-000002") == "none"
    assert asked("K-0000010") == "none"


@pytest.mark.parametrize("purpose", sorted(ROLE_OF))
def test_session_opens_its_customers_keys_and_rows_alone(stacks, purpose):
    session = json.loads(session_policy(purpose, "K-000001", _names()))["Statement"]
    role = f"arche-vault-{ROLE_OF[purpose]}"
    identity = stacks.identity(role)

    def unwraps(customer: str) -> str:
        request = Request(
            role_arn(role), "kms:Decrypt", f"{KEY}/VaultKey", {"kms:EncryptionContext:customer": customer}
        )
        return decide(request, identity, resource=stacks.key_policy("VaultKey"), session=session)

    def reads(customer: str) -> str:
        request = Request(role_arn(role), "dynamodb:GetItem", _table("Work"), {"dynamodb:LeadingKeys": [customer]})
        return decide(request, identity, session=session)

    assert (unwraps("K-000001"), unwraps("K-000002")) == ("allow", "none")
    assert reads("K-000002") == "none"
    assert reads("K-000001") == ("none" if purpose == "browse" else "allow")


def test_evaluator_refuses_what_it_does_not_know():
    anything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    request = Request("x", "s3:GetObject", "y", {"aws:SourceIp": "10.0.0.1"})
    with pytest.raises(KeyError):
        decide(request, [anything | {"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}])
    with pytest.raises(KeyError):
        decide(request, [anything | {"NotResource": "z"}])
