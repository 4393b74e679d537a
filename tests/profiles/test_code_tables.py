"""Our code tables say what the published ones say, wherever both know a code."""

from __future__ import annotations

import csv
from importlib.resources import files
from pathlib import Path

import pytest

#: beside the project; absent elsewhere
OFFICIAL = Path(__file__).resolve().parents[3] / "shared" / "official" / "code-tables"
TABLES = Path(str(files("tongguan"))) / "gateway" / "profiles" / "tables"
OURS = sorted(TABLES.glob("*.csv"))
PUBLISHED = ["country", "currency", "package_type", "port", "trade_mode", "transport_mode", "unit"]


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        return list(csv.DictReader(lines))


def _published(name: str) -> dict[str, set[str]]:
    path = OFFICIAL / f"{name}.csv"
    if not path.is_file():
        pytest.skip(f"the published table {path} is not here")
    names: dict[str, set[str]] = {}
    for row in _rows(path):
        names.setdefault(row.get("代码") or row["国标码"], set()).add(row["中文名称"])
    return names


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_code_of_ours_that_is_published_has_the_published_name(name: str) -> None:
    published = _published(name)

    differing = {
        row["code"]: (row["zh"], published[row["code"]])
        for row in _rows(TABLES / f"{name}.csv")
        if row["code"] in published and row["zh"] not in published[row["code"]]
    }

    assert differing == {}


@pytest.mark.parametrize("name", PUBLISHED)
def test_ours_has_no_code_that_is_not_published(name: str) -> None:
    published = _published(name)

    assert [row["code"] for row in _rows(TABLES / f"{name}.csv") if row["code"] not in published] == []


def test_every_currency_has_a_rate() -> None:
    currencies = [row["code"] for row in _rows(TABLES / "currency.csv")]

    assert [row["code"] for row in _rows(TABLES / "usd_rate.csv")] == currencies


def test_every_commodity_has_ten_digits_and_a_unit_that_exists() -> None:
    units = {row["code"] for row in _rows(TABLES / "unit.csv")}

    wrong = [
        row["code"]
        for row in _rows(TABLES / "commodity.csv")
        if len(row["code"]) != 10 or not row["code"].isdigit() or row["unit"] not in units
    ]

    assert wrong == []


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_a_table_has_each_code_and_each_name_once(path: Path) -> None:
    """A table of several years has each name once a year."""
    rows = _rows(path)

    assert list(rows[0])[:3] == ["code", "zh", "en"]
    for column in ("code", "zh"):
        values = [(row.get("year"), row[column]) for row in rows]
        assert sorted(values) == sorted(set(values)), f"{path.name}: {column}"
    assert [row["code"] for row in rows if not row["zh"].strip() or not row["en"].strip()] == []


def test_the_catalogue_of_mechanical_goods_agrees_with_the_table_of_their_codes() -> None:
    goods = {row["code"]: (row["zh"], row["en"]) for row in _rows(TABLES / "me_commodity.csv")}
    catalogue = _rows(TABLES / "me_catalogue.csv")

    assert [row["code"] for row in catalogue if goods.get(row["commodity"]) != (row["zh"], row["en"])] == []
    assert [row["code"] for row in catalogue if row["code"] != f"{row['year']}-{row['commodity']}"] == []
    assert sorted(goods.keys() - {row["commodity"] for row in catalogue}) == []


def test_goods_of_the_catalogue_are_managed_in_the_ways_that_rules_and_replies_name() -> None:
    catalogue = _rows(TABLES / "me_catalogue.csv")

    assert {row["new_mode"] for row in catalogue} == {"机电办签发", "商务部签发", "直接进口"}
    assert {row["used_mode"] for row in catalogue} == {"机电办签发", "商务部签发", "禁止进口", "重点旧机电(商务部签发)"}
    assert [row["code"] for row in catalogue if (row["key_used"] == "是") != row["used_mode"].startswith("重点旧")] == []


def test_every_mechanical_commodity_has_ten_digits_and_a_unit_that_exists() -> None:
    units = {row["code"] for row in _rows(TABLES / "unit.csv")}

    assert [
        row["code"]
        for row in _rows(TABLES / "me_commodity.csv")
        if len(row["code"]) != 10 or not row["code"].isdigit() or row["unit"] not in units
    ] == []
