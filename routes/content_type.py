"""What a sealed body is, as its Content-Type says it: XML, or a CMS message, signed or enveloped."""

from __future__ import annotations

XML = "application/xml"
#: the object identifiers of CMS content types (RFC 5652) as they stand at the beginning of a message, and their S/MIME words
_CMS = {
    bytes.fromhex("06092a864886f70d010702"): "signed-data",
    bytes.fromhex("06092a864886f70d010703"): "enveloped-data",
}
_LONGEST_HEAD = 11  #: bytes of a DER tag with its length, before the identifier


def content_type(body: bytes) -> str:
    """Name the form of a body by its first bytes; what is no CMS message is XML."""
    if body[:1] == b"\x30":
        for identifier, word in _CMS.items():
            if body.find(identifier, 0, _LONGEST_HEAD + len(identifier)) > 0:
                return f"application/pkcs7-mime; smime-type={word}"
    return XML
