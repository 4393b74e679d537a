"""Encrypt what only an authority may read: CMS EnvelopedData (RFC 5652), AES-256 under the RSA key of its certificate.

Promises nothing of who wrote the content: that is said by the signature inside. Never decrypts; the gateway has no such key.
"""

from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from tongguan.gateway.model.errors import TongguanError
from tongguan.signer.certificate_file import NoCertificate, certificates_in

_LEAST_BITS = 2048


class RecipientWrong(TongguanError):
    """Nothing can be encrypted to this certificate; the text says why and what would be right."""


def recipient(pem: bytes) -> x509.Certificate:
    """Read the certificate of one who shall be able to read; RecipientWrong when it can never serve."""
    try:
        found = certificates_in(pem)
    except NoCertificate as wrong:
        raise RecipientWrong(
            f"读不出证书（{wrong.zh}）；请放入主管部门的证书",
            f"no certificate can be read from it ({wrong.en}); put the authority's certificate there",
        ) from None
    if len(found) != 1:
        raise RecipientWrong(
            f"其中有 {len(found)} 张证书，应恰为一张", f"it holds {len(found)} certificates; exactly one is wanted"
        )
    certificate = found[0]
    key = _key(certificate)
    if not isinstance(key, rsa.RSAPublicKey):
        raise RecipientWrong(
            "其密钥不是 RSA；请向主管部门索取 RSA 加密证书",
            "its key is not RSA; ask the authority for an RSA encryption certificate",
        )
    if key.key_size < _LEAST_BITS:
        raise RecipientWrong(
            f"其密钥短于 {_LEAST_BITS} 位；请向主管部门索取新证书",
            f"its key is shorter than {_LEAST_BITS} bits; ask the authority for a new certificate",
        )
    if not _may_encrypt(certificate):
        raise RecipientWrong(
            "它不是加密证书（没有 keyEncipherment）；请向主管部门索取加密证书",
            "it is not for encryption (no keyEncipherment); ask the authority for its encryption certificate",
        )
    return certificate


def out_of_time(certificate: x509.Certificate, at: datetime) -> tuple[str, str] | None:
    """Why nothing may be encrypted to it at that moment, in Chinese and English, with what to do; None when it may."""
    if certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        return None
    since, until = f"{certificate.not_valid_before_utc:%Y-%m-%d}", f"{certificate.not_valid_after_utc:%Y-%m-%d}"
    return (
        f"有效期为 {since} 至 {until}，本机时钟为 {at:%Y-%m-%d}；请放入现在有效的证书，时钟不对则先校准（timedatectl）",
        f"valid from {since} to {until}, and this machine's clock says {at:%Y-%m-%d}; put one there that is valid now, "
        + "or set the clock where that is wrong (timedatectl)",
    )


def sealed_for(certificate: x509.Certificate, content: bytes) -> bytes:
    """Encrypt bytes to a recipient's certificate; each call gives other bytes (DER), for the key is a new one."""
    builder = pkcs7.PKCS7EnvelopeBuilder().set_data(content).add_recipient(certificate)
    builder = builder.set_content_encryption_algorithm(AES256)
    return builder.encrypt(Encoding.DER, [pkcs7.PKCS7Options.Binary])


def _key(certificate: x509.Certificate) -> object:
    try:
        return certificate.public_key()
    except (UnsupportedAlgorithm, ValueError):
        return None


def _may_encrypt(certificate: x509.Certificate) -> bool:
    """A certificate that says nothing of its use may be used for everything (RFC 5280, 4.2.1.3)."""
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_encipherment
    except x509.ExtensionNotFound:
        return True
