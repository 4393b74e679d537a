"""Answer queries at once, from the books.

The answers of ``[[query]]``: ``choice`` (what a small table gives for the document), ``record`` (the field of a record in the
authority's own books, with its name from the book ``names``; or, by ``columns``, the account's own record), ``status`` (status,
numbers, receipts; without a document the status that a record of the account in the book ``table`` stands for), ``group`` (the
newest receipt of a group of codes), ``file`` (the issued document as a PDF), ``made`` (what was made for the rows of a request) and
``rows`` (a table; ``rows.py``, ``books.py``).
"""

from __future__ import annotations

import base64
from collections.abc import Callable

from lxml import etree

from tongguan.simulators.books.books import ROWS, Question
from tongguan.simulators.books.columns import shown
from tongguan.simulators.books.rows import NotAnswered, listed
from tongguan.simulators.books.store import Document
from tongguan.simulators.checks.checks import faults_of
from tongguan.simulators.checks.subject import Subject
from tongguan.simulators.customs.made_documents import files_of
from tongguan.simulators.messages.admission import NotTaken, Package, admit, faults_told, names_of, told
from tongguan.simulators.messages.decode import open_letter
from tongguan.simulators.messages.faults import markers
from tongguan.simulators.messages.markup import NotXml, elements, first, values
from tongguan.simulators.script.decision_tables import chosen
from tongguan.simulators.script.player import fits
from tongguan.simulators.script.script import Query, Replies
from tongguan.simulators.server.office import Fault, Notice, Office, content, element, receipt

_REFUSED = "refuse-query"  #: the marker of a query that is not answered


def answered(office: Office, message: str, body: bytes) -> tuple[int, bytes]:
    """Answer a query: the HTTP status and a signed receipt, with code 1 when it cannot even be read or believed."""
    letter = None
    try:
        letter = open_letter(office.endpoint.opener, body)
        code, notice = _answer(office, admit(office, letter, message, sealed=False), message)
    except (NotXml, NotTaken) as error:
        words = told(letter.root if letter else None, office.scripts)
        code, notice = "1", Notice(words.account, message, words.type, faults=faults_told(error))
    written = receipt(office, office.code(notice.type, code), notice, office.stamp())
    return 400 if code == "1" else 200, office.sealer.seal(written)


def _answer(office: Office, package: Package, message: str) -> tuple[str, Notice]:
    script = office.script(package.type)
    try:
        if script is None:
            raise NotTaken(Fault("QRY-01", "EnvelopInfo/message_type", f"没有 {package.type} 的查询"))
        query = _query(office, script, package)
        if _REFUSED in markers(package.reference):
            raise NotTaken(Fault("QRY-07", "@reference", "暂不提供查询"))
        checks = [check for check in script.checks if query.kind in check.queries]
        if faults := faults_of(office, checks, _subject(package)):
            raise NotTaken(*faults)
        filled = _ANSWERS[query.answer]((office, script, query, package))
    except NotTaken as error:
        return "Q1", Notice(package.account, message, package.type, _own_number(office, script, package), faults=error.faults)
    return "Q0", Notice(package.account, message, package.type, _own_number(office, script, package), content=filled)


def _subject(package: Package) -> Subject:
    return Subject(package.account, package.type, package.operation, package.document)


def _own_number(office: Office, script: Replies | None, package: Package) -> str:
    if script is None:
        return ""
    document = office.store.find_document(package.account, package.type, names_of(script, package.document))
    return document.number if document else first(package.document, script.number)


def _query(office: Office, script: Replies, package: Package) -> Query:
    kind = package.document.get("kind") or ""
    query = script.query(kind, package.operation)
    if query is None or (query.authority or script.authority) != office.authority:
        raise NotTaken(Fault("QRY-01", "@kind", f"不支持的查询: {kind or package.operation}"))
    if query.signed and not package.proven:
        raise NotTaken(Fault("QRY-02", "Signature", "该查询须签名"))
    return query


def _choice(asked: Question) -> etree._Element:
    _, script, query, package = asked
    filled = content()
    for name, _, choice in (pair.partition("=") for pair in query.choices):
        element(filled, name, chosen(script.choices[choice], package.document))
    return filled


def _record(asked: Question) -> etree._Element:
    office, _, query, package = asked
    if query.columns:
        return _own_record(asked)
    books, filled = office.settings.records, content()
    for number in values(package.document, query.at)[:1]:
        code = str(books[query.table][number][query.field])
        name = str(books.get(query.names, {}).get(code, {}).get("name", ""))
        element(filled, query.element, code, code=code, name=name)
    return filled


def _own_record(asked: Question) -> etree._Element:
    """The account's record in a book: an element for each of its columns that says something."""
    office, _, query, package = asked
    record = office.settings.records.get(query.table, {}).get(package.account)
    if record is None:
        raise NotTaken(Fault("QRY-06", "", f"没有企业 {package.account} 的备案信息"))
    filled = content()
    for column in map(shown, query.columns):
        if text := str(record.get(column.name, "")):
            element(filled, column.element, text)
    return filled


def _on_record(asked: Question) -> etree._Element:
    """The status of an account that stands in a book only: it was entered there at another door."""
    office, script, query, package = asked
    if package.account not in office.settings.records.get(query.table, {}):
        raise NotTaken(Fault("QRY-03", "", "没有这份单证"))
    filled, code = content(), query.status[0]
    element(filled, "Status", office.code(script.type, code).text, code=code, round="0")
    element(element(filled, "Receipts"), "Receipt", office.code(script.type, code).text, code=code, round="0")
    return filled


def _asked_for(asked: Question) -> Document:
    office, script, _, package = asked
    document = office.store.find_document(package.account, package.type, names_of(script, package.document))
    if document is None:
        raise NotTaken(Fault("QRY-03", "", "没有这份单证"))
    return document


def _status(asked: Question) -> etree._Element:
    office, script, query, package = asked
    if query.table and office.store.find_document(package.account, package.type, names_of(script, package.document)) is None:
        return _on_record(asked)
    document, filled = _asked_for(asked), content()
    history = [(office.code(script.type, code), round_, issued) for code, round_, issued in office.store.history(document.id)]
    element(filled, "Status", office.code(script.type, document.status).text, code=document.status, round=str(document.round))
    for group in sorted({code.group for code, _, _ in history if code.group}):
        code, _, issued = next(row for row in reversed(history) if row[0].group == group)
        element(filled, "Side", code.text, group=group, code=code.code, issued_at=issued)
    numbers = element(filled, "Numbers")
    for name, value in office.store.numbers(document.id).items():
        element(numbers, "Number", value, name=name)
    receipts = element(filled, "Receipts")
    for code, round_, issued in history:
        element(receipts, "Receipt", code.text, code=code.code, round=str(round_), issued_at=issued)
    return filled


def _group(asked: Question) -> etree._Element:
    office, script, query, _ = asked
    document, filled = _asked_for(asked), content()
    for code, _, issued in reversed(office.store.history(document.id)):
        if (found := office.code(script.type, code)).group == query.group:
            element(filled, query.element, found.text, code=code, issued_at=issued)
            return filled
    element(filled, query.element, "-", code="")
    return filled


def _file(asked: Question) -> etree._Element:
    office, script, query, _ = asked
    document = _asked_for(asked)
    number = office.store.numbers(document.id).get(query.number)
    if number is None or document.status not in query.status or (query.only and not fits(script, query.only, document)):
        raise NotTaken(Fault("QRY-04", "", "尚未生成可下载的电子许可证"))
    from tongguan.simulators.books.licence_pdf import licence_pdf  # late: few requests want a paper

    filled = content()
    pdf = base64.b64encode(licence_pdf(office, query, document, number)).decode()
    element(filled, "File", name=f"{number}.pdf", media_type="application/pdf").text = pdf
    return filled


def _made(asked: Question) -> etree._Element:
    """The files that were made for the rows of a request which the question has; each still kept."""
    office, script, _, package = asked
    document, terms = _asked_for(asked), script.makes
    every = {one.entry: one for one in office.store.every_made(document.id)}
    rows = elements(package.document, terms.rows) if terms else []
    wanted = [first(row, [terms.key]) for row in rows] if terms else []
    if gone := [entry for entry in wanted if entry not in every or (every[entry].until and every[entry].until < office.today())]:
        raise NotTaken(
            *[
                Fault("QRY-07", terms.rows if terms else "", f"报关单 {entry} 的单证或数据已超过一个自然月，请重新申请")
                for entry in gone
            ]
        )
    if unmade := [entry for entry in wanted if not every[entry].name]:
        raise NotTaken(*[Fault("QRY-08", "", f"报关单 {entry}: {every[entry].reason}") for entry in unmade])
    filled = content()
    for entry in wanted:
        for name, media, body in files_of(every[entry]):
            element(filled, "File", name=name, media_type=media, of=entry).text = base64.b64encode(body).decode()
    return filled


def _rows(asked: Question) -> etree._Element:
    office, _, query, package = asked
    try:
        return listed(office, query, package.document, ROWS[query.of](asked))
    except NotAnswered as error:
        raise NotTaken(error.fault) from error


_ANSWERS: dict[str, Callable[[Question], etree._Element]] = {
    "choice": _choice,
    "record": _record,
    "status": _status,
    "group": _group,
    "file": _file,
    "rows": _rows,
    "made": _made,
}
