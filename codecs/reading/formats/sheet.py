"""Tables as people keep them: a workbook (.xlsx), or texts with commas (.csv, .txt) in UTF-8 or GB18030.

Promises: bounded in size, rows and columns before it is taken apart; every cell with its place and its kind, so that whoever reads
it can refuse a number that a spreadsheet has rounded, a formula, a date; a sheet that nobody sees, a password and macros are refused.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Literal

from openpyxl import load_workbook
from openpyxl.utils import get_column_letter

from tongguan.codecs.reading.faults import fault
from tongguan.codecs.reading.formats.read_zip import MOST_UNPACKED, bounded
from tongguan.gateway.model.errors import Refused

MOST_ROWS = 200_000
MOST_COLUMNS = 256
_MOST_TEXT = 100_000  #: characters of one cell
_COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  #: how an old workbook begins, and one with a password
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_DOCTYPE = tuple("<!DOCTYPE".encode(encoding) for encoding in ("ascii", "utf-16-le", "utf-16-be"))
_FAR = re.compile(rb'\sr="(?:I[W-Z]|[J-Z][A-Z]|[A-Z]{3,})[0-9]+"')  #: a cell beyond column IV

CellKind = Literal["empty", "text", "number", "date", "formula", "flag", "error"]
_KINDS: dict[str, CellKind] = {"n": "number", "d": "date", "f": "formula", "b": "flag", "e": "error"}


@dataclass(frozen=True, slots=True)
class SheetCell:
    """One cell: `B3`, what stands there as text, and what the spreadsheet takes it for (of a text file all is text)."""

    place: str
    text: str
    kind: CellKind


@dataclass(frozen=True, slots=True)
class SheetRow:
    """A row with at least one cell that is not empty; `sheet` is empty for text files."""

    sheet: str
    line: int
    cells: tuple[SheetCell, ...]


def read_sheet(
    content: bytes, name: str, *, most_rows: int = MOST_ROWS, most_unpacked: int = MOST_UNPACKED
) -> Iterator[SheetRow]:
    """The rows of a .xlsx, .csv or .txt file, sheet after sheet; raises Refused, at the latest where the bad row is reached."""
    lower = name.lower()
    if lower.endswith((".xlsm", ".xls", ".xlsb")) or content.startswith(_COMPOUND):
        raise Refused([fault(_old_form(content, lower), name=name)])
    if lower.endswith(".xlsx"):
        yield from _workbook(content, name, most_rows, most_unpacked)
    elif lower.endswith((".csv", ".txt")):
        yield from _texts(content, name, most_rows)
    else:
        raise Refused([fault("GW-S01", name=name)])


def _old_form(content: bytes, lower: str) -> str:
    if content.startswith(_COMPOUND) and _ENCRYPTED in content:
        return "GW-S04"
    return "GW-S05" if lower.endswith(".xlsm") else "GW-S03"


def _texts(content: bytes, name: str, most_rows: int) -> Iterator[SheetRow]:
    text = _decoded(content, name)
    try:
        for line, row in enumerate(csv.reader(io.StringIO(text, newline=""), strict=True), 1):
            if line > most_rows or len(row) > MOST_COLUMNS:
                raise Refused([fault("GW-S08", name=name, rows=most_rows, columns=MOST_COLUMNS)])
            cells = tuple(
                SheetCell(f"{get_column_letter(n)}{line}", cell.strip(), "text" if cell.strip() else "empty")
                for n, cell in enumerate(row, 1)
            )
            if any(cell.text for cell in cells):
                yield SheetRow("", line, cells)
    except csv.Error as wrong:
        raise Refused([fault("GW-S02", name=name, why=wrong)]) from None


def _decoded(content: bytes, name: str) -> str:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise Refused([fault("GW-S07", name=name)])


def _workbook(content: bytes, name: str, most_rows: int, most_unpacked: int) -> Iterator[SheetRow]:
    _refuse_parts(content, name, most_unpacked)
    try:
        book = load_workbook(io.BytesIO(content), read_only=True, keep_links=False)
    except Exception as wrong:  # whatever the library makes of bytes that are no workbook
        raise Refused([fault("GW-S02", name=name, why=type(wrong).__name__)]) from None
    hidden = [sheet.title for sheet in book.worksheets if sheet.sheet_state != "visible"]
    if hidden:
        raise Refused([fault("GW-S06", name=name, sheet="、".join(hidden))])
    read = 0
    for sheet in book.worksheets:
        sheet.reset_dimensions()  # they are the file's word, and may ask for a million empty cells
        rows = iter(sheet.iter_rows(max_col=MOST_COLUMNS))
        while (row := _next_row(rows, name)) is not None:
            read += 1
            if read > most_rows:
                raise Refused([fault("GW-S08", name=name, rows=most_rows, columns=MOST_COLUMNS)])
            cells = tuple(_cell(cell, n, read) for n, cell in enumerate(row, 1))
            if any(cell.text for cell in cells):
                yield SheetRow(sheet.title, _line(row, read), cells)


def _next_row(rows: Iterator[tuple[Any, ...]], name: str) -> tuple[Any, ...] | None:
    try:
        return next(rows, None)
    except Exception as wrong:
        raise Refused([fault("GW-S02", name=name, why=type(wrong).__name__)]) from None


def _line(row: tuple[Any, ...], otherwise: int) -> int:
    return next((cell.row for cell in row if getattr(cell, "row", None)), otherwise)


def _cell(cell: Any, column: int, line: int) -> SheetCell:
    """A cell of the library's; empty ones have neither row nor column."""
    value = cell.value
    place = f"{get_column_letter(column)}{getattr(cell, 'row', None) or line}"
    text = _text(value)[:_MOST_TEXT]
    return SheetCell(place, text, _KINDS.get(cell.data_type, "text") if text else "empty")


def _text(value: Any) -> str:
    """What a reader of the sheet would see; a number in plain digits, as many as the spreadsheet has kept."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float):
        return f"{Decimal(repr(value)).normalize():f}" if abs(value) < 1e300 else str(value)
    if isinstance(value, datetime) and value.time() == time.min:
        return value.date().isoformat()
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return str(value).strip()


def _refuse_parts(content: bytes, name: str, most_unpacked: int) -> None:
    """What can be known of a workbook before its cells are read: it is a ZIP, and bounded like one."""
    with bounded(content) as (archive, entries):
        if sum(entry.file_size for entry in entries) > most_unpacked:
            raise Refused([fault("GW-Z04", most=most_unpacked)])
        for entry in entries:
            part = archive.read(entry)
            if entry.filename.lower().endswith("vbaproject.bin"):
                raise Refused([fault("GW-S05", name=name)])
            if any(mark in part for mark in _DOCTYPE):
                raise Refused([fault("GW-S02", name=name, why="DTD")])
            if "worksheets/" in entry.filename and _FAR.search(part):
                raise Refused([fault("GW-S08", name=name, rows=MOST_ROWS, columns=MOST_COLUMNS)])
