"""Take one message: refuse it or enter it in the books, and write its technical receipt, all in one transaction.

The same Message-Id with the same bytes gets the first receipt again, byte for byte; with other bytes it is a conflict.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

from lxml import etree

from tongguan.simulators.books.store import Answered, Document
from tongguan.simulators.checks.checks import claim_all
from tongguan.simulators.checks.subject import Subject
from tongguan.simulators.messages.admission import (
    NotTaken,
    Package,
    admit,
    allowed,
    document_in,
    faults_told,
    may_be_unsigned,
    names_of,
    refusals,
    told,
)
from tongguan.simulators.messages.decode import open_letter
from tongguan.simulators.messages.markup import NotXml, first
from tongguan.simulators.script.player import begin, given_number, planned
from tongguan.simulators.script.script import Replies
from tongguan.simulators.script.traders import trader_of
from tongguan.simulators.server.office import Fault, Notice, Office, receipt

TAKEN, REFUSED, CONFLICT = 202, 400, 409


def take(office: Office, message: str, body: bytes, wrong: dict[str, str]) -> Answered:
    """Answer a message, whether new or told again. ``wrong`` are the faults ordered for it."""
    sha256 = hashlib.sha256(body).digest()
    if known := office.store.message(message):
        if known.sha256 == sha256:
            return known
        fault = Fault("PKG-09", "", "同一 Message-Id 的报文内容不同")
        return _answered(office, sha256, CONFLICT, Notice(_told_account(office, body), message, faults=[fault]))
    with office.store.transaction():
        answered = _fresh(office, message, body, wrong)
        office.store.keep_message(message, answered)
    return answered


def _fresh(office: Office, message: str, body: bytes, wrong: dict[str, str]) -> Answered:
    sha256 = hashlib.sha256(body).digest()
    letter = None
    try:
        letter = open_letter(office.endpoint.opener, body)
        package = admit(office, letter, message, sealed=not may_be_unsigned(office, letter.root))
        document = _enter(office, package, message, wrong)
    except (NotXml, NotTaken) as error:
        root = letter.root if letter else None
        words, body_ = told(root, office.scripts), document_in(root)
        notice = Notice(words.account, message, words.type, faults=faults_told(error), document=body_)
        return _answered(office, sha256, REFUSED, notice)
    for name in office.code(package.type, "0").gives:
        given_number(office, office.scripts[package.type], document, name)
    numbers = office.store.numbers(document.id)
    notice = Notice(package.account, message, package.type, document.number, numbers, document=package.document)
    return _answered(office, sha256, TAKEN, notice)


def _answered(office: Office, sha256: bytes, http: int, notice: Notice) -> Answered:
    code = office.code(notice.type, "0" if http == TAKEN else "1")
    return Answered(sha256, http, office.sealer.seal(receipt(office, code, notice, office.stamp())))


def _told_account(office: Office, body: bytes) -> str:
    try:
        return told(open_letter(office.endpoint.opener, body).root, office.scripts).account
    except NotXml:
        return ""


def _enter(office: Office, package: Package, message: str, wrong: dict[str, str]) -> Document:
    script = office.scripts.get(package.type)
    flow = script.flow(package.operation) if script else None
    if script is None or flow is None:
        raise NotTaken(Fault("PKG-10", "EnvelopInfo/operation", f"不受理 {package.type} 的 {package.operation}"))
    if "fault" in wrong:
        raise NotTaken(Fault("SIM-01", "", "按要求拒收"))
    names = names_of(script, package.document)
    known = office.store.find_document(package.account, package.type, names)
    if known is None and flow.known:
        raise NotTaken(Fault("DOC-01", "", "没有这份单证"))
    if known is not None and flow.pending and office.store.pending(known.id) is not None:
        raise NotTaken(Fault("DOC-03", "", f"上一次变更尚待审批，不能 {package.operation}"))
    as_it_should = allowed(flow, known)
    if not as_it_should and not flow.otherwise:
        text = office.code(package.type, known.status).text if known and known.status else "尚未申报"
        raise NotTaken(Fault("DOC-02", "", f"单证当前状态为 {text}，不能 {package.operation}"))
    if faults := refusals(office, script, package, known):
        raise NotTaken(*faults)
    document = _write(office, script, package, known)
    if as_it_should:
        subject = Subject(package.account, package.type, package.operation, package.document, document)
        claim_all(office, [check for check in script.checks if package.operation in check.operations], subject)
    steps = planned(script, flow if as_it_should else replace(flow, steps=flow.otherwise), document, wrong)
    if as_it_should and flow.stops:
        office.store.stop_courses(document.id)
    begin(office, document, message, steps, wrong)
    return document


def _write(office: Office, script: Replies, package: Package, known: Document | None) -> Document:
    number = first(package.document, script.number)
    document = known or office.store.new_document(package.account, package.type, number)
    flow = script.flow(package.operation)
    if flow is not None and flow.opens_round:
        document = replace(
            document,
            number=number or document.number,
            status="0",  # taken: so that a second declare does not begin while this one waits for its first receipt
            round=document.round + 1,
            body=etree.tostring(package.document),
            facts={"reference": package.reference},
        )
        office.store.write_document(document)
        office.store.forget_made(document.id)
    if flow is not None and flow.pending:
        document = replace(document, round=document.round + 1)
        office.store.write_document(document)
        office.store.keep_pending(document.id, etree.tostring(package.document))
    trader = trader_of(script, package.document, package.account)
    office.store.name_document(document, names_of(script, package.document), trader)
    return document
