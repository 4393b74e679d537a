"""Texts are broken where a reader expects it, and never run out of their box."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tongguan.outbox.prints.lines import wrap


def letters(text: str) -> float:
    return float(len(text))


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", ("",)),
        ("大连示例进出口有限公司", ("大连示例进", "出口有限公", "司")),
        ("ab cd ef", ("ab cd", "ef")),
        ("进口iron矿", ("进口", "iron矿")),
        ("一二三四五，六", ("一二三四", "五，六")),
        ("一二三ab，六", ("一二三", "ab，六")),
        ("1234567890123", ("12345", "67890", "123")),
        ("第一行\n第二行", ("第一行", "第二行")),
        ("一二三四五  六", ("一二三四五", "六")),
    ],
)
def test_a_text_is_broken_between_letters_of_chinese_and_between_words(text: str, lines: tuple[str, ...]) -> None:
    assert wrap(text, 5, letters) == lines


@given(st.text(alphabet="一二三，。（）ab1 \n", max_size=80), st.integers(2, 12))
def test_no_line_is_wider_than_its_box_and_nothing_but_blanks_is_lost(text: str, room: int) -> None:
    lines = wrap(text, room, letters)

    assert all(len(line) <= room for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())
