"""KMS: keys open under their own context alone, and signatures are what vendors verify."""

from __future__ import annotations

import hashlib

import pytest
from botocore.exceptions import ClientError
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

from arche.aws.errors import AwsDenied, AwsUnavailable
from arche.aws.kms import KmsKeeper, KmsSigner, KmsWrapper
from arche.vault import Damaged, KeyRing, MemoryStore
from tests.aws.conftest import aws_client

CONTEXT = {"customer": "K-000001", "purpose": "vault"}


@pytest.fixture
def client(aws):
    return aws_client("kms")


@pytest.fixture
def wrapper(client):
    return KmsWrapper(client, client.create_key()["KeyMetadata"]["KeyId"])


def test_a_wrapped_key_opens_under_its_own_context_alone(wrapper):
    wrapped = wrapper.wrap(b"k" * 32, CONTEXT)
    assert wrapper.unwrap(wrapped, CONTEXT) == b"k" * 32
    for other in ({**CONTEXT, "customer": "K-000002"}, {"customer": "K-000001"}, {}):
        with pytest.raises(Damaged):
            wrapper.unwrap(wrapped, other)
    with pytest.raises(Damaged):
        wrapper.unwrap(wrapped[:-1] + bytes((wrapped[-1] ^ 1,)), CONTEXT)


def test_another_keys_bytes_do_not_open(client, wrapper):
    other = KmsWrapper(client, client.create_key()["KeyMetadata"]["KeyId"])
    with pytest.raises((Damaged, AwsDenied)):
        wrapper.unwrap(other.wrap(b"k", CONTEXT), CONTEXT)


def test_a_key_ring_stands_on_it(wrapper):
    store = MemoryStore()
    KeyRing.open(store, wrapper, "K-000001", create=True).account("A-0001", create=True)
    again = KeyRing.open(store, wrapper, "K-000001").account("A-0001")
    assert again.generation == 1


def test_refusals_are_sorted(client):
    class Refusing:
        def __init__(self, code):
            self.code = code

        def _refuse(self, **_):
            raise ClientError({"Error": {"Code": self.code, "Message": "geheim"}}, "Decrypt")

        encrypt = decrypt = sign = get_public_key = _refuse

    for code, expected in (("AccessDeniedException", AwsDenied), ("ThrottlingException", AwsUnavailable)):
        for call in (
            lambda fake: KmsWrapper(fake, "k").wrap(b"x", CONTEXT),
            lambda fake: KmsWrapper(fake, "k").unwrap(b"x", CONTEXT),
            lambda fake: KmsKeeper(fake, "k").sign(b"x"),
            lambda fake: KmsKeeper(fake, "k").public_key,
        ):
            with pytest.raises(expected) as caught:
                call(Refusing(code))
            assert "geheim" not in str(caught.value)


def test_signatures_verify(client):
    key = client.create_key(KeyUsage="SIGN_VERIFY", KeySpec="RSA_3072")["KeyMetadata"]["KeyId"]
    keeper = KmsKeeper(client, key)
    public = serialization.load_der_public_key(keeper.public_key)
    assert public.key_size == 3072
    data = b"x" * 4096
    signer = KmsSigner(keeper, b"der")
    assert signer.certificate == b"der"
    # moto salts with the most that fits; KMS with 32 bytes.
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.AUTO)
    public.verify(signer.sign(data), data, pss, hashes.SHA256())
    public.verify(keeper.sign(data, "RS256"), data, padding.PKCS1v15(), hashes.SHA256())
    with pytest.raises(InvalidSignature):
        public.verify(signer.sign(data), data + b"y", pss, hashes.SHA256())


def test_of_large_data_the_digest_travels():
    class Asked(dict):
        def sign(self, **asked):
            self.update(asked)
            return {"Signature": b"s"}

    asked = Asked()
    assert KmsKeeper(asked, "key").sign(b"x" * 4097, "RS256") == b"s"
    assert asked == {
        "KeyId": "key",
        "Message": hashlib.sha256(b"x" * 4097).digest(),
        "MessageType": "DIGEST",
        "SigningAlgorithm": "RSASSA_PKCS1_V1_5_SHA_256",
    }
