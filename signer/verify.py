"""Verify incoming XML signatures, strict shape first.

Believes one shape only: a single enveloped signature over the whole document, last child of the root, allow-listed
algorithms, by a certificate that the caller trusts. Promises that the tree given back is exactly what was signed. Never
takes trust, keys or algorithms from the document, never resolves a reference, never repairs.
"""

from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from hmac import compare_digest
from typing import NoReturn

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from tongguan.signer.certificate import PublicKey, algorithm_of, is_signature, signing_key
from tongguan.signer.errors import SignatureInvalid
from tongguan.signer.xml_signature import DS, ENVELOPED, EXCLUSIVE, SHA256, SIGNATURE_METHODS

MOST_BYTES = 64 * 1024 * 1024

_Shape = tuple[tuple[str, dict[str, str] | None], ...]

_SIGNATURE = f"{{{DS}}}Signature"
_X509 = f"{{{DS}}}X509Certificate"
_NOTHING: dict[str, str] = {}
_IN_SIGNATURE: _Shape = (
    (f"{{{DS}}}SignedInfo", _NOTHING),
    (f"{{{DS}}}SignatureValue", _NOTHING),
    (f"{{{DS}}}KeyInfo", _NOTHING),
)
_IN_SIGNED_INFO: _Shape = (
    (f"{{{DS}}}CanonicalizationMethod", {"Algorithm": EXCLUSIVE}),
    (f"{{{DS}}}SignatureMethod", None),
    (f"{{{DS}}}Reference", {"URI": ""}),
)
_IN_REFERENCE: _Shape = (
    (f"{{{DS}}}Transforms", _NOTHING),
    (f"{{{DS}}}DigestMethod", {"Algorithm": SHA256}),
    (f"{{{DS}}}DigestValue", _NOTHING),
)
_IN_TRANSFORMS: _Shape = (
    (f"{{{DS}}}Transform", {"Algorithm": ENVELOPED}),
    (f"{{{DS}}}Transform", {"Algorithm": EXCLUSIVE}),
)
_IN_KEY_INFO: _Shape = ((f"{{{DS}}}X509Data", _NOTHING),)


@dataclass(frozen=True)
class TrustedCertificate:
    """A certificate that the settings trust, parsed once; the whole certificate is pinned, not only its key."""

    certificate: x509.Certificate
    der: bytes = field(init=False)
    key: PublicKey = field(init=False)
    method: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        key = signing_key(self.certificate)
        object.__setattr__(self, "der", self.certificate.public_bytes(Encoding.DER))
        object.__setattr__(self, "key", key)
        object.__setattr__(self, "method", {"Algorithm": SIGNATURE_METHODS[algorithm_of(key)]})
        object.__setattr__(self, "valid_from", self.certificate.not_valid_before_utc)
        object.__setattr__(self, "valid_until", self.certificate.not_valid_after_utc)

    valid_from: datetime = field(init=False)
    valid_until: datetime = field(init=False)


@dataclass(frozen=True)
class Verified:
    """What was signed: the tree without its signature, and who signed it."""

    root: etree._Element
    certificate: TrustedCertificate


def parse_strict(raw: bytes, *, most_bytes: int = MOST_BYTES) -> etree._Element:
    """Parse XML without DTD, entities, network, comments, processing instructions or anything huge.

    Raises SignatureInvalid with code size, xml, doctype or shape.
    """
    if len(raw) > most_bytes:
        _refuse("size", f"{len(raw)} bytes, at most {most_bytes} are read")
    # A parser of lxml serves one thread at a time, and making one costs less than guarding one.
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False)
    try:
        root = etree.fromstring(raw, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise SignatureInvalid("xml", f"not well-formed: {error}") from None
    if root.getroottree().docinfo.internalDTD is not None:
        _refuse("doctype", "a document type declaration is not read")
    odd = next(root.iter(etree.Comment, etree.ProcessingInstruction, etree.Entity), None)
    if odd is not None or root.getprevious() is not None or root.getnext() is not None:
        _refuse("shape", "comments, processing instructions and entities are not read")
    return root


def verify(raw: bytes, trusted: Sequence[TrustedCertificate], at: datetime) -> Verified:
    """Verify a signed document against pinned certificates at a moment; use only what is returned.

    Raises SignatureInvalid: size, xml, doctype, shape, algorithm, certificate, period, digest or signature.
    """
    root = parse_strict(raw)
    signature = _only_signature(root)
    signed_info, value, key_info = _children(signature, _IN_SIGNATURE)
    _, method, reference = _children(signed_info, _IN_SIGNED_INFO)
    transforms, _, digest_value = _children(reference, _IN_REFERENCE)
    _children(transforms, _IN_TRANSFORMS)
    signer = _pinned(key_info, trusted)
    if _attributes(method) != signer.method or len(method):
        _refuse("algorithm", f"signature method {method.get('Algorithm')!r} is not that of the trusted key")
    if not signer.valid_from <= at <= signer.valid_until:
        _refuse("period", f"the certificate is valid from {signer.valid_from} to {signer.valid_until}, not at {at}")
    try:
        signed = etree.tostring(signed_info, method="c14n", exclusive=True, with_comments=False)
        _detach(root, signature)
        content = etree.tostring(root, method="c14n", exclusive=True, with_comments=False)
    except etree.LxmlError as error:
        raise SignatureInvalid("shape", f"no canonical form: {error}") from None
    if not compare_digest(sha256(content).digest(), _bytes(digest_value)):
        _refuse("digest", "the document is not the one that was signed")
    if not is_signature(signer.key, _bytes(value), sha256(signed).digest()):
        _refuse("signature", "the signature is not that of the trusted key")
    return Verified(root, signer)


def _only_signature(root: etree._Element) -> etree._Element:
    found = list(root.iter(_SIGNATURE))
    if not found:
        _refuse("shape", "no signature")
    if len(found) > 1:
        _refuse("shape", f"{len(found)} signatures")
    if len(root) == 0 or root[-1] is not found[0]:
        _refuse("shape", "the signature is not the last child of the root")
    if found[0].attrib:
        _refuse("shape", "Signature has attributes")
    return found[0]


def _children(parent: etree._Element, shape: _Shape) -> list[etree._Element]:
    """Give the children where names, order, attributes and the absence of text between them are exactly as expected."""
    children = list(parent)
    if len(children) != len(shape):
        _refuse("shape", f"{etree.QName(parent).localname} has {len(children)} children, {len(shape)} are expected")
    stray = parent.text
    for child, (name, attributes) in zip(children, shape, strict=True):
        if child.tag != name or (stray and not stray.isspace()):
            _refuse("shape", f"{child.tag} where {name} is expected")
        if attributes is not None and _attributes(child) != attributes:
            _refuse("algorithm" if "Algorithm" in attributes else "shape", f"{name}: {_attributes(child)}")
        if attributes and "Algorithm" in attributes and (len(child) or (child.text and not child.text.isspace())):
            _refuse("algorithm", f"{name} has parameters")
        stray = child.tail
    if stray and not stray.isspace():
        _refuse("shape", f"text behind {children[-1].tag}")
    return children


def _pinned(key_info: etree._Element, trusted: Sequence[TrustedCertificate]) -> TrustedCertificate:
    (x509_data,) = _children(key_info, _IN_KEY_INFO)
    if not len(x509_data) or any(each.tag != _X509 for each in x509_data):
        _refuse("shape", "X509Data must hold certificates and nothing else")
    leaf = _bytes(x509_data[0])
    for each in trusted:
        if each.der == leaf:
            return each
    _refuse("certificate", "signed with a certificate that is not trusted")


def _bytes(element: etree._Element) -> bytes:
    if len(element) or element.attrib:
        _refuse("shape", f"{element.tag} must hold base64 only")
    try:
        return a2b_base64("".join((element.text or "").split()), strict_mode=True)
    except (Base64Error, ValueError):
        _refuse("shape", f"{element.tag} is not base64")


def _attributes(element: etree._Element) -> dict[str, str]:
    return {str(name): str(value) for name, value in element.items()}


def _detach(root: etree._Element, signature: etree._Element) -> None:
    """Take the signature out, leaving the text behind it: what the enveloped transform does."""
    tail = signature.tail
    before = signature.getprevious()
    root.remove(signature)
    if tail and before is not None:
        before.tail = (before.tail or "") + tail
    elif tail:
        root.text = (root.text or "") + tail


def _refuse(code: str, text: str) -> NoReturn:
    raise SignatureInvalid(code, text)
