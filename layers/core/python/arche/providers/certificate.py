"""A self-signed certificate for a key that never leaves its keeper (KMS): only the keeper signs.

Vendors want the public half of an app's key as a certificate. ``cryptography`` builds it and asks a private key to
sign; ``_Delegate`` is such a key in shape and passes every signature to the keeper.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any, Final, Literal, NoReturn, Protocol, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

Algorithm = Literal["PS256", "RS256"]

_SALT: Final = 32


class Signer(Protocol):
    """A key that can sign and whose certificate the vendor knows. Filled by KMS (arche.aws) and by keys in tests."""

    @property
    def certificate(self) -> bytes:
        """Give the X.509 certificate in DER form."""
        ...

    def sign(self, data: bytes) -> bytes:
        """Sign with RSASSA-PSS, SHA-256, MGF1 with SHA-256, a salt of 32 bytes (PS256)."""
        ...


class Keeper(Protocol):
    """A key that can sign in both paddings and has no certificate yet."""

    @property
    def public_key(self) -> bytes:
        """Give the SubjectPublicKeyInfo in DER form."""
        ...

    def sign(self, data: bytes, algorithm: Algorithm) -> bytes:
        """Sign with PS256 or RS256 (PKCS #1 v1.5 with SHA-256)."""
        ...


def self_signed(keeper: Keeper, name: str, begins: datetime, days: int, algorithm: Algorithm = "RS256") -> bytes:
    """Make a certificate in DER form, valid from ``begins`` for ``days``, and prove its signature before giving it.

    RS256 is what every portal accepts; PS256 is for keepers that can do no other.
    """
    delegate = _Delegate(keeper)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(delegate.public_key())
        .serial_number(secrets.randbits(158) + 1)
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_USAGE, critical=True)
    )
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), _SALT) if algorithm == "PS256" else None
    made = builder.sign(delegate, hashes.SHA256(), rsa_padding=pss)
    made.verify_directly_issued_by(made)
    return made.public_bytes(serialization.Encoding.DER)


_USAGE: Final = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


class _Delegate(rsa.RSAPrivateKey):
    """An RSA private key in shape: signing goes to the keeper, everything else is refused."""

    def __init__(self, keeper: Keeper) -> None:
        loaded = serialization.load_der_public_key(keeper.public_key)
        if not isinstance(loaded, rsa.RSAPublicKey):
            raise TypeError("the key is not an RSA key")
        self._keeper = keeper
        self._public = loaded

    def sign(self, data: Any, padding: Any, algorithm: Any) -> bytes:  # noqa: ARG002 -- always SHA-256 here
        pkcs1 = type(padding).__name__ == "PKCS1v15"
        return self._keeper.sign(bytes(data), "RS256" if pkcs1 else "PS256")

    def public_key(self) -> rsa.RSAPublicKey:
        return self._public

    @property
    def key_size(self) -> int:
        return self._public.key_size

    def decrypt(self, ciphertext: bytes, padding: Any) -> NoReturn:  # noqa: ARG002 -- the shape of a key
        raise TypeError("this key only signs")

    def private_numbers(self) -> NoReturn:
        raise TypeError("this key does not leave its keeper")

    def private_bytes(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("this key does not leave its keeper")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self
