"""How an app proves at the token endpoint who it is: by secret, or by an assertion signed with its key."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256

from simulators.frame.calls import Call
from simulators.frame.platform import Simulation
from simulators.microsoft365.apps import App, Apps

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SKEW = 300
SCHEMA = "CREATE TABLE IF NOT EXISTS assertion (app TEXT, jti TEXT, expires REAL, PRIMARY KEY (app, jti))"


class LoginError(Exception):
    """A refusal of the login host. ``error`` is the OAuth word, ``number`` the AADSTS code."""

    def __init__(self, status: int, error: str, number: int, note: str) -> None:
        super().__init__(f"AADSTS{number}")
        self.status = status
        self.error = error
        self.number = number
        self.note = f"AADSTS{number}: {note}"


def refused(number: int, note: str) -> LoginError:
    """401 ``invalid_client``."""
    return LoginError(401, "invalid_client", number, note)


class Credentials:
    """Checks client authentication for one login host."""

    def __init__(self, simulation: Simulation, apps: Apps) -> None:
        self._simulation = simulation
        self._apps = apps
        self._database = simulation.state.database("microsoft365")
        self._database.execute(SCHEMA)

    def check(self, app: App, form: Mapping[str, str], audiences: set[str], log: Call) -> None:
        """Raise LoginError unless the form proves that it comes from ``app``.

        ``audiences``: the URLs of the token endpoint that this call may name as ``aud``.
        """
        if "client_assertion" in form:
            if form.get("client_assertion_type") != ASSERTION_TYPE:
                raise LoginError(
                    400,
                    "invalid_request",
                    900144,
                    "The request body must contain the following parameter: 'client_assertion_type'.",
                )
            self._check_assertion(app, form["client_assertion"], audiences, log)
        elif form.get("client_secret"):
            self._check_secret(app, form["client_secret"], log)
        else:
            raise refused(
                7000218, "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."
            )

    def _check_secret(self, app: App, secret: str, log: Call) -> None:
        expires = self._apps.secret_expiry(app.id, secret)
        if expires is None:
            raise refused(
                7000215,
                f"Invalid client secret provided for app '{app.id}'.",
            )
        if expires <= self._simulation.clock.now() or self._simulation.faults.strike("secret_expired", log):
            raise refused(7000222, f"The provided client secret keys for app '{app.id}' are expired.")

    def _check_assertion(self, app: App, assertion: str, audiences: set[str], log: Call) -> None:
        try:
            header = jwt.get_unverified_header(assertion)
        except jwt.PyJWTError as error:
            raise refused(50027, "JWT token is invalid or malformed.") from error
        certificate = self._certificate(app, header)
        key = certificate.public_key()
        if header.get("alg") not in ("RS256", "PS256") or not isinstance(key, rsa.RSAPublicKey):
            raise refused(
                700027,
                f"Client assertion failed signature validation. [Reason - no such algorithm: {header.get('alg')}.]",
            )
        try:
            # Times are checked below, by the simulators' clock.
            claims = jwt.decode(
                assertion,
                key,
                algorithms=[header["alg"]],
                options={"verify_aud": False, "verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
        except jwt.PyJWTError as error:
            raise refused(
                700027, "Client assertion failed signature validation. [Reason - The signature is invalid.]"
            ) from error
        now = self._simulation.clock.now()
        begins, ends = certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()
        if not begins <= now < ends or self._simulation.faults.strike("certificate_expired", log):
            raise refused(700027, "Client assertion failed signature validation. [Reason - The key used is expired.]")
        self._check_claims(app, claims, audiences, now)

    def _check_claims(self, app: App, claims: dict[str, Any], audiences: set[str], now: float) -> None:
        if claims.get("iss") != app.id or claims.get("sub") != app.id:
            raise refused(700021, "Client assertion application identifier doesn't match 'client_id' parameter.")
        if claims.get("aud") not in audiences:
            raise refused(700023, "Client assertion audience claim does not match Realm issuer.")
        expires, begins = claims.get("exp"), claims.get("nbf", 0)
        if not isinstance(expires, int | float) or not isinstance(begins, int | float):
            raise refused(50027, "JWT token is invalid or malformed.")
        if not begins - SKEW <= now < expires + SKEW:
            raise refused(700024, "Client assertion is not within its valid time range.")
        jti = claims.get("jti")
        if not jti:
            raise refused(50027, "JWT token is invalid or malformed.")
        self._database.execute("DELETE FROM assertion WHERE expires < ?", (now,))
        spent = self._database.execute(
            "INSERT OR IGNORE INTO assertion VALUES (?, ?, ?)", (app.id, str(jti), float(expires) + SKEW)
        )
        if spent.rowcount == 0:
            raise refused(
                700027, "Client assertion failed signature validation. [Reason - The assertion was already used.]"
            )

    def _certificate(self, app: App, header: Mapping[str, Any]) -> x509.Certificate:
        """Return the uploaded certificate that the header names; every way of naming it that is present must agree."""
        if not {"x5t", "x5t#S256", "x5c"} & set(header):
            raise refused(700027, "Client assertion failed signature validation. [Reason - The key was not found.]")
        for certificate in self._apps.certificates(app.id):
            names = _names(certificate)
            # msal leaves the padding of base64 in place.
            if all(str(header[name]).rstrip("=") == value for name, value in names.items() if name in header):
                chain = header.get("x5c")
                if chain is None or (isinstance(chain, list) and chain and _loads(chain[0]) == certificate):
                    return certificate
        raise refused(700027, "Client assertion failed signature validation. [Reason - The key was not found.]")


def _names(certificate: x509.Certificate) -> dict[str, str]:
    return {
        "x5t": _base64(certificate.fingerprint(SHA1())),  # noqa: S303 - the header is defined with SHA-1
        "x5t#S256": _base64(certificate.fingerprint(SHA256())),
    }


def _base64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def _loads(text: str) -> x509.Certificate | None:
    try:
        return x509.load_der_x509_certificate(base64.b64decode(text))
    except ValueError:
        return None
