"""Sheets on pages: what does not fit goes on where it left off, under the same labels."""

from __future__ import annotations

import pytest

from tongguan.outbox.prints.sheet import Box, Boxes, Grid, GridColumn, Sheet, from_bytes, to_bytes
from tongguan.outbox.prints.typesetting import Page, pages_of

COLUMNS = (GridColumn("序号", 1), GridColumn("规格型号", 5), GridColumn("数量", 3, "right"))
WIDTH, HEIGHTS = 515.0, (685.0, 704.0)


def width(text: str) -> float:
    return sum(1.0 if letter > "\u2e80" else 0.55 for letter in text)


def words(page: Page) -> list[str]:
    return [line for _, strip in page for cell in strip.cells for line in (*cell.label, *cell.lines)]


def set_(*blocks: Boxes | Grid, heights: tuple[float, float] = HEIGHTS) -> list[Page]:
    return pages_of(Sheet("申请表", blocks), WIDTH, heights, width)


def goods(rows: int, text: str = "粉矿，铁品位61.5%" * 6) -> Grid:
    return Grid("规格型号信息", COLUMNS, tuple((str(n), text, "1000") for n in range(rows)), ("合计", "", "9"))


def test_a_table_runs_over_pages_and_says_its_labels_on_each() -> None:
    pages = set_(goods(80))

    assert len(pages) > 2
    assert all({"序号", "规格型号", "数量"} <= set(words(page)) for page in pages)
    numbers = [text for page in pages for text in words(page) if text.isdecimal() and text != "1000"]
    assert numbers == [*(str(n) for n in range(80)), "9"]


def test_no_page_is_fuller_than_it_is_high_and_no_strip_stands_on_another() -> None:
    boxes = Boxes("其他", ((Box("附加信息说明", "详见说明。" * 66, 18), Box("x", "y" * 300)),) * 9)

    for n, page in enumerate(set_(boxes, goods(40))):
        below = 0.0
        for edge, strip in page:
            assert edge - strip.height >= below - 0.01
            below = edge
        assert below <= HEIGHTS[n > 0]


def test_a_box_longer_than_a_page_goes_on_and_says_so() -> None:
    text = "".join(chr(0x4E00 + n % 2000) for n in range(9000))
    pages = set_(Boxes("", ((Box("说明", text),),)))

    assert len(pages) > 1
    assert "".join(line for page in pages for _, strip in page for line in strip.cells[0].lines) == text
    assert [page[0][1].cells[0].label for page in pages] == [("说明",), *([("说明（续）",)] * (len(pages) - 1))]


def test_a_heading_is_never_the_last_of_a_page() -> None:
    for filling in range(20, 40):
        for page in set_(Boxes("", ((Box("a", "b"),),) * filling), goods(3)):
            assert ("规格型号信息" in words(page)) == ("0" in words(page)), f"{filling} rows above"


def test_a_seal_never_stands_alone_on_a_page() -> None:
    seal = ((Box("盖章", "", lines=4),), (Box("日期", ""),))
    for filling in range(15, 45):
        (page,) = (page for page in set_(Boxes("", ((Box("a", "b"),),) * filling), Boxes("", seal)) if "盖章" in words(page))
        assert [word for word in words(page) if word][-4:] == ["a", "b", "盖章", "日期"], f"{filling} rows above"


def test_a_row_longer_than_a_page_begins_under_its_heading_and_goes_on_under_its_labels() -> None:
    pages = set_(Boxes("", ((Box("a", "b"),),)), goods(1, "粉矿" * 2000))

    assert {"a", "规格型号信息", "规格型号", "0"} <= set(words(pages[0]))
    assert all("规格型号" in words(page) and any("粉矿" in word for word in words(page)) for page in pages)
    assert "".join(words(page)[n] for page in pages for n in range(len(words(page)))).count("粉矿") == 2000


def test_labels_that_leave_no_room_for_a_row_are_not_said_again_and_the_table_ends() -> None:
    pages = set_(Grid("", COLUMNS, (("1", "a", "b"), ("2", "c", "d"))), heights=(30.0, 30.0))

    assert [word for page in pages for word in words(page) if word.isascii()] == ["1", "a", "b", "2", "c", "d"]


def test_groups_stand_over_their_columns() -> None:
    columns = (
        GridColumn("商品"),
        GridColumn("金额", group="本月"),
        GridColumn("份数", group="本月"),
        GridColumn("金额", group="截至本月"),
    )
    groups, labels, row = (strip.cells for _, strip in set_(Grid("", columns, (("铁矿", "1", "2", "3"),)))[0])

    assert [cell.lines for cell in groups] == [("",), ("本月",), ("截至本月",)]
    assert (groups[1].x, groups[1].x + groups[1].width) == (labels[1].x, labels[3].x)
    assert groups[2].x == labels[3].x == row[3].x


def test_a_sheet_crosses_to_the_press_and_is_the_same() -> None:
    sheet = Sheet("表", (Boxes("头", ((Box("名", "值", 6, 2), Box("b", "")),)), goods(2)), "No 1", "脚", "T", "en", True)

    assert from_bytes(to_bytes([sheet, sheet])) == (sheet, sheet)


@pytest.mark.parametrize(("label", "cell"), [("manufacturer", "1"), ("数量", "1234567.8901"), ("stopped", "1234567.89")])
def test_a_column_whose_words_would_be_broken_has_room_from_the_others(label: str, cell: str) -> None:
    columns = (GridColumn("no.", 1), GridColumn(label, 1, "right"), GridColumn("name", 12), GridColumn("remark", 12))
    (page,) = set_(Grid("", columns, (("1", cell, "a b c", "d e f"),)))
    strips = [strip for _, strip in page]

    assert [strip.cells[1].lines for strip in strips] == [(label,), (cell,)]
    for strip in strips:
        assert abs(sum(each.width for each in strip.cells) - WIDTH) < 0.01
        assert [each.x for each in strip.cells] == pytest.approx([sum(c.width for c in strip.cells[:n]) for n in range(4)])


def test_a_table_in_which_nothing_is_broken_is_as_wide_as_the_form_has_it() -> None:
    (page,) = set_(goods(2, "粉矿"))

    assert [cell.width for cell in page[1][1].cells] == pytest.approx([WIDTH / 9, WIDTH * 5 / 9, WIDTH * 3 / 9])


def test_a_word_longer_than_a_third_of_the_table_takes_no_more_than_that() -> None:
    columns = (GridColumn("a", 1), GridColumn("b", 1))
    (page,) = set_(Grid("", columns, (("x" * 400, "y"),)))

    assert page[1][1].cells[0].width == pytest.approx(WIDTH / 2)
    (narrow,) = set_(Grid("", (GridColumn("a", 1), GridColumn("b", 9)), (("x" * 400, "y"),)))
    assert narrow[1][1].cells[0].width == pytest.approx(WIDTH / 3)
