"""Checks of an AWS account that make sense before anything is deployed: identity, bootstrap, quotas, mail."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from arche.aws.doctor import Check, Finding, Patient
from arche.aws.errors import code_of

#: Bootstrap version that the CDK's default synthesizer asks for.
_BOOTSTRAP: Final = 6
_BOOTSTRAP_PARAMETER: Final = "/cdk-bootstrap/hnb659fds/version"
_CERTIFICATES: Final = "us-east-1"
_LAMBDA_QUOTA: Final = "L-B99A9384"
#: Below, slots of a few hundred accounts queue up; below the second figure, hardly anything runs.
_LAMBDA_GOOD: Final = 1000
_LAMBDA_LEAST: Final = 50


@dataclass(frozen=True, slots=True)
class Need:
    """A quota by a part of its name (codes differ between regions and years), and what a deployment needs of it."""

    service: str
    name: str
    least: float
    why: str


NEEDS: Final = (
    Need("states", "open map run", 1000, "each slot opens a few map runs"),
    Need("states", "startexecution throttle token refill", 100, "children of distributed maps start through it"),
    Need("kms", "cryptographic operations (symmetric) request rate", 5500, "each worker unwraps a customer's keys"),
    Need("kms", "cryptographic operations (rsa) request rate", 500, "each fresh access token is one signature"),
)


def identity(patient: Patient) -> Iterator[Finding]:
    """Who is asking, in which account and region."""
    found = patient.here("sts").get_caller_identity()
    yield Finding("account", "ok", f"account {found['Account']}, region {patient.region}")


def bootstrap(patient: Patient) -> Iterator[Finding]:
    """CDK bootstrap in the home region, the second region, and us-east-1 (certificate, WAF)."""
    account = patient.here("sts").get_caller_identity()["Account"]
    places = {patient.region: "fail", _CERTIFICATES: "warn"}
    if patient.second_region:
        places[patient.second_region] = "fail"
    for region, verdict in places.items():
        check = f"bootstrap {region}"
        todo = f"npx cdk bootstrap aws://{account}/{region}"
        try:
            answer = patient.client("ssm", region).get_parameter(Name=_BOOTSTRAP_PARAMETER)
        except ClientError as error:
            if code_of(error) != "ParameterNotFound":
                raise
            why = "needed for a certificate of a custom domain and for WAF" if verdict == "warn" else "needed to deploy"
            yield Finding(check, "fail" if verdict == "fail" else "warn", f"not bootstrapped; {why}", todo)
            continue
        version = int(answer["Parameter"]["Value"])
        if version < _BOOTSTRAP:
            yield Finding(check, "fail", f"version {version} is older than {_BOOTSTRAP}", todo)
        else:
            yield Finding(check, "ok", f"version {version}")


def lambda_concurrency(patient: Patient) -> Iterator[Finding]:
    """Concurrent executions: new accounts start with 10 in all."""
    limit = int(patient.here("lambda").get_account_settings()["AccountLimit"]["ConcurrentExecutions"])
    todo = request("lambda", _LAMBDA_QUOTA, _LAMBDA_GOOD, patient.region)
    if limit >= _LAMBDA_GOOD:
        yield Finding("lambda concurrency", "ok", f"{limit} at once")
    elif limit >= _LAMBDA_LEAST:
        yield Finding("lambda concurrency", "warn", f"{limit} at once; slots of many accounts will queue up", todo)
    else:
        text = f"{limit} at once; the API and a single slot need more (new accounts start with 10)"
        yield Finding("lambda concurrency", "fail", text, todo)


def quotas(patient: Patient) -> Iterator[Finding]:
    """Quotas of Step Functions and KMS."""
    known: dict[str, list[dict[str, Any]]] = {}
    for need in NEEDS:
        if need.service not in known:
            known[need.service] = _quotas(patient, need.service)
        check = f"{need.service} {need.name}"
        found = next((quota for quota in known[need.service] if need.name in str(quota["QuotaName"]).lower()), None)
        if found is None:
            text = "Service Quotas does not list it here"
            yield Finding(check, "unknown", text, "Look it up in the Service Quotas console.")
            continue
        value = float(found["Value"])
        if value >= need.least:
            yield Finding(check, "ok", f"{value:g}")
            continue
        todo = request(need.service, str(found["QuotaCode"]), need.least, patient.region)
        yield Finding(check, "warn", f"{value:g}, {need.least:g} is wanted: {need.why}", todo)


def _quotas(patient: Patient, service: str) -> list[dict[str, Any]]:
    client = patient.here("service-quotas")
    found: list[dict[str, Any]] = []
    asked: dict[str, Any] = {"ServiceCode": service}
    while True:
        page = client.list_service_quotas(**asked)
        found += page["Quotas"]
        if not page.get("NextToken"):
            return found
        asked["NextToken"] = page["NextToken"]


def mail(patient: Patient) -> Iterator[Finding]:
    """SES: in the sandbox, mails reach verified addresses alone."""
    account = patient.here("sesv2").get_account()
    if account["ProductionAccessEnabled"]:
        sent = account.get("SendQuota", {})
        yield Finding("ses", "ok", f"out of the sandbox, {sent.get('Max24HourSend', 0):g} mails a day")
        return
    todo = (
        f"aws sesv2 put-account-details --region {patient.region} --production-access-enabled "
        "--mail-type TRANSACTIONAL --website-url https://YOUR-SITE --contact-language EN --use-case-description "
        '"Invitations and alerts to the members of our backup service"'
    )
    yield Finding("ses", "warn", "in the sandbox: mails reach verified addresses alone", todo)


def request(service: str, code: str, wanted: float, region: str) -> str:
    """Write the increase request out."""
    return (
        f"aws service-quotas request-service-quota-increase --region {region} --service-code {service} "
        f"--quota-code {code} --desired-value {wanted:g}"
    )


CHECKS: Final[tuple[tuple[str, Check], ...]] = (
    ("account", identity),
    ("bootstrap", bootstrap),
    ("lambda concurrency", lambda_concurrency),
    ("quotas", quotas),
    ("ses", mail),
)
