"""The list of fields is complete against the vendor's contract and is what the page says."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from arche.providers.microsoft365 import fields
from tests.providers.microsoft365 import fields_page

CSDL = Path(__file__).parents[4] / "shared/contracts/machine/microsoft365/graph-v1.0.csdl.xml"
EDM = "{http://docs.oasis-open.org/odata/ns/edm}"


@pytest.fixture(scope="module")
def types() -> dict[str, set[str]]:
    if not CSDL.exists():
        pytest.skip("the vendor's CSDL is not part of this repository (../shared/contracts)")
    found = {}
    for schema in ET.parse(CSDL).iter(f"{EDM}Schema"):  # noqa: S314 -- a file of our own shelf
        if schema.get("Namespace") != "microsoft.graph":
            continue
        for entity in schema.iter(f"{EDM}EntityType"):
            members = (*entity.iter(f"{EDM}Property"), *entity.iter(f"{EDM}NavigationProperty"))
            found[entity.get("Name")] = {member.get("Name") for member in members}
    return found


def test_every_property_of_a_message_is_listed(types: dict[str, set[str]]) -> None:
    assert set(fields.MESSAGE) == types["message"] | types["outlookItem"] | types["entity"]


def test_every_property_of_a_meeting_message_is_listed(types: dict[str, set[str]]) -> None:
    kinds = ("eventMessage", "eventMessageRequest", "eventMessageResponse", "calendarSharingMessage")
    assert set(fields.MEETING_MESSAGE) == set().union(*(types[kind] for kind in kinds))


def test_every_property_of_an_attachment_is_listed(types: dict[str, set[str]]) -> None:
    kinds = ("attachment", "fileAttachment", "itemAttachment", "referenceAttachment", "entity")
    assert set(fields.ATTACHMENT) == set().union(*(types[kind] for kind in kinds))


def test_each_field_is_given_back_or_says_why_not() -> None:
    for name, field in (*fields.MESSAGE.items(), *fields.MEETING_MESSAGE.items(), *fields.ATTACHMENT.items()):
        assert bool(field.how) != bool(field.lost), name


def test_what_is_compared_is_read() -> None:
    read = set(fields.SELECT.split(","))
    assert set(fields.COMPARED) <= read
    assert {"changeKey", "id"} <= read
    assert set(fields.SETTABLE) <= set(fields.COMPARED)


def test_the_page_says_the_same() -> None:
    page = fields_page.PAGE.read_text()
    assert fields_page.written(page) == page, "run: python -m tests.providers.microsoft365.fields_page"


@pytest.mark.parametrize("told", ["Integer 0xe07", "Integer 0x0E07", "integer 0X0e07"])
def test_ids_of_mapi_properties_are_known_in_any_spelling(told: str) -> None:
    message = {"singleValueExtendedProperties": [{"id": told, "value": "1"}]}
    assert fields.extended(message) == {fields.MESSAGE_FLAGS: "1"}
    assert fields.extended({}) == {}
    mark = {"id": fields.MARK.replace("C000", "c000"), "value": "R-1"}
    assert fields.extended({"singleValueExtendedProperties": [mark]}) == {fields.MARK: "R-1"}
