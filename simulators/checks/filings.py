"""Hold a document against what was filed before: another document of the account, an entry of a book, or itself as approved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from lxml import etree

from tongguan.simulators.books.store import Document
from tongguan.simulators.checks.subject import Subject, fault_of
from tongguan.simulators.messages.markup import elements, first, local, parse
from tongguan.simulators.script.field_rules import FieldRules, bare_path, canonical
from tongguan.simulators.script.script import Check
from tongguan.simulators.script.traders import trader_of
from tongguan.simulators.server.office import Fault, Office

Texts = Mapping[str, str]  #: of a row, by their elements


def named(office: Office, check: Check, subject: Subject) -> Iterator[Fault]:
    """The texts name a document of the type ``kind`` filed for the same enterprise, in one of ``status``; at ``same`` both say the same."""
    text = joined(subject.document, check.at)
    found = _other(office, check, subject, text)
    if found is None:
        yield fault_of(office, check, subject, check.at.partition("+")[0], value=text or "-")
        return
    there = parse(found.body)
    for here, other in map(_pair, check.same):
        one, two = first(subject.document, [here]), first(there, [other])
        if _differ(office, subject, here, one, two):
            yield fault_of(office, replace(check, says=check.differs or check.says), subject, here, value=one or "-", there=two)


def filed(office: Office, check: Check, subject: Subject) -> Iterator[Fault]:
    """Each row has its like among the rows of the other document, and that is not stopped."""
    for place, row, there in _rows(office, check, subject):
        here = _pair(check.key)[0]
        if there is None or there.get(check.stopped) == "1":
            wrong = "没有这一项" if there is None else "已停用"
            yield fault_of(office, check, subject, f"{place}/{here}", value=first(row, [here]), there=wrong, row=_number(place))


def alike(office: Office, check: Check, subject: Subject) -> Iterator[Fault]:
    """Each row says the same as its like in the other document."""
    for place, row, there in _rows(office, check, subject):
        for here, other in map(_pair, check.columns if there is not None else ()):
            one, two = first(row, [here]), (there or {}).get(other, "")
            if _differ(office, subject, f"{check.rows}/{here}", one, two):
                yield fault_of(office, check, subject, f"{place}/{here}", value=one or "-", there=two or "-", row=_number(place))


def unchanged(office: Office, check: Check, subject: Subject) -> Iterator[Fault]:
    """At ``columns`` the document says what it said when it was approved; with ``rows`` each of its rows does, in their order."""
    if subject.known is None:
        return
    before = parse(subject.known.body)
    old = elements(before, check.rows) if check.rows else [before]
    new = elements(subject.document, check.rows) if check.rows else [subject.document]
    for n, row in enumerate(old, 1):
        place = f"{check.rows}[{n}]/" if check.rows else ""
        if n > len(new):
            yield fault_of(office, check, subject, place.rstrip("/"), value="-", there="-")
            continue
        for column in check.columns:
            one, two = first(new[n - 1], [column]), first(row, [column])
            if _differ(office, subject, bare_path(place) + column, one, two):
                yield fault_of(office, check, subject, place + column, value=one or "-", there=two or "-")


def last_days(office: Office, check: Check, subject: Subject) -> Iterator[Fault]:
    """The day told as ``until`` is not over, and no more than ``days`` ahead."""
    until = subject.known.facts.get(check.until, "") if subject.known else ""
    today = office.today()
    if not until or not today <= until <= (date.fromisoformat(today) + timedelta(days=check.days)).isoformat():
        yield fault_of(office, check, subject, check.at, value=until or "-")


def columns_of(office: Office, check: Check, subject: Subject) -> Iterator[Fault]:
    """The texts at ``columns`` are those of the entry in the book ``table`` that the text names."""
    record = office.settings.records.get(check.table, {}).get(first(subject.document, [check.at]))
    for here, other in map(_pair, check.columns if record is not None else ()):
        one, two = first(subject.document, [here]), str((record or {}).get(other, ""))
        if _differ(office, subject, here, one, two):
            yield fault_of(office, check, subject, here, value=one or "-", there=two or "-")


def joined(document: etree._Element, at: str) -> str:
    """Join the texts at the paths between ``+``; nothing when one of them is missing."""
    texts = [first(document, [path]) for path in at.split("+")]
    return "+".join(texts) if all(texts) else ""


def lapsed(office: Office, check: Check, document: Document) -> bool:
    """Say whether the day told of a document as the check's ``until`` is over."""
    until = document.facts.get(check.until, "")
    return bool(until) and until < office.today()


def _other(office: Office, check: Check, subject: Subject, text: str) -> Document | None:
    store, script = office.store, office.script(subject.type)
    trader = trader_of(script, subject.document, subject.account)
    found = store.claimant(check.claim, text) if check.claim else store.find_document(trader, check.kind, [text])
    if found is None or lapsed(office, check, found):
        return None
    own = found.account if script is None or not script.trader else _trader(office, found)
    if own != trader:
        return None
    return found if not check.status or found.status in check.status else None


def _trader(office: Office, found: Document) -> str:
    return trader_of(office.script(found.type), parse(found.body), found.account)


def _rows(office: Office, check: Check, subject: Subject) -> Iterator[tuple[str, etree._Element, Texts | None]]:
    """List each row with its place, and its like in the other document; nothing when that one is not to be found."""
    here, other = _pair(check.key)
    there = _rows_there(office, check, subject)
    if there is None:
        return
    script = office.script(subject.type)
    rules: FieldRules = script.fields if script else {}
    like = {canonical(rules, f"{check.rows}/{here}", texts.get(other, "")): texts for texts in there}
    for n, row in enumerate(elements(subject.document, check.rows), 1):
        yield f"{check.rows}[{n}]", row, like.get(canonical(rules, f"{check.rows}/{here}", first(row, [here])))


def _rows_there(office: Office, check: Check, subject: Subject) -> list[Texts] | None:
    text = first(subject.document, [check.at])
    if check.table:
        record: Mapping[str, Any] | None = office.settings.records.get(check.table, {}).get(text)
        rows = record.get(check.there, []) if record is not None else None
        return None if rows is None else [{name: str(value) for name, value in row.items()} for row in rows]
    found = _other(office, check, subject, text)
    if found is None:
        return None
    return [{local(one): (one.text or "").strip() for one in row} for row in elements(parse(found.body), check.there)]


def _pair(text: str) -> tuple[str, str]:
    """Read ``Here=There``, or one name for both."""
    here, _, there = text.partition("=")
    return here, there or here


def _differ(office: Office, subject: Subject, path: str, one: str, two: str) -> bool:
    script = office.script(subject.type)
    rules: FieldRules = script.fields if script else {}
    return canonical(rules, path, one) != canonical(rules, path, two)


def _number(place: str) -> str:
    return place.rpartition("[")[2].rstrip("]")
