"""Monthly statistics of what was approved."""

from __future__ import annotations

import csv
import json
from datetime import datetime, timedelta, timezone
from typing import Any

import bodies as b
import pytest
from sites import Site

from tongguan.gateway.home.home import change_settings

ANTHRACITE, COKING, COPPER = "2701110010", "2701121000", "2603000010"
COUNTRY = "BWA"  #: no other test imports from there
COLUMNS = [
    *("index", "code", "name", "unit", "month_quantity", "month_amount", "month_count"),
    *("year_quantity", "year_amount", "year_count"),
]


def this_month() -> str:
    return f"{datetime.now(timezone(timedelta(hours=8))):%Y-%m}"


def declared(site: Site, text: str, *goods: dict[str, Any], marker: str = "", **set_: Any) -> dict[str, Any]:
    """An application that has come to this status."""
    reference = b.fresh("statistics") + marker
    status = b.done(
        site,
        b.application("declare", reference=reference, goods_=list(goods), **{"TradeCountry1": COUNTRY, **set_}),
        *("sent", "accepted", "rejected"),
    )
    return site.wait_business(b.APPLICATION, status["document"], text)


def asked(site: Site, **more: str) -> tuple[dict[str, str], list[dict[str, str]]]:
    paging = {name: more.pop(name) for name in ("sort", "page", "size") if name in more}
    return b.result(
        site, b.query(b.APPLICATION, "statistics", filters={"month": this_month(), "country": COUNTRY, **more}, **paging)
    )


@pytest.fixture(scope="module")
def filled(site: Site) -> Site:
    """Two approved applications, one of them issued, and four that statistics know nothing of."""
    declared(
        site,
        "已打印或生成电子许可证",
        b.goods(ANTHRACITE, quantity="1000.25", price="2"),
        b.goods(COKING, quantity="10", price="3"),
    )
    declared(site, "复审通过", b.goods(ANTHRACITE, quantity="0.5", price="4"), marker="!stay=30", TradeMode="0130")
    declared(site, "已打印或生成电子许可证", b.goods(COPPER, quantity="7"), TradeCountry1="CHL")
    declared(site, "入库成功待初审", b.goods(ANTHRACITE, quantity="500"), marker="!stay=10")
    declared(site, "初审不通过", b.goods(ANTHRACITE, quantity="500"), marker="!refuse")
    b.done(site, b.application("save", goods_=[b.goods(ANTHRACITE, quantity="500")], TradeCountry1=COUNTRY))
    return site


@pytest.mark.requirement("NA-16")
def test_statistics_say_what_was_approved_in_a_month_and_in_the_year_so_far(filled: Site) -> None:
    head, rows = asked(filled)

    assert [list(row) for row in rows] == [COLUMNS, COLUMNS]
    assert [[row[c] for c in COLUMNS] for row in rows] == [
        ["1", ANTHRACITE, "无烟煤", "千克", "1000.75", "2003", "2", "1000.75", "2003", "2"],
        ["2", COKING, "未制成型的炼焦煤", "千克", "10", "30", "1", "10", "30", "1"],
    ]
    assert {name: head[name] for name in ("total", "source", "month", "by", "unit", "operator")} == {
        "total": "2",
        "source": "journal",
        "month": this_month(),
        "by": "commodity",
        "unit": "千克",
        "operator": "大连示例进出口有限公司",
    }
    assert head["note"] == "本统计是针对已被复审通过的申请表"


@pytest.mark.requirement("NA-22")
def test_statistics_call_an_approved_application_by_their_own_word_for_the_same_code(filled: Site) -> None:
    head, _ = asked(filled)

    assert head["status"].split(" / ")[0] == "已复审通过"


@pytest.mark.requirement("NA-16")
def test_a_category_counts_an_application_with_two_of_its_commodities_once(filled: Site) -> None:
    _, (row,) = asked(filled, by="category")

    assert [row[c] for c in COLUMNS] == ["1", "2701", "煤", "千克", "1010.75", "2033", "2", "1010.75", "2033", "2"]


@pytest.mark.requirement("NA-16")
def test_a_month_without_approvals_shows_the_year_so_far_beside_zeros(filled: Site) -> None:
    december = this_month()[:5] + "12"
    _, rows = asked(filled, month=december)

    assert [row["year_quantity"] for row in rows] == ["1000.75", "10"]
    assert [row["month_quantity"] for row in rows] == (["1000.75", "10"] if december == this_month() else ["0", "0"])
    assert asked(filled, month=f"{int(december[:4]) - 1}-12")[1] == []


@pytest.mark.requirement("NA-16")
@pytest.mark.parametrize(
    ("filters", "quantities"),
    [
        ({"trade_mode": "0130"}, ["0.5"]),
        ({"trade_mode": "易货贸易"}, ["0.5"]),
        ({"country": "博茨瓦纳", "issuing_agency": "0000"}, ["1000.75", "10"]),
        ({"country": "CHL"}, ["7"]),
        ({"issuing_agency": "0100"}, []),
        ({"sort": "month_quantity"}, ["10", "1000.75"]),
        ({"size": "1", "page": "2"}, ["10"]),
    ],
)
def test_statistics_can_be_narrowed_by_code_or_name_sorted_and_paged(
    filled: Site, filters: dict[str, str], quantities: list[str]
) -> None:
    assert [row["month_quantity"] for row in asked(filled, **filters)[1]] == quantities


@pytest.mark.requirement("NA-16")
def test_statistics_come_as_tables_too(filled: Site) -> None:
    files = {}
    for form in ("json", "csv", "xlsx"):
        name = filled.drop(
            b.xml(b.query(b.APPLICATION, "statistics", filters={"month": this_month(), "country": COUNTRY}, format=form))
        )
        files[form] = filled.result(name)
    told = json.loads(files["json"].read_bytes())
    lines = list(csv.DictReader(files["csv"].read_text(encoding="utf-8-sig").splitlines()))

    assert told["rows"][0]["month_quantity"] == lines[0]["month_quantity"] == "1000.75"
    assert files["xlsx"].read_bytes().startswith(b"PK")


@pytest.mark.requirement("NA-16")
@pytest.mark.parametrize(
    ("filters", "code"),
    [
        ({}, "GW-F09"),
        ({"month": "2026-13"}, "GW-F18"),
        ({"month": "2026-11", "by": "colour"}, "GW-F10"),
        ({"month": "2026-11", "source": "authority"}, "GW-F10"),
        ({"month": "2026-11", "importer_code": "x"}, "GW-F10"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(site: Site, filters: dict[str, str], code: str) -> None:
    source = {"source": filters.pop("source")} if "source" in filters else {}
    assert b.codes(b.refused(site, b.query(b.APPLICATION, "statistics", filters=dict(filters), **source))) == {code}


@pytest.mark.requirement("NA-16")
def test_in_english_goods_categories_and_units_are_called_by_their_english_names(own_site: Site) -> None:
    change_settings(own_site.home, "gateway", "language", "en")
    own_site.simulate("--fast")
    own_site.run()
    declared(own_site, "printed or issued electronically", b.goods(ANTHRACITE, quantity="1000", price="2"))
    head, (goods,) = asked(own_site)
    _, (category,) = asked(own_site, by="category")

    assert (goods["name"], goods["unit"], head["unit"]) == ("Anthracite", "kilogram", "kilogram")
    assert (category["code"], category["name"], category["unit"]) == ("2701", "Coal", "kilogram")
