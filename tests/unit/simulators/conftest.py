"""Run the real simulators on free ports, and speak to them with a small client that shares no code with anything of ours."""

import base64
import hashlib
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from forkserver import Forked
from lxml import etree
from patience import STILL, Patience, ended, here, wait_until
from signxml import XMLSigner, XMLVerifier, methods
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureMethod
from signxml.verifier import SignatureConfiguration

from tongguan.simulators.setup import SampleCard, SampleEnterprise, make_simulators

NS = {"r": "urn:tongguan:receipt:1"}
MOFCOM_CODE, CUSTOMS_CODE = "2100MA0EXAMPL", "2102960001"
CROWD = 299


@dataclass(frozen=True)
class Pen:
    """A key with its certificate."""

    key: object
    certificate: x509.Certificate

    @property
    def pem(self):
        return self.certificate.public_bytes(serialization.Encoding.PEM)


def make_pen(title, key=None):
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, title)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
    return Pen(key, builder.not_valid_after(now + timedelta(days=30)).sign(key, hashes.SHA256()))


@dataclass
class Reply:
    """An HTTP answer; ``receipt`` is its verified content."""

    status: int
    body: bytes
    headers: dict = field(default_factory=dict)


class LineBroken(Exception):
    """The connection ended without an answer."""


def call(method, url, body=None, headers=None, timeout=STILL):
    request = urllib.request.Request(url, data=body, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=here(timeout)) as answer:
            return Reply(answer.status, answer.read(), dict(answer.headers))
    except urllib.error.HTTPError as error:
        return Reply(error.code, error.read(), dict(error.headers))
    except (OSError, urllib.error.URLError) as error:
        raise LineBroken(str(error)) from error


def verified(body, certificate):
    """Verify a receipt's signature and give back what was signed."""
    config = SignatureConfiguration(location="./", expect_references=1)
    return XMLVerifier().verify(body, x509_cert=certificate, expect_config=config).signed_xml


@dataclass
class Client:
    """One enterprise at one authority."""

    base: str
    authority: str
    account: str
    card: str
    pen: Pen
    trusted: x509.Certificate
    cursor: str = "0"

    def package(self, type_, operation, inside="", *, reference, sign=True, message=None, envelope=None, attributes=""):
        message = message or str(uuid.uuid4())
        words = {
            "version": "1.0",
            "message_id": message,
            "file_name": "a.xml",
            "message_type": type_,
            "operation": operation,
            "sender_id": self.account,
            "receiver_id": self.authority,
            "send_time": "2026-11-20T18:00:00.000+08:00",
            "ic_card": self.card,
            "environment": "test",
        } | (envelope or {})
        head = "".join(f"<{name}>{value}</{name}>" for name, value in words.items() if value is not None)
        document = (
            f'<{type_} xmlns="urn:tongguan:{type_}:1" operation="{operation}" reference="{reference}" '
            f'document="{reference}" {attributes}>{inside}</{type_}>'
        )
        text = (
            f'<Package xmlns="urn:tongguan:package:1"><EnvelopInfo>{head}</EnvelopInfo>'
            f"<DataInfo><BussinessData>{document}</BussinessData></DataInfo></Package>"
        )
        return f"{message}-1", self.signed(text) if sign else text.encode()

    def signed(self, text):
        rsa_key = isinstance(self.pen.key, rsa.RSAPrivateKey)
        signer = XMLSigner(
            method=methods.enveloped,
            signature_algorithm=SignatureMethod.RSA_SHA256 if rsa_key else SignatureMethod.ECDSA_SHA256,
            digest_algorithm=DigestAlgorithm.SHA256,
            c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
        )
        return etree.tostring(signer.sign(etree.fromstring(text), key=self.pen.key, cert=[self.pen.certificate]))

    def post(self, message, body, where="messages", **options):
        return call(
            "POST", f"{self.base}/v1/{where}", body, {"Message-Id": message, "Content-Type": "application/xml"}, **options
        )

    def post_get(self, message):
        """Ask whether a message was seen."""
        return call("GET", f"{self.base}/v1/messages/{message}")

    @property
    def trusted_der(self):
        return self.trusted.public_bytes(serialization.Encoding.DER)

    def send(self, type_, operation, inside="", **options):
        """Send a message and give the answer's status with the verified receipt."""
        message, body = self.package(type_, operation, inside, **options)
        reply = self.post(message, body)
        return reply.status, self.read(reply.body)

    def ask(self, type_, kind, inside="", *, number="", operation="query"):
        attributes = f'kind="{kind}" number="{number}"' if kind else f'number="{number}"'
        message, body = self.package(type_, operation, inside, reference="Q-1", sign=False, attributes=attributes)
        return self.read(self.post(message, body, "queries").body)

    def read(self, body):
        return verified(body, self.trusted)

    def poll(self, wait=5, limit=100):
        """Fetch the next receipts, as they came."""
        reply = call("GET", f"{self.base}/v1/receipts?account={self.account}&after={self.cursor}&limit={limit}&wait={wait}")
        page = json.loads(reply.body)
        self.cursor = page["next"]
        return [base64.b64decode(one) for one in page["receipts"]]

    def until_count(self, count):
        """Collect receipts as they came until there are so many."""
        found = []
        patience = Patience(moves=lambda: len(found))
        while len(found) < count and not patience.over():
            found += self.poll(wait=2)
        assert len(found) == count
        return found

    def until(self, *last):
        """Collect verified receipts until one of the codes comes."""
        found = []
        patience = Patience(moves=lambda: len(found))
        while not patience.over():
            found += [self.read(body) for body in self.poll(wait=2)]
            if any(one.get("code") in last for one in found):
                return found
        raise AssertionError(f"no {last} in {[one.get('code') for one in found]}: {patience}")


@dataclass
class Simulators:
    """The running simulators of one home."""

    home: object
    process: subprocess.Popen
    pens: dict
    numbers: object

    @property
    def ports(self):
        return json.loads((self.home / "simulators" / "ports.json").read_text())

    def client(self, authority, *, account=None, card=None, pen=None):
        trusted = x509.load_pem_x509_certificate((self.home / "trust" / f"{authority}.pem").read_bytes())
        codes = {"mofcom": MOFCOM_CODE, "customs": CUSTOMS_CODE}
        return Client(
            base=f"http://127.0.0.1:{self.ports[authority]}",
            authority=authority,
            account=account or codes[authority],
            card=card or f"{authority}-card",
            pen=pen or self.pens[authority],
            trusted=trusted,
        )


def start(home, *options):
    """The simulators as a program of their own."""
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "tongguan.simulators.serve", "--home", str(home), "--fast", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    lines = [process.stdout.readline() for _ in range(2)]
    if not all(": listening on http://" in line for line in lines):
        process.kill()
        raise AssertionError(f"{lines} {process.stderr.read()}")
    return process


def fork(home, *options):
    """The same, at once."""
    ports = home / "simulators" / "ports.json"
    ports.unlink(missing_ok=True)
    with open(home / "simulate.log", "ab") as log:
        words = ["--home", str(home), "--fast", *options]
        process = Forked(words, module="tongguan.simulators.serve", stdout=log, stderr=log)
    wait_until(lambda: ports.exists() or process.poll() is not None, "the simulators to listen")
    assert ports.exists(), (home / "simulate.log").read_text()
    return process


def stop(process):
    process.send_signal(signal.SIGTERM)
    return ended(process, "the simulators after SIGTERM")


def crowd(place):
    """Give the MOFCOM code of one of the many enterprises, so that each test has one for itself."""
    return f"2100MA0CRO{place:03d}"


def new_home(home):
    pens = {
        "mofcom": make_pen("demo", rsa.generate_private_key(65537, 2048)),
        "customs": make_pen("demo"),
        "other": make_pen("other"),
    }
    cards = tuple(SampleCard(name, f"{name}-card", pens[name].pem) for name in ("mofcom", "customs"))
    others = tuple(SampleCard(name, f"other-{name}", pens["other"].pem) for name in ("mofcom", "customs"))
    make_simulators(
        home,
        [
            SampleEnterprise("demo", "91210200MA0EXAMPLC", MOFCOM_CODE, CUSTOMS_CODE, cards),
            SampleEnterprise("other", "91210200MA0EXAMPLD", "2100MA0OTHERX", "2102960099", others),
            *[SampleEnterprise(f"crowd-{n}", "91210200MA0EXAMPLE", crowd(n), f"2102970{n:03d}", cards) for n in range(CROWD)],
        ],
        ports={"mofcom": 0, "customs": 0},
    )
    return pens


@pytest.fixture(scope="session")
def simulators(tmp_path_factory):
    """One running pair for all tests that do not stop it."""
    home = tmp_path_factory.mktemp("simulators")
    pens = new_home(home)
    process = start(home)
    yield Simulators(home, process, pens, None)
    stop(process)


@pytest.fixture
def mofcom(simulators):
    """An enterprise at MOFCOM that no other test uses."""
    return simulators.client("mofcom", account=crowd(next(Fresh.accounts)))


@pytest.fixture
def customs(simulators):
    """The sample enterprise at customs, its cursor at the end of what was issued before."""
    return _at_end(simulators.client("customs"))


def _at_end(client):
    while client.poll(wait=0, limit=1000):
        pass
    return client


@pytest.fixture
def own_home(tmp_path):
    """A home for tests that start and stop the simulators themselves: (home, start, stop, Simulators)."""
    running = []
    pens = new_home(tmp_path)

    def begin(*options):
        process = fork(tmp_path, *options)
        running.append(process)
        return Simulators(tmp_path, process, pens, None)

    yield tmp_path, begin, stop
    for process in running:
        if process.poll() is None:
            process.kill()


@pytest.fixture
def fresh():
    """Make numbers that nobody used before in this run."""
    return Fresh()


class Fresh:
    """Application numbers, references and entry numbers."""

    taken = iter(range(1, 99))
    accounts = iter(range(CROWD))

    def entry(self):
        return f"0902202610000000{next(Fresh.taken):02d}"

    def application(self):
        return "NA26" + f"{uuid.uuid4().int % 10**14:014d}"

    def reference(self, markers=""):
        return "T-" + uuid.uuid4().hex[:12] + markers


@pytest.fixture
def application():
    """Write the body of an application."""

    def body(number, *, commodity="2601111000", port="0902", more=""):
        return (
            f"<Year>{datetime.now(ZoneInfo('Asia/Shanghai')).year}</Year><ApplicationNo>{number}</ApplicationNo>"
            f"<CustomsPort1>{port}</CustomsPort1><Goods><CodeTS>{commodity}</CodeTS></Goods>{more}"
        )

    return body


@pytest.fixture
def codes():
    return lambda receipts: [one.get("code") for one in receipts]


@pytest.fixture
def faults():
    return lambda receipt: [(one.get("code"), one.text) for one in receipt.iterfind("r:Faults/r:Fault", NS)]


@pytest.fixture
def number():
    return lambda receipt, name: receipt.findtext(f"r:Numbers/r:Number[@name='{name}']", namespaces=NS)


@pytest.fixture
def tools():
    """What single tests need of this file."""

    class Tools:
        call, verified, make_pen, LineBroken, NS = (
            staticmethod(call),
            staticmethod(verified),
            staticmethod(make_pen),
            LineBroken,
            NS,
        )
        certificate = staticmethod(x509.load_pem_x509_certificate)
        sha256 = staticmethod(lambda body: hashlib.sha256(body).hexdigest())

    return Tools
