"""Decide whether a package is taken: shape, environment, account, card, signature, and the script's own checks.

Nothing of a document is believed before its signature is verified; from then on only the verified tree is read.
"""

from __future__ import annotations

import base64
import binascii
import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lxml import etree

from tongguan.simulators.books.store import Document
from tongguan.simulators.checks.checks import faults_of
from tongguan.simulators.checks.subject import Subject
from tongguan.simulators.messages.decode import Closed, Letter
from tongguan.simulators.messages.markup import ENCLOSED, NotXml, child, first, local, values
from tongguan.simulators.messages.signing import Unproven
from tongguan.simulators.script.decision_tables import chosen
from tongguan.simulators.script.script import Flow, Replies
from tongguan.simulators.server.office import Fault, Office
from tongguan.simulators.settings import Card, Enterprise

PACKAGE = "urn:tongguan:package:1"
_WANTED = ("version", "message_id", "message_type", "operation", "sender_id", "receiver_id", "send_time", "environment")
_MISMATCH = "当前卡号 {shown} 与用户注册信息卡号 {bound} 不一致，无法进行申报"


class NotTaken(Exception):
    """The package is refused for good; every fault found is listed."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(fault.text for fault in faults))
        self.faults = faults


@dataclass(frozen=True)
class Package:
    """A package that may be believed, if it is ``proven``."""

    account: str
    type: str
    operation: str
    document: etree._Element
    proven: bool
    reference: str  #: the name that the enterprise gave to the message


@dataclass(frozen=True)
class Claimed:
    """What a package says of itself before anything is proven; good for faults on demand and for addressing a refusal."""

    account: str
    type: str
    operation: str
    reference: str


def told(root: etree._Element | None, scripts: Mapping[str, Replies]) -> Claimed:
    """Read a package's own words, each empty where it has none."""
    envelope = child(root, "EnvelopInfo")
    document = document_in(root)
    words = [first(envelope, [name])[:64] if envelope is not None else "" for name in ("sender_id", "message_type", "operation")]
    return Claimed(words[0], words[1], words[2], "" if document is None else reference_of(scripts.get(words[1]), document))


def reference_of(script: Replies | None, document: etree._Element) -> str:
    """Give what the enterprise calls a message: where its authority's own format says so, else its attribute."""
    own = script.format if script is not None else None
    return own.named(document) if own is not None and own.is_root(document) else document.get("reference") or ""


def faults_told(error: NotTaken | NotXml) -> Sequence[Fault]:
    """List what to tell the sender of a package that was not taken."""
    if isinstance(error, NotTaken):
        return error.faults
    if isinstance(error, Closed):
        return (Fault("PKG-12", "", f"报文无法解密: 不是用本端的加密证书加密的 ({error})"[:300]),)
    return (Fault("PKG-00", "", f"报文无法解析: {error}"[:300]),)


def admit(office: Office, letter: Letter, message: str, *, sealed: bool) -> Package:
    """Verify a package and read it. Unsealed ones are allowed where ``sealed`` is not asked for. Raises NotTaken."""
    root = letter.root
    if office.endpoint.encrypted and not letter.encrypted:
        raise NotTaken(Fault("PKG-11", "", "报文未加密: 本端只受理用其加密证书加密的报文"))
    _shape(office, root, message)
    enterprise = _enterprise(office, root)
    if sealed or letter.signed:
        root = _proven(office, enterprise, letter)
        _shape(office, root, message)
    document = document_in(root)
    envelope = child(root, "EnvelopInfo")
    if document is None or envelope is None:
        raise NotTaken(Fault("PKG-03", "DataInfo/BussinessData", "报文体应有且只有一个单证"))
    package = Package(
        account=first(envelope, ["sender_id"]),
        type=first(envelope, ["message_type"]),
        operation=first(envelope, ["operation"]),
        document=document,
        proven=sealed or letter.signed,
        reference=reference_of(office.scripts.get(first(envelope, ["message_type"])), document),
    )
    _same_story(office.scripts.get(package.type), package)
    _enclose(root, document)
    return package


def may_be_unsigned(office: Office, root: etree._Element) -> bool:
    """Say whether the script takes such a document without a signature; its own words count, as nothing is proven yet."""
    words, document = told(root, office.scripts), document_in(root)
    script = office.scripts.get(words.type)
    flow = script.flow(words.operation) if script else None
    if script is None or flow is None or document is None or not flow.unsigned:
        return False
    choice, _, value = flow.unsigned.partition("=")
    return chosen(script.choices[choice], document) == value


def refusals(office: Office, script: Replies, package: Package, known: Document | None) -> list[Fault]:
    """List what the checks for the package's operation find wrong, damaged attachments included."""
    checks = [check for check in script.checks if package.operation in check.operations]
    subject = Subject(package.account, package.type, package.operation, package.document, known)
    return faults_of(office, checks, subject) + _attachments(package.document)


def allowed(flow: Flow, known: Document | None) -> bool:
    """Say whether a document's status lets an operation begin as it should."""
    return not flow.when or (known.status if known else "") in flow.when


def names_of(script: Replies, document: etree._Element) -> list[str]:
    """List every name under which a document may be asked for."""
    return [text for path in script.keys for text in values(document, path)]


def document_in(root: etree._Element | None) -> etree._Element | None:
    """Give the one document of a package, or nothing."""
    body = child(child(root, "DataInfo"), "BussinessData")
    inside = [] if body is None else [one for one in body if isinstance(one.tag, str)]
    return inside[0] if len(inside) == 1 else None


def _shape(office: Office, root: etree._Element, message: str) -> None:
    envelope = child(root, "EnvelopInfo")
    if root.tag != f"{{{PACKAGE}}}Package" or envelope is None:
        raise NotTaken(Fault("PKG-01", "", "不是有效的报文: 缺少 Package 或 EnvelopInfo"))
    if missing := [name for name in _WANTED if not first(envelope, [name])]:
        raise NotTaken(*[Fault("PKG-02", f"EnvelopInfo/{name}", f"报文头 {name} 必填") for name in missing])
    wrong = []
    if first(envelope, ["environment"]) != office.settings.environment:
        wrong.append(Fault("PKG-04", "EnvelopInfo/environment", f"报文环境与本端环境 {office.settings.environment} 不一致"))
    if first(envelope, ["receiver_id"]) != office.authority:
        wrong.append(Fault("PKG-05", "EnvelopInfo/receiver_id", f"接收方不是 {office.authority}"))
    own = first(envelope, ["message_id"])
    if message != own and not message.startswith(own + "-"):
        wrong.append(Fault("PKG-06", "EnvelopInfo/message_id", "报文编号与 Message-Id 不一致"))
    if wrong:
        raise NotTaken(*wrong)


def _enterprise(office: Office, root: etree._Element) -> Enterprise:
    code = told(root, office.scripts).account
    if (enterprise := office.settings.enterprise(office.authority, code)) is None:
        raise NotTaken(Fault("ACC-01", "EnvelopInfo/sender_id", f"企业 {code} 未注册"))
    return enterprise


def _proven(office: Office, enterprise: Enterprise, letter: Letter) -> etree._Element:
    bound = _bound_card(office, enterprise, letter)
    try:
        return letter.proven(bound.certificate)
    except Unproven as error:
        raise NotTaken(Fault("SIG-01", "Signature", f"签名验证失败: {error}"[:300])) from error


def _bound_card(office: Office, enterprise: Enterprise, letter: Letter) -> Card:
    script = office.scripts.get(told(letter.root, office.scripts).type)
    cards = [card for card in enterprise.cards if card.authority == (script.card if script else office.authority)]
    claimed = first(letter.root, ["EnvelopInfo/ic_card"])
    certificate = letter.certificate
    if certificate is None:
        raise NotTaken(Fault("SIG-02", "Signature/KeyInfo", "签名中没有证书"))
    for card in cards:
        if card.number == claimed and card.certificate == certificate:
            return card
    bound = next((card.number for card in cards if card.certificate == certificate), cards[0].number if cards else "-")
    owner = office.settings.card_of(certificate)
    shown = claimed if claimed and claimed != bound else (owner.number if owner else "")
    if shown and shown != bound:
        raise NotTaken(Fault("CARD-01", "EnvelopInfo/ic_card", _MISMATCH.format(shown=shown, bound=bound)))
    raise NotTaken(Fault("CARD-02", "Signature/KeyInfo", f"签名证书不是卡号 {bound} 登记的证书"))


def _same_story(script: Replies | None, package: Package) -> None:
    wrong = []
    own = script.format if script is not None else None
    if own is not None and own.is_root(package.document):
        if own.asked(package.document) != package.operation:
            raise NotTaken(Fault("PKG-08", "EnvelopInfo/operation", "报文头与单证的操作不一致"))
        return
    if local(package.document) != package.type or etree.QName(package.document).namespace != f"urn:tongguan:{package.type}:1":
        wrong.append(Fault("PKG-07", "EnvelopInfo/message_type", "报文类型与单证不一致"))
    if (package.document.get("operation") or "") != package.operation:
        wrong.append(Fault("PKG-08", "EnvelopInfo/operation", "报文头与单证的操作不一致"))
    if wrong:
        raise NotTaken(*wrong)


def _enclose(root: etree._Element, document: etree._Element) -> None:
    """Put the rows of a sheet beside the document into it, as its checks read them. Raises NotTaken for a damaged one."""
    beside = child(child(root, "DataInfo"), ENCLOSED)
    if beside is None:
        return
    if faults := _attachments(beside):
        raise NotTaken(*faults)
    kept = etree.SubElement(document, ENCLOSED)
    for attachment in beside.iterchildren("{*}Attachment"):
        try:
            rows = csv.DictReader(io.StringIO(base64.b64decode(attachment.text or "").decode()))
            for row in list(rows):
                made = etree.SubElement(kept, "Row")
                for name, value in row.items():
                    etree.SubElement(made, name).text = value
        except (ValueError, TypeError, csv.Error) as error:
            raise NotTaken(Fault("ATT-02", "DataInfo/Enclosed", f"附表无法读取: {error}"[:300])) from error


def _attachments(document: etree._Element) -> list[Fault]:
    faults = []
    for attachment in document.iter("{*}Attachment"):
        wanted = first(attachment, ["@sha256", "sha256", "Sha256"])
        text = first(attachment, ["base64", "Base64", "Content"]) or (attachment.text or "").strip()
        if not wanted or not text:
            continue
        try:
            sound = hashlib.sha256(base64.b64decode(text)).hexdigest() == wanted.lower()
        except (binascii.Error, ValueError):
            sound = False
        if not sound:
            faults.append(
                Fault("ATT-01", "Attachments/Attachment", f"附件 {first(attachment, ['@name', '@file', 'name'])} 与其摘要不一致")
            )
    return faults
