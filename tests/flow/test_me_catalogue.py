"""The catalogue of mechanical and electrical products (商品列表): asked for, and enforced in applications."""

from __future__ import annotations

import csv
import io
from typing import Any

import bodies as b
import machines as m
import pytest
from machines import application, line
from openpyxl import load_workbook
from sites import Site

#: as the manual's page shows them, in its order of columns
PAGE = {
    "9022909030": ("X射线断层检查仪专用探测器", "D", "个/千克", "机电办签发", "禁止进口", "否"),
    "9022300000": ("X射线管", "z", "个", "直接进口", "重点旧机电(商务部签发)", "是"),
    "9018131000": ("成套的核磁共振成像装置", "D", "套/千克", "机电办签发", "禁止进口", "否"),
}
COLUMNS = ["year", "code", "name", "type", "unit", "new_mode", "used_mode", "key_used"]


@pytest.fixture(scope="module")
def site(site: Site) -> Site:
    """The shared site, its enterprise registered."""
    b.registered(site, m.REGISTRATION)
    return site


def asked(**filters: str) -> Any:
    paging = {name: filters.pop(name) for name in ("page", "size", "sort", "format", "source") if name in filters}
    return b.query(m.CATALOGUE, "catalogue", filters=filters, **paging)


def told(status: dict[str, Any]) -> list[tuple[str, str]]:
    return [(f["code"], f["severity"]) for f in status["faults"]]


@pytest.mark.requirement("ME-07")
@pytest.mark.parametrize("source", ["journal", "authority"])
@pytest.mark.parametrize("code", sorted(PAGE))
def test_the_catalogue_of_2019_is_that_of_the_manuals_page(site: Site, code: str, source: str) -> None:
    (row,) = b.rows(site, asked(year="2019", code=code, source=source))

    assert list(row) == COLUMNS
    assert tuple(row.values()) == ("2019", code, *PAGE[code])


@pytest.mark.requirement("ME-07")
def test_names_are_found_by_a_part_of_them_and_types_and_years_exactly(site: Site) -> None:
    by_name = b.rows(site, asked(name="射线", year="2019"))
    assert {row["code"] for row in by_name} >= {"9022909030", "9022300000", "9022120000"}
    assert all("射线" in row["name"] for row in by_name)

    assert {row["type"] for row in b.rows(site, asked(type="z", year="2026"))} == {"z"}
    years = {row["year"] for row in b.rows(site, asked(code="9022120000"))}
    assert years == {"2019", *map(str, range(2025, 2036))}


@pytest.mark.requirement("ME-07")
def test_what_the_catalogue_has_is_asked_by_code_or_name_and_nothing_else_is_taken(site: Site) -> None:
    named = b.rows(site, asked(code="Magnetic resonance imaging apparatus", year="2019"))
    assert [row["code"] for row in named] == ["9018130110"]

    for filters in ({"year": "2018"}, {"code": "902212000"}, {"type": "自动"}):
        status = site.wait(site.drop(b.xml(asked(**filters))), "refused")
        assert [fault["code"] for fault in status["faults"]] == ["GW-F85"]


@pytest.mark.requirement("ME-07")
def test_the_catalogue_comes_in_pages_with_its_total(site: Site) -> None:
    first, rows = b.result(site, asked(year="2026", page="1", size="20"))
    second, more = b.result(site, asked(year="2026", page="2", size="20"))

    assert first["total"] == second["total"]
    assert int(first["total"]) > 40
    assert len({row["code"] for row in rows + more}) == 40


@pytest.mark.requirement("ME-07")
def test_the_catalogue_opens_in_a_spreadsheet_with_its_codes_whole(site: Site) -> None:
    name = site.drop(b.xml(asked(year="2019", code="9022300000", format="xlsx")))
    sheet = load_workbook(io.BytesIO(site.result(name).read_bytes())).worksheets[0]
    header, row = [[cell.value for cell in line] for line in sheet.iter_rows()][:2]
    assert header == ["年度", "商品代码", "商品名称", "商品类型", "单位", "管理方式(新)", "管理方式(旧)", "是否重点旧"]
    assert row == ["2019", "9022300000", *PAGE["9022300000"]]

    name = site.drop(b.xml(asked(year="2019", code="9022300000", format="csv")))
    (line,) = csv.DictReader(io.StringIO(site.result(name).read_text("utf-8-sig")))
    assert line["code"] == "9022300000"


# Enforced


@pytest.mark.requirement("ME-07")
@pytest.mark.parametrize("operation", ["save", "declare"])
@pytest.mark.parametrize(
    ("code", "condition", "rule", "words"),
    [
        ("9022120000", "used", "ME-R11", "禁止进口"),
        ("8429521200", "used", "ME-R12", "进口许可证(监管证件代码1)"),
        ("9022300000", "used", "ME-R12", "进口许可证(监管证件代码1)"),
        ("9022300000", "new", "ME-R13", "无需申请"),
    ],
)
def test_goods_that_get_no_such_licence_are_refused_with_the_reason(
    site: Site, operation: str, code: str, condition: str, rule: str, words: str
) -> None:
    status = b.refused(site, application(operation, CodeTS=code, Condition=condition))

    assert told(status) == [(rule, "error")]
    assert words in status["faults"][0]["message"]


@pytest.mark.requirement("ME-07")
def test_goods_outside_the_years_catalogue_are_warned_of_and_go_on(site: Site) -> None:
    status = b.done(site, application("declare", CodeTS="8528721200"))

    assert told(status) == [("ME-R14", "warning")]
    past = b.done(site, application("save", CodeTS="8528721200", Year="2025"))
    assert told(past) == [("ME-R18", "warning")], "it was in the catalogue of 2025, which is not a year to apply for"


@pytest.mark.requirement("ME-07")
@pytest.mark.parametrize(("code", "condition", "rule"), [("9022120000", "new", "ME-R15"), ("8457101000", "used", "ME-R16")])
def test_what_local_offices_issue_is_not_asked_of_the_ministry(site: Site, code: str, condition: str, rule: str) -> None:
    assert told(b.refused(site, application(CodeTS=code, Condition=condition, Office="0000"))) == [(rule, "error")]


@pytest.mark.requirement("ME-07")
@pytest.mark.parametrize(
    ("code", "condition", "office", "issued_by"),
    [
        ("9022120000", "new", "2102", "21"),
        ("8457101000", "used", "3204", "32"),
        ("8802401000", "new", "2102", "00"),
        ("8802401000", "used", "0000", "00"),
    ],
)
def test_the_licence_is_issued_by_the_local_office_or_the_ministry(
    site: Site, code: str, condition: str, office: str, issued_by: str
) -> None:
    status = b.done(site, application(CodeTS=code, Condition=condition, Office=office, Line=[line("1", "5000000", unit="005")]))

    assert status["numbers"]["licence"][2:4] == issued_by
    assert status["numbers"]["mofcom"][6:8] == issued_by
