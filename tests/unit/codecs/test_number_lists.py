"""Numbers as people list them: taken as they were typed, or refused with the place and the reason."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from tongguan.codecs.reading.number_lists import (
    MOST_BYTES,
    ListedNumber,
    NumberForm,
    UnusableNumber,
    numbers_in_file,
    numbers_in_text,
    unusable,
)
from tongguan.gateway.model.errors import Refused
from tongguan.gateway.profile.profile import Text

pytestmark = pytest.mark.requirement("DP-02", "DP-03")
FORM = NumberForm(re.compile("[0-9]{8}[01][0-9]{9}"), Text("报关单号为 18 位数字", "an entry number has 18 digits"))
A, B, C = "530120261012345001", "530120261012345002", "530120260012345003"
numbers = st.integers(0, 999_999_999).map(lambda n: f"53012026{n % 2}{n:09d}")


def book(*rows: list[Any], sheets: tuple[str, ...] = (), hidden: bool = False, formats: dict[str, str] | None = None) -> bytes:
    workbook = Workbook()
    sheet = workbook.active
    assert sheet is not None
    for row in rows:
        sheet.append(row)
    for place, form in (formats or {}).items():
        sheet[place].number_format = form
    for name in sheets:
        other = workbook.create_sheet(name)
        other.append(["530120261099999999"])
        other.sheet_state = "hidden" if hidden else "visible"
    target = io.BytesIO()
    workbook.save(target)
    return target.getvalue()


def taken(content: bytes, name: str) -> list[tuple[str, str]]:
    found = numbers_in_file(content, name, FORM)
    assert all(isinstance(one, ListedNumber) for one in found), found
    return [(one.place, one.number) for one in found if isinstance(one, ListedNumber)]


def refused(content: bytes, name: str) -> list[tuple[str, str]]:
    """Place and Chinese reason of what cannot be taken."""
    return [(one.place, one.zh) for one in unusable(numbers_in_file(content, name, FORM), (), most=50)]


@given(st.lists(numbers, unique=True, max_size=50), st.sampled_from([",", "，", ", ", " ，\n", "\n", "；"]))
def test_a_list_with_commas_is_what_was_typed(listed: list[str], comma: str) -> None:
    found = numbers_in_text(comma.join(listed), FORM)

    assert [one.number for one in found if isinstance(one, ListedNumber)] == listed
    assert unusable(found, (), most=50) == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("name", ["numbers.txt", "numbers.CSV"])
def test_a_text_file_has_one_or_several_a_line(encoding: str, name: str) -> None:
    text = f"报关单号,备注\n{A},第一票\n{B}，{C}\n"

    assert [number for _, number in taken(text.encode(encoding), name)] == [A, B, C]


def test_a_workbook_has_them_in_any_column_of_its_first_sheet() -> None:
    content = book(["序号", "报关单号", "件数"], [1, A, 40], [2, B, 12], [3, f"{C}", None], sheets=("别的",))

    assert taken(content, "book.xlsx") == [("B2", A), ("B3", B), ("B4", C)]


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (530120261012345001, "是数值单元格：电子表格只保留 15 位数字，请改为文本后重新输入"),
        (5.3012e17, "是数值单元格：电子表格只保留 15 位数字，请改为文本后重新输入"),
        ("5.3012E+17", "是科学记数，尾数已丢失：请改为文本后重新输入"),
        ("=A1&B1", "是公式，请改为文本"),
        (date(2026, 11, 20), "是日期，不是编号"),
        ("53012026101234500", "有 17 位；报关单号为 18 位数字"),
        ("5301202610123450011", "有 19 位；报关单号为 18 位数字"),
        ("09082026I000002001", "有 18 位；报关单号为 18 位数字"),
        ("530120262012345001", "有 18 位；报关单号为 18 位数字"),
        ("５３０１２０２６１０１２３４５００１", "含全角数字，请改为半角"),
        ("报关单号：530120261012345001", "有 23 位；报关单号为 18 位数字"),
        ("'53012026101234500", "有 17 位；报关单号为 18 位数字"),
    ],
)  # fmt: skip
def test_what_a_spreadsheet_has_mangled_is_refused_with_its_cell(value: Any, why: str) -> None:
    content = book(["报关单号"], [A], [value])

    assert refused(content, "book.xlsx") == [("A3", why)]


@pytest.mark.parametrize("typed", [f"'{A}", f'="{A}"', f"“{A}”", f'"{A}"'])
def test_what_keeps_a_spreadsheet_from_taking_it_for_a_number_is_no_part_of_it(typed: str) -> None:
    assert taken(book([typed if typed[0] != "=" else f" {typed}"], [B]), "book.xlsx") == [("A1", A), ("A2", B)]
    assert taken(f"{typed}\n{B}\n".encode(), "numbers.csv") == [("A1", A), ("A2", B)]


def test_fifty_numbers_below_a_title_with_blank_lines_and_other_columns_are_fifty() -> None:
    many = [f"5301202610{n:08d}" for n in range(50)]
    lines = [
        "报关单号,提运单号,合同号",
        "",
        *(f"{n},OOLU26123456789{i:02d},2026-001\r\n\r" for i, n in enumerate(many)),
        "",
        ",,",
        "",
    ]

    found = numbers_in_file("\n".join(lines).encode("gb18030"), "many.csv", FORM)
    assert [one.number for one in found if isinstance(one, ListedNumber)] == many
    assert unusable(found, (), most=50) == []


def test_of_mixed_encodings_the_numbers_are_what_they_were() -> None:
    content = "报关单号\n".encode("gb18030") + f"备注,{A}\n".encode() + f"{B},备注\n".encode("gb18030")

    assert [number for _, number in taken(content, "mixed.txt")] == [A, B]


def with_part(content: bytes, part: str, changed: bytes) -> bytes:
    """A workbook with another part in the place of one of its own."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as before, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as after:
        for name in dict.fromkeys([*before.namelist(), part]):
            after.writestr(name, changed if name == part else before.read(name))
    return target.getvalue()


_NS = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_FAR = f'<row r="1048576"><c r="A1048576" t="inlineStr"><is><t>{A}</t></is></c></row>'


@pytest.mark.parametrize(
    ("part", "changed", "code"),
    [
        ("xl/sharedStrings.xml", f"<sst {_NS}>" + "<si><t>530120261012345001</t></si>" * 300_000 + "</sst>", "GW-Z05"),
        ("xl/sharedStrings.xml", "".join(f"{n % 50:05}<si>{n % 97}</si>" for n in range(400_000)), "GW-Z04"),
        ("xl/worksheets/sheet1.xml", f"<worksheet {_NS}><sheetData>{'<row/>' * 1_000_000}</sheetData></worksheet>", "GW-Z05"),
        ("xl/worksheets/sheet1.xml", f"<worksheet {_NS}><sheetData>{'<row/>' * 6000}</sheetData></worksheet>", "GW-S08"),
        ("xl/worksheets/sheet1.xml", f"<worksheet {_NS}><sheetData>{_FAR}</sheetData></worksheet>", "GW-S08"),
    ],
    ids=["shared strings", "shared strings that do not pack", "a million rows", "6,000 rows", "a far row"],
)
def test_a_workbook_that_would_take_much_to_read_is_refused(part: str, changed: str, code: str) -> None:
    with pytest.raises(Refused) as caught:
        numbers_in_file(with_part(book([A]), part, changed.encode()), "bomb.xlsx", FORM)

    assert code in [one.code for one in caught.value.faults]


def test_other_sheets_and_other_workbooks_are_not_looked_at() -> None:
    links = f'<externalLink {_NS}><externalBook r:id="rId1" xmlns:r="urn:r"/></externalLink>'.encode()
    workbook = Workbook()
    first, second = workbook.active, workbook.create_sheet("别的")
    assert first is not None
    first.append([A])
    for n in range(5_001):
        second.append([n])
    target = io.BytesIO()
    workbook.save(target)

    assert taken(target.getvalue(), "two.xlsx") == [("A1", A)]
    assert taken(with_part(book([A]), "xl/externalLinks/externalLink1.xml", links), "linked.xlsx") == [("A1", A)]
    assert refused(book([A], ["=[1]Sheet1!A1"]), "linked.xlsx") == [("A2", "是公式，请改为文本")]


def test_twice_and_one_too_many_are_refused_with_their_cells() -> None:
    many = [f"5301202610{n:08d}" for n in range(51)]

    assert refused(book([A], [B], [A]), "a.xlsx") == [("A3", "重复，已见于 A1")]
    assert refused("\n".join(many).encode(), "a.txt") == [("A51", "超过 50 个")]
    assert [one.place for one in unusable([ListedNumber("A1", A)], [A], most=50)] == ["A1"]


@pytest.mark.parametrize(
    ("content", "name", "code"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 512, "old.xls", "GW-S03"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"), "locked.xlsx", "GW-S04"),
        (book([A]), "macros.xlsm", "GW-S05"),
        (book([A], sheets=("暗",), hidden=True), "hidden.xlsx", "GW-S06"),
        (b"\xff\xfe\xfd\x80", "odd.txt", "GW-S07"),
        (f"{A}\n\0{B}".encode(), "nul.csv", "GW-S07"),
        (f"{A}\n{B}".encode("utf-16"), "unicode.txt", "GW-S07"),
        (b"%PDF-1.7", "paper.pdf", "GW-S01"),
        (b"PK\x03\x04 nonsense", "broken.xlsx", "GW-Z01"),
        (b"1" * (MOST_BYTES + 1), "large.txt", "GW-E05"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_refused_by_what_it_is(content: bytes, name: str, code: str) -> None:
    with pytest.raises(Refused) as caught:
        numbers_in_file(content, name, FORM)

    assert [one.code for one in caught.value.faults] == [code]


def test_a_workbook_that_unpacks_to_too_much_is_refused() -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
        archive.writestr("xl/worksheets/sheet1.xml", b" " * 70_000_000)
    with pytest.raises(Refused) as caught:
        numbers_in_file(target.getvalue(), "bomb.xlsx", FORM)

    assert caught.value.faults[0].code.startswith("GW-Z")


@given(st.binary(max_size=300), st.sampled_from(["a.txt", "a.csv", "a.xlsx"]))
def test_whatever_the_bytes_it_is_read_or_refused(content: bytes, name: str) -> None:
    try:
        found = numbers_in_file(content, name, FORM)
    except Refused:
        return
    assert all(isinstance(one, ListedNumber | UnusableNumber) for one in found)
