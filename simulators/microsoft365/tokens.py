"""Entra's signing key: issues access and id tokens, and checks bearers for Graph."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from simulators.frame.clock import Clock
from simulators.microsoft365.graph import GraphError

GRAPH = "https://graph.microsoft.com"
GRAPH_APP_ID = "00000003-0000-0000-c000-000000000000"
LOGIN = "https://login.microsoftonline.com"
CHALLENGE = (
    'Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", '
    f'client_id="{GRAPH_APP_ID}"'
)
CACHED = 1000


@dataclass(frozen=True)
class Bearer:
    """What a good access token says. ``roles`` as granted when it was issued."""

    tenant: str
    app: str
    roles: frozenset[str]
    expires: float


@functools.cache
def _fresh_key() -> rsa.RSAPrivateKey:
    # One key per process is enough for all its simulations and saves each test a tenth of a second.
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class TokenIssuer:
    """One RSA key per state directory; tokens survive a restart as they do at the vendor."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._clock = clock
        path = folder / "microsoft365-signing-key.pem"
        if path.exists():
            loaded = serialization.load_pem_private_key(path.read_bytes(), None)
            assert isinstance(loaded, rsa.RSAPrivateKey)
            self._key = loaded
        else:
            self._key = _fresh_key()
            path.touch(mode=0o600)
            path.write_bytes(
                self._key.private_bytes(
                    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
                )
            )
        public = self._key.public_key()
        self._public = public
        der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        self.key_id = hashlib.sha256(der).hexdigest()[:27]
        self._good: dict[str, Bearer] = {}

    def jwks(self) -> dict[str, Any]:
        """Return the public key set."""
        return {"keys": [RSAAlgorithm.to_jwk(self._public, as_dict=True) | {"use": "sig", "kid": self.key_id}]}

    def access_token(self, tenant: str, app: str, roles: Iterable[str], seconds: int, unique: str) -> str:
        """Return an app-only token for Graph."""
        claims = {
            "aud": GRAPH,
            "iss": f"https://sts.windows.net/{tenant}/",
            "app_displayname": "",
            "appid": app,
            "appidacr": "2",
            "idp": f"https://sts.windows.net/{tenant}/",
            "idtyp": "app",
            "roles": sorted(roles),
            "tid": tenant,
            "uti": unique,
            "ver": "1.0",
        }
        return self.sign(claims, seconds)

    def sign(self, claims: dict[str, Any], seconds: int) -> str:
        """Return a signed token that begins now and lives for ``seconds``."""
        now = int(self._clock.now())
        times = {"iat": now, "nbf": now, "exp": now + seconds}
        return jwt.encode(claims | times, self._key, algorithm="RS256", headers={"kid": self.key_id})

    def peek(self, authorization: str) -> tuple[str, str]:
        """Tenant and app of a bearer header without any check; empty texts if there are none."""
        good = self._good.get(authorization)
        if good:
            return good.tenant, good.app
        try:
            claims = jwt.decode(authorization.partition(" ")[2], options={"verify_signature": False})
        except jwt.PyJWTError:
            return "", ""
        return str(claims.get("tid", "")), str(claims.get("appid", ""))

    def verify(self, authorization: str) -> Bearer:
        """Return the bearer of an Authorization header. Raises GraphError 401 as Graph does."""
        good = self._good.get(authorization)
        if good is None:
            good = self._decode(authorization)
            if len(self._good) >= CACHED:
                self._good.clear()
            self._good[authorization] = good
        if good.expires <= self._clock.now():
            raise _refused("Lifetime validation failed, the token is expired.")
        return good

    def _decode(self, authorization: str) -> Bearer:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise _refused("Access token is empty.")
        try:
            claims = jwt.decode(
                token,
                self._public,
                algorithms=["RS256"],
                options={"verify_aud": False, "verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
        except jwt.InvalidSignatureError as error:
            raise _refused("Access token validation failure. Invalid signature.") from error
        except jwt.PyJWTError as error:
            raise _refused("CompactToken parsing failed with error code: 80049217") from error
        if claims.get("aud") not in (GRAPH, f"{GRAPH}/", GRAPH_APP_ID):
            raise _refused("Access token validation failure. Invalid audience.")
        return Bearer(claims["tid"], claims["appid"], frozenset(claims.get("roles", ())), float(claims["exp"]))


def _refused(message: str) -> GraphError:
    return GraphError(401, "InvalidAuthenticationToken", message, {"WWW-Authenticate": CHALLENGE})
