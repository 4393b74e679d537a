"""Hold the licences that a document cites against those that customs keeps, and take what it uses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from lxml import etree

from tongguan.simulators.checks.subject import Subject, fault_of
from tongguan.simulators.customs.declaration_form import Cited, Company, Declaration, Goods, as_kept
from tongguan.simulators.customs.examination import examined
from tongguan.simulators.customs.ledger import DELETED, RESERVED, Entry
from tongguan.simulators.messages.markup import elements, first, values
from tongguan.simulators.script.code_effects import CitingTerms
from tongguan.simulators.script.decision_tables import chosen
from tongguan.simulators.script.script import Check, Replies
from tongguan.simulators.server.office import Fault, Office

_QUOTES = ":"  #: between the code of a certificate and its number


def covered(office: Office, check: Check, subject: Subject) -> Iterator[Fault]:
    """Every line is on the licence that it cites, and what is left there covers its quantity."""
    declared, terms = _declared(office, subject), _terms(office, subject)
    if declared is None or terms is None:
        return
    faults, _ = examined(office.store.ledger, office.settings, declared)
    told = [fault_of(office, check, subject, _place(terms, subject.document, fault), value=fault.text) for fault in faults]
    yield from dict.fromkeys(told)


def take_quantities(office: Office, subject: Subject) -> None:
    """Take what the document's lines use, in place of what it took before."""
    if (declared := _declared(office, subject)) is None:
        return
    books = office.store.ledger
    _, uses = examined(books, office.settings, declared)
    books.keep_entry(Entry(declared.entry, b"", RESERVED, {"declared": declared.date}, as_kept(declared)), uses)


def give_back(office: Office, subject: Subject) -> None:
    """Give back what the document took."""
    entry = office.store.ledger.entry(_entry(office, subject))
    if entry is not None and entry.stands:
        office.store.ledger.move_entry(replace(entry, state=DELETED, events={**entry.events, "delete": office.today()}))


def _terms(office: Office, subject: Subject) -> CitingTerms | None:
    return office.scripts[subject.type].cites


def _entry(office: Office, subject: Subject) -> str:
    terms = _terms(office, subject)
    known = office.store.numbers(subject.known.id) if subject.known else {}
    return known.get(terms.number, "") if terms else ""


def _declared(office: Office, subject: Subject) -> Declaration | None:
    """Read a document as the ledger wants a declaration; nothing where it cites no licence."""
    terms, document = _terms(office, subject), subject.document
    script = office.scripts[subject.type]
    choice, _, value = terms.only.partition("=") if terms else ("", "", "")
    if terms is None or (choice and chosen(script.choices[choice], document) != value):
        return None
    goods = tuple(_line(office, script, terms, n, row) for n, row in enumerate(elements(document, terms.goods), 1))
    head = first(document, terms.licence)
    if head:
        goods = tuple(replace(line, licence=line.licence or _cited(office, head)) for line in goods)
    if not any(line.licence for line in goods):
        return None
    choice = terms.direction.removeprefix("choice:")
    return Declaration(
        entry=_entry(office, subject),
        direction=chosen(script.choices[choice], document) if choice in script.choices else terms.direction,
        date=office.today(),
        port=first(document, [terms.port]),
        trade_mode=first(document, terms.trade_mode),
        trader=Company(
            tuple(text for path in terms.trader for text in values(document, path)), first(document, terms.trader_name)
        ),
        owner=Company((), ""),
        trade_country=first(document, terms.trade_country),
        bill_no=first(document, terms.bill_no),
        district="",
        contract_no=first(document, terms.contract_no),
        packages=first(document, terms.packages),
        licences=(),
        goods=goods,
    )


def _line(office: Office, script: Replies, terms: CitingTerms, place: int, row: etree._Element) -> Goods:
    cited = first(row, [terms.line_licence]) if terms.line_licence else ""
    return Goods(
        line=place,
        code=first(row, [terms.code]),
        name=first(row, [terms.name]),
        model=first(row, [terms.model]),
        unit=first(row, [terms.unit]),
        quantity=Decimal(first(row, [terms.quantity]) or 0),
        price=first(row, [terms.price]),
        currency=first(row, [terms.currency]),
        licence=_cited(office, cited) if cited else None,
    )


def _cited(office: Office, text: str) -> Cited:
    """Read ``code:number``; where no code is said, the licence's own is meant."""
    code, _, number = text.rpartition(_QUOTES)
    permit = office.store.ledger.permit(number)
    return Cited(code or (permit.codes[0] if permit else ""), number)


def _place(terms: CitingTerms, document: etree._Element, fault: Fault) -> str:
    """Give the document's own place for one of the ledger, ``goods/3/licence``: of the commodity, unit or quantity, or of the licence."""
    row = int(fault.path.split("/")[1])
    cited = elements(document, terms.goods)[row - 1]
    own = bool(terms.line_licence and first(cited, [terms.line_licence]))
    below = {"LIC-17": terms.code, "LIC-18": terms.unit, "LIC-19": terms.quantity}.get(
        fault.code, terms.line_licence if own else ""
    )
    return f"{terms.goods}[{row}]/{below}" if below else terms.licence[0]
