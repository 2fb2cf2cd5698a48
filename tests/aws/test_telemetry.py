"""What is written down: listed fields, no secret, no foreign exception's text."""

from __future__ import annotations

import io
import json
import logging

import pytest
from aws_lambda_powertools import Logger

from arche.aws import telemetry
from arche.catalog.errors import NotFound

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJnZWhlaW0ifQ.c2lnbmF0dXJl"


@pytest.fixture
def log(request):
    sink = io.StringIO()
    # powertools keeps one logger per service name for the life of the process.
    made = Logger(
        service=request.node.name,
        logger_formatter=telemetry.SafeFormatter(),
        logger_handler=logging.StreamHandler(sink),
        level="INFO",
    )
    made.read = lambda: [json.loads(line) for line in sink.getvalue().splitlines()]
    return made


@pytest.mark.parametrize(
    "secret",
    [
        JWT,
        f"Bearer {JWT}",
        "Authorization: Basic dXNlcjpnZWhlaW0=",
        "client_secret=abc~def123",
        "https://x.blob/?sig=geheim%3D&x=1",
        "X-Amz-Security-Token=FwoGZXIvYXdzE",
        "AKIAIOSFODNN7EXAMPLE",
        "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----",
        "erika.muster@example.com",
        "A" * 70,
        "Ab1/+" * 20 + "==",
    ],
)
def test_what_looks_like_a_secret_is_cut_out(secret):
    text = telemetry.redacted(f"before {secret} after")
    for piece in ("eyJ", "dXNlcjpn", "abc~", "geheim", "FwoG", "AKIA", "MIIE", "erika", "A" * 20, "Ab1/+Ab1"):
        assert piece not in text
    assert text.startswith("before ")


@pytest.mark.parametrize(
    "text",
    [
        "K-004711 A-0042 C-01",
        "/v1/customers/K-004711/connections/C-01/accounts/A-0001/items/exchange/page",
        "backup-0123456789abcdef01234567",
        "2026-11-24T06:00:00Z",
        "9b2d5b3a-6d0f-4b0e-9a55-0123456789ab",
    ],
)
def test_labels_paths_and_ids_stay(text):
    assert telemetry.redacted(text) == text


def test_only_listed_fields_are_written(log):
    log.append_keys(customer="K-004711")
    log.info("slice", extra={"account": "A-0001", "subject": "geheim", "body": {"x": "geheim"}, "status": "done"})
    (line,) = log.read()
    kept = [line[name] for name in ("message", "customer", "account", "status")]
    assert kept == ["slice", "K-004711", "A-0001", "done"]
    assert set(line["dropped"]) == {"subject", "body"}
    assert "geheim" not in json.dumps(line)


def test_nested_values_are_looked_through(log):
    log.info("x", counts={"exchange": [JWT, 3, None, object()], JWT: 1})
    (line,) = log.read()
    assert line["counts"]["exchange"][1:3] == [3, None]
    assert "eyJ" not in json.dumps(line)


def test_a_long_text_is_cut(log):
    log.info("a b " * 2000)
    assert len(log.read()[0]["message"]) < 2100


def fail(error):
    raise error


def test_a_foreign_exceptions_text_is_not_written(log):
    try:
        fail(ValueError("geheim: the mail's subject"))
    except ValueError:
        log.exception("failed")
    (line,) = log.read()
    assert "geheim" not in json.dumps(line)
    assert line["exception_name"] == "ValueError"
    assert "test_telemetry.py" in line["exception"]
    assert "fail" in line["exception"]


def test_our_own_exceptions_keep_their_text(log):
    try:
        fail(NotFound("there is no such lease"))
    except NotFound:
        log.exception("failed")
    assert "there is no such lease" in log.read()[0]["exception"]


def test_what_a_failed_function_answers_holds_no_foreign_text():
    @telemetry.guarded
    def handler(event, _context):
        if event == "ours":
            raise NotFound("there is no such lease")
        if event == "theirs":
            raise KeyError("geheim")
        return event

    assert handler("fine", None) == "fine"
    with pytest.raises(NotFound, match="no such lease"):
        handler("ours", None)
    with pytest.raises(Exception, match="KeyError at") as caught:
        handler("theirs", None)
    assert type(caught.value).__name__ == "KeyError"
    assert "geheim" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_metrics_have_one_dimension(capsys):
    figures = telemetry.Figures("collect")
    figures.count("items", 3)
    figures.amount("stored", 10)
    figures.seconds("took", 1.5)
    figures.flush()
    figures.flush()
    (line,) = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    assert line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service"]]
    assert (line["service"], line["items"]) == ("collect", [3.0])


def test_the_audit_writes_labels(capsys):
    telemetry.audit(telemetry.logger("access-grant"))("granted", {"run": "r", "lease": "l", "customer": "K-000001"})
    line = json.loads(capsys.readouterr().out)
    assert (line["message"], line["customer"], line["service"]) == ("granted", "K-000001", "access-grant")
