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
        ("５３０１２０２６１０１２３４５００１", "有 18 位；报关单号为 18 位数字"),
    ],
)  # fmt: skip
def test_what_a_spreadsheet_has_mangled_is_refused_with_its_cell(value: Any, why: str) -> None:
    content = book(["报关单号"], [A], [value])

    assert refused(content, "book.xlsx") == [("A3", why)]


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
