"""The doctor over the stacks as they are deployed: it can look at everything, and only what is known is not good."""

from __future__ import annotations

import pytest

from arche.aws import command
from localcloud.cloud import Cloud
from localcloud.toolkit import REGION

pytestmark = pytest.mark.cloud

#: The embedded cloud is deployed without a bootstrap, with alarms that nobody hears and MFA that a demo can pass.
KNOWN = {"bootstrap", "lambda concurrency", "quotas", "alarms", "cognito mail", "cognito mfa", "states", "kms", "ses"}
#: And its CloudFormation leaves this out, which the doctor sees.
KNOWN |= {f"table {name}: no point-in-time recovery" for name in ("tenancy", "directory")}


def test_what_is_deployed_is_sound(cloud: Cloud, monkeypatch, capsys):
    for name, value in {
        "AWS_ENDPOINT_URL": cloud.endpoint,
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }.items():
        monkeypatch.setenv(name, value)
    command.main(["doctor"])
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith(" ")][:-1]
    found = [(line[:8].strip(), line[8:]) for line in lines]
    bad = [line for line in found if line[0] != "ok" and not any(line[1].startswith(name) for name in KNOWN)]
    assert bad == []
    seen = {text.partition(":")[0] for _, text in found}
    assert {"bucket vault", "table tenancy", "vault key", "app microsoft365 backup", "session policy"} <= seen
    assert {"settings api-content", "settings backup-collect-long", "settings access-token", "undelivered"} <= seen
