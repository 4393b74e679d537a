"""Answer a query with a table: choose a book's rows, narrow them by the question's filters, sort them, cut a page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from lxml import etree

from tongguan.simulators.books.columns import Filter, Shown, asked, shown
from tongguan.simulators.customs.ledger import bare
from tongguan.simulators.messages.markup import local
from tongguan.simulators.script.script import Query
from tongguan.simulators.server.office import Fault, Office, content, element

_MOST = 1000
QUERY = "query"  #: the operation of a plain question


@dataclass(frozen=True)
class Row:
    """One row of a book: the texts in a column, and the rows inside it."""

    texts: Callable[[str], list[str]]
    inner: Callable[[str], list[Row]] = lambda _: []


class NotAnswered(Exception):
    """The question cannot be answered as it stands."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.text)
        self.fault = fault


def plain(columns: dict[str, str], **inner: list[Row]) -> Row:
    """Make a row of texts that are there already."""
    return Row(lambda name: [columns[name]] if columns[name] else [], lambda name: inner[name])


def listed(office: Office, query: Query, question: etree._Element, rows: list[Row]) -> etree._Element:
    """Write the rows that a question asks for. Raises NotAnswered for a wrong filter, page or order."""
    wanted = _wanted(query, question)
    chosen = [row for row in rows if _stays(query, wanted, row)]
    columns = [shown(column) for column in query.columns]
    chosen = _sorted(question, columns, chosen)
    page, size = (_number(question, name, default) for name, default in (("page", 1), ("size", 50)))
    size = min(size, _MOST)
    filled = content()
    if chosen:
        _write(office, filled, [shown(column) for column in query.head], chosen[0])
    every = element(filled, "Rows", total=str(len(chosen)), page=str(page), size=str(size))
    for row in chosen[(page - 1) * size : page * size]:
        written = element(every, "Row")
        _write(office, written, columns, row)
        if query.inner:
            for one in row.inner(query.inner["of"]):
                below = element(written, query.inner["element"])
                _write(office, below, [shown(column) for column in query.inner["columns"]], one)
    return filled


def _write(office: Office, written: etree._Element, columns: list[Shown], row: Row) -> None:
    for column in columns:
        element(written, column.element, _text(office, column, row))


def _text(office: Office, column: Shown, row: Row) -> str:
    if column.text is not None:
        return column.text
    texts = row.texts(column.name)
    return "、".join(office.tables.name_of(column.table, text) if column.table else text for text in texts)


def _wanted(query: Query, question: etree._Element) -> dict[tuple[Filter, str], list[str]]:
    """List what the question's elements ask for: column and way (``from``, ``to`` or neither) with the texts."""
    wanted: dict[tuple[Filter, str], list[str]] = {}
    for one in question.iterchildren("{*}*"):
        name, text = local(one), (one.text or "").strip()
        stem, _, way = name.rpartition("_")
        if name in query.filters:
            stem, way = name, ""
        elif question.get("operation") != QUERY:
            continue  # an operation that asks first says what it knows of its document
        elif way not in ("from", "to") or stem not in query.filters:
            raise NotAnswered(Fault("QRY-05", name, f"该查询没有条件 {name}"))
        if text:
            wanted.setdefault((asked(query.filters[stem]), way), []).append(text)
    return wanted


def _stays(query: Query, wanted: dict[tuple[Filter, str], list[str]], row: Row) -> bool:
    return all(set(row.texts(name)) & set(texts) for name, texts in query.where.items()) and all(
        any(_holds(one, way, there, text) for there in row.texts(one.name) for text in texts)
        for (one, way), texts in wanted.items()
    )


def _holds(one: Filter, way: str, there: str, wanted: str) -> bool:
    if way:
        day = there[: len(wanted)]
        return day >= wanted if way == "from" else day <= wanted
    return _fits(one, there, wanted)


def _fits(one: Filter, text: str, wanted: str) -> bool:
    if one.name == "licence" or one.name.startswith("number"):
        text, wanted = bare(text), bare(wanted)
    return wanted.casefold() in text.casefold() if one.loose else text == wanted


def _sorted(question: etree._Element, columns: list[Shown], rows: list[Row]) -> list[Row]:
    order = question.get("sort") or ""
    if not order:
        return rows
    column = next((one for one in columns if order.removeprefix("-") in (one.element, one.name)), None)
    if column is None:
        raise NotAnswered(Fault("QRY-05", "@sort", f"不能按 {order} 排序"))
    return sorted(rows, key=lambda row: _weight(row.texts(column.name)), reverse=order.startswith("-"))


def _weight(texts: list[str]) -> tuple[int, Decimal, str]:
    """Put numbers in the order of their size before texts in that of their letters; nothing comes first."""
    text = "、".join(texts)
    if not text:
        return 0, Decimal(0), ""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return 2, Decimal(0), text
    return (1, number, text) if number.is_finite() else (2, Decimal(0), text)


def _number(question: etree._Element, name: str, default: int) -> int:
    text = question.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text)):
        raise NotAnswered(Fault("QRY-05", f"@{name}", f"{name} 应为正整数"))
    return int(text)
