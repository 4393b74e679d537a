"""The readers of what strangers send, each with examples to begin with and the promise that it holds for any bytes."""

from __future__ import annotations

import functools
import io
import random
import re
import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key, pkcs7
from cryptography.x509 import Certificate, load_der_x509_certificate
from fuzzing import Target
from lxml import etree
from mutations import mutated

from tongguan.codecs.checking.check import check
from tongguan.codecs.checking.compile import Compiled, compile_all
from tongguan.codecs.checking.secrets import redacted, secret_names
from tongguan.codecs.reading.attachments import check_attachments
from tongguan.codecs.reading.read import Item, Read, read
from tongguan.codecs.receipts.answer_rows import Malformed, read_answer
from tongguan.codecs.receipts.receipt import read_receipt
from tongguan.codecs.writing.render import package, render_document, technical_response, technical_response_json
from tongguan.gateway.cli.demo.examples import read_examples
from tongguan.gateway.model.errors import Fault, Refused
from tongguan.gateway.model.message import Kind, Message, State
from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.profile.profile import Column, Text
from tongguan.gateway.settings import Account
from tongguan.routes.reply import read_page
from tongguan.signer import cms_signature, xml_signature
from tongguan.signer.cards.software import signature_of
from tongguan.signer.certificate import algorithm_of, der_chain, signing_key
from tongguan.signer.errors import SignatureInvalid
from tongguan.signer.issue import Holder, Validity, make_authority, make_software_card
from tongguan.signer.verify import TrustedCertificate, parse_strict, verify
from tongguan.simulators.messages.admission import told
from tongguan.simulators.messages.decode import Opener, open_letter
from tongguan.simulators.messages.markup import NotXml
from tongguan.simulators.messages.signing import Unproven
from tongguan.simulators.script.loading import load_scripts

MOST_BYTES = 10_000_000
NOW, NOW_MS = datetime(2026, 11, 20, tzinfo=UTC), 1_795_000_000_000
ACCOUNT = Account(
    name="demo",
    kind="enterprise",
    title="大连示例进出口有限公司",
    uscc="91210200MA0EXAMPLC",
    customs_code="2102960001",
    mofcom_code="2100MA0EXAMPL",
    mailbox="mailboxes/demo",
)
_SIGNATURE = re.compile(rb"<ds:Signature .*</ds:Signature>", re.DOTALL)


@functools.cache
def profiles() -> dict[str, Compiled]:
    return compile_all(load_profiles())


@functools.cache
def secrets() -> Any:
    return secret_names({name: each.profile for name, each in profiles().items()})


# what enterprises send


def examples(form: str) -> list[bytes]:
    """One good example of each type and operation that comes in this form."""
    return [e.content for e in read_examples(load_profiles(), "2026-11-20") if e.file.endswith(form)]


def submission(name: str, raw: bytes) -> str:
    """All that the door does with a file before anything is written: secrets out, read, checked, rendered, answered."""
    clean = redacted(name, raw, secrets())
    try:
        content = read(name, clean, most_bytes=MOST_BYTES)
    except Refused as refused:
        return _answered(refused.faults)
    return " ".join(sorted({_checked(content, item) for item in content.items}))


def _checked(content: Read, item: Item) -> str:
    item.filters()
    compiled = profiles().get(item.type)
    if item.faults or compiled is None or item.operation not in compiled.profile.operations:
        return _answered(item.faults)
    checked = check(compiled, item, account=ACCOUNT, document=None, operation=item.operation, numbers={}, now_ms=NOW_MS)
    files = dict(content.files)
    faults = checked.faults + check_attachments(
        compiled.profile, item.attachments, files, document=None, operation=item.operation
    )
    _written(compiled, item, checked.content, [(n, c, "0" * 64, files.get(n, b"")) for n, c in item.attachments])
    return _answered(faults) + item.operation


def _written(compiled: Compiled, item: Item, content: Any, files: list[tuple[str, str, str, bytes]]) -> None:
    """What would be sealed is in canonical form as it is written."""
    document = render_document(compiled, _message(item.reference, ()), content, files)
    head = dict.fromkeys(("message_type", "operation", "sender_id", "receiver_id", "send_time", "ic_card", "environment"), "x")
    raw = package(message_id="m-1", file_name=item.reference or "", document=document, **head)
    assert etree.tostring(etree.fromstring(raw, _huge()), method="c14n", exclusive=True) == raw


def _answered(faults: Sequence[Fault]) -> str:
    """What the enterprise is told can be read, and is not longer than anybody reads."""
    for write in (technical_response, technical_response_json):
        answer = write(_message("r", faults), numbers={}, language="zh", code="1")
        assert len(answer) < 4_000_000
    etree.fromstring(technical_response(_message("r", faults), numbers={}, language="en", code="1"))
    return ",".join(sorted({f.code for f in faults}))


def _huge() -> etree.XMLParser:
    return etree.XMLParser(resolve_entities=False, huge_tree=True)


def _message(reference: str | None, faults: Sequence[Fault]) -> Message:
    return Message(
        "m",
        Kind.SUBMISSION,
        "demo",
        "XX",
        "declare",
        State.CHECKED,
        0,
        0,
        reference=reference,
        document="d",
        faults=tuple(faults),
    )


def archives() -> list[bytes]:
    """Messages as ZIPs: alone, with an attachment, a batch with folders."""
    made = []
    attachments = b'<Attachments><Attachment file="a.pdf" category="1"/></Attachments></'
    for raw in examples(".xml")[::5]:
        named = raw.replace(b"</", attachments, 1) if raw.count(b"</") == 1 else re.sub(rb"</(?=[^<]*$)", attachments, raw)
        made += [zipped({"m.xml": raw}), zipped({"m.xml": named, "a.pdf": b"%PDF-1.4 " * 50})]
    made += [zipped({"m.json": raw, "说明.txt": b"x"}) for raw in examples(".json")[:3]]
    return [*made, zipped({"b.xml": b"<Batch>" + examples(".xml")[0] + b"</Batch>", "r/a.pdf": b"x"})]


def zipped(entries: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, raw in entries.items():
            archive.writestr(name, raw)
    return target.getvalue()


def spoilt_archive(chance: random.Random, raw: bytes, others: Sequence[bytes]) -> bytes:
    """The bytes of the archive, or its entries and their names, packed anew."""
    if chance.random() < 0.5:
        return mutated(chance, raw, others)
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            entries = {entry.filename: archive.read(entry) for entry in archive.infolist()[:50]}
    except Exception:
        return mutated(chance, raw, others)
    for name in list(entries):
        what = chance.random()
        if what < 0.3:
            entries[mutated(chance, name.encode(), [b"x"])[:2000].decode("utf-8", "replace")] = entries.pop(name)
        elif what < 0.6:
            entries[name] = mutated(chance, entries[name], [entries[name]])
        elif what < 0.7:
            entries |= {f"{n}{name}": bytes(chance.choice((0, 10, 900_000))) for n in range(chance.choice((1, 5, 40)))}
    try:
        return zipped(entries)
    except (ValueError, IndexError):  # a name that no ZIP can hold
        return raw


# what authorities send


class Key:
    """A key that is trusted; of one authority, or of an enterprise's card."""

    def __init__(self) -> None:
        validity = Validity(datetime(2026, 1, 1, tzinfo=UTC))
        issued = make_software_card(
            make_authority("x", validity), Holder("x", "8900000000017", ()), validity=validity, key_type="p-256"
        )
        self.chain = der_chain(issued.certificates)
        self.private = load_pem_private_key(issued.key, None)
        self.certificate = load_der_x509_certificate(self.chain[0])
        self.trusted = TrustedCertificate(self.certificate)
        self.algorithm = algorithm_of(signing_key(self.certificate))

    def signed(self, document: Any) -> bytes:
        prepared = xml_signature.prepare(document, self.algorithm)
        return prepared.complete(signature_of(self.private, prepared.signed_info_digest), self.chain)

    def in_cms(self, document: bytes) -> bytes:
        prepared = cms_signature.prepare(document, self.algorithm, NOW)
        return prepared.complete(signature_of(self.private, prepared.signed_info_digest), self.chain)


@functools.cache
def key() -> Key:
    return Key()


def receipts() -> list[bytes]:
    numbers = '<Numbers><Number name="entry">1</Number></Numbers><Faults><Fault code="1" path="/a">x</Fault></Faults>'
    rows = '<Content><Rows total="1" page="1" size="50"><Row><name>a</name><goods><code>1</code></goods></Row></Rows></Content>'
    head = 'message="m-1" type="NA.application" number="1" code="30" text="x" issued_at="2026-11-20T18:00:00.000+08:00"'
    made = [
        f'<Receipt xmlns="urn:tongguan:receipt:1" id="1" kind="{kind}" authority="mofcom" account="1" {head}>{inside}</Receipt>'
        for kind in ("business", "technical")
        for inside in (numbers, rows, numbers + rows, "")
    ]
    pages = [b'{"receipts": ["PGEvPg==", "x", 1, null], "next": "1"}']
    return [*(key().signed(parse_strict(raw.encode())) for raw in made), *(raw.encode() for raw in made), *pages]


COLUMNS = (
    Column("name", Text("", ""), "name"),
    Column("goods", Text("", ""), "goods[]", columns=(Column("code", Text("", ""), "code"),)),
)


def receipt(raw: bytes) -> str:
    """As it came, and as if the authority had signed it: not believed, refused, or read."""
    read_page(raw)
    try:
        return "believed " + _received(raw)
    except SignatureInvalid as wrong:
        assert len(str(wrong)) < 1000
        word = wrong.code
    try:
        return word + " " + _received(key().signed(parse_strict(_SIGNATURE.sub(b"", raw))))
    except (SignatureInvalid, etree.C14NError) as wrong:
        return f"{word} {getattr(wrong, 'code', 'c14n')}"


def _received(raw: bytes) -> str:
    root = verify(raw, [key().trusted], NOW).root
    try:
        content = read_receipt(root)
    except Refused as refused:
        return _answered(refused.faults)
    try:
        return f"{len(read_answer(content.content, COLUMNS, page=1, size=50).rows)} rows"
    except Malformed as wrong:
        return str(wrong)[:12]


# what the simulators are sent


@functools.cache
def opener() -> Opener:
    private = rsa.generate_private_key(65537, 2048)
    return Opener(private, _self_signed(private))


def _self_signed(private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> Certificate:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(private.public_key()).serial_number(1)
    return builder.not_valid_before(NOW).not_valid_after(NOW.replace(year=2030)).sign(private, hashes.SHA256())


def letters() -> list[bytes]:
    document = b'<NA.application xmlns="urn:tongguan:NA.application:1" operation="declare" reference="r"></NA.application>'
    head = dict.fromkeys(("message_type", "operation", "sender_id", "receiver_id", "send_time", "ic_card", "environment"), "x")
    plain = package(message_id="m-1", file_name="a.xml", document=document, **head)
    signed, cms = key().signed(plain), key().in_cms(plain)
    return [plain, signed, cms, *(_enclosed(raw) for raw in (plain, signed, cms))]


def _enclosed(raw: bytes) -> bytes:
    builder = pkcs7.PKCS7EnvelopeBuilder().set_data(raw).add_recipient(opener().certificate)
    return builder.encrypt(Encoding.DER, [pkcs7.PKCS7Options.Binary])


@functools.cache
def scripts() -> Any:
    return load_scripts("mofcom")


def letter(raw: bytes) -> str:
    """Opened and proven as it came, and once more in an envelope."""
    return f"{_opened(raw)} {_opened(_enclosed(raw))}"


def _opened(raw: bytes) -> str:
    try:
        opened = open_letter(opener(), raw)
        words = told(opened.root, scripts())
        return opened.proven(key().certificate).tag + words.type[:5]
    except (NotXml, Unproven) as wrong:
        return f"{type(wrong).__name__} {str(wrong)[:12]}"


TARGETS = {
    target.name: target
    for target in (
        Target("xml", lambda: examples(".xml"), functools.partial(submission, "m.xml"), most=80),
        Target("json", lambda: examples(".json"), functools.partial(submission, "m.json"), most=60),
        Target("zip", archives, functools.partial(submission, "m.zip"), most=120, spoil=spoilt_archive),
        Target("receipts", receipts, receipt, most=30),
        Target("letters", letters, letter, most=30),
    )
}
