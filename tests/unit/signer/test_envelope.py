"""What is encrypted can be read by the recipient's key and the `openssl` program, and by nobody else."""

import shutil
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs7
from cryptography.x509.oid import NameOID

from tongguan.signer.envelope import RecipientWrong, out_of_time, recipient, sealed_for

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
CONTENT = "<Package><GName>冻牛肉</GName>\n\r\n</Package>".encode()


def usage(*, encipherment):
    names = ("content_commitment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign")
    others = dict.fromkeys((*names, "encipher_only", "decipher_only"), False)
    return x509.KeyUsage(digital_signature=not encipherment, key_encipherment=encipherment, **others)


def certificate(key, *, use=True, start=NOW - timedelta(days=1), end=NOW + timedelta(days=30)):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "测试机关")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(start).not_valid_after(end)
    if use is not None:
        builder = builder.add_extension(usage(encipherment=use), critical=True)
    return builder.sign(key, hashes.SHA256())


def pem(*certificates):
    return b"".join(each.public_bytes(Encoding.PEM) for each in certificates)


@pytest.fixture(scope="module")
def key():
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture
def read_by_openssl(tmp_path):
    """Decrypt with the `openssl` program; None where it cannot."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl is not installed")

    def read(message, key):
        (tmp_path / "message.der").write_bytes(message)
        (tmp_path / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        words = ["cms", "-decrypt", "-inform", "DER", "-binary", "-inkey", "key.pem"]
        command = [program, *words, "-in", "message.der", "-out", "content"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
        return (tmp_path / "content").read_bytes() if done.returncode == 0 else None

    return read


def test_the_openssl_program_reads_what_was_encrypted_byte_by_byte(key, read_by_openssl):
    message = sealed_for(recipient(pem(certificate(key))), CONTENT)

    assert read_by_openssl(message, key) == CONTENT
    assert b"Package" not in message


def test_another_key_does_not_read_it(key, read_by_openssl):
    message = sealed_for(certificate(key), CONTENT)

    assert read_by_openssl(message, rsa.generate_private_key(65537, 2048)) != CONTENT


def test_the_content_is_under_aes_256(key):
    message = sealed_for(certificate(key), CONTENT)

    assert bytes.fromhex("060960864801650304012a") in message  # the identifier of aes256-CBC


def test_the_same_content_is_never_the_same_message_twice(key):
    to = certificate(key)
    first, second = sealed_for(to, CONTENT), sealed_for(to, CONTENT)

    assert first != second
    assert {pkcs7.pkcs7_decrypt_der(each, to, key, []) for each in (first, second)} == {CONTENT}


def test_a_certificate_that_says_nothing_of_its_use_is_taken(key):
    assert recipient(pem(certificate(key, use=None))).public_key() == key.public_key()


def test_a_certificate_that_cannot_serve_is_refused_with_what_to_do(key):
    good = certificate(key)
    wrong = {
        "no certificate can be read": b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "holds 2 certificates": pem(good, good),
        "not RSA": pem(certificate(ec.generate_private_key(ec.SECP256R1()))),
        "shorter than 2048": pem(certificate(rsa.generate_private_key(65537, 1024))),
        "no keyEncipherment": pem(certificate(key, use=False)),
    }
    for why, given in wrong.items():
        with pytest.raises(RecipientWrong, match=why) as told:
            recipient(given)
        assert told.value.zh != told.value.en


def test_one_out_of_its_time_is_told_with_the_clock_and_what_to_do(key):
    begins, ended = certificate(key, start=NOW + timedelta(days=1)), certificate(key, end=NOW - timedelta(hours=1))

    assert out_of_time(certificate(key), NOW) is None
    for each in (begins, ended):
        zh, en = out_of_time(each, NOW)
        assert "clock says 2026-11-20; put one there that is valid now" in en and "2026-11-20" in zh != en
