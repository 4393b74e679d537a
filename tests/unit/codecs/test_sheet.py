"""Workbooks and texts with commas as people keep them: each cell with place and kind, nothing unseen, nothing without bounds."""

from __future__ import annotations

import io
import zipfile
from datetime import date
from typing import Any

import pytest
from openpyxl import Workbook

from tongguan.codecs.reading.formats.sheet import SheetRow, read_sheet
from tongguan.gateway.model.errors import Refused


def workbook(*rows: tuple[Any, ...], hidden: bool = False) -> bytes:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "编号"
    for row in rows:
        sheet.append(row)
    if hidden:
        book.create_sheet("底稿").sheet_state = "hidden"
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def with_entry(content: bytes, name: str, data: bytes) -> bytes:
    out = io.BytesIO(content)
    with zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return out.getvalue()


def refused(content: bytes, name: str = "a.xlsx", **limits: int) -> str:
    with pytest.raises(Refused) as caught:
        list(read_sheet(content, name, **limits))
    assert all(fault.zh and fault.en and name in fault.en for fault in caught.value.faults if fault.code.startswith("GW-S"))
    return str(caught.value.faults[0].code)


def kinds(rows: list[SheetRow]) -> list[tuple[str, str, str]]:
    return [(cell.place, cell.text, cell.kind) for row in rows for cell in row.cells if cell.kind != "empty"]


def test_each_cell_of_a_workbook_has_its_place_and_kind() -> None:
    content = workbook(
        ("530120261234567890", 530120261234567890, 5.3012e17), (None, None, None), ("=A1", date(2026, 11, 29), True)
    )
    assert kinds(list(read_sheet(content, "a.XLSX"))) == [
        ("A1", "530120261234567890", "text"),
        ("B1", "530120261234567900", "number"),
        ("C1", "530120000000000000", "number"),
        ("A3", "=A1", "formula"),
        ("B3", "2026-11-29", "date"),
        ("C3", "TRUE", "flag"),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_texts_with_commas_are_read_in_both_encodings(encoding: str) -> None:
    rows = list(read_sheet('代码,名称\r\n\r\n001,"台,个"\r\n'.encode(encoding), "units.csv"))
    assert kinds(rows) == [("A1", "代码", "text"), ("B1", "名称", "text"), ("A3", "001", "text"), ("B3", "台,个", "text")]
    assert [row.line for row in rows] == [1, 3]


def test_what_nobody_sees_or_nobody_can_read_is_refused_with_what_to_do() -> None:
    good = workbook(("a",))
    assert refused(workbook(("a",), hidden=True)) == "GW-S06"
    assert refused(with_entry(good, "xl/vbaProject.bin", b"x")) == "GW-S05"
    assert refused(good, "a.xlsm") == "GW-S05"
    assert refused(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600 + "EncryptedPackage".encode("utf-16-le")) == "GW-S04"
    assert refused(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "a.xls") == "GW-S03"
    assert refused(good, "a.ods") == "GW-S01"
    assert refused(b"a,\xff\xff", "a.csv") == "GW-S07"
    assert refused(b'"a\n', "a.csv") == "GW-S02"
    assert refused(b"no zip") == "GW-Z01"
    assert refused(with_entry(good, "xl/a.xml", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>')) == "GW-S02"
    only_zip = io.BytesIO()
    with zipfile.ZipFile(only_zip, "w") as archive:
        archive.writestr("readme.txt", "no workbook")
    assert refused(only_zip.getvalue()) == "GW-S02"


def test_rows_columns_and_what_it_unpacks_to_are_bounded() -> None:
    assert refused(workbook(*[("a",)] * 4), most_rows=3) == "GW-S08"
    assert refused(b"a\n" * 4, "a.csv", most_rows=3) == "GW-S08"
    assert refused(b"a," * 300, "a.csv") == "GW-S08"
    assert refused(workbook(tuple("x" * 300))) == "GW-S08"
    assert refused(with_entry(workbook(("a",)), "xl/bomb.xml", b"\0" * 50_000_000)) in ("GW-Z04", "GW-Z05")


def test_a_damaged_workbook_is_refused_wherever_it_is_damaged() -> None:
    content = workbook(*[(f"{n}", n, date(2026, 1, 1)) for n in range(20)])
    for at in range(0, len(content), 37):
        spoilt = content[:at] + bytes([content[at] ^ 0x5A]) + content[at + 1 :]
        try:
            list(read_sheet(spoilt, "a.xlsx"))
        except Refused:
            continue
