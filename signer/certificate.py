"""Read what a certificate says: its holder, its number, its key and the one signature algorithm that goes with it."""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tongguan.signer.certificate_file import certificates_in

Algorithm = Literal["rsa-sha256", "ecdsa-sha256"]
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

TEST_ONLY = "TONGGUAN TEST ONLY"  #: organizational unit in every certificate that this program and its simulators make
PREHASHED = Prehashed(hashes.SHA256())
PKCS1 = padding.PKCS1v15()
ECDSA = ec.ECDSA(PREHASHED)


@dataclass(frozen=True)
class Identity:
    """Who a card is, read once from its certificates (DER, leaf first)."""

    chain: tuple[bytes, ...]
    leaf: x509.Certificate
    key: PublicKey
    number: str
    algorithm: Algorithm

    @property
    def fingerprint(self) -> str:
        """Give the SHA-256 of the leaf, as `tongguan card bind` keeps it."""
        return sha256(self.chain[0]).hexdigest()


def identity(chain: tuple[bytes, ...]) -> Identity:
    """Read a chain; ValueError when its leaf is no certificate or has a key that cannot sign."""
    leaf = x509.load_der_x509_certificate(chain[0])
    key = signing_key(leaf)
    return Identity(chain, leaf, key, card_number(leaf), algorithm_of(key))


def card_number(certificate: x509.Certificate) -> str:
    """Give the card's number, kept in the subject's serialNumber; empty when there is none."""
    return next(iter(_subject(certificate, NameOID.SERIAL_NUMBER)), "")


def is_test_material(certificate: x509.Certificate) -> bool:
    """Tell whether a certificate, or who issued it, was made for tests by this program, which marks all that it makes."""
    names = (certificate.subject, certificate.issuer)
    return any(
        unit.value == TEST_ONLY for name in names for unit in name.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    )


def holder_codes(certificate: x509.Certificate) -> tuple[str, ...]:
    """Give the holder's codes (USCC, customs, MOFCOM), kept in the subject's organizationIdentifier values."""
    return tuple(_subject(certificate, NameOID.ORGANIZATION_IDENTIFIER))


def signing_key(certificate: x509.Certificate) -> PublicKey:
    """Give the certificate's key; ValueError when it is neither RSA nor ECDSA: SM2 is such a one in this release."""
    try:
        key = certificate.public_key()
    except UnsupportedAlgorithm:
        key = None
    if isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        return key
    kind = certificate.public_key_algorithm_oid.dotted_string
    raise ValueError(f"the certificate's key (algorithm {kind}) is neither RSA nor ECDSA")


def algorithm_of(key: PublicKey) -> Algorithm:
    """Name the signature algorithm of a key; the settings have no say in it."""
    return "rsa-sha256" if isinstance(key, rsa.RSAPublicKey) else "ecdsa-sha256"


def signature_size(certificate: bytes) -> int:
    """Tell how many bytes a raw signature by the key of a certificate (DER) has."""
    key = signing_key(x509.load_der_x509_certificate(certificate))
    return key.key_size // 8 if isinstance(key, rsa.RSAPublicKey) else 2 * ((key.curve.key_size + 7) // 8)


def is_signature(key: PublicKey, signature: bytes, digest: bytes) -> bool:
    """Tell whether a raw signature, ECDSA as r||s, belongs to a SHA-256 digest."""
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, digest, PKCS1, PREHASHED)
            return True
        half = (key.curve.key_size + 7) // 8
        if len(signature) != 2 * half:
            return False
        r, s = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
        key.verify(encode_dss_signature(r, s), digest, ECDSA)
        return True
    except InvalidSignature:
        return False


def in_order(certificates: Iterable[bytes], leaf: bytes) -> tuple[bytes, ...]:
    """Sort DER certificates from the leaf upwards, by issuer; those that lead nowhere are left out."""
    by_subject = {x509.load_der_x509_certificate(der).subject.public_bytes(): der for der in certificates}
    chain = [leaf]
    while True:
        above = by_subject.get(x509.load_der_x509_certificate(chain[-1]).issuer.public_bytes())
        if above is None or above in chain:
            return tuple(chain)
        chain.append(above)


def der_chain(file: bytes) -> tuple[bytes, ...]:
    """Read a file of certificates, leaf first, as DER; raises NoCertificate."""
    return tuple(each.public_bytes(Encoding.DER) for each in certificates_in(file))


def _subject(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> list[str]:
    return [str(each.value) for each in certificate.subject.get_attributes_for_oid(oid)]
