"""The checks that rules.toml may name, each by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from tongguan.codecs.checking.named_checks import CHECKS, OF_DATES, OF_ROWS, OF_VALUES, WHOLE, uscc_is_right
from tongguan.gateway.system import times


def see(path: str) -> Callable[[Any], Sequence[Any]]:
    """A look at a header field of the content."""
    return lambda rows: [rows[-1][path]] if path in rows[-1] else []


def holds(check: str, value: str, content: Mapping[str, str], **with_: Any) -> bool:
    return OF_VALUES[check][0](with_, see)(value, (dict(content),))


@pytest.mark.parametrize(
    ("check", "value", "with_", "content", "expected"),
    [
        ("matches", "AB12", {"pattern": "[A-Z]{2}[0-9]{2}"}, {}, True),
        ("matches", "AB123", {"pattern": "[A-Z]{2}[0-9]{2}"}, {}, False),
        ("matches", "xAB12", {"pattern": "[A-Z]{2}[0-9]{2}"}, {}, False),
        ("matches", "AB12\n", {"pattern": "[A-Z]{2}[0-9]{2}"}, {}, False),
        ("not_matches", "AB12", {"pattern": "[A-Z]{2}[0-9]{2}"}, {}, False),
        ("not_matches", "AB123", {"pattern": "[A-Z]{2}[0-9]{2}"}, {}, True),
        ("contains", "xAB12y", {"pattern": "[A-Z]{2}[0-9]{2}"}, {}, True),
        ("contains", "ab12", {"pattern": "[A-Z]{2}[0-9]{2}"}, {}, False),
        ("differs", "USA", {"others": ["A", "B"]}, {"A": "CHN"}, True),
        ("differs", "USA", {"others": ["A", "B"]}, {"A": "CHN", "B": "USA"}, False),
        ("at_most", "10", {"other": "A"}, {"A": "9.5"}, False),
        ("at_most", "10", {"other": "A"}, {"A": "10.0"}, True),
        ("at_most", "10", {"other": "A"}, {}, True),
        ("at_most", "9", {"other": "A"}, {"A": "10"}, True),
        ("same_number", "7:26AA100001", {"other": "A"}, {"A": "26-AA-100001"}, True),
        ("same_number", "26-AA100001", {"other": "A"}, {"A": "26AA100001"}, True),
        ("same_number", "7:26AA100002", {"other": "A"}, {"A": "26AA100001"}, False),
        ("same_number", "7:26AA100001", {"other": "A"}, {}, True),
        (
            "product_within",
            "13.03",
            {"factors": ["A", "B"], "within": "0.01", "each": "0.00005"},
            {"A": "12", "B": "1.0855"},
            True,
        ),
        (
            "product_within",
            "13.04",
            {"factors": ["A", "B"], "within": "0.01", "each": "0.00005"},
            {"A": "12", "B": "1.0855"},
            False,
        ),
        ("product_within", "13.5", {"factors": ["A", "B"], "within": "0.01", "each": "0.00005"}, {"A": "12"}, True),
        (
            "product_within",
            "600.5",
            {"factors": ["A", "B"], "within": "0.01", "each": "0.00005"},
            {"A": "10000", "B": "0.06"},
            True,
        ),
        ("date_not_before", "2026-11-20", {"other": "A"}, {"A": "2026-11-20"}, True),
        ("date_not_before", "2026-11-20", {"other": "A"}, {"A": "2026-11-21"}, False),
        ("date_not_before", "2026-11-20", {"other": "A"}, {}, True),
        ("date_within", "2027-02-28", {"other": "A", "months": 6}, {"A": "2026-08-31"}, True),
        ("date_within", "2027-03-01", {"other": "A", "months": 6}, {"A": "2026-08-31"}, False),
        ("date_within", "9999-12-31", {"other": "A", "months": 12}, {"A": "9999-06-01"}, True),
        ("date_within", "2027-03-01", {"other": "A", "months": 6}, {}, True),
        ("uscc", "91210200MA0EXAMPLC", {}, {}, True),
        ("uscc", "91210200MA0EXAMPLD", {}, {}, False),
    ],
)
def test_a_check_of_values(check: str, value: str, with_: dict[str, Any], content: dict[str, str], *, expected: bool) -> None:
    assert holds(check, value, content, **with_) is expected


NIGHT = times.read("2026-11-20T23:59:59+08:00")  #: still the 20th in China, and for eight hours before in Greenwich too
MORNING = times.read("2026-11-21T00:00:00+08:00")


@pytest.mark.requirement("CD-06", "CD-18")
@pytest.mark.parametrize(
    ("check", "value", "with_", "now", "expected"),
    [
        ("not_past", "2026-11-20", {}, NIGHT, True),
        ("not_past", "2026-11-20", {}, MORNING, False),
        ("not_past", "2026-11-20T08:00:00+08:00", {}, NIGHT, True),
        ("months_ahead", "2027-02-20", {"months": 3}, NIGHT, True),
        ("months_ahead", "2027-02-19", {"months": 3}, NIGHT, False),
        ("months_ahead", "2026-11-19", {"months": 3}, NIGHT, True),
        ("months_ahead", "2026-11-20", {"months": 3}, NIGHT, False),
        ("months_ahead", "2026-11-20", {"months": 0}, NIGHT, True),
        ("months_ahead", "9999-12-31", {"months": 120_000}, NIGHT, True),
        ("hours_ahead", "2026-11-21T23:59:59+08:00", {"hours": 24}, NIGHT, True),
        ("hours_ahead", "2026-11-21T23:59:58+08:00", {"hours": 24}, NIGHT, False),
        ("hours_ahead", "2026-11-22", {"hours": 24}, NIGHT, True),
        ("within_days_before", "2026-11-30", {"days": 10}, NIGHT, True),
        ("within_days_before", "2026-12-01", {"days": 10}, NIGHT, False),
        ("within_days_before", "2026-12-01", {"days": 10}, MORNING, True),
        ("within_days_before", "2026-11-20", {"days": 10}, NIGHT, True),
        ("within_days_before", "2026-11-20", {"days": 10}, MORNING, False),
        ("days_ahead", "2026-12-04", {"days": 14}, NIGHT, True),
        ("days_ahead", "2026-12-05", {"days": 14}, NIGHT, False),
        ("days_ahead", "2025-11-06", {"days": 14}, NIGHT, True),
        ("days_since", "2026-11-06", {"days": 14}, NIGHT, True),
        ("days_since", "2026-11-06", {"days": 14}, MORNING, False),
        ("days_since", "2027-11-06", {"days": 14}, NIGHT, True),
        ("days_since", "0001-01-01", {"days": 10**30}, NIGHT, True),
    ],
)
def test_a_check_of_a_date_against_the_china_day_on_which_it_is_asked(
    check: str, value: str, with_: dict[str, Any], now: int, *, expected: bool
) -> None:
    assert OF_DATES[check][0](with_)(value, now) is expected


def _with_check_character(first: str) -> str:
    letters = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    rest = sum(pow(3, n, 31) * letters.index(c) for n, c in enumerate(first)) % 31
    return first + letters[(31 - rest) % 31]


@pytest.mark.parametrize("first", ["91350100M000100Y4", "91210200MA0EXAMPU", "00000000000000000", "9111000071093123X"])
def test_one_of_the_thirty_one_check_characters_is_right(first: str) -> None:
    right = _with_check_character(first)

    accepted = [first + c for c in "0123456789ABCDEFGHJKLMNPQRTUWXYIOSVZ" if uscc_is_right(first + c)]

    assert accepted == [right]


def test_the_sample_code_of_the_standard_is_right() -> None:
    assert uscc_is_right("91350100M000100Y43")


@pytest.mark.parametrize("code", ["", "91350100M000100Y4", "91350100M000100Y433", "91350100m000100y43", "91350100MO00100Y43"])
def test_codes_of_other_length_or_letters_are_wrong(code: str) -> None:
    assert not uscc_is_right(code)


@pytest.mark.parametrize(("count", "expected"), [(0, [WHOLE]), (1, [WHOLE]), (2, []), (3, [])])
def test_a_table_needs_its_least_rows(count: int, expected: list[int]) -> None:
    wrongs = OF_ROWS["rows"][0]({"least": 2}, see)

    assert list(wrongs([{}] * count)) == expected


@pytest.mark.parametrize(
    ("values", "expected"), [([], []), (["a"], []), (["a", "b"], []), (["a", "b", "a", "a", "b"], [2, 3, 4])]
)
def test_of_equal_rows_all_but_the_first_are_wrong(values: list[str], expected: list[int]) -> None:
    wrongs = OF_ROWS["unique"][0]({}, see)

    assert list(wrongs(values)) == expected


def test_rows_that_say_the_same_in_all_named_columns_are_wrong_but_the_first() -> None:
    rows = [{"A": "1", "B": "2", "C": "3"}, {"A": "1", "B": "9"}, {"A": "1", "B": "2", "C": "4"}]

    assert OF_ROWS["unique_rows"][0]({"columns": ["A", "B"]}, see)(rows) == [2]


@pytest.mark.parametrize(("values", "expected"), [([], []), (["a"], []), (["a", "a"], []), (["a", "b", "a", "c"], [1, 3])])
def test_where_all_rows_must_be_the_same_those_unlike_the_first_are_wrong(values: list[str], expected: list[int]) -> None:
    wrongs = OF_ROWS["same"][0]({}, see)

    assert list(wrongs(values)) == expected


def test_every_check_is_a_word_of_rules_toml_and_stands_once() -> None:
    assert len(CHECKS) == len(set(CHECKS))
    assert all(name.isidentifier() for name in CHECKS)
