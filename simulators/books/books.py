"""The books that rows are made of: customs' ledger, an authority's own documents, and the shared code tables."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from functools import cache, partial

from lxml import etree

from tongguan.simulators.books.rows import Row, plain
from tongguan.simulators.books.store import Document
from tongguan.simulators.customs.held_declarations import HeldDeclaration, declarations_of
from tongguan.simulators.customs.ledger import CLEARED, RELEASED, Entry, Line, Permit, Use, bare, left, written
from tongguan.simulators.customs.permits import codes_like
from tongguan.simulators.messages.admission import NotTaken, Package, names_of
from tongguan.simulators.messages.markup import elements, first, parse, values
from tongguan.simulators.script.durations import months_later
from tongguan.simulators.script.script import Query, Replies
from tongguan.simulators.script.traders import trader_of
from tongguan.simulators.server.office import Fault, Office

Question = tuple[Office, Replies, Query, Package]


def remaining(asked: Question) -> list[Row]:
    """A row for each goods line of the enterprise's licences of the type."""
    office, *_ = asked
    return [_line(office, permit, line) for permit in _permits(asked) for line in permit.lines]


def writeoffs(asked: Question) -> list[Row]:
    """A row for each licence of each declaration that was released, the latest first."""
    return _entries(asked, (RELEASED, CLEARED), "release")


def clearances(asked: Question) -> list[Row]:
    """The same for cleared declarations."""
    return _entries(asked, (CLEARED,), "clear")


def _permits(asked: Question) -> list[Permit]:
    office, script, query, package = asked
    codes = codes_like(office.settings, [package.account])
    named = [text for name, column in query.filters.items() if column == "licence" for text in values(package.document, name)]
    books = office.store.ledger
    found = [books.permit(number) for number in dict.fromkeys(map(bare, named))] if named else books.permits_of(codes)
    return [one for one in found if one is not None and one.type == script.type and set(codes) & set(one.holders)]


def _line(office: Office, permit: Permit, line: Line) -> Row:
    every = [(use, entry) for use, entry in office.store.ledger.uses_of(permit.id) if entry.stands]
    there = left(line, [use for use, _ in every])
    return plain(
        _licence(office, permit, [use for use, _ in every])
        | {
            "line": str(line.line),
            "code": line.code,
            "name": line.name,
            "unit": line.unit,
            "price": line.price,
            "currency": line.currency,
            "approved": "" if line.approved is None else written(line.approved),
            "remaining": "" if there is None else written(there),
            "used": written(sum((use.quantity for use, _ in every if use.line == line.line), Decimal(0))),
            "uses": str(len({entry.number for _, entry in every})),
        },
        uses=[_use(line, use, entry) for use, entry in every if use.line == line.line],
    )


def _licence(office: Office, permit: Permit, uses: list[Use]) -> dict[str, str]:
    over = any(use.over for use in uses)
    counted = len({use.entry for use in uses})
    empty = all(there is not None and not there for there in (left(line, uses) for line in permit.lines))
    used_up = over or (permit.uses and counted >= permit.uses) or empty
    state = "used_up" if used_up else "expired" if office.today() > permit.valid_until else "usable"
    names = ("application", "applied", "issued", "valid_from", "valid_until", "batch", "trader_name", "owner_name")
    return {name: str(getattr(permit, name)) for name in names} | {"licence": permit.number, "state": state}


def _use(line: Line, use: Use, entry: Entry) -> Row:
    said = {"entry": entry.number, "quantity": written(use.quantity), "over": written(use.over), "unit": line.unit}
    return plain(said | _events(entry) | {"date": str(entry.body["date"])})


def _events(entry: Entry) -> dict[str, str]:
    names = {"declared": "declared", "released": "release", "cleared": "clear"}
    return {name: entry.events.get(event, "") for name, event in names.items()} | {"state": entry.state}


def _entries(asked: Question, states: tuple[str, ...], event: str) -> list[Row]:
    office, *_ = asked
    found = []
    for permit in _permits(asked):
        uses = office.store.ledger.uses_of(permit.id)
        for entry in {entry.number: entry for _, entry in uses if entry.state in states}.values():
            places = {use.place for use, one in uses if one.number == entry.number}
            found.append((entry.events[event], entry.number, _entry(permit, entry, places)))
    return [row for *_, row in sorted(found, key=lambda one: one[:2], reverse=True)]


def _entry(permit: Permit, entry: Entry, places: set[int]) -> Row:
    body = entry.body
    names = {"contract": "contract_no", "bill": "bill_no", "country": "trade_country"}
    names |= {name: name for name in ("trade_mode", "port", "district", "packages", "date")}
    head = {shown: str(body[name]) for shown, name in names.items()}
    head |= {
        "entry": entry.number,
        "licence": permit.number,
        "application": permit.application,
        "trader_name": body["trader"]["name"] or permit.trader_name,
        "owner_name": body["owner"]["name"] or permit.owner_name,
    }
    columns = ("line", "code", "name", "model", "quantity", "unit", "price", "currency")
    goods = [
        plain({name: str(line[name]) for name in columns} | {"licence": permit.number})
        for line in body["goods"]
        if line["line"] in places
    ]
    return plain(head | _events(entry), goods=goods)


def documents(asked: Question) -> list[Row]:
    """A row for each document that the enterprise has here, the newest first."""
    office, script, query, package = asked
    every = office.store.documents(package.account, script.type, query.status)
    own = package.document.get("document") or ""
    names = [name for name in names_of(script, package.document) if name != own]
    one = office.store.find_document(package.account, script.type, names or [own])
    if names and one is None:
        raise NotTaken(Fault("QRY-03", "", "没有这份单证"))
    return [_document(office, script, found) for found in every if one is None or found.id == one.id]


def steps(asked: Question) -> list[Row]:
    """A row for each receipt of the documents, in the order of issue."""
    return [step for row in documents(asked) for step in row.inner(_STEPS)]


def opinions(asked: Question) -> list[Row]:
    """The steps at which somebody wrote an opinion."""
    return [row for row in steps(asked) if row.texts("step.opinion")]


def table(asked: Question) -> list[Row]:
    """The lines of a code table, those of the authority's own book of that name in the place of those of their codes.

    What the book announces for a day (``announced``) is told from then on.
    """
    office, _, query, _ = asked
    book = office.settings.records.get(query.table, {})
    own = {code: {name: str(value) for name, value in entry.items()} | {"code": code} for code, entry in book.items()}
    every = {row.get("code", ""): row for row in office.tables.rows(query.table)} | own
    return [Row(partial(_cell, row)) for row in every.values() if row.get("announced", "") <= office.today()]


def records(asked: Question) -> list[Row]:
    """A row for each line (``at``) of the enterprise's own entries in the book ``table``; the one asked for must be there."""
    office, script, query, package = asked
    trader = trader_of(script, package.document, package.account)
    own = {
        number: entry
        for number, entry in office.settings.records.get(query.table, {}).items()
        if not query.field or entry.get(query.field) == trader
    }
    wanted = [text for name, column in query.filters.items() if column == "number" for text in values(package.document, name)]
    if missing := [text for text in wanted if text not in own]:
        raise NotTaken(Fault("QRY-06", "", f"没有 {missing[0]} 的备案信息"))
    return [
        Row(partial(_cell, {name: str(value) for name, value in (entry | line).items()} | {"number": number}))
        for number, entry in own.items()
        for line in entry.get(query.at, [{}])
    ]


def _cell(row: dict[str, str], name: str) -> list[str]:
    return [text] if (text := row.get(name, "")) else []


_STEPS = "step"


def _document(office: Office, script: Replies, document: Document) -> Row:
    history = cache(lambda: office.store.history(document.id))
    body = cache(lambda: parse(document.body))
    texts = partial(_texts, office, script, document, history, body)
    return Row(texts, lambda of: _steps(script, texts, history()) if of == _STEPS else _below(body(), of))


def _below(body: etree._Element, path: str) -> list[Row]:
    return [Row(partial(values, found)) for found in elements(body, path)]


def _steps(script: Replies, texts: Callable[[str], list[str]], history: list[tuple[str, int, str]]) -> list[Row]:
    found = []
    for code, round_, issued in history:
        said = script.codes[code]
        step = {
            "code": code,
            "text": said.text,
            "round": str(round_),
            "at": issued,
            "opinion": said.opinion,
            "officer": said.officer,
        }
        found.append(Row(partial(_step, {f"step.{name}": text for name, text in step.items()}, texts)))
    return found


def _step(step: dict[str, str], texts: Callable[[str], list[str]], name: str) -> list[str]:
    if name in step:
        return [step[name]] if step[name] else []
    return texts(name)


History = Callable[[], list[tuple[str, int, str]]]


def _texts(
    office: Office, script: Replies, document: Document, history: History, body: Callable[[], etree._Element], name: str
) -> list[str]:
    """Give what a document's column shows."""
    if name.startswith("sum:"):
        return [_sum(values(body(), name.removeprefix("sum:")))]
    word, _, rest = name.partition(".")
    known = {
        "number": lambda: office.store.numbers(document.id).get(rest, "") if rest else document.number,
        "status": lambda: _state(script, document.status) if rest else document.status,
        "group": lambda: _group(script, history(), rest),
        "time": lambda: _first(history(), rest),
        "date": lambda: _first(history(), rest)[:10],
        "applied": lambda: next((issued[:10] for _, _, issued in history()), ""),
    }
    if word in known:
        return [text] if (text := known[word]()) else []
    return values(body(), name)


def _state(script: Replies, status: str) -> str:
    return script.codes[status].text if status in script.codes else script.states.get(status, status)


def _first(history: list[tuple[str, int, str]], code: str) -> str:
    return next((issued for one, _, issued in history if one == code), "")


def _group(script: Replies, history: list[tuple[str, int, str]], rest: str) -> str:
    group, _, code = rest.partition(".")
    newest = next((one for one, _, _ in reversed(history) if script.codes[one].group == group), "")
    return newest if code else script.codes[newest].text if newest else "-"


def _sum(texts: list[str]) -> str:
    try:
        return written(sum(map(Decimal, texts), Decimal(0)))
    except InvalidOperation:
        return ""


def cleared_declarations(asked: Question) -> list[Row]:
    """A row for each cleared declaration of the enterprise that customs still keeps, by number."""
    office, script, _, package = asked
    terms = script.makes
    if terms is None:
        return []
    since = months_later(office.today(), -terms.keeps)
    return [_declaration(held) for held in declarations_of(office, terms.held, package.account) if held.declared >= since]


def _declaration(held: HeldDeclaration) -> Row:
    return plain(
        {
            "entry": held.entry,
            "direction": held.direction,
            "customs": first(held.message, ["DecHead/CustomMaster"]) or held.entry[:4],
            "declared": held.declared,
            "cleared": held.cleared,
            "lines": str(len(elements(held.message, "DecLists/DecList"))),
        }
    )


ROWS: dict[str, Callable[[Question], list[Row]]] = {
    "remaining": remaining,
    "writeoffs": writeoffs,
    "clearances": clearances,
    "declarations": cleared_declarations,
    "documents": documents,
    "steps": steps,
    "opinions": opinions,
    "table": table,
    "records": records,
}
