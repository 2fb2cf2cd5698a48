"""The document: every operation is typed, in its successes and in its errors, and nothing free-form goes in."""

from __future__ import annotations

import pytest

from functions.api.openapi import document

DOCUMENT = document()
OPERATIONS = [
    (method, path, operation) for path, found in DOCUMENT["paths"].items() for method, operation in found.items()
]
PROBLEM = {"schema": {"$ref": "#/components/schemas/Problem"}}
CALLBACK = "/v1/consents/callback"


@pytest.mark.parametrize(
    ("method", "path", "operation"), OPERATIONS, ids=lambda one: one if isinstance(one, str) else ""
)
def test_every_operation_is_typed(method, path, operation):
    responses = operation["responses"]
    good = [code for code in responses if code[0] in "23"]
    assert good
    for code in good:
        ((media, content),) = responses[code]["content"].items()
        schema = content["schema"]
        if media == "application/json":
            assert schema["$ref"].removeprefix("#/components/schemas/") in DOCUMENT["components"]["schemas"]
        else:
            assert schema["type"] == "string"
    assert operation["summary"]
    assert operation["tags"]
    if path == CALLBACK:
        assert operation["security"] == [{}]
        return
    assert "401" in responses
    for code in ("403", "404", "409", "413", "415", "422", "500", "503"):
        assert responses[code]["content"] == {"application/problem+json": PROBLEM}


@pytest.mark.parametrize(
    ("method", "path", "operation"), OPERATIONS, ids=lambda one: one if isinstance(one, str) else ""
)
def test_what_goes_in_is_bounded(method, path, operation):
    for parameter in operation.get("parameters", []):
        for schema in kinds(parameter["schema"]):
            if schema.get("type") == "string":
                assert {"maxLength", "pattern"} & set(schema), (path, parameter["name"])
            elif schema.get("type") == "integer":
                assert {"minimum", "maximum"} <= set(schema)
    body = operation.get("requestBody")
    if body:
        ((media, content),) = body["content"].items()
        assert media == "application/json"
        bounded(content["schema"])
    if method == "post":
        assert "idempotency-key" in {one["name"] for one in operation["parameters"]}
    if method == "patch":
        assert "if-match" in {one["name"] for one in operation["parameters"]}


def bounded(schema):
    """Objects refuse unknown fields; texts, numbers and lists have limits."""
    schema = resolved(schema)
    if schema.get("type") == "object":
        assert schema["additionalProperties"] is False, schema.get("title")
        for found in schema["properties"].values():
            bounded(found)
        return
    for one in kinds(schema):
        match one.get("type"):
            case "string":
                assert {"maxLength", "enum", "const"} & set(one), one
            case "array":
                assert "maxItems" in one
                bounded(one["items"])
            case "integer":
                assert {"maximum", "enum"} & set(one), one


def kinds(schema):
    return [resolved(one) for one in schema.get("anyOf", [schema])]


def resolved(schema):
    name = schema.get("$ref", "").removeprefix("#/components/schemas/")
    return DOCUMENT["components"]["schemas"][name] if name else schema


def test_only_the_callback_is_open():
    assert DOCUMENT["security"] == [{"member": []}]
    assert [path for _, path, operation in OPERATIONS if operation.get("security") == [{}]] == [CALLBACK]


def test_every_reference_resolves_and_every_schema_is_used():
    text = str(DOCUMENT)
    schemas = DOCUMENT["components"]["schemas"]
    used = {name for name in schemas if f"'#/components/schemas/{name}'" in text}
    assert used == set(schemas)


def test_operation_ids_are_unique():
    ids = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(ids) == len(set(ids))
