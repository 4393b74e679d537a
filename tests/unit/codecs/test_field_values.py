"""Values as senders write them, and what is kept of them."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tongguan.codecs.checking.fields import ValueWrong, canonical_number, converter, rounded
from tongguan.gateway.profile.profile import CodeTable, Field

TABLE = CodeTable(
    "kind",
    ("code", "zh", "en"),
    {c: {"code": c, "zh": z, "en": e} for c, z, e in [("01", "甲", "A"), ("1b", "乙", "B")]},
    {"甲": "01", "乙": "1b"},
)


def field(type_: str, **facts: Any) -> Field:
    usual = {
        "path": "X",
        "name": "X",
        "label": "某",
        "label_en": "x",
        "type": type_,
        "length": 0,
        "precision": 0,
        "occurs": "0..1",
    }
    blank = dict.fromkeys(
        ["least", "most", "pattern", "code_table", "unit", "fill", "find", "line", "key", "sum", "sign_order", "source"], ""
    )
    return Field(**{**blank, **usual, "required_at": frozenset(), "changeable_by": frozenset(), **facts})


def kept(text: str, type_: str, **facts: Any) -> str:
    """The canonical text, or the code of what is wrong with it."""
    try:
        return converter(field(type_, **facts), {"kind": TABLE})(text)
    except ValueWrong as wrong:
        return wrong.code


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", "0"),
        ("-0", "0"),
        ("-0.00", "0"),
        ("007", "7"),
        ("1.50", "1.5"),
        ("100", "100"),
        ("0.0001", "0.0001"),
        ("-12.3", "-12.3"),
        ("99999999999.9999", "99999999999.9999"),
        ("1.00000", "1"),
        ("1.23456", "GW-C07"),
        ("999999999999999.1", "GW-C08"),
        ("1,000", "GW-C06"),
        ("1e5", "GW-C06"),
        ("NaN", "GW-C06"),
        ("Infinity", "GW-C06"),
        ("１２", "GW-C06"),
        ("٣", "GW-C06"),
        (".5", "GW-C06"),
        ("5.", "GW-C06"),
        ("0x10", "GW-C06"),
        ("1_000", "GW-C06"),
        ("- 1", "GW-C06"),
        ("9" * 200, "GW-C08"),
    ],
)
def test_numbers_are_plain_and_exact(text: str, expected: str) -> None:
    assert kept(text, "number", length=15, precision=4) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("0", "GW-C09"), ("0.0001", "0.0001"), ("100", "100"), ("100.0001", "GW-C10"), ("-1", "GW-C09")]
)
def test_numbers_keep_to_their_bounds(text: str, expected: str) -> None:
    assert kept(text, "number", length=15, precision=4, least="0.0001", most="100") == expected


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20, places=6))
def test_a_canonical_number_is_the_same_number_and_its_own_canonical_form(value: Decimal) -> None:
    text = canonical_number(f"{value:f}")

    assert Decimal(text) == value
    assert canonical_number(text) == text


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20, places=9), st.integers(0, 8))
def test_amounts_are_rounded_half_up(value: Decimal, places: int) -> None:
    with localcontext(Context(prec=60)):
        exact = value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)

        assert Decimal(rounded(value, places)) == exact
        assert rounded(value, places) == canonical_number(f"{exact:f}")


@pytest.mark.parametrize(("value", "expected"), [("0.5", "1"), ("1.5", "2"), ("2.5", "3"), ("-0.5", "-1"), ("0.49999", "0")])
def test_a_half_goes_up_never_to_the_even(value: str, expected: str) -> None:
    assert rounded(Decimal(value), 0) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-20", "2026-11-20"),
        ("20261120", "2026-11-20"),
        ("2024-02-29", "2024-02-29"),
        ("2026-02-29", "GW-C11"),
        ("2026-W47-5", "GW-C11"),
        ("2026-11-20T00:00:00", "GW-C11"),
        ("20-11-2026", "GW-C11"),
        ("２０２６１１２０", "GW-C11"),
        ("00000000", "GW-C11"),
    ],
)
def test_dates_are_days_of_the_calendar(text: str, expected: str) -> None:
    assert kept(text, "date") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-20T18:00:00", "2026-11-20T18:00:00+08:00"),
        ("2026-11-20T10:00:00Z", "2026-11-20T18:00:00+08:00"),
        ("2026-11-20T18:00", "2026-11-20T18:00:00+08:00"),
        ("2026-11-20T18:00:00.25+08:00", "2026-11-20T18:00:00.250+08:00"),
        ("2026-11-20T25:00:00", "GW-C12"),
        ("2026-11-20", "GW-C12"),
        ("0001-01-01T00:00:00+14:00", "GW-C12"),
    ],
)
def test_times_without_offset_are_china_time(text: str, expected: str) -> None:
    assert kept(text, "datetime") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("true", "1"), ("1", "1"), ("是", "1"), ("false", "0"), ("0", "0"), ("否", "0"), ("yes", "GW-C13"), ("True", "GW-C13")],
)
def test_flags_have_two_values(text: str, expected: str) -> None:
    assert kept(text, "flag") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("01", "01"), ("甲", "01"), ("乙", "1b"), ("1", "GW-C14"), ("1B", "GW-C14"), ("A", "GW-C14"), ("甲 ", "GW-C14")],
)
def test_a_code_or_its_exact_name_is_taken_and_the_code_kept(text: str, expected: str) -> None:
    assert kept(text, "code", code_table="kind") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("abc", "abc"), ("Abc", "GW-C05"), ("ab", "GW-C16"), ("abcdef", "GW-C04"), ("abc\n", "GW-C05")],
)
def test_texts_have_length_and_form(text: str, expected: str) -> None:
    assert kept(text, "text", length=5, least="3", pattern="[a-z]+") == expected


def test_lengths_count_characters_not_bytes() -> None:
    assert kept("一二三四五", "text", length=5) == "一二三四五"
    assert kept("𠮷𠮷𠮷𠮷𠮷", "text", length=5) == "𠮷𠮷𠮷𠮷𠮷"


def test_line_ends_are_the_same_from_every_machine() -> None:
    assert kept("a\r\nb\rc\nd", "text") == "a\nb\nc\nd"
