"""Sign what an authority says, and verify what it is told.

Signing is ours: exclusive canonical form, enveloped signature, SHA-256 with RSA or P-256. Verifying is signxml's, held to one
signature at the top, over the whole document, with a certificate that the authority chose itself. What a verified document
says is read only from the tree that ``verified`` gives back.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from lxml import etree
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureMethod
from signxml.verifier import SignatureConfiguration, XMLVerifier

from tongguan.simulators.messages.markup import local, safe_parser

DS = "http://www.w3.org/2000/09/xmldsig#"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
ENVELOPED = DS + "enveloped-signature"
RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
ECDSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"

_STRICT = SignatureConfiguration(
    location="./",
    expect_references=1,
    signature_methods=frozenset({SignatureMethod.RSA_SHA256, SignatureMethod.ECDSA_SHA256}),
    digest_algorithms=frozenset({DigestAlgorithm.SHA256}),
    default_reference_c14n_method=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
)
_TRANSFORMS = ([ENVELOPED, EXCLUSIVE], [ENVELOPED])

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class Unproven(Exception):
    """The signature does not prove what it should."""


@dataclass(frozen=True)
class Sealer:
    """A key with its certificate, ready to sign."""

    key: Key
    certificate: x509.Certificate
    info: str  #: the KeyInfo element, always the same

    def seal(self, root: etree._Element) -> bytes:
        """Sign an element; the signature becomes its last child. The element itself stays as it was."""
        plain = etree.tostring(root, method="c14n", exclusive=True)
        digest = base64.b64encode(hashlib.sha256(plain).digest()).decode()
        signed = _signed_info(digest, RSA_SHA256 if isinstance(self.key, rsa.RSAPrivateKey) else ECDSA_SHA256)
        value = base64.b64encode(sign(self.key, signed.encode())).decode()
        inner = signed.replace(f' xmlns:ds="{DS}"', "", 1)
        block = f'<ds:Signature xmlns:ds="{DS}">{inner}<ds:SignatureValue>{value}</ds:SignatureValue>{self.info}</ds:Signature>'
        end = plain.rindex(b"</")
        return b'<?xml version="1.0" encoding="UTF-8"?>\n' + plain[:end] + block.encode() + plain[end:]


def _signed_info(digest: str, method: str) -> str:
    return (
        f'<ds:SignedInfo xmlns:ds="{DS}"><ds:CanonicalizationMethod Algorithm="{EXCLUSIVE}"></ds:CanonicalizationMethod>'
        f'<ds:SignatureMethod Algorithm="{method}"></ds:SignatureMethod><ds:Reference URI=""><ds:Transforms>'
        f'<ds:Transform Algorithm="{ENVELOPED}"></ds:Transform><ds:Transform Algorithm="{EXCLUSIVE}"></ds:Transform>'
        f'</ds:Transforms><ds:DigestMethod Algorithm="{SHA256}"></ds:DigestMethod><ds:DigestValue>{digest}</ds:DigestValue>'
        "</ds:Reference></ds:SignedInfo>"
    )


def sign(key: Key, message: bytes) -> bytes:
    """Sign bytes with SHA-256; P-256 signatures come as r and s of 32 bytes each, as XML signatures want them."""
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(message, padding.PKCS1v15(), hashes.SHA256())
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def sealer(key: Key, certificate: x509.Certificate) -> Sealer:
    """Make a sealer of a key in hand and its certificate."""
    encoded = base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode()
    data = f"<ds:X509Data><ds:X509Certificate>{encoded}</ds:X509Certificate></ds:X509Data>"
    return Sealer(key, certificate, f"<ds:KeyInfo>{data}</ds:KeyInfo>")


def load_sealer(key: Path, certificate: Path) -> Sealer:
    """Read key and certificate from PEM files; P-256 and RSA keys only."""
    private = serialization.load_pem_private_key(key.read_bytes(), None)
    if not isinstance(private, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise ValueError(f"{key}: neither RSA nor P-256")  # noqa: TRY004 - wrong content of a file, not a wrong type
    return sealer(private, x509.load_pem_x509_certificate(certificate.read_bytes()))


def shown_certificate(root: etree._Element) -> x509.Certificate | None:
    """Give the first certificate that a document carries in its signature, unproven; nothing when there is none."""
    found = root.find(f"{{{DS}}}Signature/{{{DS}}}KeyInfo/{{{DS}}}X509Data/{{{DS}}}X509Certificate")
    try:
        return None if found is None else x509.load_der_x509_certificate(base64.b64decode(found.text or ""))
    except ValueError:
        return None


def verified(root: etree._Element, certificate: x509.Certificate) -> etree._Element:
    """Verify the document's signature against a pinned certificate and give back what was signed. Raises Unproven."""
    _whole_document_only(root)
    try:
        result = XMLVerifier().verify(root, x509_cert=certificate, expect_config=_STRICT, parser=safe_parser())
    except Exception as error:  # signxml raises its own, lxml's, cryptography's and ValueError for what strangers write
        raise Unproven(str(error) or type(error).__name__) from error
    signed = None if isinstance(result, list) else result.signed_xml
    if signed is None or signed.tag != root.tag:
        raise Unproven("the signature does not cover the whole document")
    return signed


def _whole_document_only(root: etree._Element) -> None:
    signatures = list(root.iter(f"{{{DS}}}Signature"))
    if len(signatures) != 1 or signatures[0].getparent() is not root:
        raise Unproven("exactly one signature is wanted, as a child of the root element")
    references = signatures[0].findall(f"{{{DS}}}SignedInfo/{{{DS}}}Reference")
    if len(references) != 1 or references[0].get("URI") != "":
        raise Unproven('exactly one reference with URI="" is wanted')
    used = [step.get("Algorithm") for step in references[0].iter(f"{{{DS}}}Transform")]
    if used not in _TRANSFORMS:
        raise Unproven(f"transforms not allowed: {used}")
    if local(root) == "Signature":
        raise Unproven("an enveloped signature is wanted")
