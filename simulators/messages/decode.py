"""Open what came: clear or encrypted, an XML document with its signature inside, or a CMS signed message round it.

Nothing that a letter says is proven before ``proven``. The key that opens envelopes is not the one that signs receipts.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs7
from lxml import etree

from tongguan.simulators.messages.cms import SignedMessage, kind_of, read_signed
from tongguan.simulators.messages.markup import NotXml, parse
from tongguan.simulators.messages.signing import DS, Unproven, shown_certificate, verified

_SEQUENCE = b"\x30"  #: how every CMS message begins, and no XML


class Closed(NotXml):
    """An envelope that this authority's key does not open."""


@dataclass(frozen=True)
class Opener:
    """A key that opens envelopes, with the certificate that they are addressed to."""

    key: rsa.RSAPrivateKey
    certificate: x509.Certificate

    def open(self, body: bytes) -> bytes:
        """Decrypt an envelope. Raises Closed."""
        try:
            return pkcs7.pkcs7_decrypt_der(body, self.certificate, self.key, [])
        except (ValueError, UnsupportedAlgorithm) as error:
            raise Closed(str(error) or type(error).__name__) from error


@dataclass(frozen=True)
class Letter:
    """What came, opened; ``root`` is its document, unproven."""

    root: etree._Element
    encrypted: bool = False
    message: SignedMessage | None = None  #: round the document; nothing where the signature is inside of it

    @property
    def signed(self) -> bool:
        """Say whether there is a signature, of either form."""
        return self.message is not None or self.root.find(f"{{{DS}}}Signature") is not None

    @property
    def certificate(self) -> x509.Certificate | None:
        """Give the certificate that the signature carries, unproven; nothing when there is none."""
        return self.message.certificate if self.message else shown_certificate(self.root)

    def proven(self, certificate: x509.Certificate) -> etree._Element:
        """Verify the signature against a pinned certificate and give back what was signed. Raises Unproven."""
        if self.message is None:
            return verified(self.root, certificate)
        root = parse(self.message.proven(certificate))
        if next(root.iter(f"{{{DS}}}Signature"), None) is not None:
            raise Unproven("exactly one signature is wanted, and a CMS message has one already")
        return root


def load_opener(key: Path, certificate: Path) -> Opener:
    """Read key and certificate from PEM files; RSA only."""
    private = serialization.load_pem_private_key(key.read_bytes(), None)
    if not isinstance(private, rsa.RSAPrivateKey):
        raise ValueError(f"{key}: not RSA")  # noqa: TRY004 - wrong content of a file, not a wrong type
    return Opener(private, x509.load_pem_x509_certificate(certificate.read_bytes()))


def open_letter(opener: Opener | None, body: bytes) -> Letter:
    """Open bytes as they came. Raises Unreadable, or Closed where they are an envelope for somebody else."""
    encrypted = body.startswith(_SEQUENCE) and kind_of(body) == "enveloped_data"
    if encrypted:
        if opener is None:
            raise Closed("no key for encryption is set up here")
        body = opener.open(body)
    if not body.startswith(_SEQUENCE):
        return Letter(parse(body), encrypted)
    if (kind := kind_of(body)) != "signed_data":
        raise NotXml(f"{kind} where a signed message or XML is wanted")
    message = read_signed(body)
    return Letter(parse(message.content), encrypted, message)
