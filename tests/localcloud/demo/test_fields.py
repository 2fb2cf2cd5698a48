"""The comparator's list names every property of message and attachment in the vendor's contract."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from localcloud.demo import fields

CSDL = Path(__file__).parents[4] / "shared/contracts/machine/microsoft365/graph-v1.0.csdl.xml"
EDM = "{http://docs.oasis-open.org/odata/ns/edm}"
MESSAGE_TYPES = ("entity", "outlookItem", "message")
MEETING_TYPES = ("eventMessage", "eventMessageRequest", "eventMessageResponse", "calendarSharingMessage")
ATTACHMENT_TYPES = ("entity", "attachment", "fileAttachment", "itemAttachment", "referenceAttachment")


@pytest.fixture(scope="module")
def properties() -> dict[str, set[str]]:
    if not CSDL.exists():
        pytest.skip("the vendor's CSDL stands beside the checkout only in CI (../shared)")
    found: dict[str, set[str]] = {}
    for entity in ET.parse(CSDL).iter(f"{EDM}EntityType"):  # noqa: S314 - a file of our own CI
        tags = (f"{EDM}Property", f"{EDM}NavigationProperty")
        found[entity.attrib["Name"]] = {p.attrib["Name"] for p in entity if p.tag in tags}
    return found


@pytest.mark.parametrize(
    ("types", "listed"),
    [
        (MESSAGE_TYPES, fields.MESSAGE),
        (MEETING_TYPES, fields.MEETING_MESSAGE),
        (ATTACHMENT_TYPES, fields.ATTACHMENT),
    ],
)
def test_every_property_of_the_contract_is_listed(properties, types, listed):
    assert set().union(*(properties[name] for name in types)) == set(listed)


def test_what_cannot_be_set_names_its_source():
    for listed in (fields.MESSAGE, fields.MEETING_MESSAGE, fields.ATTACHMENT):
        assert all(how == fields.COMPARED or len(how) > 20 for how in listed.values())
    assert len(fields.MESSAGE_COMPARED) >= 20
