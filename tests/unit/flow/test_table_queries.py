"""Lists out of a code table: exact and fuzzy filters, order, pages."""

from __future__ import annotations

import pytest

from tongguan.gateway.flow.query.answers.lists import table_rows
from tongguan.gateway.profile.profile import CodeTable, Column, Query, Text

NOTHING = Text("", "")
ROWS = {
    f"{year}-{code}": {"code": f"{year}-{code}", "zh": name, "en": "", "year": year, "commodity": code, "weight": weight}
    for year, code, name, weight in [
        ("2019", "9022300000", "X射线管", "9"),
        ("2019", "0022120000", "X射线断层检查仪", "10"),
        ("2026", "9022300000", "x射线管", "1"),
    ]
}
TABLE = CodeTable("goods", tuple(next(iter(ROWS.values()))), ROWS, {})
COLUMNS = tuple(
    Column(name, NOTHING, f"table.{of}") for name, of in {"no": "commodity", "year": "year", "weight": "weight"}.items()
)
FILTERS = {"year": "table.year", "name": "table~zh", "code": "table.commodity"}
QUERY = Query("catalogue", "table", "", FILTERS, COLUMNS, table="goods")


def asked(**filters: str) -> list[str]:
    return [f"{row['year']} {row['no']}" for row in table_rows(TABLE, QUERY, filters).rows]


def test_without_filters_every_line_comes_in_the_tables_order_with_its_zeros() -> None:
    assert asked() == ["2019 9022300000", "2019 0022120000", "2026 9022300000"]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"year": "2019"}, ["2019 9022300000", "2019 0022120000"]),
        ({"code": "9022300000", "year": "2026"}, ["2026 9022300000"]),
        ({"code": "90223"}, []),
        ({"name": "射线管"}, ["2019 9022300000", "2026 9022300000"]),
        ({"name": "X射线"}, ["2019 9022300000", "2019 0022120000", "2026 9022300000"]),
        ({"name": ""}, ["2019 9022300000", "2019 0022120000", "2026 9022300000"]),
    ],
)
def test_a_filter_is_the_whole_text_or_a_part_of_it_in_any_case(filters: dict[str, str], found: list[str]) -> None:
    assert asked(**filters) == found


def test_numbers_are_ordered_by_their_size() -> None:
    assert [row["weight"] for row in table_rows(TABLE, QUERY, {"sort": "weight"}).rows] == ["1", "9", "10"]
    assert [row["weight"] for row in table_rows(TABLE, QUERY, {"sort": "-weight"}).rows] == ["10", "9", "1"]


def test_pages_add_up_to_the_whole() -> None:
    pages = [table_rows(TABLE, QUERY, {"page": str(n), "size": "2"}) for n in (1, 2, 3)]

    assert [page.total for page in pages] == [3, 3, 3]
    assert [len(page.rows) for page in pages] == [2, 1, 0]
