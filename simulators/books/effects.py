"""Do what a code does beside being told: settle pending content, tell days, change another document, take or give back quantities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from lxml import etree

from tongguan.simulators.books.columns import shown
from tongguan.simulators.books.store import Document
from tongguan.simulators.checks.changes import cancels, changed_target, target_of
from tongguan.simulators.checks.collected import write_off
from tongguan.simulators.checks.licences import give_back, take_quantities
from tongguan.simulators.checks.subject import Subject
from tongguan.simulators.customs.made_documents import told_of_row
from tongguan.simulators.messages.markup import elements, first, parse
from tongguan.simulators.script.code_effects import DayTerms
from tongguan.simulators.script.durations import months_later
from tongguan.simulators.script.script import Code
from tongguan.simulators.server.office import Office, content, element


def settle_pending(office: Office, document: Document, code: Code) -> Document:
    """Let content that awaited this verdict hold, or drop it."""
    body = office.store.pending(document.id) if code.pending else None
    if body is None:
        return document
    office.store.drop_pending(document.id)
    return replace(document, body=body) if code.pending == "applies" else document


def tell_days(office: Office, document: Document, code: Code, wrong: Mapping[str, str]) -> Document:
    """Settle the days that a code tells; they are facts of the document from then on."""
    terms = office.scripts[document.type].days
    told = {name: _day(office, document, name, terms[name], wrong) for name in code.tells}
    return replace(document, facts={**document.facts, **told}) if told else document


def content_of(office: Office, document: Document, code: Code, row: int = 0) -> etree._Element | None:
    """Write the days and rows that a code tells as the content of its receipt; ``row``: of the rows only this one, from 1."""
    if not code.tells and not code.rows:
        return None
    filled = content()
    for name in code.tells:
        element(filled, name, document.facts[name])
    for number, found in enumerate(elements(parse(document.body), code.rows) if code.rows else (), 1):
        if row in (0, number):
            _tell_row(element(filled, code.rows.rpartition("/")[2]), found, code, told_of_row(office, document, number))
    return filled


def _tell_row(made: etree._Element, found: etree._Element, code: Code, known: Mapping[str, str]) -> None:
    for column in map(shown, code.row):
        text = known.get(column.name) if column.name.startswith("made.") else column.text or first(found, [column.name])
        if text:
            element(made, column.element, text)


def take_effect(office: Office, document: Document, code: Code) -> None:
    """Do what a code does to licences and to other documents. The document is written already."""
    if code.stops:
        office.store.stop_courses(document.id)
        office.store.drop_pending(document.id)
    if code.writes_off:
        write_off(office, _subject(document), code.writes_off)
    for wanted, effect in ((code.takes, take_quantities), (code.gives_back, give_back), (code.changes, _change)):
        if wanted:
            effect(office, _subject(document))


def _change(office: Office, subject: Subject) -> None:
    script, target = office.scripts[subject.type], target_of(office, subject)
    if script.changes is None or target is None:
        return
    if cancels(script, subject.document):
        office.store.write_document(replace(target, status=script.changes.cancelled))
        office.store.stop_courses(target.id)
        give_back(office, _subject(target))
    elif (body := changed_target(office, subject)) is not None:
        changed = replace(target, body=body)
        office.store.write_document(changed)
        take_quantities(office, _subject(changed))


def _subject(document: Document) -> Subject:
    return Subject(document.account, document.type, "", parse(document.body), document)


def _day(office: Office, document: Document, name: str, terms: DayTerms, wrong: Mapping[str, str]) -> str:
    if ordered := _ordered(wrong.get(terms.marker, "")):
        return ordered
    body = parse(document.body)
    if terms.kind:
        other = office.store.find_document(document.account, terms.kind, [first(body, [terms.named])])
        return other.facts.get(name, "") if other else ""
    day = months_later(document.facts.get(name) or office.today(), terms.months)
    limit = first(body, terms.at)
    return min(day, limit) if limit else day


def _ordered(text: str) -> str:
    """Read the day of a marker, eight digits; nothing for what is no day."""
    try:
        return datetime.strptime(text, "%Y%m%d").date().isoformat()
    except ValueError:
        return ""
