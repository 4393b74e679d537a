"""Write a declaration as a workbook: a sheet for the head, one for each table, and every cell a text, so that codes keep their zeros."""

from __future__ import annotations

import io
from datetime import datetime

import xlsxwriter

from tongguan.simulators.messages.markup import child, elements, local, parse

#: title of a sheet: path of its rows
_TABLES = {
    "商品": "DecLists/DecList",
    "集装箱": "DecContainers/Container",
    "随附单证": "DecLicenseDocus/LicenseDocu",
    "随附单据": "EdocRealation",
}
_MADE_AT = datetime(1980, 1, 1)  # the same declaration makes the same bytes


def declaration_workbook(message: bytes) -> bytes:
    """Make the workbook of a ``DecMessage``."""
    root, target = parse(message), io.BytesIO()
    book = xlsxwriter.Workbook(
        target, {"in_memory": True, "strings_to_numbers": False, "strings_to_formulas": False, "strings_to_urls": False}
    )
    book.set_properties({"title": "DecMessage", "created": _MADE_AT})
    as_text = book.add_format({"num_format": "@"})
    head = book.add_worksheet("表头")
    fields = child(root, "DecHead")
    for place, field in enumerate([] if fields is None else fields):
        head.write_string(place, 0, local(field), as_text)
        head.write_string(place, 1, (field.text or "").strip(), as_text)
    for title, path in _TABLES.items():
        rows = elements(root, path)
        columns = list(dict.fromkeys(local(cell) for row in rows for cell in row))
        sheet = book.add_worksheet(title)
        for place, column in enumerate(columns):
            sheet.write_string(0, place, column, as_text)
        for line, row in enumerate(rows, 1):
            for cell in row:
                sheet.write_string(line, columns.index(local(cell)), (cell.text or "").strip(), as_text)
    book.close()
    return target.getvalue()
