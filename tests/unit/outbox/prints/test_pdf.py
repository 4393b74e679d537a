"""The PDF itself: font embedded, text copyable, the same bytes again; made by a process that may die."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pikepdf
import pytest
from patience import here
from pypdf import PdfReader

from tongguan.outbox.prints.font import Font, FontMissing, find_font
from tongguan.outbox.prints.pdf import MARGIN, paint
from tongguan.outbox.prints.pdf_worker import PdfWorker, PrintFailed
from tongguan.outbox.prints.sheet import Box, Boxes, Grid, GridColumn, Sheet

RARE = "𠮷"  #: a character of a personal name, outside the first plane
SHEET = Sheet(
    "自动进口许可证申请表", (Boxes("", ((Box("进口商", "大连示例进出口有限公司 Dalian 7%"),),)),), environment="测试 TEST"
)


@pytest.fixture(scope="module")
def font() -> Path:
    return find_font("", Path())


@pytest.fixture(scope="module")
def letters(font: Path) -> Font:
    return Font(font)


@pytest.fixture
def press() -> Iterator[PdfWorker]:
    made = PdfWorker(timeout=here(60), most_bytes=1_000_000_000)
    yield made
    made.close()


def text(pdf: bytes) -> str:
    return "\n".join(page.extract_text() for page in PdfReader(BytesIO(pdf)).pages)


Rectangle = tuple[float, float, float, float]


def boxes_of(page: pikepdf.Page) -> list[Rectangle]:
    """The rectangles that are drawn on a page: left, bottom, right, top."""
    return [(x, y, x + w, y + h) for word, (x, y, w, h) in body(page) if word == "re"]


def texts_of(page: pikepdf.Page) -> list[tuple[float, float, float]]:
    """The lines of text in the boxes of a page: left, base, right."""
    return [(x, y, right) for word, (x, y, right, _) in body(page) if word == "Tj"]


def body(page: pikepdf.Page) -> Iterator[tuple[str, Rectangle]]:
    """What is drawn below the head of a page, from where the origin moves to the body's upper left corner."""
    moved: tuple[float, float] | None = None
    font, size, at = "", 0.0, (0.0, 0.0)
    for instruction in pikepdf.parse_content_stream(page):
        operands = list(instruction.operands)
        numbers = [float(n) for n in operands if not isinstance(n, (pikepdf.Object, str))]
        match str(instruction.operator):
            case "cm" if numbers[0] == 1 and numbers[4] == MARGIN:
                moved = numbers[4], numbers[5]
            case "re" if moved:
                yield "re", (moved[0] + numbers[0], moved[1] + numbers[1], numbers[2], numbers[3])
            case "Tf":
                font, size = str(operands[0]), numbers[0]
            case "Tm":
                at = numbers[4], numbers[5]
            case "Tj" if moved:
                widths = page.Resources.Font[font].Widths
                wide = sum(float(widths[code]) for code in bytes(operands[0])) * size / 1000
                yield "Tj", (moved[0] + at[0], moved[1] + at[1], moved[0] + at[0] + wide, size)
                at = at[0] + wide, at[1]


def head(page: pikepdf.Page) -> Iterator[tuple[float, float]]:
    """From where to where each text goes that stands in the head of a page."""
    font, size, at = "", 0.0, (0.0, 0.0)
    for instruction in pikepdf.parse_content_stream(page):
        operands = list(instruction.operands)
        match str(instruction.operator):
            case "Tf":
                font, size = str(operands[0]), float(operands[1])
            case "Tm":
                at = float(operands[4]), float(operands[5])
            case "cm" if float(operands[0]) == 1 and float(operands[4]) == MARGIN:
                return
            case "Tj" if at[1] > 700:
                widths = page.Resources.Font[font].Widths
                yield at[0], at[0] + sum(float(widths[code]) for code in bytes(operands[0])) * size / 1000


def test_no_head_prints_over_itself_however_long_the_title(letters: Font) -> None:
    title, number = "Application for an automatic import licence, mechanical and electrical", "application no. NA0000000000000001"
    with pikepdf.open(BytesIO(paint([Sheet(title, LONG.blocks, number=number, language="en")], letters))) as pdf:
        for page in pdf.pages[1:]:
            texts = sorted(head(page))
            assert len(texts) == 2 and texts[0][1] < texts[1][0], texts


def test_the_text_of_a_print_can_be_copied(letters: Font) -> None:
    shown = text(paint([SHEET], letters))

    for word in ("自动进口许可证申请表", "进口商", "大连示例进出口有限公司 Dalian 7%", "测试 TEST", "第 1 页 共 1 页"):
        assert word in shown


LONG = Sheet(
    "申请表",
    (
        Boxes("其他", ((Box("附加信息说明", "详见说明。" * 66, 18), Box("x", "y" * 300)),) * 9),
        Grid(
            "规格", (GridColumn("序号"), GridColumn("型号", 5), GridColumn("数量", 2, "right")), (("1", "粉矿" * 40, "9.5"),) * 40
        ),
    ),
    number="申请表序号 NA26",
    environment="测试 TEST",
)


def test_each_page_counts_and_names_the_form_its_number_and_the_environment(letters: Font) -> None:
    pages = PdfReader(BytesIO(paint([LONG, SHEET], letters))).pages
    last = len(pages) - 1

    assert last > 1
    for n, page in enumerate(pages[:last], 1):
        shown = page.extract_text()
        assert shown.count("测试 TEST") == 2, "across the page and at its foot"
        for word in ("申请表", "申请表序号 NA26", f"第 {n} 页 共 {last} 页"):
            assert word in shown
    assert "第 1 页 共 1 页" in pages[last].extract_text()


def test_a_production_print_has_no_word_across_its_pages(letters: Font) -> None:
    assert "TEST" not in text(paint([Sheet("表", LONG.blocks)], letters))


def test_nothing_is_drawn_outside_the_margins(letters: Font) -> None:
    with pikepdf.open(BytesIO(paint([Sheet("表", LONG.blocks), Sheet("表", LONG.blocks, landscape=True)], letters))) as pdf:
        for page in pdf.pages:
            width, height = (float(side) for side in page.MediaBox[2:])
            for left, bottom, right, top in boxes_of(page):
                assert MARGIN - 0.01 <= left <= right <= width - MARGIN + 0.01
                assert MARGIN < bottom <= top < height - MARGIN


def test_every_text_stands_in_a_box_of_its_own(letters: Font) -> None:
    with pikepdf.open(BytesIO(paint([Sheet("表", LONG.blocks)], letters))) as pdf:
        for page in pdf.pages:
            boxes, texts = boxes_of(page), texts_of(page)
            assert texts
            for left, base, right in texts:
                assert any(b[0] <= left and right <= b[2] + 0.01 and b[1] <= base < b[3] for b in boxes)


def test_the_letters_used_are_embedded_as_truetype(letters: Font) -> None:
    with pikepdf.open(BytesIO(paint([SHEET], letters))) as pdf:
        fonts = [font for page in pdf.pages for font in page.Resources.Font.values()]
        assert fonts
        for font in fonts:
            assert "/FontFile2" in font.FontDescriptor
            assert "/ToUnicode" in font


def test_the_same_sheet_gives_the_same_bytes(font: Path, letters: Font) -> None:
    first = paint([SHEET], letters)
    paint([Sheet("别的", ())], letters)

    assert paint([SHEET], letters) == first == paint([SHEET], Font(font))


def test_a_print_after_another_shows_its_own_letters(letters: Font) -> None:
    paint([Sheet("甲", ())], letters)

    assert "乙丙丁" in text(paint([Sheet("乙丙丁", ())], letters))


def test_more_letters_than_one_part_of_a_font_holds_are_all_shown(letters: Font) -> None:
    many = "".join(chr(0x4E00 + n) for n in range(900))

    shown = text(paint([Sheet("表", (Boxes("", ((Box("", many),),)),))], letters))

    assert many in "".join(shown.split())


def test_a_letter_that_the_font_lacks_is_a_square_and_does_not_spoil_the_print(letters: Font) -> None:
    shown = text(paint([Sheet(f"姓名\ufdd0{RARE}", ())], letters))

    assert "姓名" in shown


def test_a_font_file_that_is_missing_or_none_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "note.ttf").write_text("no font")

    with pytest.raises(FontMissing, match=r"nowhere\.ttf"):
        find_font("nowhere.ttf", tmp_path)
    with pytest.raises(FontMissing, match=r"note\.ttf"):
        Font(find_font("note.ttf", tmp_path))


def test_the_press_prints_in_a_process_of_its_own(press: PdfWorker, font: Path, letters: Font) -> None:
    assert press.pid is None
    assert press.pdf(font, [SHEET]) == paint([SHEET], letters)
    assert press.pid not in (None, os.getpid())


def test_a_press_that_is_killed_is_started_anew(press: PdfWorker, font: Path) -> None:
    first = press.pdf(font, [SHEET])
    before = press.pid
    assert before is not None
    os.kill(before, signal.SIGKILL)

    assert press.pdf(font, [SHEET]) == first
    assert press.pid != before


def test_a_print_comes_though_its_press_is_killed_in_the_middle(press: PdfWorker, font: Path) -> None:
    press.pdf(font, [SHEET])
    before = press.pid
    assert before is not None
    os.kill(before, signal.SIGSTOP)  # it takes the job, and never answers
    threading.Timer(0.3, os.kill, (before, signal.SIGKILL)).start()

    assert "大连" in text(press.pdf(font, [SHEET] * 3))
    assert press.pid != before


def test_a_press_that_falls_silent_is_ended_and_the_print_fails_after_a_second_try(font: Path) -> None:
    press = PdfWorker(timeout=0.001, most_bytes=1_000_000_000)
    try:
        with pytest.raises(PrintFailed, match="in time"):
            press.pdf(font, [SHEET])
        assert press.pid is None
    finally:
        press.close()


def test_a_print_that_wants_too_much_memory_fails_and_the_next_one_comes(font: Path) -> None:
    press = PdfWorker(timeout=here(60), most_bytes=150_000_000)
    try:
        with pytest.raises(PrintFailed):
            press.pdf(font, [SHEET] * 30_000)
        assert press.pdf(font, [SHEET]).startswith(b"%PDF")
    finally:
        press.close()


def test_a_press_says_what_is_wrong_with_its_font(press: PdfWorker, tmp_path: Path) -> None:
    with pytest.raises(PrintFailed, match="font"):
        press.pdf(tmp_path / "nowhere.ttf", [SHEET])
