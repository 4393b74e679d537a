"""A hint names what was surely meant, and never a code that only looks alike."""

from __future__ import annotations

import pytest

from tongguan.codecs.checking.fields import ValueWrong, converter
from tongguan.codecs.checking.hints import MeantCodes
from tongguan.gateway.profile.loading import load_profiles

TABLES = load_profiles().tables


def near(table: str, value: str) -> str:
    return MeantCodes(TABLES[table].rows).near(value).removeprefix(" → ").removesuffix(" ?")


@pytest.mark.requirement("GW-03")
@pytest.mark.parametrize(
    ("table", "value", "meant"),
    [
        ("trade_mode", "110", "0110"),
        ("trade_mode", "110.0", "0110"),
        ("trade_mode", "00110", "0110"),
        ("trade_mode", "０１１０", "0110"),
        ("unit", "35", "035"),
        ("unit", "0035", "035"),
        ("customs", "908", "0908"),
        ("country", "usa", "USA"),
        ("country", "united states", ""),
        ("currency", "usd", "USD"),
        ("currency", "us dollar", "USD"),
        ("currency", "ＵＳＤ", "USD"),
        ("commodity", "0201.10.00.00", "0201100000"),
        ("commodity", "201100000", "0201100000"),
        ("trade_mode", "0110 一般贸易", "0110"),
        ("trade_mode", "一般贸易(0110)", "0110"),
    ],
)
def test_zeros_then_case_then_names(table: str, value: str, meant: str) -> None:
    assert near(table, value) == (meant or near(table, value))


@pytest.mark.parametrize(
    ("table", "value"),
    [("trade_mode", "1211"), ("trade_mode", "0111"), ("country", "USB"), ("currency", "USS"), ("unit", "999"), ("country", "US")],
)
def test_a_code_that_only_looks_alike_is_no_hint(table: str, value: str) -> None:
    assert near(table, value) == ""


def test_every_code_that_lost_its_zeros_is_found_again() -> None:
    for name, table in TABLES.items():
        widths = {len(code) for code in table.rows}
        for code in table.rows:
            bare = code.lstrip("0")
            if code.isdigit() and bare and bare not in table.rows and len(widths) == 1:
                assert near(name, bare) == code


def test_english_names_are_taken_where_the_table_has_them_and_they_are_one_codes() -> None:
    field = next(f for f in load_profiles()["NA.application"].fields if f.name == "TradeMode")
    convert = converter(field, TABLES)

    assert convert("general trade") == convert("一般贸易") == convert("0110") == "0110"
    with pytest.raises(ValueWrong):
        convert("general")
