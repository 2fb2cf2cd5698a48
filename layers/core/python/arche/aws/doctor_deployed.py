"""Checks of what is deployed: stacks, settings, buckets, tables, keys, apps, alarms."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from typing import Any, Final

from botocore.exceptions import ClientError
from cryptography import x509

from arche.aws.deployment import Deployment
from arche.aws.doctor import Check, Finding, Patient
from arche.aws.errors import code_of
from arche.aws.grants import names_of
from arche.aws.policies import LIMIT, ROLE_OF, PolicyTooLong, session_policy
from arche.aws.settings import SETTINGS_BY_HANDLER, GrantSettings, SettingsMissing
from arche.catalog.apps import APPS, AppRegistration
from arche.providers import registry

_LONGEST_LABEL: Final = "K-00000000"
_WARN_DAYS: Final = 30
#: `collect` is deployed twice.
_TWICE: Final = {"backup-collect": ("backup-collect-short", "backup-collect-long")}


def _deployed(patient: Patient) -> Deployment:
    """Give the deployment; the checks of this module run only when there is one."""
    assert patient.deployment is not None
    return patient.deployment


def stacks(patient: Patient) -> Iterator[Finding]:
    """State of both stacks."""
    for name, state in _deployed(patient).states.items():
        if not state:
            yield Finding("stack", "fail", f"{name} is not there", "cdk deploy --all")
        elif "FAILED" in state or "ROLLBACK" in state.removeprefix("UPDATE_ROLLBACK_COMPLETE"):
            todo = "Read the stack's events, see to the cause, deploy again (docs/operate.md, Rollback)."
            yield Finding("stack", "fail", f"{name} is {state}", todo)
        elif state.endswith("IN_PROGRESS"):
            yield Finding("stack", "warn", f"{name} is {state}", "Wait for its end and look again.")
        else:
            yield Finding("stack", "ok", f"{name} is {state}")


def settings(patient: Patient) -> Iterator[Finding]:
    """Each function is told what its settings class asks for."""
    client = patient.here("lambda")
    prefix = _deployed(patient).prefix
    for handler, kind in SETTINGS_BY_HANDLER.items():
        name = "-".join(handler.split(".")[1:])
        for function in _TWICE.get(name, (name,)):
            check = f"settings {function}"
            try:
                answer = client.get_function_configuration(FunctionName=f"{prefix}-{function}")
            except ClientError as error:
                if code_of(error) != "ResourceNotFoundException":
                    raise
                yield Finding(check, "fail", "the function is not there", "cdk deploy --all")
                continue
            env = answer.get("Environment", {}).get("Variables", {})
            try:
                kind.from_env(env)
            except SettingsMissing as missing:
                yield Finding(check, "fail", str(missing), "cdk deploy --all")
                continue
            yield Finding(check, "ok", "complete")
            if kind is GrantSettings:
                yield from _policies(GrantSettings.from_env(env), patient.region)


def _policies(told: GrantSettings, region: str) -> Iterator[Finding]:
    try:
        names = names_of(told, region)
        longest = max(len(session_policy(purpose, _LONGEST_LABEL, names)) for purpose in ROLE_OF)
    except PolicyTooLong as error:
        yield Finding("session policy", "fail", str(error), "Deploy with a shorter prefix.")
        return
    yield Finding("session policy", "ok", f"{longest} of {LIMIT} characters")


def buckets(patient: Patient) -> Iterator[Finding]:
    """Versioning and lock of vault and keys; no rule that removes anything from them; nothing public."""
    client = patient.here("s3")
    for kind in ("Vault", "Keys", "Work", "Exports"):
        name = _deployed(patient).output(f"{kind}BucketName")
        check = f"bucket {kind.lower()}"
        if kind in {"Vault", "Keys"}:
            yield from _locked(client, name, check)
        yield from _lifecycle(client, name, check, keeps=kind in {"Vault", "Keys"})
        yield from _private(client, name, check)


def _locked(client: Any, name: str, check: str) -> Iterator[Finding]:
    versioned = client.get_bucket_versioning(Bucket=name).get("Status") == "Enabled"
    yield _either(check, versioned, "versioned", "not versioned: the lock protects nothing", "cdk deploy --all")
    try:
        lock = client.get_object_lock_configuration(Bucket=name)["ObjectLockConfiguration"]
    except ClientError as error:
        if code_of(error) != "ObjectLockConfigurationNotFoundError":
            raise
        yield Finding(check, "fail", "no object lock", "Object lock is set at creation: see docs/operate.md.")
        return
    rule = lock.get("Rule", {}).get("DefaultRetention", {})
    days = int(rule.get("Days", 0))
    good = rule.get("Mode") in {"GOVERNANCE", "COMPLIANCE"} and days > 0
    yield _either(check, good, f"locked for {days} days by default", "no default retention", "cdk deploy --all")


def _lifecycle(client: Any, name: str, check: str, *, keeps: bool) -> Iterator[Finding]:
    try:
        rules = client.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
    except ClientError as error:
        if code_of(error) != "NoSuchLifecycleConfiguration":
            raise
        rules = []
    active = [rule for rule in rules if rule.get("Status") == "Enabled"]
    aborts = any("AbortIncompleteMultipartUpload" in rule for rule in active)
    removes = any("Expiration" in rule or "NoncurrentVersionExpiration" in rule for rule in active)
    if keeps and removes:
        todo = "Remove the rule now: nothing in this bucket may ever expire by a rule. Then cdk deploy --all."
        yield Finding(check, "fail", "a lifecycle rule removes objects", todo)
    elif keeps:
        yield Finding(check, "ok", "no rule removes anything")
    else:
        yield _either(check, removes, "old objects go", "old objects stay for ever", "cdk deploy --all", bad="warn")
    yield _either(check, aborts, "broken uploads are cleared", "broken uploads stay", "cdk deploy --all", bad="warn")


def _private(client: Any, name: str, check: str) -> Iterator[Finding]:
    try:
        block = client.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
    except ClientError as error:
        if code_of(error) != "NoSuchPublicAccessBlockConfiguration":
            raise
        block = {}
    names = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    closed = all(block.get(one) for one in names)
    yield _either(check, closed, "closed to the public", "may be opened to the public", "cdk deploy --all")


def tables(patient: Patient) -> Iterator[Finding]:
    """Look at deletion protection of all tables, point-in-time recovery of those that hold truth."""
    client = patient.here("dynamodb")
    for kind in ("Tenancy", "Directory", "Index", "Work"):
        name = _deployed(patient).output(f"{kind}TableName")
        check = f"table {kind.lower()}"
        table = client.describe_table(TableName=name)["Table"]
        kept = bool(table.get("DeletionProtectionEnabled"))
        yield _either(check, kept, "protected from deletion", "not protected from deletion", "cdk deploy --all")
        if kind in {"Tenancy", "Directory"}:
            answer = client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
            on = answer.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus") == "ENABLED"
            yield _either(check, on, "point-in-time recovery", "no point-in-time recovery", "cdk deploy --all")


def keys(patient: Patient) -> Iterator[Finding]:
    """See that the customer key rotates and is multi-Region, and that the app keys are enabled."""
    client = patient.here("kms")
    for output, check in (("VaultKeyArn", "vault key"), ("AppKeyArn", "app key"), ("RestoreAppKeyArn", "restore key")):
        arn = _deployed(patient).output(output)
        meta = client.describe_key(KeyId=arn)["KeyMetadata"]
        state = str(meta.get("KeyState", "Unknown"))
        todo = "Cancel its deletion or enable it at once: without it nothing can be read."
        yield _either(check, state == "Enabled", "enabled", f"is {state}", todo)
        if output == "VaultKeyArn":
            rotates = bool(client.get_key_rotation_status(KeyId=arn)["KeyRotationEnabled"])
            yield _either(check, rotates, "rotates", "does not rotate", "cdk deploy --all", bad="warn")
            spread = bool(meta.get("MultiRegion"))
            text = "single-Region: copies in a second region could not be read there"
            yield _either(check, spread, "multi-Region", text, "See docs/operate.md, Second region.", bad="warn")


def apps(patient: Patient) -> Iterator[Finding]:
    """App registrations of each platform, and the days that their certificates have left."""
    book = _deployed(patient).catalog().apps
    for platform in registry.names():
        for app in APPS:
            check = f"app {platform} {app}"
            found = book.get(platform, app)
            if found is None:
                todo = f"Register it (docs/operate.md), then: arche app-register --platform {platform} --app {app} …"
                yield Finding(check, "warn", "not registered: nobody can connect this platform", todo)
            elif found.kind == "secret":
                yield Finding(check, "info", "uses a secret; a certificate is safer")
            else:
                yield _certificate(patient, check, found)


def _certificate(patient: Patient, check: str, found: AppRegistration) -> Finding:
    ends = x509.load_pem_x509_certificate(found.certificate.encode()).not_valid_after_utc.astimezone(UTC)
    days = (ends - patient.now).days
    todo = f"arche app-certificate --app {found.app}, upload it to the platform, then arche app-register with it."
    if days < 0:
        return Finding(check, "fail", f"the certificate ended on {ends:%Y-%m-%d}", todo)
    if days < _WARN_DAYS:
        return Finding(check, "warn", f"the certificate ends in {days} days", todo)
    return Finding(check, "ok", f"certificate until {ends:%Y-%m-%d} ({days} days)")


def pool(patient: Patient) -> Iterator[Finding]:
    """Cognito: who sends its mails, and whether MFA is required."""
    answer = patient.here("cognito-idp").describe_user_pool(UserPoolId=_deployed(patient).output("UserPoolId"))
    found = answer["UserPool"]
    own = found.get("EmailConfiguration", {}).get("EmailSendingAccount") == "DEVELOPER"
    text = "Cognito's own mail: 50 a day for the whole pool"
    todo = "Verify a domain in SES, leave its sandbox, and let the pool send through SES (docs/operate.md)."
    yield _either("cognito mail", own, "mails go through SES", text, todo, bad="warn")
    mfa = found.get("MfaConfiguration") == "ON"
    yield _either("cognito mfa", mfa, "required", "not required", "cdk deploy --all -c mfa=required", bad="warn")


def alarms(patient: Patient) -> Iterator[Finding]:
    """Somebody hears of alarms, and no start of a slot waits undelivered."""
    client = patient.here("sns")
    name = f":{_deployed(patient).prefix}-alarms"
    topics = [topic["TopicArn"] for topic in client.list_topics()["Topics"] if topic["TopicArn"].endswith(name)]
    listed = client.list_subscriptions_by_topic(TopicArn=topics[0])["Subscriptions"] if topics else []
    heard = [one for one in listed if one.get("SubscriptionArn", "").startswith("arn:")]
    todo = "cdk deploy --all -c alarm_mail=YOU@EXAMPLE.COM, then confirm the mail."
    yield _either(
        "alarms", bool(heard), f"{len(heard)} confirmed recipients", "nobody hears of alarms", todo, bad="warn"
    )
    asked = {"QueueUrl": _deployed(patient).output("UndeliveredQueueUrl")}
    answer = patient.here("sqs").get_queue_attributes(**asked, AttributeNames=["ApproximateNumberOfMessages"])
    waiting = int(answer["Attributes"]["ApproximateNumberOfMessages"])
    todo = "Read the queue: each message is a slot, discovery or metering that did not start (docs/operate.md)."
    yield _either("undelivered", waiting == 0, "no start is lost", f"{waiting} starts were not delivered", todo)


def _either(check: str, good: bool, yes: str, no: str, todo: str, *, bad: Any = "fail") -> Finding:  # noqa: FBT001
    return Finding(check, "ok", yes) if good else Finding(check, bad, no, todo)


CHECKS: Final[tuple[tuple[str, Check], ...]] = (
    ("stack", stacks),
    ("settings", settings),
    ("buckets", buckets),
    ("tables", tables),
    ("keys", keys),
    ("apps", apps),
    ("cognito", pool),
    ("alarms", alarms),
)
