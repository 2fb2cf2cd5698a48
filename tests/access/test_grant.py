"""``grant``: credentials for an open lease alone, narrowed to its customer; refusals that tell nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import boto3
import pytest
from botocore.exceptions import ClientError

from arche.aws.errors import AwsDenied, AwsUnavailable
from arche.aws.grants import GrantOffice, Grants, names_of
from arche.aws.settings import GrantSettings
from arche.operations.access import AccessRefused, Ask
from tests.access.conftest import MINE, THEIRS, ask, lease_of
from tests.catalog.conftest import NOW, REGION

ROLES = {"writer": "arn:aws:iam::123456789012:role/arche-vault-writer",
         "reader": "arn:aws:iam::123456789012:role/arche-vault-reader"}  # fmt: skip
SETTINGS = GrantSettings(
    tenancy_table="t-tenancy",
    directory_table="t-directory",
    index_table="t-index",
    work_table="t-work",
    vault_bucket="vault",
    keys_bucket="keys",
    work_bucket="work",
    exports_bucket="exports",
    vault_key="mrk-1",
    writer_role=ROLES["writer"],
    reader_role=ROLES["reader"],
)


class Sts:
    def __init__(self, error=None):
        self.asked = []
        self.error = error

    def assume_role(self, **asked):
        self.asked.append(asked)
        if self.error:
            raise self.error
        expires = datetime.fromtimestamp(NOW + asked["DurationSeconds"], UTC)
        made = {"AccessKeyId": "a", "SecretAccessKey": "s", "SessionToken": "t", "Expiration": expires}
        return {"Credentials": made}


@pytest.fixture
def sts():
    return Sts()


@pytest.fixture
def office(two, heard, sts):
    return GrantOffice(
        two.rows, sts, names=names_of(SETTINGS, REGION), roles=ROLES, audit=heard, now=lambda: float(NOW)
    )


@pytest.mark.parametrize(("purpose", "role"), [("backup", "writer"), ("restore", "reader"), ("browse", "reader")])
def test_an_open_lease_gets_its_purposes_role_for_its_customer_alone(office, sts, heard, purpose, role):
    answer = office.answer(ask(purpose))
    assert answer == {"access_key": "a", "secret_key": "s", "token": "t", "expires": NOW + 3600}
    (asked,) = sts.asked
    assert asked["RoleArn"] == ROLES[role]
    assert asked["RoleSessionName"] == f"{purpose}-{MINE}-{purpose}-{MINE}"
    policy = asked["Policy"]
    assert MINE in policy
    assert THEIRS not in policy
    assert "arn:aws:kms:eu-central-1:123456789012:key/mrk-1" in policy
    assert heard == [("granted", {**ask(purpose), "purpose": purpose, "seconds": 3600})]


REFUSED = [
    ("discovery touches no vault", ask("discover"), "purpose"),
    ("another tenant's lease in one's own name", ask(lease=f"backup-{THEIRS}", run=f"backup-{THEIRS}"), "unknown"),
    ("one's own lease in another tenant's name", ask(customer=THEIRS, lease=f"backup-{MINE}"), "unknown"),
    ("another run", ask(run=f"restore-{MINE}"), "other_run"),
    ("another tenant's run", ask(run=f"backup-{THEIRS}"), "other_run"),
    ("an unknown run", ask(run="r"), "unknown"),
    ("an unknown lease", ask(lease="l"), "unknown"),
    ("no label", ask(customer="PARTNER#p-one"), "malformed"),
    ("a pattern", ask(customer="K-*"), "malformed"),
    ("no text", ask(lease=["l"]), "malformed"),
    ("nothing", {}, "malformed"),
    ("an endless id", ask(lease="l" * 3000), "malformed"),
    ("an empty id", ask(run=""), "malformed"),
]


@pytest.mark.parametrize(("event", "reason"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_refusals_tell_nothing_and_are_audited(office, sts, heard, event, reason):
    assert office.answer(event) == {"refused": True}
    assert sts.asked == []
    assert [entry for entry, _ in heard] == ["grant refused"]
    assert heard.reasons == [reason]


def test_a_closed_run_a_closed_lease_and_an_expired_one(office, two, sts, heard):
    two.work.close_lease(MINE, f"backup-{MINE}")
    run = two.schedule.run(f"restore-{MINE}")
    two.schedule.set_run(replace(run, state="closed"))
    two.work.open_lease(lease_of("browse", id="late", run=f"browse-{MINE}", expires=NOW))
    for event in (ask("backup"), ask("restore"), ask("browse", lease="late")):
        assert office.answer(event) == {"refused": True}
    assert heard.reasons == ["lease_closed", "run_closed", "expired"]
    assert sts.asked == []


def test_a_run_that_is_still_opening_gives_no_rights(office, two, heard):
    two.work.open_run(replace(two.schedule.run(f"backup-{MINE}"), id="new", state="opening"))
    two.work.open_lease(lease_of("backup", id="new", run="new"))
    assert office.answer(ask(run="new", lease="new")) == {"refused": True}
    assert heard.reasons == ["run_closed"]


@pytest.mark.parametrize(("left", "seconds"), [(10, 900), (901, 901), (3599, 3599), (99_999, 3600)])
def test_credentials_end_with_the_lease_as_far_as_sts_allows(office, two, sts, left, seconds):
    two.work.open_lease(lease_of("backup", id="x", run=f"backup-{MINE}", expires=NOW + left))
    office.answer(ask(lease="x"))
    assert sts.asked[0]["DurationSeconds"] == seconds


def test_ids_that_no_session_name_may_hold_are_fitted(office, two, sts):
    two.work.open_run(replace(two.schedule.run(f"backup-{MINE}"), id="slot 06/äöü" + "x" * 90))
    two.work.open_lease(lease_of("backup", id="x", run="slot 06/äöü" + "x" * 90))
    office.answer(ask(run="slot 06/äöü" + "x" * 90, lease="x"))
    name = sts.asked[0]["RoleSessionName"]
    assert len(name) <= 64
    assert name.startswith(f"backup-{MINE}-slot-06-")


@pytest.mark.parametrize(("code", "expected"), [("AccessDenied", AwsDenied), ("Throttling", AwsUnavailable)])
def test_a_failure_of_sts_is_no_refusal(two, heard, code, expected):
    sts = Sts(ClientError({"Error": {"Code": code, "Message": "geheim"}}, "AssumeRole"))
    office = GrantOffice(
        two.rows, sts, names=names_of(SETTINGS, REGION), roles=ROLES, audit=heard, now=lambda: float(NOW)
    )
    with pytest.raises(expected) as caught:
        office.answer(ask())
    assert "geheim" not in str(caught.value)


def test_real_sts_takes_the_policy(two, heard):
    office = GrantOffice(
        two.rows,
        boto3.client("sts", region_name=REGION),
        names=names_of(SETTINGS, REGION),
        roles=ROLES,
        audit=heard,
        now=lambda: float(NOW),
    )
    answer = office.answer(ask())
    assert answer["access_key"].startswith("ASIA")


def test_names_come_from_the_roles_arn():
    china = replace(SETTINGS, writer_role="arn:aws-cn:iam::210987654321:role/x", vault_key="arn:aws-cn:kms:r:1:key/k")
    names = names_of(china, "cn-north-1")
    assert (names.partition, names.account, names.key) == ("aws-cn", "210987654321", "arn:aws-cn:kms:r:1:key/k")
    with pytest.raises(ValueError, match="ARCHE_WRITER_ROLE"):
        names_of(replace(SETTINGS, writer_role="arche-vault-writer"), "x")


class Function:
    """A Lambda client that calls an office."""

    def __init__(self, answer):
        self.answer = answer

    def invoke(self, **asked):
        import io

        answered = self.answer(json.loads(asked["Payload"]))
        return {"Payload": io.BytesIO(json.dumps(answered).encode())}


def test_the_worker_gets_credentials_or_one_neutral_refusal(office):
    grants = Grants(Function(office.answer), "grant")
    held = grants.ask(Ask.from_event(ask()))
    assert (held.access_key, held.expires) == ("a", NOW + 3600)
    texts = set()
    for event in (ask(lease="l"), ask(lease=f"backup-{THEIRS}"), ask("discover")):
        with pytest.raises(AccessRefused) as caught:
            grants.ask(Ask.from_event(event))
        texts.add(str(caught.value))
    assert len(texts) == 1
