"""Files with certificates as people and programs write them, and what is told of those that hold none."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, pkcs7, pkcs12

from tongguan.signer.certificate_file import NoCertificate, certificates_in

pytestmark = pytest.mark.requirement("GW-08")


@pytest.fixture
def certificate(authority):
    return x509.load_pem_x509_certificates(authority.certificates)[0]


def written(certificate):
    pem = certificate.public_bytes(Encoding.PEM)
    inside = b"".join(line for line in pem.splitlines() if b"-----" not in line)
    return {
        "as it is": pem,
        "behind a byte order mark": b"\xef\xbb\xbf" + pem,
        "with Windows' line ends": pem.replace(b"\n", b"\r\n"),
        "behind other text": "主题：C=CN\n".encode("gbk") + pem,
        "between empty lines": b"\n \n" + pem + b"\n\n",
        "saved as UTF-16": pem.decode().encode("utf-16"),
        "DER": certificate.public_bytes(Encoding.DER),
        "without its first and last line": inside,
        "PKCS#7": pkcs7.serialize_certificates([certificate], Encoding.PEM),
        "PKCS#7 in DER": pkcs7.serialize_certificates([certificate], Encoding.DER),
    }


def test_a_certificate_is_read_in_whatever_form_it_comes(certificate):
    for form, raw in written(certificate).items():
        assert certificates_in(raw) == [certificate], form


def test_several_certificates_of_a_file_are_read(certificate):
    pem = certificate.public_bytes(Encoding.PEM)

    assert certificates_in(pem + b"\n# the next one\n" + pem) == [certificate, certificate]


def test_a_file_without_a_certificate_is_told_as_what_it_is(certificate):
    pem = certificate.public_bytes(Encoding.PEM)
    wrong = {
        b"": ("文件是空的", "the file is empty"),
        b"\xef\xbb\xbf \n": ("其中没有证书", "no certificate is in it"),
        b"<html>404</html>": ("其中没有证书", "no certificate is in it"),
        pem[:-60]: ("不完整或已损坏", "cut off or damaged"),
        pem.replace(b"MII", b"AII"): ("不完整或已损坏", "cut off or damaged"),
        b"-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----\n": ("PRIVATE KEY", "PRIVATE KEY, no certificate"),
        b"-----BEGIN CERTIFICATE REQUEST-----\nMC4=\n": ("CERTIFICATE REQUEST", "CERTIFICATE REQUEST, no certificate"),
        pkcs12.serialize_key_and_certificates(None, None, None, [certificate], BestAvailableEncryption(b"x")): (
            "PKCS#12",
            "PKCS#12",
        ),
    }
    for raw, (zh, en) in wrong.items():
        with pytest.raises(NoCertificate) as told:
            certificates_in(raw)
        assert zh in told.value.zh and en in told.value.en
