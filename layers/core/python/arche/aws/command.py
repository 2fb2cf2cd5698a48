"""``arche``: the operator's commands. Uses the caller's own AWS credentials (AWS_PROFILE, AWS_REGION)."""

from __future__ import annotations

import argparse
import getpass
import hashlib
import json
import ssl
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from arche.aws import deployment, doctor, doctor_account, doctor_deployed, sessions
from arche.aws.errors import AwsError, code_of
from arche.aws.kms import KmsKeeper
from arche.aws.members import create_log_in
from arche.aws.telemetry import told
from arche.catalog.apps import AppRegistration
from arche.catalog.errors import CatalogError, NotFound
from arche.catalog.tenancy import Partner
from arche.model.tenancy import Member
from arche.model.work import iso
from arche.providers import registry
from arche.providers.certificate import self_signed

_SPKI = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
_KEYS = {"backup": "AppKeyArn", "restore": "RestoreAppKeyArn"}


class Refused(Exception):  # noqa: N818 - an answer to a person
    """A command that cannot be carried out; the message says what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    given = _parser().parse_args(arguments)
    try:
        code: int = given.run(given)
    except (Refused, deployment.NotDeployed, LookupError) as refused:
        print(f"arche: {refused}", file=sys.stderr)
        return 1
    except NoCredentialsError:
        print("arche: no AWS credentials are set. Set AWS_PROFILE, or log in with `aws sso login`.", file=sys.stderr)
        return 1
    except (ClientError, BotoCoreError, AwsError, CatalogError) as error:
        reason = str(error) if isinstance(error, (AwsError, CatalogError)) else code_of(error)
        print(f"arche: AWS did not do it: {reason}. Check rights, region and prefix.", file=sys.stderr)
        return 1
    except Exception as error:  # noqa: BLE001 - the last frame: foreign texts may hold secrets and stay out
        print(f"arche: this is a fault of ours, please report it: {told(error)}", file=sys.stderr)
        return 2
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="arche", description="Commands of the operator.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Any, text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text)
        made.add_argument("--prefix", default="arche", help="prefix of the deployment (default: arche)")
        made.set_defaults(run=run)
        return made

    made = command("doctor", _doctor, "Look at the account, before and after a deploy; exits 1 on a fail.")
    made.add_argument("--second-region", default="", help="region of the copies")
    made = command("app-certificate", _app_certificate, "Make a certificate for an app's key in KMS.")
    made.add_argument("--app", choices=sorted(_KEYS), required=True)
    made.add_argument("--days", type=int, default=365, help="how long it is valid (default: 365)")
    made.add_argument("--out", type=Path, required=True, help="file to write (PEM); upload it to the platform")
    made = command("app-register", _app_register, "Tell the deployment of an app registered with a platform.")
    made.add_argument("--platform", choices=registry.names(), required=True)
    made.add_argument("--app", choices=sorted(_KEYS), required=True)
    made.add_argument("--client-id", required=True)
    proof = made.add_mutually_exclusive_group(required=True)
    proof.add_argument("--certificate", type=Path, help="PEM file that app-certificate wrote")
    proof.add_argument("--secret", action="store_true", help="ask for a client secret (certificates are safer)")
    made = command("partner-create", _partner_create, "Create a partner.")
    made.add_argument("--id", required=True, help="p- and lower-case letters, digits, hyphens")
    made.add_argument("--name", required=True)
    made = command("member-add", _member_add, "Invite a person of a partner; Cognito mails a first password.")
    made.add_argument("--partner", required=True)
    made.add_argument("--mail", required=True)
    made.add_argument("--role", choices=("admin", "technician", "finance", "viewer"), default="admin")
    made.add_argument("--sees-content", action="store_true", help="may look into mails and files")
    made = command("connection-limit", _connection_limit, "Use a higher limit that a platform granted a tenant.")
    made.add_argument("--customer", required=True)
    made.add_argument("--connection", required=True)
    made.add_argument("--budget", default="mailbox", help="whose budget it is, as the platform's room names it")
    made.add_argument("--units", type=int, required=True, help="units in the budget's time; 0 goes back to the usual")
    return parser


def _client(service: str, region: str = "") -> Any:
    made = sessions.session()
    return made.client(service, region_name=region) if region else sessions.client(made, service)


def _found(given: argparse.Namespace) -> deployment.Deployment:
    return deployment.find(given.prefix, _client("cloudformation"))


def _doctor(given: argparse.Namespace) -> int:
    checks = list(doctor_account.CHECKS)
    found: deployment.Deployment | None = None
    notes: list[doctor.Finding] = []
    try:
        found = _found(given)
    except AwsError as error:
        notes.append(doctor.Finding("stack", "unknown", str(error)))
    if found is not None and any(found.states.values()):
        checks += doctor_deployed.CHECKS
    elif found is not None:
        text = f"nothing is deployed under the prefix {given.prefix} yet; only the account was looked at"
        notes.append(doctor.Finding("stack", "info", text))
    patient = doctor.Patient(_client, sessions.region(), given.second_region, found, datetime.now(UTC))
    return doctor.printed(chain(doctor.examine(patient, checks), notes), print)


def _app_certificate(given: argparse.Namespace) -> int:
    if given.out.exists():
        raise Refused(f"{given.out} is there already. Choose another --out.")
    keeper = KmsKeeper(_client("kms"), _found(given).output(_KEYS[given.app]))
    # An hour back: clocks of vendors need not agree with this one.
    begins = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    der = self_signed(keeper, f"Arche {given.app}", begins, given.days)
    given.out.write_text(ssl.DER_cert_to_PEM_cert(der))
    print(f"{given.out}: valid until {begins + timedelta(days=given.days):%Y-%m-%d}")
    print(f"SHA-256 thumbprint {hashlib.sha256(der).hexdigest()}")
    print("Upload the file to the app at the platform, then run arche app-register with it.")
    return 0


def _app_register(given: argparse.Namespace) -> int:
    found = _found(given)
    permissions = registry.platform(given.platform).permissions.values()
    roles = sorted({role for one in permissions for role in getattr(one, given.app)})
    if given.secret:
        _store_secret(found.output("AppsSecretArn"), given.platform, given.app, getpass.getpass("client secret: "))
        made = AppRegistration(given.platform, given.app, given.client_id, "secret", roles=tuple(roles))
    else:
        made = _with_certificate(given, found, tuple(roles))
    found.catalog().apps.put(made)
    print(f"{given.platform} {given.app}: {given.client_id} by {made.kind}. It needs: {', '.join(roles)}.")
    return 0


def _with_certificate(
    given: argparse.Namespace, found: deployment.Deployment, roles: tuple[str, ...]
) -> AppRegistration:
    try:
        pem = given.certificate.read_text()
        loaded = x509.load_pem_x509_certificate(pem.encode())
    except (OSError, ValueError):
        raise Refused(f"{given.certificate} is no certificate in PEM form. Make one with app-certificate.") from None
    public = loaded.public_key().public_bytes(*_SPKI)
    if public != KmsKeeper(_client("kms"), found.output(_KEYS[given.app])).public_key:
        raise Refused(f"{given.certificate} belongs to another key than the {given.app} app's. Make it anew.")
    der = ssl.PEM_cert_to_DER_cert(pem)
    return AppRegistration(
        given.platform,
        given.app,
        given.client_id,
        "certificate",
        certificate=pem,
        thumbprint=hashlib.sha256(der).hexdigest(),
        expires=iso(loaded.not_valid_after_utc),
        roles=roles,
    )


def _store_secret(name: str, platform: str, app: str, secret: str) -> None:
    client = _client("secretsmanager")
    try:
        held = json.loads(client.get_secret_value(SecretId=name)["SecretString"])
    except (ClientError, ValueError):
        # A fresh stack holds a generated text that is no JSON of ours, or no value at all.
        held = {}
    held = held if isinstance(held, dict) else {}
    held.setdefault(platform, {})[app] = secret
    client.put_secret_value(SecretId=name, SecretString=json.dumps(held))


def _partner_create(given: argparse.Namespace) -> int:
    if not given.id.startswith("p-") or not given.id[2:].replace("-", "").isalnum() or given.id != given.id.lower():
        raise Refused("A partner's id is p- and lower-case letters, digits, hyphens, such as p-systemhaus.")
    partner = Partner(given.id, given.name, iso(datetime.now(UTC)))
    if not _found(given).catalog().tenancy.add_partner(partner):
        raise Refused(f"{given.id} is taken. Choose another id.")
    print(f"{given.id} is there. Invite its first member: arche member-add --partner {given.id} --mail …")
    return 0


def _member_add(given: argparse.Namespace) -> int:
    found = _found(given)
    tenancy = found.catalog().tenancy
    if tenancy.partner(given.partner) is None:
        raise Refused(f"{given.partner} is not a partner. Create it with partner-create.")
    sub = create_log_in(_client("cognito-idp"), found.output("UserPoolId"), given.mail)
    try:
        tenancy.put_member(Member(sub, given.partner, given.role, given.sees_content))
    except NotFound:
        raise Refused("This log-in belongs to another partner. Use another address.") from None
    print(f"The log-in is a {given.role} of {given.partner}. Cognito mailed a first password if it is new.")
    return 0


def _connection_limit(given: argparse.Namespace) -> int:
    tenancy = _found(given).catalog().tenancy
    connection = tenancy.connection(given.customer, given.connection)
    if connection is None:
        raise Refused(f"{given.customer} has no connection {given.connection}.")
    local = registry.platform(connection.platform).local
    if given.budget not in local:
        raise Refused(f"{connection.platform} has no budget {given.budget}: {', '.join(sorted(local))}.")
    granted = dict(connection.granted)
    if given.units > 0:
        granted[given.budget] = given.units
    else:
        granted.pop(given.budget, None)
    tenancy.grant(given.customer, given.connection, granted)
    usual = local[given.budget]
    print(
        f"{given.connection}: {granted.get(given.budget, usual.units)} calls in {usual.seconds:.0f} s a {given.budget}."
    )
    return 0
