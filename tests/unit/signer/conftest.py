"""Test certificates, cards and one private token folder for the tests of signatures."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tongguan.gateway.settings import Card
from tongguan.signer.cards import token_process
from tongguan.signer.cards.module import find_module, write_softhsm_configuration
from tongguan.signer.cards.pin import Secret
from tongguan.signer.cards.software import SoftwareCard, signature_of
from tongguan.signer.certificate import Algorithm, algorithm_of, der_chain, signing_key
from tongguan.signer.issue import Holder, Issued, KeyType, NewToken, Validity, make_authority, make_software_card, make_token
from tongguan.signer.verify import TrustedCertificate
from tongguan.signer.xml_signature import prepare

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
VALID = Validity(datetime(2026, 1, 1, tzinfo=UTC))
HOLDER = Holder("大连示例进出口有限公司", "8900000000017", ("91210200MA0EXAMPLC", "2102960001"))
PIN = "24680135"
KEY_TYPES: tuple[KeyType, ...] = ("rsa-2048", "p-256")


@dataclass(frozen=True)
class Signatory:
    """A software key with all that a test wants to know of it."""

    issued: Issued
    chain: tuple[bytes, ...]
    certificate: x509.Certificate
    algorithm: Algorithm
    trusted: TrustedCertificate

    def signed(self, document: bytes) -> bytes:
        prepared = prepare(document, self.algorithm)
        return prepared.complete(self.raw(prepared.signed_info_digest), self.chain)

    def raw(self, digest: bytes) -> bytes:
        return signature_of(load_pem_private_key(self.issued.key, None), digest)


def signatory(authority: Issued, key_type: KeyType, validity: Validity = VALID) -> Signatory:
    issued = make_software_card(authority, HOLDER, validity=validity, key_type=key_type)
    chain = der_chain(issued.certificates)
    certificate = x509.load_der_x509_certificate(chain[0])
    return Signatory(issued, chain, certificate, algorithm_of(signing_key(certificate)), TrustedCertificate(certificate))


@pytest.fixture(scope="session")
def authority() -> Issued:
    return make_authority("测试海关", VALID)


@pytest.fixture(scope="session")
def signatories(authority: Issued) -> dict[str, Signatory]:
    return {key_type: signatory(authority, key_type) for key_type in KEY_TYPES}


@pytest.fixture(scope="session", params=KEY_TYPES)
def signer(request: pytest.FixtureRequest, signatories: dict[str, Signatory]) -> Signatory:
    return signatories[request.param]


@pytest.fixture(scope="session")
def new_signatory(authority: Issued) -> Callable[..., Signatory]:
    return lambda validity=VALID, key_type="p-256": signatory(authority, key_type, validity)


@pytest.fixture
def software(tmp_path: Path, authority: Issued) -> Callable[..., SoftwareCard]:
    """Make a software card in the test's folder."""

    def make(
        *, pin: str = "", key_pin: str = "", key_type: KeyType = "p-256", delay: float = 0.0, **more: object
    ) -> SoftwareCard:
        secret = Secret(key_pin) if key_pin else None
        issued = make_software_card(authority, HOLDER, validity=VALID, key_type=key_type, pin=secret)
        (tmp_path / "key.pem").write_bytes(issued.key)
        (tmp_path / "card.pem").write_bytes(issued.certificates)
        (tmp_path / "pin").write_text(pin)
        settings = software_settings("file:pin" if pin else "", delay)
        return SoftwareCard(settings, tmp_path, **more)  # type: ignore[arg-type]

    return make


def software_settings(pin: str = "", delay: float = 0.0) -> Card:
    return Card(
        name="demo",
        authority="customs",
        kind="software",
        key="key.pem",
        certificate="card.pem",
        pin=pin,
        delay=timedelta(seconds=delay),
    )


@dataclass(frozen=True)
class TokenHome:
    """A home with two soft tokens, and another card that carries the label of the first."""

    folder: Path
    settings: Card
    log: Path
    pin: str = PIN

    @property
    def tokens(self) -> Path:
        return self.folder / "tokens"

    def other(self, **changes: str) -> Card:
        """Settings of a card that differs in some words."""
        return self.settings.model_copy(update=changes)

    def labelled(self, key_type: KeyType) -> Card:
        return self.other(token=f"demo-{key_type}")

    def with_pin(self, pin: str) -> Card:
        (self.folder / "other.pin").write_text(pin)
        return self.other(pin="file:other.pin")

    def spy(self, patch: str) -> tuple[str, ...]:
        """Give a program that runs the card's process with a changed PyKCS11; every C_Login is written down."""
        program = self.folder / "spy.py"
        program.write_text(
            "import os, runpy, sys, time\n"
            "import PyKCS11\n"
            f"log, mark = {str(self.log)!r}, {str(self.folder / 'mark')!r}\n"
            "real_login, real_sign, real_info = PyKCS11.Session.login, PyKCS11.Session.sign, PyKCS11.PyKCS11Lib.getTokenInfo\n"
            "def login(self, pin, *more):\n"
            "    with open(log, 'a') as lines: lines.write('login\\n')\n"
            "    return real_login(self, pin, *more)\n"
            "PyKCS11.Session.login = login\n"
            f"{patch}\n"
            f"runpy.run_path({str(Path(token_process.__file__).resolve())!r}, run_name='__main__')\n"
        )
        return (sys.executable, "-P", str(program))

    def logins(self) -> int:
        return len(self.log.read_text().splitlines()) if self.log.exists() else 0


@pytest.fixture(scope="session")
def token_template(tmp_path_factory: pytest.TempPathFactory, authority: Issued) -> Path:
    if find_module() is None:
        pytest.skip("no SoftHSM library on this machine: set PKCS11_MODULE or install softhsm2")
    if find_spec("PyKCS11") is None:
        pytest.skip("PyKCS11 is not installed: tongguan[pkcs11]")
    home = tmp_path_factory.mktemp("tokens")
    write_softhsm_configuration(home)
    for key_type in KEY_TYPES:
        wanted = NewToken("libsofthsm2.so", f"demo-{key_type}", "sign", Secret(PIN), Secret("so-" + PIN), key_type)
        make_token(wanted, home, authority, HOLDER, validity=VALID)
    return home


@pytest.fixture
def token_home(tmp_path: Path, token_template: Path) -> Iterator[TokenHome]:
    home = tmp_path / "home"
    shutil.copytree(token_template, home)
    (home / "card.pin").write_text(PIN + "\n")
    settings = Card(name="demo", authority="customs", module="libsofthsm2.so", token="demo-rsa-2048", pin="file:card.pin")
    yield TokenHome(home, settings, tmp_path / "logins")


@pytest.fixture(scope="session")
def now() -> datetime:
    return NOW


@pytest.fixture(scope="session")
def holder() -> Holder:
    return HOLDER


@pytest.fixture
def xmlsec1(tmp_path: Path, authority: Issued) -> Callable[[bytes], bool]:
    """Ask the `xmlsec1` program whether a document is good, trusting the test authority."""
    program = shutil.which("xmlsec1")
    if program is None:
        pytest.skip("xmlsec1 is not installed")

    def says(document: bytes) -> bool:
        (tmp_path / "signed.xml").write_bytes(document)
        (tmp_path / "authority.pem").write_bytes(authority.certificates)
        moment = NOW.strftime("%Y-%m-%d %H:%M:%S")
        arguments = ["--verify", "--verification-time", moment, "--trusted-pem", "authority.pem", "signed.xml"]
        return subprocess.run([program, *arguments], cwd=tmp_path, capture_output=True, check=False).returncode == 0

    return says
