"""Result files: the answer to a query as XML, JSON or CSV (codecs/writing/xlsx.py: XLSX).

Promises: every value is written as the text it is, so that codes keep their zeros and long numbers their digits. A query's
rows may hold rows of their own (`goods` of a declaration): nested in XML and JSON; in tables each of them is a line, and the
cells of the row round it are repeated on every line.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import orjson

from tongguan.codecs.writing.markup import attribute, text
from tongguan.gateway.profile.profile import Column, Text

InnerRow = Mapping[str, str]
ResultRow = Mapping[str, "str | Sequence[InnerRow]"]  #: column name to text, or to the rows inside the row

NAMESPACE = "urn:tongguan:result:1"
NOTE = Column("note", Text("说明", "note"), "")
#: how the words of a result's head are called
HEAD: Mapping[str, Text] = {
    "month": Text("统计月份", "month"),
    "by": Text("统计方式", "by"),
    "status": Text("单证状态", "status"),
    "unit": Text("单位", "unit"),
    "operator": Text("操作员", "operator"),
    "total": Text("总数", "total"),
    "page": Text("页码", "page"),
    "size": Text("每页条数", "rows a page"),
    "as_of": Text("数据时间", "as of"),
    "source": Text("数据来源", "source"),
    "note": NOTE.label,
}
_FORMULA = re.compile(r"[=+\-@\t\r]")
_HARMLESS = re.compile(r"-|[+-]?[0-9]+(\.[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Result:
    """What is told: the head (total, page, size, as_of, source, note …), and rows as their columns say."""

    title: str
    head: Mapping[str, str | int]
    columns: Sequence[Column]
    rows: Sequence[ResultRow]
    language: str = "zh"


class Table(NamedTuple):
    """A result as one plain table; `labels` are the columns' names for people."""

    names: list[str]
    labels: list[str]
    lines: Iterator[list[str]]


def width_of(cell: str) -> int:
    """Letters that a cell is wide: Chinese ones count twice."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in cell)


def as_json(result: Result) -> bytes:
    return orjson.dumps({**result.head, "rows": result.rows}, option=orjson.OPT_INDENT_2)


def as_xml(result: Result) -> bytes:
    """A `Row` element a row; an inner row is an element of its column's name."""
    head = "".join(f' {name}="{attribute(str(value))}"' for name, value in result.head.items())
    out = [f'<?xml version="1.0" encoding="UTF-8"?>\n<Result xmlns="{NAMESPACE}"{head}>\n']
    for row in result.rows:
        out.append("  <Row>\n")
        for name, value in row.items():
            if isinstance(value, str):
                out.append(f"    <{name}>{text(value)}</{name}>\n")
            else:
                out += [_inner(name, line) for line in value]
        out.append("  </Row>\n")
    out.append("</Result>\n")
    return "".join(out).encode()


def _inner(name: str, line: InnerRow) -> str:
    cells = "".join(f"      <{n}>{text(value)}</{n}>\n" for n, value in line.items())
    return f"    <{name}>\n{cells}    </{name}>\n"


def as_csv(result: Result) -> bytes:
    """UTF-8 with a byte order mark, every cell in quotation marks, the columns' names as header.

    A cell that a spreadsheet would take for a formula begins with an apostrophe; plain numbers and a lone `-` do not.
    """
    target = io.StringIO()
    writer = csv.writer(target, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    table = as_table(result)
    writer.writerow(table.names)
    writer.writerows([_harmless(cell) for cell in line] for line in table.lines)
    return target.getvalue().encode("utf-8-sig")


def _harmless(cell: str) -> str:
    return f"'{cell}" if _FORMULA.match(cell) and not _HARMLESS.fullmatch(cell) else cell


def as_table(result: Result) -> Table:
    """The result as plain lines; a column inside another is named `goods.code`. A note to the result is the last column."""
    note = str(result.head.get("note", ""))
    leaves = [(outer, inner) for outer in result.columns for inner in outer.columns or (None,)]
    names = [outer.name if inner is None else f"{outer.name}.{inner.name}" for outer, inner in leaves]
    labels = [_label(outer, inner, result.language) for outer, inner in leaves]
    if note:
        names, labels = [*names, NOTE.name], [*labels, NOTE.label[result.language]]
    return Table(names, labels, _lines(result.rows, leaves, [note] if note else []))


def _label(outer: Column, inner: Column | None, language: str) -> str:
    return outer.label[language] if inner is None else f"{outer.label[language]}: {inner.label[language]}"


def _lines(rows: Sequence[ResultRow], leaves: Sequence[tuple[Column, Column | None]], last: list[str]) -> Iterator[list[str]]:
    for row in rows:
        inside = [value for value in row.values() if not isinstance(value, str)]
        for n in range(max([1, *(len(lines) for lines in inside)])):
            yield [_cell(row.get(outer.name, ""), inner, n) for outer, inner in leaves] + last


def _cell(value: str | Sequence[InnerRow], inner: Column | None, n: int) -> str:
    if isinstance(value, str):
        return value if inner is None else ""
    return value[n].get(inner.name, "") if inner is not None and n < len(value) else ""
