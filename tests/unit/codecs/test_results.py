"""Result files: every text survives in every form."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from openpyxl import load_workbook

from tongguan.codecs.writing.results import NAMESPACE, Result, ResultRow, as_csv, as_json, as_xml
from tongguan.codecs.writing.xlsx import as_xlsx
from tongguan.gateway.profile.profile import Column, Text

GOODS = Column("goods", Text("商品", "goods"), "", (Column("code", Text("商品编号", "code"), ""),))
COLUMNS = (Column("entry", Text("报关单号", "entry no."), ""), Column("unit", Text("单位", "unit"), ""), GOODS)
HEAD = {"total": 2, "page": 1, "size": 50, "as_of": "2026-11-20T18:00:00.000+08:00", "source": "authority"}
ROWS: list[ResultRow] = [
    {"entry": "010120261000000053", "unit": "035", "goods": [{"code": "0201100000"}, {"code": "=1+1"}]},
    {"entry": "-5.50", "unit": "-", "goods": []},
]
#: characters that XML and spreadsheets can hold
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn", "Co"), include_characters="\n"), max_size=40)


def result(rows: list[ResultRow], *, language: str = "zh", **head: str) -> Result:
    return Result("结关数据", {**HEAD, **head}, COLUMNS, rows, language)


def sheet(content: bytes) -> list[list[str]]:
    """The cells of the first sheet, each of which must be a text."""
    rows = list(load_workbook(io.BytesIO(content)).worksheets[0].iter_rows())
    assert {cell.data_type for row in rows for cell in row if cell.value is not None} <= {"s"}
    return [[cell.value or "" for cell in row] for row in rows]


def lines(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def test_json_holds_rows_inside_rows() -> None:
    told = json.loads(as_json(result(ROWS)))

    assert told == {**HEAD, "rows": ROWS}


def test_xml_holds_rows_inside_rows_as_elements_of_their_columns_name() -> None:
    root = etree.fromstring(as_xml(result(ROWS)))

    assert (root.tag, root.get("total")) == (f"{{{NAMESPACE}}}Result", "2")
    assert [e.text for e in root.iterfind("{*}Row/{*}goods/{*}code")] == ["0201100000", "=1+1"]
    assert [e.text for e in root.iterfind("{*}Row/{*}entry")] == ["010120261000000053", "-5.50"]


def test_a_spreadsheet_has_labels_and_repeats_the_row_for_each_row_inside_it() -> None:
    assert sheet(as_xlsx(result(ROWS))) == [
        ["报关单号", "单位", "商品: 商品编号"],
        ["010120261000000053", "035", "0201100000"],
        ["010120261000000053", "035", "=1+1"],
        ["-5.50", "-", ""],
    ]


def test_an_english_account_reads_english_labels() -> None:
    assert sheet(as_xlsx(result([], language="en"))) == [["entry no.", "unit", "goods: code"]]


def test_a_spreadsheet_keeps_its_header_in_sight_and_tells_the_head_on_a_sheet_of_its_own() -> None:
    book = load_workbook(io.BytesIO(as_xlsx(result(ROWS, note="结果仅供参考"))))
    about = {row[0].value: row[1].value for row in book.worksheets[1].iter_rows()}

    assert book.worksheets[0].freeze_panes == "A2"
    assert (about["总数"], about["数据来源"], about["说明"]) == ("2", "authority", "结果仅供参考")


def test_csv_has_names_and_no_formulas() -> None:
    assert lines(as_csv(result(ROWS))) == [
        ["entry", "unit", "goods.code"],
        ["010120261000000053", "035", "0201100000"],
        ["010120261000000053", "035", "'=1+1"],
        ["-5.50", "-", ""],
    ]


@pytest.mark.parametrize("cell", ["=A1", "+86 10 1234", "-1+2", "@SUM(A1)", "\tx", "\rx", "=-1"])
def test_what_a_spreadsheet_would_calculate_is_a_text_in_csv(cell: str) -> None:
    assert lines(as_csv(result([{"entry": cell, "unit": "", "goods": []}])))[1][0] == f"'{cell}"


@pytest.mark.parametrize("cell", ["-", "-5", "+3.20", "-0.01", "0012", "a=b", "NA26-1"])
def test_numbers_and_plain_texts_are_as_they_are_in_csv(cell: str) -> None:
    assert lines(as_csv(result([{"entry": cell, "unit": "", "goods": []}])))[1][0] == cell


def test_csv_and_spreadsheet_carry_the_note_on_each_line() -> None:
    noted = result(ROWS, note="结果仅供参考")

    assert {line[-1] for line in lines(as_csv(noted))} == {"note", "结果仅供参考"}
    assert {line[-1] for line in sheet(as_xlsx(noted))} == {"说明", "结果仅供参考"}


def test_a_result_without_rows_has_its_header_all_the_same() -> None:
    assert lines(as_csv(result([]))) == [["entry", "unit", "goods.code"]]


def test_a_text_too_long_for_a_cell_ends_with_an_ellipsis() -> None:
    (_, (cell, *_)) = sheet(as_xlsx(result([{"entry": "x" * 40_000, "unit": "", "goods": []}])))

    assert (len(cell), cell[-1]) == (32_767, "…")


def test_a_character_that_xml_cannot_hold_is_shown_by_its_number() -> None:
    root = etree.fromstring(as_xml(result([{"entry": "a\x01b", "unit": "", "goods": []}])))

    assert root.findtext("{*}Row/{*}entry") == "a\\u0001b"


@given(TEXTS, TEXTS)
def test_every_text_survives_in_every_form(head: str, inner: str) -> None:
    row: ResultRow = {"entry": head, "unit": "", "goods": [{"code": inner}]}
    root = etree.fromstring(as_xml(result([row])))
    table = lines(as_csv(result([row])))[1]

    assert json.loads(as_json(result([row])))["rows"] == [row]
    assert (root.findtext("{*}Row/{*}entry"), root.findtext("{*}Row/{*}goods/{*}code")) == (head, inner)
    assert [cell.removeprefix("'") for cell in table] == [head.removeprefix("'"), "", inner.removeprefix("'")]
    assert sheet(as_xlsx(result([row])))[1] == [head, "", inner]
