"""An authority at work: its settings, scripts, books and keys in one hand, and the making of its receipts."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from lxml import etree

from tongguan.simulators.books.store import Store
from tongguan.simulators.books.tables import Tables
from tongguan.simulators.messages.faults import Plan
from tongguan.simulators.messages.markup import first, new_root
from tongguan.simulators.messages.signing import Key, Sealer, sealer
from tongguan.simulators.script.durations import stamp
from tongguan.simulators.script.own_format import Format
from tongguan.simulators.script.script import Code, Replies
from tongguan.simulators.server.clock import Clock
from tongguan.simulators.settings import Endpoint, Settings

RECEIPT = "urn:tongguan:receipt:1"
TECHNICAL = {
    "0": Code("0", "技术回执: 已接收"),
    "1": Code("1", "技术回执: 未接收"),
    "Q0": Code("Q0", "查询成功"),
    "Q1": Code("Q1", "查询未成功"),
}


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong, and where in the document."""

    code: str
    path: str
    text: str


@dataclass(frozen=True)
class Notice:
    """What a receipt says, beside the code."""

    account: str
    message: str = ""
    type: str = ""
    number: str = ""
    numbers: Mapping[str, str] = field(default_factory=dict)
    faults: Sequence[Fault] = ()
    content: etree._Element | None = None
    document: etree._Element | None = None  #: what it is about, as it came


@dataclass
class Office:
    """One authority. ``plan`` may be replaced while it runs; everything else stays."""

    endpoint: Endpoint
    settings: Settings
    scripts: Mapping[str, Replies]
    store: Store
    sealer: Sealer
    stranger: Sealer  #: signs what a forger would sign
    fast: bool
    plan: Plan
    others: Mapping[str, Replies] = field(default_factory=dict)  #: the scripts of all other authorities
    tables: Tables = field(default_factory=Tables)
    clock: Clock = field(default_factory=Clock)

    @property
    def authority(self) -> str:
        """The authority's own name."""
        return self.endpoint.authority

    def stamp(self) -> str:
        """Write the business time as receipts have it."""
        return stamp(self.clock.now())

    def today(self) -> str:
        """Give the day in China."""
        return self.stamp()[:10]

    def script(self, type_: str) -> Replies | None:
        """Find a type's script, whoever's it is."""
        return self.scripts.get(type_) or self.others.get(type_)

    def code(self, type_: str, code: str) -> Code:
        """Find a code or state of a type's script, or the plain technical one."""
        script = self.scripts.get(type_)
        if script and code in script.codes:
            return script.codes[code]
        return Code(code, script.states[code]) if script and code in script.states else TECHNICAL[code]


def receipt(office: Office, code: Code, notice: Notice, issued_at: str) -> etree._Element:
    """Write a receipt, unsigned. Codes 0 and 1 make it a technical one."""
    script = office.script(notice.type)
    own = script.format if script is not None and not code.code.startswith("Q") else None
    # An answer without a namespace stands in it: none is the default then.
    root = new_root(RECEIPT, "Receipt") if own is None else etree.Element(f"{{{RECEIPT}}}Receipt", nsmap={"r": RECEIPT})
    said = {
        "id": uuid.uuid4().hex,
        "kind": "technical" if code.code in ("0", "1") else "business",
        "authority": office.authority,
        "account": notice.account,
        "message": notice.message,
        "type": notice.type,
        "number": notice.number,
        "code": "" if own else code.code,
        "text": "" if own else code.text,
        "issued_at": issued_at,
    }
    for name, value in said.items():
        if value or name == "account":
            root.set(name, _writable(value))
    if notice.numbers and own is None:
        numbers = element(root, "Numbers")
        for name, value in notice.numbers.items():
            element(numbers, "Number", value, name=name)
    if notice.faults:
        faults = element(root, "Faults")
        for fault in notice.faults:
            element(faults, "Fault", fault.text, code=fault.code, path=fault.path)
    if own is not None:
        element(root, "Content").append(_own_answer(own, code, notice, issued_at))
    elif notice.content is not None:
        root.append(notice.content)
    return root


def _own_answer(own: Format, code: Code, notice: Notice, issued_at: str) -> etree._Element:
    """Write what is said as the authority itself writes it; nothing that it cannot know is made up."""
    answer = own.technical if code.code in ("0", "1") else own.business
    made = new_root(answer.namespace, answer.root) if answer.namespace else etree.Element(answer.root)
    said = {
        "": "",
        "code": code.code,
        "text": ": ".join([code.text, *(["; ".join(one.text for one in notice.faults)] if notice.faults else [])]),
        "time": issued_at[:19],
        "day": f"{issued_at[:10]}T00:00:00",
        **{f"number.{name}": value for name, value in notice.numbers.items()},
    }
    for pair in answer.elements:
        name, _, what = pair.partition("=")
        value = said.get(what)
        if value is None:
            value = first(notice.document, [what]) if notice.document is not None and not what.startswith("number.") else ""
        etree.SubElement(made, f"{{{answer.namespace}}}{name}" if answer.namespace else name).text = _writable(value) or None
    return made


def element(parent: etree._Element, name: str, text: str = "", /, **attributes: str) -> etree._Element:
    """Add an element of the receipt's namespace; what strangers wrote is made fit for XML."""
    made = etree.SubElement(parent, f"{{{RECEIPT}}}{name}")
    for key, value in attributes.items():
        made.set(key, _writable(value))
    if text:
        made.text = _writable(text)
    return made


def content() -> etree._Element:
    """Begin the Content of an answer."""
    return new_root(RECEIPT, "Content")


def stranger_like(honest: Sealer) -> Sealer:
    """Make a signer who calls himself by the same name and has a key of the same kind, but another one."""
    key: Key
    if isinstance(honest.key, ec.EllipticCurvePrivateKey):
        key = ec.generate_private_key(honest.key.curve)
    else:
        key = rsa.generate_private_key(65537, 2048)
    certificate = honest.certificate
    builder = x509.CertificateBuilder().subject_name(certificate.subject).issuer_name(certificate.issuer)
    builder = builder.public_key(key.public_key()).serial_number(certificate.serial_number)
    builder = builder.not_valid_before(certificate.not_valid_before_utc).not_valid_after(certificate.not_valid_after_utc)
    return sealer(key, builder.sign(key, hashes.SHA256()))


def damaged(signed: bytes) -> bytes:
    """Change one character of what was signed."""
    place = signed.index(b'issued_at="') + len(b'issued_at="') + 3
    return signed[:place] + (b"8" if signed[place : place + 1] != b"8" else b"7") + signed[place + 1 :]


def _writable(text: str) -> str:
    return "".join(letter for letter in text if letter >= " " or letter in "\t\n\r")[:4000]
