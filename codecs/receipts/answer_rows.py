"""Read the rows that an authority answers a question with.

Promises: nothing is guessed. Texts are taken as they are; an answer that is not what was asked for is `Malformed`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from lxml import etree

from tongguan.codecs.checking.field_tree import Node, Row
from tongguan.codecs.checking.fields import ValueWrong
from tongguan.codecs.receipts.receipt import NAMESPACE
from tongguan.codecs.writing.results import ResultRow
from tongguan.gateway.profile.profile import Column

_IN = f"{{{NAMESPACE}}}"
_NOTHING = "-"  #: shown where the authority says nothing


class Malformed(ValueError):
    """The answer cannot be taken for an answer; says why."""


class AnswerPage(NamedTuple):
    """How many rows there are in all, and those of this page."""

    total: int
    rows: list[ResultRow]


def read_answer(content: etree._Element | None, columns: Sequence[Column], *, page: int, size: int) -> AnswerPage:
    """`<Rows total page size><Row>…</Row></Rows>` of a receipt's content, as the columns want it; raises Malformed."""
    total, rows = _page(content, page=page, size=size)
    return AnswerPage(total, [_row(row, columns, n) for n, row in enumerate(rows, 1)])


def pages_of(content: etree._Element | None, *, size: int) -> int:
    """In how many pages there is all of what this first one begins; 1 when it cannot be read."""
    try:
        total, _ = _page(content, page=1, size=size)
    except Malformed:
        return 1
    return max(1, -(-total // size))


def read_table(pages: Sequence[etree._Element | None], table: Node, *, size: int) -> list[Row]:
    """The rows of all pages as those of a document's table: of each row the elements that the table has. Raises Malformed."""
    read = [_page(content, page=n, size=size) for n, content in enumerate(pages, 1)]
    rows = [row for _, found in read for row in found]
    if {total for total, _ in read} != {len(rows)}:
        raise Malformed(f"its pages hold {len(rows)} rows, and do not agree on how many there are")
    return [_table_row(row, table, n) for n, row in enumerate(rows, 1)]


def _table_row(row: etree._Element, table: Node, n: int) -> Row:
    cells, values = _cells(row), Row()
    for name, column in table.children.items():
        if (text := _text(cells, name, n)) == _NOTHING or column.convert is None:
            continue
        try:
            values[name] = column.convert(text)
        except ValueWrong as wrong:
            raise Malformed(f"{name} of row {n} cannot be {text[:40]!r} ({wrong.code})") from wrong
    return values


def _page(content: etree._Element | None, *, page: int, size: int) -> tuple[int, list[etree._Element]]:
    """How many rows there are in all, and the rows of this page."""
    found = content.findall(f"{_IN}Rows") if content is not None else []
    if len(found) != 1:
        raise Malformed(f"it holds {len(found)} tables of rows instead of one")
    root = found[0]
    total = _whole(root, "total")
    if (_whole(root, "page"), _whole(root, "size")) != (page, size):
        raise Malformed(f"it is page {root.get('page')} of {root.get('size')} rows, not page {page} of {size}")
    rows = root.findall(f"{_IN}Row")
    if len(rows) != len(root):
        raise Malformed("something else than a Row stands among its rows")
    if len(rows) != max(0, min(size, total - (page - 1) * size)):
        raise Malformed(f"it has {len(rows)} rows on page {page}, but says that there are {total} in all")
    return total, rows


def _whole(root: etree._Element, name: str) -> int:
    value = root.get(name, "")
    if not (value.isascii() and value.isdecimal() and len(value) < 12):
        raise Malformed(f"its {name} is {value[:20]!r}")
    return int(value)


def _row(row: etree._Element, columns: Sequence[Column], n: int) -> ResultRow:
    cells = _cells(row)
    return {c.name: _lines(cells, c, n) if c.columns else _text(cells, c.row, n) for c in columns}


def _cells(row: etree._Element) -> Mapping[str, list[etree._Element]]:
    cells: dict[str, list[etree._Element]] = {}
    for element in row.iterchildren(f"{_IN}*"):
        cells.setdefault(etree.QName(element).localname, []).append(element)
    return cells


def _text(cells: Mapping[str, list[etree._Element]], name: str, n: int) -> str:
    found = cells.get(name, [])
    if len(found) > 1:
        raise Malformed(f"{name} stands twice in row {n}")
    if found and len(found[0]):
        raise Malformed(f"{name} of row {n} holds elements instead of a text")
    return (found[0].text or "").strip() or _NOTHING if found else _NOTHING


def _lines(cells: Mapping[str, list[etree._Element]], column: Column, n: int) -> list[dict[str, str]]:
    """The rows inside a row."""
    lines = []
    for element in cells.get(column.row.removesuffix("[]"), []):
        if (element.text or "").strip():
            raise Malformed(f"{column.row} of row {n} holds a text instead of elements")
        inner = _cells(element)
        lines.append({c.name: _text(inner, c.row, n) for c in column.columns})
    return lines
