"""Hold a declaration against the lists that it collects: each cleared, and together what it says, to the last decimal.

Which lists these are the declaration itself says. What is written off with it are the licences that its lists have taken.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation

from lxml import etree

from tongguan.simulators.books.store import Document
from tongguan.simulators.checks.subject import Subject, fault_of
from tongguan.simulators.customs.ledger import CLEARED, RELEASED, RESERVED
from tongguan.simulators.customs.tellings import plan_tellings
from tongguan.simulators.messages.markup import elements, first, parse, values
from tongguan.simulators.script.code_effects import CollectTerms
from tongguan.simulators.script.field_rules import canonical
from tongguan.simulators.script.script import Check
from tongguan.simulators.server.office import Fault, Office

RowKey = tuple[str, ...]
_AFTER = {RELEASED: (RESERVED, "release"), CLEARED: (RELEASED, "clear")}  #: state -> from which, by what event


def collected(office: Office, check: Check, subject: Subject) -> Iterator[Fault]:
    """The lists are there, in one of ``status``, say the same in the head, and add up to the declaration."""
    terms = office.scripts[subject.type].collects
    if terms is None:
        return
    names = named_lists(terms, subject.document)
    found = {name: list_of(office, terms, subject, name) for name in names}
    unfit = [name for name, one in found.items() if one is None or one.status not in check.status]
    if unfit or not names:
        place = terms.named[0]
        yield from (fault_of(office, check, subject, place, value=name) for name in unfit or ["-"])
        return
    lists = [parse(one.body) for one in found.values() if one is not None]
    wrong = [*_head(office, terms, subject, lists), *_sums(terms, subject, lists), *_rows(office, terms, subject, lists)]
    for place, value, there in wrong:
        yield fault_of(office, replace(check, says=check.differs), subject, place, value=value or "-", there=there or "-")


def named_lists(terms: CollectTerms, document: etree._Element) -> list[str]:
    """List the lists that a declaration names, at the first place where it names any."""
    return next((told for path in terms.named if (told := values(document, path))), [])


def list_of(office: Office, terms: CollectTerms, subject: Subject, name: str) -> Document | None:
    """Find a list by a name: it is the trader's, who may be another one than the sender."""
    return office.store.find_document(first(subject.document, [terms.owner]), terms.kind, [name])


def write_off(office: Office, subject: Subject, state: str) -> None:
    """Let what was taken of licences for the lists be released, or cleared. To be called inside a transaction."""
    terms = office.scripts[subject.type].collects
    if terms is None:
        return
    before, event = _AFTER[state]
    for name in named_lists(terms, subject.document):
        found = list_of(office, terms, subject, name)
        entry = office.store.ledger.entry(office.store.numbers(found.id).get(terms.number, "")) if found else None
        if entry is None or entry.state != before:
            continue
        moved = replace(entry, state=state, events={**entry.events, event: office.today()})
        office.store.ledger.move_entry(moved)
        if state == RELEASED:
            plan_tellings(office, moved)


def _head(
    office: Office, terms: CollectTerms, subject: Subject, lists: Sequence[etree._Element]
) -> Iterator[tuple[str, str, str]]:
    """What every list must say as the declaration does."""
    rules = office.scripts[subject.type].fields
    for here, there in [*map(_pair, terms.head), *_marked(terms, subject.document, totals=False)]:
        one = canonical(rules, here, first(subject.document, [here]))
        others = {canonical(rules, here, first(each, [there])) for each in lists}
        if others != {one}:
            yield here, one, " ".join(sorted(others - {one}))


def _sums(terms: CollectTerms, subject: Subject, lists: Sequence[etree._Element]) -> Iterator[tuple[str, str, str]]:
    """What the lists add up to."""
    for here, there in [*map(_pair, terms.sums), *_marked(terms, subject.document, totals=True)]:
        total = sum((_amount(first(each, [there])) for each in lists), Decimal(0))
        if _amount(first(subject.document, [here])) != total:
            yield here, first(subject.document, [here]), f"{total:f}"


def _rows(
    office: Office, terms: CollectTerms, subject: Subject, lists: Sequence[etree._Element]
) -> Iterator[tuple[str, str, str]]:
    """The same goods, and of each as much: whatever the lines of the declaration are made of."""
    sides = [_pair(pair) for pair in (*terms.key, *(terms.swapped if _swaps(terms, subject.document) else terms.straight))]
    for here, there in map(_pair, terms.row_sums):
        declared = _added(office, terms, subject, elements(subject.document, terms.rows), [one for one, _ in sides], here)
        listed = Counter[RowKey]()
        for each in lists:
            listed += _added(office, terms, subject, elements(each, terms.there), [other for _, other in sides], there)
        for key in sorted(declared.keys() | listed.keys()):
            if declared[key] != listed[key]:
                yield f"{terms.rows}/{here}", f"{' '.join(key[:2])}: {declared[key]:f}", f"{listed[key]:f}"


def _added(
    office: Office, terms: CollectTerms, subject: Subject, rows: Sequence[etree._Element], key: Sequence[str], amount: str
) -> Counter[RowKey]:
    rules, added = office.scripts[subject.type].fields, Counter[RowKey]()
    for row in rows:
        worth = tuple(canonical(rules, f"{terms.rows}/{path}", first(row, [path])) for path in key)
        added[worth] += _amount(first(row, [amount]))  # type: ignore[assignment]  # a counter adds whatever adds up
    return added


def _marked(terms: CollectTerms, document: etree._Element, *, totals: bool) -> list[tuple[str, str]]:
    """What a mark of the declaration says to be a total, or not to be one: a rate, or a price of a unit."""
    said = (text.partition(" ") for text in terms.marked)
    return [_pair(pair) for condition, _, pair in said if _is(condition, document) is totals]


def _is(condition: str, document: etree._Element) -> bool:
    path, _, value = condition.partition("=")
    return bool(path) and first(document, [path]) == value


def _swaps(terms: CollectTerms, document: etree._Element) -> bool:
    return _is(terms.swaps, document)


def _amount(text: str) -> Decimal:
    try:
        return Decimal(text or 0)
    except InvalidOperation:
        return Decimal(0)


def _pair(text: str) -> tuple[str, str]:
    """Read ``Here=There``, or one name for both."""
    here, _, there = text.partition("=")
    return here, there or here
