"""Certificates as files bring them: PEM, DER or PKCS#7, whatever an editor or another program made of them.

Promises: a file in which there is no certificate is told as what it is, in Chinese and English; nothing of a private key is read or told.
"""

import re
from base64 import b64decode

from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs7, pkcs12

from tongguan.gateway.model.errors import TongguanError

_BEGINS = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----")
_MARKS = ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))  #: of byte order


class NoCertificate(TongguanError, ValueError):
    """A file holds no certificate that can be read: what it holds instead."""


def certificates_in(raw: bytes) -> list[x509.Certificate]:
    """Read every certificate of a file, at least one, in its order; raises NoCertificate."""
    raw = _plain(raw)
    if not raw.strip():
        raise NoCertificate("文件是空的", "the file is empty")
    kinds = [kind.decode() for kind in _BEGINS.findall(raw)]
    try:
        if any(kind in ("CERTIFICATE", "X509 CERTIFICATE") for kind in kinds):
            return x509.load_pem_x509_certificates(raw)
        if "PKCS7" in kinds or "CMS" in kinds:
            return _some(pkcs7.load_pem_pkcs7_certificates(raw.replace(b" CMS-----", b" PKCS7-----")))
    except ValueError:
        raise NoCertificate("其中的证书不完整或已损坏", "the certificate in it is cut off or damaged") from None
    if kinds:
        raise NoCertificate(f"其中是 {kinds[0]}，不是证书", f"it holds a {kinds[0]}, no certificate")
    return _of_der(raw)


def _plain(raw: bytes) -> bytes:
    """What Notepad saved as UTF-16, in ASCII."""
    encoding = next((encoding for mark, encoding in _MARKS if raw.startswith(mark)), None)
    return raw if encoding is None else raw[2:].decode(encoding, "replace").encode("ascii", "replace")


def _some(found: list[x509.Certificate]) -> list[x509.Certificate]:
    if not found:
        raise NoCertificate("其中没有证书", "no certificate is in it")
    return found


def _of_der(raw: bytes) -> list[x509.Certificate]:
    """From DER, be it written in Base64 without its first and last line."""
    der = raw if raw.startswith(b"\x30") else _base64(raw)
    try:
        return [x509.load_der_x509_certificate(der)]
    except ValueError:
        pass
    try:
        return _some(pkcs7.load_der_pkcs7_certificates(der))
    except NoCertificate:
        raise
    except ValueError:
        pass
    if _is_pkcs12(der):
        raise NoCertificate(
            "是 PKCS#12（.p12、.pfx），其中有密钥：请只导出证书（PEM、DER 或 PKCS#7）",
            "it is PKCS#12 (.p12, .pfx), in which keys are kept: export the certificate alone (PEM, DER or PKCS#7)",
        )
    raise NoCertificate("其中没有证书（PEM、DER 或 PKCS#7）", "no certificate is in it (PEM, DER or PKCS#7)")


def _base64(raw: bytes) -> bytes:
    try:
        return b64decode(b"".join(raw.split()), validate=True)
    except ValueError:
        return b""


def _is_pkcs12(der: bytes) -> bool:
    try:
        pkcs12.load_pkcs12(der, None)
    except ValueError as wrong:
        return "password" in str(wrong).lower()
    return True
