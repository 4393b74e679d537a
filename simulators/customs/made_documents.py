"""Make what is asked for of declarations: a printed form, sealed or not, or the data of a cleared one; keep it, and drop it in time.

What becomes of each row of a request is written down when it is made, so a receipt tells the same however often it is issued.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from lxml import etree

from tongguan.simulators.books.store import Document, MadeDocument
from tongguan.simulators.checks.subject import Subject, fault_of
from tongguan.simulators.customs.declaration_workbook import declaration_workbook
from tongguan.simulators.customs.held_declarations import HeldDeclaration, held_declaration
from tongguan.simulators.messages.markup import elements, first, parse
from tongguan.simulators.script.code_effects import MakeTerms
from tongguan.simulators.script.durations import end_of, months_later
from tongguan.simulators.script.script import Check
from tongguan.simulators.server.office import Fault, Office

_WORKBOOK = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_REASONS = {"unfinished": "海关作业流程未完结", "old-version": "旧版本暂不支持", "failed": "数据生成失败"}


def declared(office: Office, check: Check, subject: Subject) -> Iterator[Fault]:
    """Every number is that of a declaration which customs still keeps, and which is the enterprise's own."""
    terms = office.scripts[subject.type].makes
    if terms is None:
        return
    keeps_since = months_later(office.today(), -terms.keeps)
    for found in elements(subject.document, check.at):
        entry = (found.text or "").strip()
        held = held_declaration(office, terms.held, entry)
        if held is None or held.declared < keeps_since:
            yield fault_of(office, check, subject, check.at, value=entry)
        elif subject.account not in held.traders:
            yield fault_of(office, replace(check, says=check.differs), subject, check.at, value=entry)


def make_row(office: Office, document: Document, row: int, wrong: Mapping[str, str]) -> None:
    """Make what a row of a request asks for, or write down why it cannot be made."""
    terms = office.scripts[document.type].makes
    body = parse(document.body)
    if terms is None:
        return
    entry = first(elements(body, terms.rows)[row - 1], [terms.key])
    held = held_declaration(office, terms.held, entry)
    failed = _failed(wrong, row) or ("unfinished" if held is None or not held.cleared else "old-version" if held.old else "")
    today = office.today()
    if failed or held is None:
        state = {"unfinished": terms.unfinished, "old-version": terms.old, "failed": terms.failed_state or terms.old}[failed]
        office.store.keep_made(MadeDocument(document.id, row, entry, state, today, "", _REASONS[failed], "", "", b""))
        return
    seals = bool(terms.sealed) and first(body, [terms.sealed["at"]]) == terms.sealed["is"]
    state = terms.sealed["made"] if seals else terms.made
    name, media, content = _file(office, terms, held, seals=seals)
    until = months_later(today, terms.months)
    office.store.keep_made(MadeDocument(document.id, row, entry, state, today, until, "", name, media, content))


def _failed(wrong: Mapping[str, str], row: int) -> str:
    """What a marker orders to go wrong with a row, ``!failed=2``, or with all of them, ``!failed``."""
    return next((word for word in _REASONS if wrong.get(word) in ("", str(row))), "")


def _file(office: Office, terms: MakeTerms, held: HeldDeclaration, *, seals: bool) -> tuple[str, str, bytes]:
    if terms.what == "print":
        from tongguan.simulators.customs.declaration_pdf import declaration_pdf  # late: few requests want a paper

        return f"{held.entry}.pdf", "application/pdf", declaration_pdf(office, held, seals=seals)
    content = etree.tostring(held.message, xml_declaration=True, encoding="UTF-8")
    return f"{held.entry}.xml", "application/xml", content


def files_of(made: MadeDocument) -> list[tuple[str, str, bytes]]:
    """Give what was made as name, media type and bytes: of data there is a workbook, too."""
    files = [(made.name, made.media, made.body)]
    if made.media == "application/xml":
        files.append((f"{made.entry}.xlsx", _WORKBOOK, declaration_workbook(made.body)))
    return files


def told_of_row(office: Office, document: Document, row: int) -> Mapping[str, str]:
    """What a receipt tells of a row: until it is made, that it is being made."""
    terms = office.scripts[document.type].makes
    made = office.store.made(document.id, row)
    if terms is None or made is None:
        return {"made.state": terms.making if terms else ""}
    return {"made.state": made.state, "made.day": made.day, "made.until": made.until, "made.reason": made.reason}


def verdict_code(office: Office, document: Document, code: str) -> str:
    """What a request ends as: done, done in part, or not at all."""
    terms = office.scripts[document.type].makes
    if terms is None or code != terms.done:
        return code
    every = office.store.every_made(document.id)
    good = [one for one in every if one.name]
    return terms.done if len(good) == len(every) else terms.partly if good else terms.failed


def drop_expired(office: Office) -> float | None:
    """Strike out what has been kept for its time, and give the business time at which the next is over."""
    office.store.drop_made(office.today())
    until = office.store.made_until()
    return end_of(until) if until else None
