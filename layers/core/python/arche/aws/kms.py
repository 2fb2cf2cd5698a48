"""Keys that never leave KMS: the wrapper of customer keys, and the signing keys of our apps."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from arche.aws.errors import code_of, translated
from arche.vault import Damaged

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_kms.literals import SigningAlgorithmSpecType

    from arche.providers.certificate import Algorithm

_RAW_LIMIT: Final = 4096
_ALGORITHMS: Final[Mapping[str, SigningAlgorithmSpecType]] = {
    "PS256": "RSASSA_PSS_SHA_256",
    "RS256": "RSASSA_PKCS1_V1_5_SHA_256",
}


class KmsWrapper:
    """Wraps customer keys under one KMS key. Fills ``arche.vault.Wrapper``.

    The context {customer, purpose} is KMS's encryption context: the key policy demands that it names a customer, and
    a run's credentials allow its own customer only. Raises AwsUnavailable, AwsDenied.
    """

    def __init__(self, client: KMSClient, key: str) -> None:
        self._client = client
        self._key = key

    def wrap(self, plain: bytes, context: Mapping[str, str]) -> bytes:
        """Encrypt at most 4 KiB."""
        try:
            answer = self._client.encrypt(KeyId=self._key, Plaintext=plain, EncryptionContext=dict(context))
        except (ClientError, BotoCoreError) as error:
            raise translated(error, "key not wrapped") from None
        return bytes(answer["CiphertextBlob"])

    def unwrap(self, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        """Decrypt. Raises Damaged when bytes or context do not fit.

        The key is named, so that bytes wrapped under another key, put in our bucket by somebody else, do not open.
        """
        try:
            answer = self._client.decrypt(KeyId=self._key, CiphertextBlob=wrapped, EncryptionContext=dict(context))
        except (ClientError, BotoCoreError) as error:
            if code_of(error) in {"InvalidCiphertextException", "IncorrectKeyException"}:
                raise Damaged("wrapped key does not open under this context") from None
            raise translated(error, "key not unwrapped") from None
        return bytes(answer["Plaintext"])


class KmsKeeper:
    """An RSA signing key in KMS. Fills ``providers.certificate.Keeper``. Raises AwsUnavailable, AwsDenied."""

    def __init__(self, client: KMSClient, key: str) -> None:
        self._client = client
        self._key = key

    @cached_property
    def public_key(self) -> bytes:
        """Give the SubjectPublicKeyInfo in DER form."""
        try:
            return bytes(self._client.get_public_key(KeyId=self._key)["PublicKey"])
        except (ClientError, BotoCoreError) as error:
            raise translated(error, "public key not read") from None

    def sign(self, data: bytes, algorithm: Algorithm = "PS256") -> bytes:
        """Sign with PS256 or RS256. Of more than 4 KiB, which KMS does not take, the digest travels instead."""
        small = len(data) <= _RAW_LIMIT
        try:
            answer = self._client.sign(
                KeyId=self._key,
                Message=data if small else hashlib.sha256(data).digest(),
                MessageType="RAW" if small else "DIGEST",
                SigningAlgorithm=_ALGORITHMS[algorithm],
            )
        except (ClientError, BotoCoreError) as error:
            raise translated(error, "not signed") from None
        return bytes(answer["Signature"])


class KmsSigner:
    """A signing key together with its certificate. Fills ``providers.certificate.Signer``."""

    def __init__(self, keeper: KmsKeeper, certificate: bytes) -> None:
        self._keeper = keeper
        self._certificate = certificate

    @property
    def certificate(self) -> bytes:
        """Give the X.509 certificate in DER form."""
        return self._certificate

    def sign(self, data: bytes) -> bytes:
        """Sign with RSASSA-PSS, SHA-256 (PS256)."""
        return self._keeper.sign(data, "PS256")
