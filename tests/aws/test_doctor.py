"""The doctor: before a deploy and after, never green on what it could not see, exit 1 on a fail."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from arche.aws import command, doctor, doctor_account, doctor_deployed
from arche.aws.deployment import Deployment, NotDeployed, find
from arche.aws.settings import SETTINGS_BY_HANDLER
from arche.catalog.apps import AppRegistration
from tests.aws.conftest import REGION, aws_client
from tests.catalog.conftest import TABLES, make_tables
from tests.simulators.clients import Key

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def refusal(code):
    return ClientError({"Error": {"Code": code, "Message": "geheim"}}, "X")


class Answers:
    """A client: each operation answers a value, calls a function, or raises."""

    def __init__(self, **answers):
        self.answers = answers

    def __getattr__(self, name):
        def call(**asked):
            answer = self.answers.get(name, refusal("AccessDenied"))
            if isinstance(answer, Exception):
                raise answer
            return answer(**asked) if callable(answer) else answer

        return call


def patient(services, deployment=None, second=""):
    return doctor.Patient(
        lambda service, region: services.get((service, region)) or services.get(service) or Answers(),
        REGION,
        second,
        deployment,
        NOW,
    )


def run(check, services, **more):
    return list(doctor.examine(patient(services, **more), [("check", check)]))


def verdicts(findings):
    return [finding.verdict for finding in findings]


@pytest.mark.parametrize(("limit", "verdict"), [(10, "fail"), (49, "fail"), (50, "warn"), (999, "warn"), (1000, "ok")])
def test_lambda_concurrency_and_its_written_out_request(limit, verdict):
    answer = {"AccountLimit": {"ConcurrentExecutions": limit}}
    (finding,) = run(doctor_account.lambda_concurrency, {"lambda": Answers(get_account_settings=answer)})
    assert finding.verdict == verdict
    if verdict != "ok":
        assert finding.todo == (
            "aws service-quotas request-service-quota-increase --region eu-central-1 --service-code lambda "
            "--quota-code L-B99A9384 --desired-value 1000"
        )


def test_bootstrap_of_all_places():
    def parameter(value):
        return Answers(get_parameter={"Parameter": {"Value": value}})

    missing = Answers(get_parameter=refusal("ParameterNotFound"))
    sts = Answers(get_caller_identity={"Account": "123456789012"})
    services = {
        "sts": sts,
        ("ssm", REGION): parameter("21"),
        ("ssm", "us-east-1"): missing,
        ("ssm", "eu-west-1"): parameter("4"),
    }
    findings = run(doctor_account.bootstrap, services, second="eu-west-1")
    assert verdicts(findings) == ["ok", "warn", "fail"]
    assert findings[1].todo == "npx cdk bootstrap aws://123456789012/us-east-1"
    services = {"sts": sts, ("ssm", REGION): missing, ("ssm", "us-east-1"): parameter("21")}
    findings = run(doctor_account.bootstrap, services)
    assert verdicts(findings) == ["fail", "ok"]


def test_quotas_are_found_by_name_over_pages_or_are_unknown():
    pages = {
        None: {"Quotas": [{"QuotaName": "Other", "QuotaCode": "L-1", "Value": 1.0}], "NextToken": "t"},
        "t": {"Quotas": [{"QuotaName": "Number of open map runs", "QuotaCode": "L-2", "Value": 900.0}]},
    }
    kms = {"Quotas": [
        {"QuotaName": "Cryptographic operations (symmetric) request rate", "QuotaCode": "L-3", "Value": 10000.0},
        {"QuotaName": "Cryptographic operations (RSA) request rate", "QuotaCode": "L-4", "Value": 500.0},
    ]}  # fmt: skip

    def listed(ServiceCode, NextToken=None):  # noqa: N803 - AWS writes them so
        return pages[NextToken] if ServiceCode == "states" else kms

    findings = run(doctor_account.quotas, {"service-quotas": Answers(list_service_quotas=listed)})
    assert verdicts(findings) == ["warn", "unknown", "ok", "ok"]
    assert "--quota-code L-2 --desired-value 1000" in findings[0].todo


def test_the_sandbox_of_ses():
    (finding,) = run(doctor_account.mail, {"sesv2": Answers(get_account={"ProductionAccessEnabled": False})})
    assert finding.verdict == "warn"
    assert "put-account-details" in finding.todo
    answer = {"ProductionAccessEnabled": True, "SendQuota": {"Max24HourSend": 50000.0}}
    (finding,) = run(doctor_account.mail, {"sesv2": Answers(get_account=answer)})
    assert (finding.verdict, finding.text) == ("ok", "out of the sandbox, 50000 mails a day")


@pytest.mark.parametrize(
    "error",
    [refusal("AccessDeniedException"), refusal("501"), EndpointConnectionError(endpoint_url="x"), RuntimeError(),
     {"unexpected": "shape"}],
)  # fmt: skip
def test_what_cannot_be_seen_is_unknown_and_never_green(error):
    everything = [*doctor_account.CHECKS]
    operations = ("get_caller_identity", "get_parameter", "get_account_settings", "list_service_quotas", "get_account")
    services = dict.fromkeys(
        ("sts", "ssm", "lambda", "service-quotas", "sesv2"), Answers(**dict.fromkeys(operations, error))
    )
    findings = list(doctor.examine(patient(services), everything))
    assert set(verdicts(findings)) == {"unknown"}
    assert len(findings) == len(everything)
    assert "geheim" not in str(findings)


def test_a_check_that_says_nothing_is_unknown():
    assert verdicts(doctor.examine(patient({}), [("silent", lambda _patient: iter(()))])) == ["unknown"]


def test_one_blind_check_stops_no_other():
    def half(_patient):
        yield doctor.Finding("a", "ok", "fine")
        raise refusal("AccessDenied")

    whole = iter([doctor.Finding("b", "ok", "")])
    findings = doctor.examine(patient({}), [("half", half), ("whole", lambda _patient: whole)])
    assert verdicts(findings) == ["ok", "unknown", "ok"]


@pytest.mark.parametrize(("found", "code"), [(["ok", "warn", "unknown", "info"], 0), (["ok", "fail"], 1), ([], 0)])
def test_the_exit_code_is_one_on_a_fail_alone(found, code):
    lines = []
    assert doctor.printed((doctor.Finding("c", verdict, "t", "do") for verdict in found), lines.append) == code
    assert lines[-1].startswith("doctor: ")
    assert len(lines) == 2 * len(found) + 1


OUTPUTS = {
    "VaultBucketName": "vault", "KeysBucketName": "keys", "WorkBucketName": "work", "ExportsBucketName": "exports",
    "TenancyTableName": TABLES.tenancy, "DirectoryTableName": TABLES.directory, "IndexTableName": TABLES.index,
    "WorkTableName": TABLES.work, "UserPoolId": "pool", "AppsSecretArn": "apps",
    "UndeliveredQueueUrl": "https://queue",
}  # fmt: skip


def deployed(**more):
    return Deployment("arche", {**OUTPUTS, **more}, {"ArcheData": "CREATE_COMPLETE", "ArcheService": "UPDATE_COMPLETE"})


def test_stacks_are_found_by_prefix_or_missed(aws):
    client = aws_client("cloudformation")
    none = find("arche", client)
    assert none.states == {"ArcheData": "", "ArcheService": ""}
    with pytest.raises(NotDeployed, match="cdk deploy"):
        none.output("VaultBucketName")
    template = '{"Resources": {"T": {"Type": "AWS::SNS::Topic"}}, "Outputs": {"ApiUrl": {"Value": "https://x"}}}'
    client.create_stack(StackName="ArcheService", TemplateBody=template)
    half = find("arche", client)
    assert half.output("ApiUrl") == "https://x"
    assert verdicts(run(doctor_deployed.stacks, {}, deployment=half)) == ["fail", "ok"]


@pytest.mark.parametrize(
    ("state", "verdict"),
    [("ROLLBACK_COMPLETE", "fail"), ("UPDATE_FAILED", "fail"), ("UPDATE_ROLLBACK_COMPLETE", "ok"),
     ("UPDATE_ROLLBACK_FAILED", "fail"), ("UPDATE_IN_PROGRESS", "warn"), ("UPDATE_COMPLETE", "ok")],
)  # fmt: skip
def test_states_of_stacks(state, verdict):
    found = Deployment("arche", {}, {"ArcheData": state})
    assert verdicts(run(doctor_deployed.stacks, {}, deployment=found)) == [verdict]


def test_settings_of_every_function():
    values = {
        name: "x" for kind in SETTINGS_BY_HANDLER.values() for name in kind.variables().values()
    } | {"ARCHE_WRITER_ROLE": "arn:aws:iam::123456789012:role/arche-vault-writer"}  # fmt: skip

    def configuration(FunctionName):  # noqa: N803 - AWS writes it so
        if FunctionName == "arche-billing-meter":
            raise refusal("ResourceNotFoundException")
        env = {k: v for k, v in values.items() if FunctionName != "arche-api-main" or k != "ARCHE_PUBLIC_URL"}
        return {"Environment": {"Variables": env}}

    services = {"lambda": Answers(get_function_configuration=configuration)}
    findings = run(doctor_deployed.settings, services, deployment=deployed())
    bad = {finding.check: finding for finding in findings if finding.verdict != "ok"}
    assert set(bad) == {"settings billing-meter", "settings api-main"}
    assert "ARCHE_PUBLIC_URL" in bad["settings api-main"].text
    names = [finding.check for finding in findings]
    assert "settings backup-collect-short" in names
    assert "settings backup-collect-long" in names
    assert any(finding.check == "session policy" and "of 2048" in finding.text for finding in findings)


@pytest.fixture
def s3(aws):
    client = aws_client("s3")
    place = {"LocationConstraint": REGION}
    for name in ("vault", "keys"):
        client.create_bucket(Bucket=name, CreateBucketConfiguration=place, ObjectLockEnabledForBucket=True)
        rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 30}}
        configuration = {"ObjectLockEnabled": "Enabled", "Rule": rule}
        client.put_object_lock_configuration(Bucket=name, ObjectLockConfiguration=configuration)
    for name in ("work", "exports"):
        client.create_bucket(Bucket=name, CreateBucketConfiguration=place)
    for name in ("vault", "keys", "work", "exports"):
        lifecycle(client, name, expires=name in {"work", "exports"})
        block = dict.fromkeys(
            ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True
        )
        client.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=block)
    return client


def lifecycle(client, name, *, expires):
    rules = [
        {
            "ID": "a",
            "Status": "Enabled",
            "Filter": {"Prefix": ""},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
        }
    ]
    if expires:
        rules.append({"ID": "e", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 7}})
    client.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": rules})


def examined(s3):
    return run(doctor_deployed.buckets, {"s3": s3}, deployment=deployed())


def test_sound_buckets_are_green(s3):
    assert set(verdicts(examined(s3))) == {"ok"}


def test_a_rule_that_removes_from_the_vault_is_a_fail(s3):
    lifecycle(s3, "vault", expires=True)
    (bad,) = [finding for finding in examined(s3) if finding.verdict != "ok"]
    assert (bad.check, bad.verdict) == ("bucket vault", "fail")
    assert "Remove the rule now" in bad.todo


def test_an_open_unlocked_or_messy_bucket_is_seen(s3):
    s3.delete_public_access_block(Bucket="exports")
    s3.delete_bucket_lifecycle(Bucket="work")
    s3.put_object_lock_configuration(Bucket="keys", ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"})
    bad = [(finding.check, finding.verdict) for finding in examined(s3) if finding.verdict != "ok"]
    assert bad == [
        ("bucket keys", "fail"), ("bucket work", "warn"), ("bucket work", "warn"), ("bucket exports", "fail"),
    ]  # fmt: skip


def test_tables(aws):
    client = aws_client("dynamodb")
    make_tables(client)
    findings = run(doctor_deployed.tables, {"dynamodb": client}, deployment=deployed())
    assert set(verdicts(findings)) == {"fail"}
    for name in (TABLES.tenancy, TABLES.directory, TABLES.index, TABLES.work):
        client.update_table(TableName=name, DeletionProtectionEnabled=True)
        client.update_continuous_backups(
            TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
        )
    assert set(verdicts(run(doctor_deployed.tables, {"dynamodb": client}, deployment=deployed()))) == {"ok"}


def test_keys(aws):
    client = aws_client("kms")
    vault = client.create_key(MultiRegion=True)["KeyMetadata"]["Arn"]
    signing = client.create_key(KeyUsage="SIGN_VERIFY", KeySpec="RSA_2048")["KeyMetadata"]["Arn"]
    found = deployed(VaultKeyArn=vault, AppKeyArn=signing, RestoreAppKeyArn=signing)
    assert verdicts(run(doctor_deployed.keys, {"kms": client}, deployment=found)) == ["ok", "warn", "ok", "ok", "ok"]
    client.enable_key_rotation(KeyId=vault)
    client.disable_key(KeyId=signing.rpartition("/")[2])
    findings = run(doctor_deployed.keys, {"kms": client}, deployment=found)
    assert verdicts(findings) == ["ok", "ok", "ok", "fail", "fail"]


@pytest.mark.parametrize(("left", "verdict"), [(-1, "fail"), (5, "warn"), (200, "ok")])
def test_certificates_of_apps(aws, left, verdict):
    make_tables(aws_client("dynamodb"))
    pem = Key.make(days=365, begins=NOW + timedelta(days=left - 365, hours=1)).pem
    deployed().catalog().apps.put(AppRegistration("microsoft365", "backup", "id", "certificate", certificate=pem))
    deployed().catalog().apps.put(AppRegistration("microsoft365", "restore", "id", "secret"))
    findings = run(doctor_deployed.apps, {}, deployment=deployed())
    assert verdicts(findings) == [verdict, "info"]


def test_apps_that_are_missing(aws):
    make_tables(aws_client("dynamodb"))
    assert verdicts(run(doctor_deployed.apps, {}, deployment=deployed())) == ["warn", "warn"]


def test_the_user_pool():
    def described(account, mfa):
        answer = {"UserPool": {"EmailConfiguration": {"EmailSendingAccount": account}, "MfaConfiguration": mfa}}
        services = {"cognito-idp": Answers(describe_user_pool=answer)}
        return verdicts(run(doctor_deployed.pool, services, deployment=deployed()))

    assert described("DEVELOPER", "ON") == ["ok", "ok"]
    assert described("COGNITO_DEFAULT", "OPTIONAL") == ["warn", "warn"]


def test_alarms_and_lost_starts():
    topics = {"Topics": [{"TopicArn": "arn:aws:sns:r:1:other-alarms"}, {"TopicArn": "arn:aws:sns:r:1:arche-alarms"}]}

    def look(subscriptions, waiting):
        sns = Answers(list_topics=topics, list_subscriptions_by_topic={"Subscriptions": subscriptions})
        sqs = Answers(get_queue_attributes={"Attributes": {"ApproximateNumberOfMessages": str(waiting)}})
        return verdicts(run(doctor_deployed.alarms, {"sns": sns, "sqs": sqs}, deployment=deployed()))

    assert look([{"SubscriptionArn": "arn:aws:sns:r:1:arche-alarms:1"}], 0) == ["ok", "ok"]
    assert look([{"SubscriptionArn": "PendingConfirmation"}], 2) == ["warn", "fail"]


def test_the_command_works_before_a_deploy(aws, capsys):
    code = command.main(["doctor"])
    out = capsys.readouterr().out
    assert "nothing is deployed under the prefix arche yet" in out
    assert "account" in out
    assert code in {0, 1}
    assert out.splitlines()[-1].startswith("doctor: ")
