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

from tongguan.outbox.prints.letters import FontMissing, Letters, find_font
from tongguan.outbox.prints.painting import paint
from tongguan.outbox.prints.press import Press, PrintFailed
from tongguan.outbox.prints.sheet import Box, Boxes, Sheet

RARE = "𠮷"  #: a character of a personal name, outside the first plane
SHEET = Sheet(
    "自动进口许可证申请表", (Boxes("", ((Box("进口商", "大连示例进出口有限公司 Dalian 7%"),),)),), environment="测试 TEST"
)


@pytest.fixture(scope="module")
def font() -> Path:
    return find_font("", Path())


@pytest.fixture(scope="module")
def letters(font: Path) -> Letters:
    return Letters(font)


@pytest.fixture
def press() -> Iterator[Press]:
    made = Press(timeout=here(60), most_bytes=1_000_000_000)
    yield made
    made.close()


def text(pdf: bytes) -> str:
    return "\n".join(page.extract_text() for page in PdfReader(BytesIO(pdf)).pages)


def test_the_text_of_a_print_can_be_copied(letters: Letters) -> None:
    shown = text(paint([SHEET], letters))

    for word in ("自动进口许可证申请表", "进口商", "大连示例进出口有限公司 Dalian 7%", "测试 TEST", "第 1 页 共 1 页"):
        assert word in shown


def test_the_letters_used_are_embedded_as_truetype(letters: Letters) -> None:
    with pikepdf.open(BytesIO(paint([SHEET], letters))) as pdf:
        fonts = [font for page in pdf.pages for font in page.Resources.Font.values()]
        assert fonts
        for font in fonts:
            assert "/FontFile2" in font.FontDescriptor
            assert "/ToUnicode" in font


def test_the_same_sheet_gives_the_same_bytes(font: Path, letters: Letters) -> None:
    first = paint([SHEET], letters)
    paint([Sheet("别的", ())], letters)

    assert paint([SHEET], letters) == first == paint([SHEET], Letters(font))


def test_a_print_after_another_shows_its_own_letters(letters: Letters) -> None:
    paint([Sheet("甲", ())], letters)

    assert "乙丙丁" in text(paint([Sheet("乙丙丁", ())], letters))


def test_more_letters_than_one_part_of_a_font_holds_are_all_shown(letters: Letters) -> None:
    many = "".join(chr(0x4E00 + n) for n in range(900))

    shown = text(paint([Sheet("表", (Boxes("", ((Box("", many),),)),))], letters))

    assert many in "".join(shown.split())


def test_a_letter_that_the_font_lacks_is_a_square_and_does_not_spoil_the_print(letters: Letters) -> None:
    shown = text(paint([Sheet(f"姓名\ufdd0{RARE}", ())], letters))

    assert "姓名" in shown


def test_a_font_file_that_is_missing_or_none_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "note.ttf").write_text("no font")

    with pytest.raises(FontMissing, match=r"nowhere\.ttf"):
        find_font("nowhere.ttf", tmp_path)
    with pytest.raises(FontMissing, match=r"note\.ttf"):
        Letters(find_font("note.ttf", tmp_path))


def test_the_press_prints_in_a_process_of_its_own(press: Press, font: Path, letters: Letters) -> None:
    assert press.pid is None
    assert press.pdf(font, [SHEET]) == paint([SHEET], letters)
    assert press.pid not in (None, os.getpid())


def test_a_press_that_is_killed_is_started_anew(press: Press, font: Path) -> None:
    first = press.pdf(font, [SHEET])
    before = press.pid
    assert before is not None
    os.kill(before, signal.SIGKILL)

    assert press.pdf(font, [SHEET]) == first
    assert press.pid != before


def test_a_print_comes_though_its_press_is_killed_in_the_middle(press: Press, font: Path) -> None:
    press.pdf(font, [SHEET])
    before = press.pid
    assert before is not None
    os.kill(before, signal.SIGSTOP)  # it takes the job, and never answers
    threading.Timer(0.3, os.kill, (before, signal.SIGKILL)).start()

    assert "大连" in text(press.pdf(font, [SHEET] * 3))
    assert press.pid != before


def test_a_press_that_falls_silent_is_ended_and_the_print_fails_after_a_second_try(font: Path) -> None:
    press = Press(timeout=0.001, most_bytes=1_000_000_000)
    try:
        with pytest.raises(PrintFailed, match="in time"):
            press.pdf(font, [SHEET])
        assert press.pid is None
    finally:
        press.close()


def test_a_print_that_wants_too_much_memory_fails_and_the_next_one_comes(font: Path) -> None:
    press = Press(timeout=here(60), most_bytes=150_000_000)
    try:
        with pytest.raises(PrintFailed):
            press.pdf(font, [SHEET] * 30_000)
        assert press.pdf(font, [SHEET]).startswith(b"%PDF")
    finally:
        press.close()


def test_a_press_says_what_is_wrong_with_its_font(press: Press, tmp_path: Path) -> None:
    with pytest.raises(PrintFailed, match="font"):
        press.pdf(tmp_path / "nowhere.ttf", [SHEET])
