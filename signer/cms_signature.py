"""Write CMS signed messages (RFC 5652, PKCS#7): the document inside, SHA-256, signed attributes, the certificate chain.

In two halves, as the XML signature is, so that a card signs the digests of many documents in one call. What is signed are the
document's bytes as they are: nothing is brought into another form.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import sha256

from asn1crypto import algos, cms, core, x509
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from tongguan.signer.certificate import Algorithm

_SHA256 = algos.DigestAlgorithm({"algorithm": "sha256"})
_METHODS: dict[Algorithm, str] = {"rsa-sha256": "rsassa_pkcs1v15", "ecdsa-sha256": "sha256_ecdsa"}


@dataclass(frozen=True, slots=True)
class PreparedCms:
    """A document that lacks only its signature; the card signs `signed_info_digest`."""

    signed_info_digest: bytes
    document: bytes
    attributes: bytes  #: DER, as they are digested
    algorithm: Algorithm

    def complete(self, signature: bytes, chain: tuple[bytes, ...]) -> bytes:
        """Give the signed message as DER; `chain` is the signing card's, DER, leaf first, a signature of ECDSA is r||s."""
        signer = cms.SignerInfo(
            {
                "version": "v1",
                "sid": cms.SignerIdentifier("issuer_and_serial_number", cms.IssuerAndSerialNumber.load(_named(chain[0]))),
                "digest_algorithm": _SHA256,
                "signed_attrs": cms.CMSAttributes.load(self.attributes),
                "signature_algorithm": {"algorithm": _METHODS[self.algorithm]},
                "signature": _in_der(signature) if self.algorithm == "ecdsa-sha256" else signature,
            }
        )
        signed = cms.SignedData(
            {
                "version": "v1",
                "digest_algorithms": [_SHA256],
                "encap_content_info": {"content_type": "data", "content": self.document},
                "certificates": [cms.CertificateChoices("certificate", x509.Certificate.load(der)) for der in chain],
                "signer_infos": [signer],
            }
        )
        return bytes(cms.ContentInfo({"content_type": "signed_data", "content": signed}).dump())


def prepare(document: bytes, algorithm: Algorithm, at: datetime) -> PreparedCms:
    """Digest a document and the attributes that are signed for it; `at` is told as the time of signing."""
    wanted = (
        ("content_type", cms.ContentType("data")),
        ("signing_time", _time(at)),
        ("message_digest", core.OctetString(sha256(document).digest())),
    )
    attributes = cms.CMSAttributes([cms.CMSAttribute({"type": name, "values": [value]}) for name, value in wanted])
    # Digested as the SET that it is, not under the tag that it has inside of the message (RFC 5652, 5.4).
    written = bytes(attributes.dump())
    return PreparedCms(sha256(written).digest(), document, written, algorithm)


@lru_cache(maxsize=256)
def _named(leaf: bytes) -> bytes:
    """How a signer is named: the issuer and serial number of the certificate."""
    certificate = x509.Certificate.load(leaf)
    named = cms.IssuerAndSerialNumber({"issuer": certificate.issuer, "serial_number": certificate.serial_number})
    return bytes(named.dump())


def _time(at: datetime) -> cms.Time:
    """UTCTime has two digits for the year: it ends with 2049."""
    return cms.Time({"utc_time": core.UTCTime(at)} if at.year < 2050 else {"generalized_time": core.GeneralizedTime(at)})


def _in_der(signature: bytes) -> bytes:
    half = len(signature) // 2
    return encode_dss_signature(int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big"))
