"""Every answer of the directory against the published CSDL, and the extracted data against its sources."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from simulators.microsoft365 import extract
from tests.simulators import csdl
from tests.simulators.clients import DOMAIN, Tenant, tenant_without_mail

PATHS = [
    ("/users", "user"),
    ("/users?$select={all}", "user"),
    ("/users/delta", "user"),
    ("/users/delta?$select={all}", "user"),
    (f"/users/admin@{DOMAIN}", "user"),
    (f"/users/admin@{DOMAIN}?$select={{all}}", "user"),
    (f"/users/auftrag@{DOMAIN}/mailboxSettings", "mailboxSettings"),
    (f"/users/auftrag@{DOMAIN}/mailboxSettings/userPurpose", "userPurpose"),
    ("/organization", "organization"),
    ("/domains", "domain"),
    ("/subscribedSkus", "subscribedSku"),
    ("/directory/deletedItems/microsoft.graph.user", "user"),
]
ALL = (
    "id,displayName,userPrincipalName,mail,accountEnabled,userType,assignedLicenses,assignedPlans,proxyAddresses,"
    "createdDateTime,employeeLeaveDateTime"
)

needs_csdl = pytest.mark.skipif(not csdl.available(), reason=csdl.MISSING)


@needs_csdl
def test_every_answer_is_of_its_type(tmp_path: Path) -> None:
    with tenant_without_mail(tmp_path) as cloud:
        cloud.control.act("user_remove", tenant=DOMAIN, user=f"lukas.weiss@{DOMAIN}")
        seen = {(path, kind): problems(cloud, path, kind) for path, kind in PATHS}
    assert {key: found for key, found in seen.items() if found} == {}
    assert len({kind for _, kind in seen}) == 6


def problems(cloud: Tenant, path: str, kind: str) -> list[str]:
    page: dict[str, Any] = cloud.get(path.format(all=ALL)).raise_for_status().json()
    assert page.get("value") != [], f"nothing to check in {path}"
    return csdl.validate(page, kind)


@needs_csdl
@pytest.mark.parametrize(
    ("entity", "kind", "complaint"),
    [
        ({"id": "1", "invented": 1}, "user", "unknown property invented"),
        ({"id": "1", "accountEnabled": "yes"}, "user", "is no Edm.Boolean"),
        ({"id": "1", "createdDateTime": "2026-05-04"}, "user", "is no Edm.DateTimeOffset"),
        ({"id": "1", "assignedPlans": [{"servicePlanId": "x"}]}, "user", "is no Edm.Guid"),
        ({"userPurpose": "robot"}, "mailboxSettings", "not in enum"),
        ({"id": "1", "@odata.type": "#microsoft.graph.group"}, "user", "is no user"),
        ({"id": "1", "businessPhones": "x"}, "user", "no list"),
        ({"value": [{"id": 1}]}, "user", "is no Edm.String"),
        ({"value": "x"}, "Edm.Int32", "is no Edm.Int32"),
    ],
)
def test_the_check_sees_what_is_wrong(entity: dict[str, Any], kind: str, complaint: str) -> None:
    found = csdl.validate(entity, kind)
    assert len(found) == 1
    assert complaint in found[0]


@needs_csdl
def test_the_check_lets_annotations_and_subtypes_pass() -> None:
    attachment = {"@odata.type": "#microsoft.graph.fileAttachment", "id": "1", "contentBytes": "aGk=", "size": 2}
    message = {"id": "1", "@odata.etag": "x", "@removed": {"reason": "deleted"}, "attachments": [attachment]}
    assert csdl.validate({"@odata.context": "c", "@odata.nextLink": "n", "value": [message]}, "message") == []


@needs_csdl
@pytest.mark.parametrize("name", ["permissions", "types"])
def test_the_extracted_data_is_what_the_sources_say(name: str) -> None:
    source = csdl.FILE if name == "types" else csdl.FILE.with_name("permissions.json")
    made = getattr(extract, name)(source)
    assert json.loads((extract.DATA / f"{name}.json").read_text()) == json.loads(json.dumps(made))
    assert "MIT" in made["source"]
