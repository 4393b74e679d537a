"""Read what a document changes in another one, hold it against what stands there, and carry it out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy

from lxml import etree

from tongguan.simulators.books.store import Document
from tongguan.simulators.checks.subject import Subject, fault_of
from tongguan.simulators.messages.markup import child, elements, first, local, parse
from tongguan.simulators.script.code_effects import ChangeTerms
from tongguan.simulators.script.decision_tables import chosen
from tongguan.simulators.script.field_rules import bare_path, canonical, label_at
from tongguan.simulators.script.script import Check, Replies
from tongguan.simulators.server.office import Fault, Office

_STEP = re.compile(r"([A-Za-z_][\w.-]*)(?:\[([1-9]\d{0,3})\])?")


def target_of(office: Office, subject: Subject) -> Document | None:
    """Find the document that one changes, of the same account."""
    terms = office.scripts[subject.type].changes
    named = first(subject.document, [terms.named]) if terms else ""
    return office.store.find_document(subject.account, terms.kind, [named]) if terms else None


def cancels(script: Replies, document: etree._Element) -> bool:
    """Say whether a document cancels the other one."""
    choice, _, value = script.changes.cancels.partition("=") if script.changes else ("", "", "")
    return bool(choice) and chosen(script.choices[choice], document) == value


def changed_target(office: Office, subject: Subject) -> bytes | None:
    """Give the other document as it would be afterwards; nothing where it is not changed, or not to be found."""
    script, target = office.scripts[subject.type], target_of(office, subject)
    if script.changes is None or target is None or cancels(script, subject.document):
        return None
    body, fields = deepcopy(parse(target.body)), office.scripts[target.type].fields
    for row in elements(subject.document, script.changes.rows):
        place = first(row, [script.changes.place])
        if bare_path(place) in fields:
            _put(body, place, first(row, [script.changes.new]))
    return etree.tostring(body)


def old_texts(office: Office, check: Check, subject: Subject) -> Iterator[Fault]:
    """Each row names a place of the other document, and as old what stands there."""
    script, target = office.scripts[subject.type], target_of(office, subject)
    if script.changes is None or target is None:
        return
    other = office.scripts[target.type]
    body = parse(target.body)
    for n, row in enumerate(elements(subject.document, script.changes.rows), 1):
        wrong = _stale(other, body, script.changes, row)
        if wrong is not None:
            place = first(row, [script.changes.place])
            words = {"value": wrong[0], "there": wrong[1], "label": label_at(other.fields, place)}
            yield fault_of(office, check, subject, f"{script.changes.rows}[{n}]/{script.changes.old}", **words)


def _stale(other: Replies, body: etree._Element, terms: ChangeTerms, row: etree._Element) -> tuple[str, str] | None:
    """Give what a row says is old and what stands there, where these differ."""
    place, said = first(row, [terms.place]), first(row, [terms.old])
    steps = _steps(place)
    parent = _parent(body, steps) if steps and bare_path(place) in other.fields else None
    if parent is None:
        return said or "-", f"没有 {place} 一栏"
    found = child(parent, steps[-1][0])
    there = "" if found is None else (found.text or "").strip()
    path = bare_path(place)
    return None if canonical(other.fields, path, said) == canonical(other.fields, path, there) else (said or "-", there or "-")


def _steps(place: str) -> list[tuple[str, int]]:
    """Read ``DecList[3]/GQty`` into names with the number of their row; nothing for what is no place."""
    found = [_STEP.fullmatch(part) for part in place.split("/")]
    return [(match[1], int(match[2] or 1)) for match in found if match] if all(found) else []


def _parent(body: etree._Element, steps: list[tuple[str, int]]) -> etree._Element | None:
    place: etree._Element | None = body
    for name, number in steps[:-1]:
        rows = [one for one in place if local(one) == name] if place is not None else []
        place = rows[number - 1] if number <= len(rows) else None
    return place


def _put(body: etree._Element, place: str, text: str) -> None:
    """Set the text at a place, or take it out; a place that is not there stays so."""
    steps = _steps(place)
    parent = _parent(body, steps) if steps else None
    if parent is None:
        return
    found = child(parent, steps[-1][0])
    if not text:
        if found is not None:
            parent.remove(found)
        return
    if found is None:
        namespace = etree.QName(body).namespace
        found = etree.SubElement(parent, f"{{{namespace}}}{steps[-1][0]}" if namespace else steps[-1][0])
    found.text = text
