"""What of a text is a number, and what only looks like one; what a terminal is not told as it is."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tongguan.gateway.model.characters import escaped, is_count, shown


@pytest.mark.parametrize("text", ["1", "7", "007", "100"])
def test_a_whole_number_within_its_bounds_is_a_count(text: str) -> None:
    assert is_count(text, 100)


@pytest.mark.parametrize("text", ["", "0", "101", "0100", "-1", "+1", "1.0", " 1", "２", "²", "٣", "9" * 5000])
def test_nothing_else_is(text: str) -> None:
    assert not is_count(text, 100)


@given(st.text())
def test_an_escaped_text_says_the_same_and_hides_nothing(text: str) -> None:
    told = escaped(json.dumps(text, ensure_ascii=False))

    assert json.loads(told) == text
    assert shown(told) == told


@pytest.mark.parametrize(
    ("text", "told"),
    [("a\x9b2J", "a\\u009b2J"), ("\x85", "\\u0085"), ("\x7f", "\\u007f"), ("\u202e", "\\u202e"), ("\U000e0001", "\\udb40\\udc01"), ("中 é", "中 é")],
)  # fmt: skip
def test_what_cannot_be_seen_is_escaped_in_json(text: str, told: str) -> None:
    assert escaped(f'"{text}"') == f'"{told}"'
