"""A certificate for a key that only its keeper can use."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from arche.providers.certificate import self_signed

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


class Keeper:
    """As KMS does: signs, and shows the public half alone."""

    def __init__(self, key=None, signing_key=None) -> None:
        self._key = key or rsa.generate_private_key(65537, 2048)
        self._signing = signing_key or self._key
        self.asked: list[str] = []

    @property
    def public_key(self) -> bytes:
        return self._key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def sign(self, data: bytes, algorithm: str) -> bytes:
        self.asked.append(algorithm)
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
        return self._signing.sign(data, pss if algorithm == "PS256" else padding.PKCS1v15(), hashes.SHA256())


@pytest.mark.parametrize("algorithm", ["RS256", "PS256"])
def test_the_keeper_signs_and_others_can_verify(tmp_path, algorithm: str) -> None:
    keeper = Keeper()
    der = self_signed(keeper, "Arche backup", BEGIN, 365, algorithm)
    assert keeper.asked == [algorithm]
    made = x509.load_der_x509_certificate(der)
    assert made.subject == made.issuer
    assert (made.not_valid_after_utc - made.not_valid_before_utc).days == 365
    made.verify_directly_issued_by(made)
    if shutil.which("openssl"):
        path = tmp_path / "c.pem"
        path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        checked = subprocess.run(
            ["openssl", "verify", "-check_ss_sig", "-no_check_time", "-CAfile", str(path), str(path)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert checked.returncode == 0, checked.stderr


def test_a_keeper_that_signs_with_another_key_is_caught() -> None:
    with pytest.raises(InvalidSignature):
        self_signed(Keeper(signing_key=rsa.generate_private_key(65537, 2048)), "x", BEGIN, 1)


def test_only_rsa_keys_are_taken() -> None:
    with pytest.raises(TypeError):
        self_signed(Keeper(ec.generate_private_key(ec.SECP256R1())), "x", BEGIN, 1)
