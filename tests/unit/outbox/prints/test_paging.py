"""Sheets on pages: what does not fit goes on where it left off, under the same labels."""

from __future__ import annotations

import pytest

from tongguan.outbox.prints.marks import MARGIN, TEXT, Page, Stroke, Words
from tongguan.outbox.prints.paging import pages_of
from tongguan.outbox.prints.sheet import Box, Boxes, Grid, GridColumn, Sheet, from_bytes, to_bytes

COLUMNS = (GridColumn("序号", 1), GridColumn("规格型号", 5), GridColumn("数量", 3, "right"))


def width(text: str) -> float:
    return sum(1.0 if letter > "\u2e80" else 0.55 for letter in text)


def words(page: Page) -> list[str]:
    return [mark.text for mark in page.marks if isinstance(mark, Words)]


def body(page: Page) -> list[Words]:
    return [mark for mark in page.marks if isinstance(mark, Words) and not mark.turn]


def goods(rows: int) -> Grid:
    return Grid("规格型号信息", COLUMNS, tuple((str(n), "粉矿，铁品位61.5%" * 6, "1000") for n in range(rows)), ("合计", "", "9"))


def test_a_table_runs_over_pages_and_says_its_labels_on_each() -> None:
    pages = pages_of(Sheet("申请表", (goods(80),), number="申请表序号 NA26"), width)

    assert len(pages) > 2
    assert all({"序号", "规格型号", "数量"} <= set(words(page)) for page in pages)
    numbers = [text for page in pages for text in words(page) if text.isdecimal() and text != "1000"]
    assert numbers == [*(str(n) for n in range(80)), "9"]


def test_each_page_counts_and_names_the_form_and_its_number() -> None:
    pages = pages_of(Sheet("申请表", (goods(80),), number="申请表序号 NA26"), width)

    for n, page in enumerate(pages, 1):
        assert {"申请表", "申请表序号 NA26", f"第 {n} 页 共 {len(pages)} 页"} <= set(words(page))


def test_nothing_is_set_outside_the_margins() -> None:
    boxes = Boxes("其他", ((Box("附加信息说明", "详见说明。" * 66, 18), Box("x", "y" * 300)),) * 9)
    pages = pages_of(Sheet("表", (boxes, goods(40))), width)

    for page in pages:
        for mark in body(page):
            assert mark.x >= MARGIN - 0.01
            assert mark.x + mark.size * width(mark.text) <= page.width - MARGIN + 0.01
        lines = [mark for mark in page.marks if isinstance(mark, Stroke)]
        assert all(MARGIN < mark.y1 < page.height - MARGIN for mark in lines)


def test_a_box_longer_than_a_page_goes_on_and_says_so() -> None:
    text = "".join(chr(0x4E00 + n % 2000) for n in range(9000))
    pages = pages_of(Sheet("表", (Boxes("", ((Box("说明", text),),)),)), width)

    assert len(pages) > 1
    values = [mark.text for page in pages for mark in body(page) if mark.size == TEXT and mark.text != "表"]
    assert "".join(values) == text
    assert "说明（续）" in words(pages[1])


def test_a_heading_is_never_the_last_of_a_page() -> None:
    for filling in range(20, 40):
        sheet = Sheet("表", (Boxes("", ((Box("a", "b"),),) * filling), goods(3)))
        for page in pages_of(sheet, width):
            assert ("规格型号信息" in words(page)) == ("0" in words(page)), f"{filling} rows above"


def test_groups_stand_over_their_columns() -> None:
    columns = (
        GridColumn("商品"),
        GridColumn("金额", group="本月"),
        GridColumn("份数", group="本月"),
        GridColumn("金额", group="截至本月"),
    )
    page = pages_of(Sheet("统计", (Grid("", columns, (("铁矿", "1", "2", "3"),)),)), width)[0]
    place = {mark.text: mark for mark in body(page)}

    assert place["本月"].y > place["份数"].y > place["2"].y
    assert place["本月"].x < place["份数"].x < place["截至本月"].x


@pytest.mark.parametrize(("environment", "said"), [("测试 TEST", True), ("", False)])
def test_the_environment_stands_across_every_page(environment: str, said: bool) -> None:
    pages = pages_of(Sheet("表", (goods(80),), environment=environment), width)

    assert all(any(isinstance(m, Words) and m.turn for m in page.marks) == said for page in pages)


def test_a_sheet_crosses_to_the_press_and_is_the_same() -> None:
    sheet = Sheet(
        "表", (Boxes("头", ((Box("名", "值", 6, 2), Box("b", "")),)), goods(2)), "No 1", ("第一行",), "脚", "T", "en", True
    )

    assert from_bytes(to_bytes([sheet, sheet])) == (sheet, sheet)
