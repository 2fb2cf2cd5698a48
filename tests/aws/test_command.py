"""The operator's commands, over moto: one clear line each, and never half a change."""

from __future__ import annotations

import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from arche.aws import command
from arche.aws.kms import KmsKeeper
from arche.catalog.tenancy import Partner
from arche.model.tenancy import Customer
from tests.aws.conftest import aws_client
from tests.aws.test_doctor import deployed
from tests.catalog.conftest import make_tables
from tests.simulators.clients import Key


@pytest.fixture
def outputs():
    """What a test's own resources add to the deployment."""
    return {}


@pytest.fixture
def stack(aws, monkeypatch, outputs):
    """A deployment as the commands find it."""
    make_tables(aws_client("dynamodb"))
    monkeypatch.setattr(command, "_found", lambda _given: deployed(**outputs))
    return deployed()


@pytest.fixture
def keys(aws, outputs):
    """The app keys in KMS."""
    kms = aws_client("kms")
    for name in ("AppKeyArn", "RestoreAppKeyArn"):
        outputs[name] = kms.create_key(KeyUsage="SIGN_VERIFY", KeySpec="RSA_2048")["KeyMetadata"]["Arn"]
    return outputs


def test_a_certificate_is_made_by_the_key_in_kms_and_registered(stack, keys, tmp_path, capsys):
    file = tmp_path / "backup.pem"
    assert command.main(["app-certificate", "--app", "backup", "--out", str(file), "--days", "90"]) == 0
    made = x509.load_pem_x509_certificate(file.read_bytes())
    keeper = KmsKeeper(aws_client("kms"), keys["AppKeyArn"])
    spki = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert made.public_key().public_bytes(*spki) == keeper.public_key
    register = ["app-register", "--platform", "microsoft365", "--client-id", "id-1", "--certificate", str(file)]
    assert command.main([*register, "--app", "backup"]) == 0
    kept = stack.catalog().apps.get("microsoft365", "backup")
    assert (kept.client_id, kept.kind, kept.certificate) == ("id-1", "certificate", file.read_text())
    assert "Mail.Read" in kept.roles
    assert "Mail.ReadWrite" not in kept.roles
    assert kept.thumbprint in capsys.readouterr().out
    # The same file for the other app: another key.
    assert command.main([*register, "--app", "restore"]) == 1
    assert "belongs to another key" in capsys.readouterr().err
    assert stack.catalog().apps.get("microsoft365", "restore") is None
    # And never over a file that is there.
    assert command.main(["app-certificate", "--app", "backup", "--out", str(file)]) == 1
    assert "is there already" in capsys.readouterr().err


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_that_is_no_certificate(stack, tmp_path, capsys, content):
    file = tmp_path / "x.pem"
    if content:
        file.write_text(content)
    arguments = ["app-register", "--platform", "microsoft365", "--app", "backup", "--client-id", "i"]
    assert command.main([*arguments, "--certificate", str(file)]) == 1
    assert "is no certificate" in capsys.readouterr().err


def test_a_foreign_certificate_is_refused(stack, keys, tmp_path, capsys):
    file = tmp_path / "x.pem"
    file.write_text(Key.make().pem)
    arguments = ["app-register", "--platform", "microsoft365", "--app", "backup", "--client-id", "i"]
    assert command.main([*arguments, "--certificate", str(file)]) == 1
    assert "belongs to another key" in capsys.readouterr().err


def test_a_secret_is_asked_for_and_kept_in_secrets_manager_alone(stack, monkeypatch, capsys):
    aws_client("secretsmanager").create_secret(Name="apps", SecretString="generated text")
    monkeypatch.setattr("getpass.getpass", lambda _prompt: "s3cret-value")
    for app in ("backup", "restore"):
        arguments = ["app-register", "--platform", "microsoft365", "--app", app, "--client-id", "i", "--secret"]
        assert command.main(arguments) == 0
    kept = aws_client("secretsmanager").get_secret_value(SecretId="apps")["SecretString"]
    assert json.loads(kept) == {"microsoft365": {"backup": "s3cret-value", "restore": "s3cret-value"}}
    assert stack.catalog().apps.get("microsoft365", "backup").kind == "secret"
    assert "s3cret" not in str(aws_client("dynamodb").scan(TableName="t-tenancy")["Items"])
    assert "s3cret" not in capsys.readouterr().out


def test_a_partner_and_its_first_member(stack, outputs, capsys):
    cognito = aws_client("cognito-idp")
    outputs["UserPoolId"] = cognito.create_user_pool(PoolName="p", UsernameAttributes=["email"])["UserPool"]["Id"]
    assert command.main(["partner-create", "--id", "p-one", "--name", "Systemhaus"]) == 0
    assert command.main(["partner-create", "--id", "p-one", "--name", "Other"]) == 1
    assert stack.catalog().tenancy.partner("p-one").name == "Systemhaus"
    for _ in range(2):
        arguments = ["member-add", "--partner", "p-one", "--mail", "a@example.com", "--sees-content"]
        assert command.main(arguments) == 0
    (member,) = stack.catalog().tenancy.members("p-one")
    assert (member.role, member.sees_content) == ("admin", True)
    assert command.main(["member-add", "--partner", "p-two", "--mail", "b@example.com"]) == 1
    command.main(["partner-create", "--id", "p-two", "--name", "Zweites"])
    assert command.main(["member-add", "--partner", "p-two", "--mail", "a@example.com"]) == 1
    assert "another partner" in capsys.readouterr().err
    assert stack.catalog().tenancy.members("p-two") == []


@pytest.mark.parametrize("name", ["one", "p-", "p-One", "p-a b", "p-ä#x"])
def test_ids_of_partners(capsys, name):
    assert command.main(["partner-create", "--id", name, "--name", "x"]) == 1
    assert "p-systemhaus" in capsys.readouterr().err


def test_without_a_deployment_the_way_out_is_said(aws, capsys):
    assert command.main(["partner-create", "--id", "p-one", "--name", "x"]) == 1
    assert "cdk deploy --all" in capsys.readouterr().err


def test_failures_of_aws_are_one_line(stack, monkeypatch, capsys):
    from botocore.exceptions import ClientError, NoCredentialsError

    errors = {
        "AccessDenied": ClientError({"Error": {"Code": "AccessDenied", "Message": "geheim"}}, "X"),
        "credentials": NoCredentialsError(),
    }
    for word, error in errors.items():

        def fail(_given, _error=error):
            raise _error

        monkeypatch.setattr(command, "_found", fail)
        assert command.main(["partner-create", "--id", "p-one", "--name", "x"]) == 1
        err = capsys.readouterr().err
        assert word in err
        assert "geheim" not in err
        assert err.count("\n") == 1


def test_a_fault_of_ours_is_one_line_without_foreign_text(stack, monkeypatch, capsys):
    def fail(_given):
        raise ValueError("geheim")

    monkeypatch.setattr(command, "_found", fail)
    assert command.main(["partner-create", "--id", "p-one", "--name", "x"]) == 2
    err = capsys.readouterr().err
    assert "ValueError at" in err
    assert "geheim" not in err


def test_help_names_the_commands(capsys):
    with pytest.raises(SystemExit) as ended:
        command.main(["--help"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    for name in ("doctor", "app-certificate", "app-register", "partner-create", "member-add"):
        assert name in out


def test_a_granted_limit_is_kept_and_taken_back(stack, capsys):
    tenancy = stack.catalog().tenancy
    tenancy.add_partner(Partner("p-one", "One", "2026-01-01T00:00:00Z"))
    customer = "K-000001"
    tenancy.add_customer(Customer(customer, "p-one", "One", "", "2026-01-01T00:00:00Z"))
    tenancy.add_connection(customer, "microsoft365", "2026-01-01T00:00:00Z")
    limit = ["connection-limit", "--customer", customer, "--connection", "C-01", "--units"]
    assert command.main([*limit, "60000"]) == 0
    assert tenancy.connection(customer, "C-01").granted == {"mailbox": 60_000}
    assert command.main([*limit, "0"]) == 0
    assert tenancy.connection(customer, "C-01").granted == {}
    assert "9600 calls in 600 s" in capsys.readouterr().out
    assert command.main([*limit, "5", "--budget", "teapot"]) == 1
    assert "no budget teapot: mailbox" in capsys.readouterr().err
    assert command.main(["connection-limit", "--customer", customer, "--connection", "C-09", "--units", "5"]) == 1
    assert "no connection C-09" in capsys.readouterr().err
