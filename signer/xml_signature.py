"""Write enveloped XML signatures: exclusive C14N, SHA-256, the certificate chain in KeyInfo, last child of the root.

In two halves, so that a card signs the digests of many documents in one call. The bytes given out are canonical except for
the signature itself; nothing may be re-formatted afterwards.
"""

from binascii import b2a_base64
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

from lxml import etree

from tongguan.signer.certificate import Algorithm

DS = "http://www.w3.org/2000/09/xmldsig#"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
ENVELOPED = DS + "enveloped-signature"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
SIGNATURE_METHODS: dict[Algorithm, str] = {
    "rsa-sha256": "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
    "ecdsa-sha256": "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
}

# SignedInfo is written in the form that exclusive C14N gives it. As the apex of its own node set it carries the namespace
# declaration, inside the Signature it does not: that is the only difference between the signed and the stored bytes.
_APEX = f'<ds:SignedInfo xmlns:ds="{DS}">'.encode()
_INSIDE = f'<ds:Signature xmlns:ds="{DS}"><ds:SignedInfo>'.encode()
_METHODS = {
    algorithm: (
        f'<ds:CanonicalizationMethod Algorithm="{EXCLUSIVE}"></ds:CanonicalizationMethod>'
        f'<ds:SignatureMethod Algorithm="{uri}"></ds:SignatureMethod>'
        f'<ds:Reference URI=""><ds:Transforms><ds:Transform Algorithm="{ENVELOPED}"></ds:Transform>'
        f'<ds:Transform Algorithm="{EXCLUSIVE}"></ds:Transform></ds:Transforms>'
        f'<ds:DigestMethod Algorithm="{SHA256}"></ds:DigestMethod><ds:DigestValue>'
    ).encode()
    for algorithm, uri in SIGNATURE_METHODS.items()
}
_END = b"</ds:DigestValue></ds:Reference></ds:SignedInfo>"


@dataclass(frozen=True, slots=True)
class PreparedXml:
    """A document that lacks only its signature; the card signs `signed_info_digest`."""

    signed_info_digest: bytes
    document: bytes
    signed_info: bytes

    def complete(self, signature: bytes, chain: tuple[bytes, ...]) -> bytes:
        """Give the signed document; `chain` is the signing card's, DER, leaf first."""
        end = self.document.rindex(b"</")
        return b"".join(
            (
                self.document[:end],
                _INSIDE,
                self.signed_info,
                b"<ds:SignatureValue>",
                b2a_base64(signature, newline=False),
                b"</ds:SignatureValue>",
                _key_info(chain),
                b"</ds:Signature>",
                self.document[end:],
            )
        )


def prepare(document: etree._Element | bytes, algorithm: Algorithm) -> PreparedXml:
    """Digest a document and its SignedInfo.

    Bytes must already be the exclusive C14N (without comments) of a root element that holds no XML signature; an element
    is brought into that form and left as it is.
    """
    if not isinstance(document, bytes):
        document = etree.tostring(document, method="c14n", exclusive=True, with_comments=False)
    digest = b2a_base64(sha256(document).digest(), newline=False)
    signed_info = b"".join((_METHODS[algorithm], digest, _END))
    return PreparedXml(sha256(_APEX + signed_info).digest(), document, signed_info)


@lru_cache(maxsize=256)
def _key_info(chain: tuple[bytes, ...]) -> bytes:
    certificates = b"".join(b"<ds:X509Certificate>" + b2a_base64(der, newline=False) + b"</ds:X509Certificate>" for der in chain)
    return b"<ds:KeyInfo><ds:X509Data>" + certificates + b"</ds:X509Data></ds:KeyInfo>"
