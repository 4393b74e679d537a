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

from tongguan.gateway.system import safe_xml
from tongguan.signer.certificate import PublicKey, algorithm_of, is_signature, signing_key
from tongguan.signer.errors import SignatureInvalid
from tongguan.signer.xml_signature import DS, ENVELOPED, EXCLUSIVE, SHA256, SIGNATURE_METHODS

MOST_BYTES = 64 * 1024 * 1024
_MOST_SAID = 300  #: characters of a reason: it may quote what a stranger wrote

_Shape = tuple[tuple[str, dict[str, str] | None], ...]

_SIGNATURE = f"{{{DS}}}Signature"
_X509 = f"{{{DS}}}X509Certificate"
#: what `parse_strict` says of bytes that are not read; of any other reason: size
_NOT_READ = {"encoding": "xml", "bytes": "xml", "form": "xml", "doctype": "doctype"}
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
    """Parse XML without DTD, entities, network, comments, processing instructions or anything huge, in UTF-8, UTF-16 or GB18030.

    Raises SignatureInvalid with code size, xml, doctype or shape.
    """
    if len(raw) > most_bytes:
        _refuse("size", f"{len(raw)} 字节，最多读 {most_bytes}", f"{len(raw)} bytes, at most {most_bytes} are read")
    # A parser of lxml serves one thread at a time, and making one costs less than guarding one.
    try:
        root = safe_xml.parse(raw, safe_xml.new_parser())
    except safe_xml.NotRead as wrong:
        raise SignatureInvalid(_NOT_READ.get(wrong.code, "size"), wrong.zh, wrong.en) from None
    odd = next(root.iter(etree.Comment, etree.ProcessingInstruction, etree.Entity), None)
    if odd is not None or root.getprevious() is not None or root.getnext() is not None:
        _refuse("shape", "不读注释、处理指令和实体", "comments, processing instructions and entities are not read")
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
        named = repr(method.get("Algorithm"))
        _refuse("algorithm", f"签名算法 {named} 不是受信任密钥的", f"signature method {named} is not that of the trusted key")
    if not signer.valid_from <= at <= signer.valid_until:
        since, until, now = (moment.isoformat(timespec="seconds") for moment in (signer.valid_from, signer.valid_until, at))
        en = f"the certificate is valid from {since} to {until}, not at {now}"
        _refuse("period", f"证书有效期 {since} 至 {until}，不含 {now}", en)
    try:
        signed = etree.tostring(signed_info, method="c14n", exclusive=True, with_comments=False)
        _detach(root, signature)
        content = etree.tostring(root, method="c14n", exclusive=True, with_comments=False)
    except etree.LxmlError as error:
        raise SignatureInvalid("shape", f"没有规范形式：{error}", f"no canonical form: {error}") from None
    if not compare_digest(sha256(content).digest(), _bytes(digest_value)):
        _refuse("digest", "内容与所签的不一致", "the document is not the one that was signed")
    if not is_signature(signer.key, _bytes(value), sha256(signed).digest()):
        _refuse("signature", "签名不是受信任密钥的", "the signature is not that of the trusted key")
    return Verified(root, signer)


def _only_signature(root: etree._Element) -> etree._Element:
    found = list(root.iter(_SIGNATURE))
    if not found:
        _refuse("shape", "没有签名", "no signature")
    if len(found) > 1:
        _refuse("shape", f"有 {len(found)} 个签名", f"{len(found)} signatures")
    if len(root) == 0 or root[-1] is not found[0]:
        _refuse("shape", "签名不是根元素的最后一个子元素", "the signature is not the last child of the root")
    if found[0].attrib:
        _refuse("shape", "Signature 带有属性", "Signature has attributes")
    return found[0]


def _children(parent: etree._Element, shape: _Shape) -> list[etree._Element]:
    """Give the children where names, order, attributes and the absence of text between them are exactly as expected."""
    children = list(parent)
    if len(children) != len(shape):
        name, (has, wanted) = etree.QName(parent).localname, (len(children), len(shape))
        _refuse("shape", f"{name} 有 {has} 个子元素，应为 {wanted} 个", f"{name} has {has} children, {wanted} are expected")
    stray = parent.text
    for child, (name, attributes) in zip(children, shape, strict=True):
        if child.tag != name or (stray and not stray.isspace()):
            _refuse("shape", f"应为 {name} 的地方是 {child.tag}", f"{child.tag} where {name} is expected")
        if attributes is not None and _attributes(child) != attributes:
            said = f"{name}: {_attributes(child)}"
            _refuse("algorithm" if "Algorithm" in attributes else "shape", said, said)
        if attributes and "Algorithm" in attributes and (len(child) or (child.text and not child.text.isspace())):
            _refuse("algorithm", f"{name} 带有参数", f"{name} has parameters")
        stray = child.tail
    if stray and not stray.isspace():
        _refuse("shape", f"{children[-1].tag} 之后有文字", f"text behind {children[-1].tag}")
    return children


def _pinned(key_info: etree._Element, trusted: Sequence[TrustedCertificate]) -> TrustedCertificate:
    (x509_data,) = _children(key_info, _IN_KEY_INFO)
    if not len(x509_data) or any(each.tag != _X509 for each in x509_data):
        _refuse("shape", "X509Data 只能有证书", "X509Data must hold certificates and nothing else")
    leaf = _bytes(x509_data[0])
    for each in trusted:
        if each.der == leaf:
            return each
    _refuse("certificate", "签名所用的证书不受信任", "signed with a certificate that is not trusted")


def _bytes(element: etree._Element) -> bytes:
    if len(element) or element.attrib:
        _refuse("shape", f"{element.tag} 只能有 base64", f"{element.tag} must hold base64 only")
    try:
        return a2b_base64("".join((element.text or "").split()), strict_mode=True)
    except (Base64Error, ValueError):
        _refuse("shape", f"{element.tag} 不是 base64", f"{element.tag} is not base64")


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


def _refuse(code: str, zh: str, en: str) -> NoReturn:
    raise SignatureInvalid(code, zh[:_MOST_SAID], en[:_MOST_SAID])
