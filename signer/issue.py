"""Issue test certificates and make test cards: for `tongguan init`, the simulators and tests, never for real business.

The card number goes into the subject's serialNumber, the holder's codes into organizationIdentifier values.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tongguan.signer.cards import token_setup
from tongguan.signer.cards.module import find_module, surroundings
from tongguan.signer.cards.pin import Secret
from tongguan.signer.certificate import TEST_ONLY, PublicKey, der_chain
from tongguan.signer.errors import CardBroken

KeyType = Literal["rsa-2048", "p-256"]


@dataclass(frozen=True)
class Issued:
    """A key and its certificates, leaf first, both PEM; the key of a token card is empty."""

    key: bytes
    certificates: bytes


@dataclass(frozen=True)
class Holder:
    """Who gets a card: title, card number, and the codes (USCC, customs, MOFCOM) that the card speaks for."""

    title: str
    number: str
    codes: tuple[str, ...]


@dataclass(frozen=True)
class Validity:
    """From when and how long a certificate is valid."""

    start: datetime
    days: int = 1095


@dataclass(frozen=True)
class NewToken:
    """A soft token to be made; the PINs go to the token and nowhere else."""

    module: str
    label: str
    key: str
    pin: Secret
    so_pin: Secret
    key_type: KeyType = "rsa-2048"


def make_authority(title: str, validity: Validity, *, key_type: KeyType = "rsa-2048") -> Issued:
    """Make a self-signed authority, which issues cards and signs receipts."""
    key = _new_key(key_type)
    named = [(NameOID.COUNTRY_NAME, "CN"), (NameOID.ORGANIZATIONAL_UNIT_NAME, TEST_ONLY), (NameOID.COMMON_NAME, title)]
    name = x509.Name([x509.NameAttribute(oid, value) for oid, value in named])
    builder = _certificate(name, name, key.public_key(), validity)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(issues=True), critical=True)
    return Issued(_pem(key), builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))


def make_certificate(authority: Issued, holder: Holder, public_key: PublicKey, *, validity: Validity) -> bytes:
    """Issue a card certificate; gives the PEM chain, leaf first, the authority last."""
    issuer = x509.load_pem_x509_certificate(authority.certificates)
    key = serialization.load_pem_private_key(authority.key, None)
    assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
    named = [(NameOID.COUNTRY_NAME, "CN"), (NameOID.ORGANIZATION_NAME, holder.title), (NameOID.COMMON_NAME, holder.title)]
    named += [(NameOID.ORGANIZATIONAL_UNIT_NAME, TEST_ONLY), (NameOID.SERIAL_NUMBER, holder.number)]
    named += [(NameOID.ORGANIZATION_IDENTIFIER, code) for code in holder.codes]
    subject = x509.Name([x509.NameAttribute(oid, value) for oid, value in named])
    builder = _certificate(subject, issuer.subject, public_key, validity)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(issues=False), critical=True)
    signing = key.public_key()
    builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM) + authority.certificates


def make_software_card(
    authority: Issued, holder: Holder, *, validity: Validity, key_type: KeyType = "rsa-2048", pin: Secret | None = None
) -> Issued:
    """Make a software card; with a PIN its key is encrypted."""
    key = _new_key(key_type)
    return Issued(_pem(key, pin), make_certificate(authority, holder, key.public_key(), validity=validity))


def make_token(wanted: NewToken, home: Path, authority: Issued, holder: Holder, *, validity: Validity) -> Issued:
    """Initialise a soft token, generate its key inside, and write its certificates into it.

    Raises CardBroken when the library is missing, when the label is taken, or when the token refuses.
    """

    def issue(told: dict[str, str]) -> bytes:
        return make_certificate(authority, holder, _told_key(told), validity=validity)

    return Issued(b"", set_up_token(wanted, home, issue=issue))


def set_up_token(wanted: NewToken, home: Path, *, issue: Callable[[dict[str, str]], bytes]) -> bytes:
    """Make a token whose PEM chain `issue` gives for the public key that the token tells; gives the chain."""
    module = find_module(wanted.module, home)
    if module is None:
        raise CardBroken(f"本机没有 PKCS#11 库 {wanted.module}", f"no PKCS#11 library {wanted.module} on this machine")
    try:
        certificates, complaint = _speak(wanted, str(module.resolve()), home, issue=issue)
    except (BrokenPipeError, ValueError) as error:
        certificates, complaint = b"", type(error).__name__
    if complaint:
        raise CardBroken(f"令牌 {wanted.label} 没有建成：{complaint}", f"token {wanted.label} was not made: {complaint}")
    return certificates


def _speak(wanted: NewToken, module: str, home: Path, *, issue: Callable[[dict[str, str]], bytes]) -> tuple[bytes, str]:
    """Talk with the process that makes the token; gives the chain, and its complaint if it has one."""
    program = [sys.executable, "-P", str(Path(token_setup.__file__).resolve())]
    with subprocess.Popen(
        program,
        cwd=home,
        env=surroundings(home),
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin and process.stdout and process.stderr
        print(_request(wanted, module), file=process.stdin, flush=True)
        told = process.stdout.readline()
        certificates = issue(json.loads(told)) if told else b""
        if told:
            print(json.dumps([each.hex() for each in der_chain(certificates)]), file=process.stdin, flush=True)
        process.stdin.close()
        lines = process.stderr.read().strip().splitlines()
    failed = process.returncode or not told
    return certificates, (lines[-1] if lines else f"exit {process.returncode}") if failed else ""


def _request(wanted: NewToken, module: str) -> str:
    return json.dumps(
        {
            "module": module,
            "token": wanted.label,
            "key": wanted.key,
            "key_type": wanted.key_type,
            "pin": wanted.pin.reveal(),
            "so_pin": wanted.so_pin.reveal(),
        }
    )


def _told_key(told: dict[str, str]) -> PublicKey:
    if "point" in told:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), bytes.fromhex(told["point"]))
    return rsa.RSAPublicNumbers(int(told["exponent"], 16), int(told["modulus"], 16)).public_key()


def _new_key(key_type: KeyType) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1()) if key_type == "p-256" else rsa.generate_private_key(65537, 2048)


def _pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, pin: Secret | None = None) -> bytes:
    locked = NoEncryption() if pin is None else serialization.BestAvailableEncryption(pin.reveal().encode())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked)


def _certificate(subject: x509.Name, issuer: x509.Name, public_key: PublicKey, validity: Validity) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(validity.start)
        .not_valid_after(validity.start + timedelta(days=validity.days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _usage(*, issues: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=issues,
        crl_sign=issues,
        encipher_only=False,
        decipher_only=False,
    )
