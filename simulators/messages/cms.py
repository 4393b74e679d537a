"""Read CMS signed messages (PKCS#7) from strangers, and prove them; asn1crypto reads the structure, cryptography verifies.

One shape only is believed: one signer, SHA-256, the content inside, signed attributes that name its kind and digest.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

# tsp adds names of attributes that a PDF's signature needs; once a CMS message was read, the list of names is closed.
from asn1crypto import cms, tsp  # noqa: F401
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from tongguan.simulators.messages.markup import NotXml
from tongguan.simulators.messages.signing import Unproven

_RSA = ("rsassa_pkcs1v15", "sha256_rsa")
_ECDSA = ("sha256_ecdsa",)


@dataclass(frozen=True)
class SignedMessage:
    """A message as it came; ``content`` is what it says, unproven."""

    content: bytes
    digest_algorithm: str
    signature_algorithm: str
    issuer: bytes
    serial: int
    attributes: dict[str, list[object]]
    digested: bytes  #: the attributes as they were signed
    signature: bytes
    certificates: tuple[x509.Certificate, ...]

    @property
    def certificate(self) -> x509.Certificate | None:
        """Give the certificate that the signer says to be his, if the message carries it."""
        return next((one for one in self.certificates if self._names(one)), None)

    def proven(self, certificate: x509.Certificate) -> bytes:
        """Verify the signature against a pinned certificate and give what was signed. Raises Unproven."""
        if not self._names(certificate):
            raise Unproven("signed by another certificate")
        if self.digest_algorithm != "sha256":
            raise Unproven(f"digest not allowed: {self.digest_algorithm}")
        if self.attributes.get("content_type") != ["data"]:
            raise Unproven("the signed attributes do not name the kind of the content")
        digests = self.attributes.get("message_digest", [])
        if len(digests) != 1 or not isinstance(digests[0], bytes):
            raise Unproven("the signed attributes do not hold one digest")
        if not hmac.compare_digest(digests[0], hashlib.sha256(self.content).digest()):
            raise Unproven("the content is not the one that was signed")
        self._verify(certificate)
        return self.content

    def _names(self, certificate: x509.Certificate) -> bool:
        return (self.issuer, self.serial) == (certificate.issuer.public_bytes(), certificate.serial_number)

    def _verify(self, certificate: x509.Certificate) -> None:
        key = certificate.public_key()
        try:
            if isinstance(key, rsa.RSAPublicKey) and self.signature_algorithm in _RSA:
                key.verify(self.signature, self.digested, padding.PKCS1v15(), hashes.SHA256())
            elif isinstance(key, ec.EllipticCurvePublicKey) and self.signature_algorithm in _ECDSA:
                key.verify(self.signature, self.digested, ec.ECDSA(hashes.SHA256()))
            else:
                raise Unproven(f"signature algorithm not allowed: {self.signature_algorithm}")
        except InvalidSignature:
            raise Unproven("the signature is not that of the certificate's key") from None


def kind_of(body: bytes) -> str:
    """Name the kind of a CMS message, ``signed_data`` or ``enveloped_data``. Raises Unreadable for what is none."""
    try:
        return str(cms.ContentInfo.load(body, strict=True)["content_type"].native)
    except (ValueError, TypeError, KeyError) as error:
        raise NotXml(f"no CMS message: {error}") from error


def read_signed(body: bytes) -> SignedMessage:
    """Read a signed message. Raises Unreadable unless it has one signer and its content inside."""
    try:
        return _read(cms.ContentInfo.load(body, strict=True)["content"])
    except NotXml:
        raise
    except Exception as error:  # asn1crypto reads late, and raises whatever strange bytes lead it to
        raise NotXml(f"no CMS signed message: {error}"[:300]) from error


def _read(signed: cms.SignedData) -> SignedMessage:
    signers, inside = signed["signer_infos"], signed["encap_content_info"]
    if len(signers) != 1:
        raise NotXml(f"{len(signers)} signers; exactly one is wanted")
    signer = signers[0]
    if inside["content_type"].native != "data" or inside["content"].native is None:
        raise NotXml("the content is not inside the message")
    if signer["sid"].name != "issuer_and_serial_number" or not len(signer["signed_attrs"]):
        raise NotXml("the signer is not named by issuer and serial number, or signs no attributes")
    attributes: dict[str, list[object]] = {}
    for one in signer["signed_attrs"]:
        attributes.setdefault(one["type"].native, []).extend(value.native for value in one["values"])
    named = signer["sid"].chosen
    return SignedMessage(
        content=inside["content"].native,
        digest_algorithm=signer["digest_algorithm"]["algorithm"].native,
        signature_algorithm=signer["signature_algorithm"]["algorithm"].native,
        issuer=named["issuer"].dump(),
        serial=named["serial_number"].native,
        attributes=attributes,
        digested=b"\x31" + signer["signed_attrs"].dump()[1:],  # a SET, not the tag that it has inside (RFC 5652, 5.4)
        signature=signer["signature"].native,
        certificates=tuple(_certificates(signed)),
    )


def _certificates(signed: cms.SignedData) -> list[x509.Certificate]:
    shown = signed["certificates"]
    listed = [] if shown.native is None else [one.chosen.dump() for one in shown if one.name == "certificate"]
    return [x509.load_der_x509_certificate(der) for der in listed]
