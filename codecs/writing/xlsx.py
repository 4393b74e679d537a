"""Result files for spreadsheets: XLSX.

Promises: every cell is a text, so nothing is rounded, loses its zeros or is taken for a formula.
"""

from __future__ import annotations

import io
from datetime import datetime

from xlsxwriter import Workbook

from tongguan.codecs.writing.results import HEAD, Result, as_table, width_of
from tongguan.gateway.profile.profile import Text

"".encode("utf-16-le")  # a workbook encodes by it: loaded now, not in the middle of a decision
MOST_CHARACTERS = 32_767  #: of a cell, as the format has it
_NARROW, _WIDE = 8, 60
_ROWS, _ABOUT = Text("查询结果", "result"), Text("说明", "about")
_PLAIN = {"strings_to_numbers": False, "strings_to_formulas": False, "strings_to_urls": False}


def as_xlsx(result: Result) -> bytes:
    """A sheet of rows under a header that stays in sight, and a second one with the result's head."""
    target = io.BytesIO()
    book = Workbook(target, {"in_memory": True, **_PLAIN})
    book.set_properties(
        {"title": result.title, "created": datetime.fromisoformat(str(result.head["as_of"])).replace(tzinfo=None)}
    )
    _write_rows(book, result)
    about = book.add_worksheet(_ABOUT[result.language])
    about.set_column(0, 1, 30)
    for n, (name, value) in enumerate({"": result.title, **result.head}.items()):
        about.write_string(n, 0, HEAD[name][result.language] if name in HEAD else name)
        about.write_string(n, 1, _fitting(str(value)))
    book.close()
    return target.getvalue()


def _write_rows(book: Workbook, result: Result) -> None:
    sheet, table = book.add_worksheet(_ROWS[result.language]), as_table(result)
    bold, plain = book.add_format({"bold": True, "num_format": "@"}), book.add_format({"num_format": "@"})
    sheet.freeze_panes(1, 0)
    widths = [width_of(label) for label in table.labels]
    for column, label in enumerate(table.labels):
        sheet.write_string(0, column, label, bold)
    for n, line in enumerate(table.lines, 1):
        for column, cell in enumerate(line):
            sheet.write_string(n, column, _fitting(cell), plain)
            widths[column] = max(widths[column], width_of(cell[:_WIDE]))
    for column, width in enumerate(widths):
        sheet.set_column(column, column, min(max(width + 2, _NARROW), _WIDE), plain)


def _fitting(cell: str) -> str:
    return cell if len(cell) <= MOST_CHARACTERS else cell[: MOST_CHARACTERS - 1] + "…"
