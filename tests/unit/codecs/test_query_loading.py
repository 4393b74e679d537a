"""`[query.<kind>]`: what a query may say, and what is told at start when it says something else."""

from __future__ import annotations

from pathlib import Path

import pytest
from codecs_sample import PROFILE, write

from tongguan.gateway.model.errors import SettingsWrong
from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.profile.profile import Query

COLUMN = '{ name = "no", zh = "编号", en = "number", of = "row.No" }'


def query(root: Path, text: str) -> Query:
    (root / "other").mkdir(parents=True)
    (root / "other" / "authority.toml").write_text('title={zh="他",en="other"}\naccount_code="customs_code"\n', encoding="utf-8")
    return load_profiles(write(root, profile=f"{PROFILE}\n[query.asked]\n{text}"))["XX.sample"].queries["asked"]


def wrong(root: Path, text: str) -> str:
    with pytest.raises(SettingsWrong) as caught:
        query(root, text)
    return str(caught.value)


def test_a_query_knows_the_authority_it_goes_to_and_our_code_there(tmp_path: Path) -> None:
    asked = query(tmp_path, f'source = "authority"\nroute = "other"\ncolumns = [{COLUMN}]')

    assert (asked.route, asked.account_code, asked.in_rows) == ("other", "customs_code", True)


def test_without_a_route_it_is_the_types_own_authority(tmp_path: Path) -> None:
    assert query(tmp_path, 'source = "journal"').account_code == "uscc"


def test_a_column_of_the_journal_may_name_the_element_that_its_authority_says_it_with(tmp_path: Path) -> None:
    asked = query(tmp_path, 'columns = [{ name = "s", zh = "状态", en = "status", of = "status", row = "Status" }]')

    assert (asked.columns[0].of, asked.columns[0].row) == ("status", "Status")


def test_a_column_of_a_table_is_the_element_of_its_own_name(tmp_path: Path) -> None:
    told = 'source = "table"\ntable = "currency"\ncolumns = [{ name = "n", zh = "名称", en = "name", of = "table.zh" }]'

    assert query(tmp_path, told).columns[0].row == "zh"


def test_rows_inside_a_row_have_columns_of_their_own(tmp_path: Path) -> None:
    told = f'{{ name = "uses", zh = "使用", en = "uses", of = "row.Use[]", columns = [{COLUMN}] }}'
    asked = query(tmp_path, f'source = "authority"\ncolumns = [{told}]')

    assert [(c.row, [i.row for i in c.columns]) for c in asked.columns] == [("Use[]", ["No"])]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('columns = [{ name = "1.", zh = "", en = "", of = "status" }]', "'1.' cannot be the name of an element"),
        ('filters = { "a b" = "status" }', "'a b' cannot be the name of an element"),
        ('filters = { page = "status" }', "'page' is a word of every query"),
        ('filters = { mark = "Mark" }', "lists cannot find Mark: its field has no `find`"),
        ('filters = { mark = "~Mark" }', "lists cannot find ~Mark"),
        ('only = { status = ["drift"] }', "unknown status 'drift'"),
        ('only = { status = "draft" }', "only: 'draft' is no list"),
        ('only = { Statu = ["draft"] }', "unknown field 'Statu'"),
        ('filters = { key = "key" }\ndefaults = { stat = "1" }', "unknown filter 'stat'"),
        ('quantities = { left = "no" }', "unknown fact of a licence 'left'"),
        ('quantities = { remaining = "left" }', "unknown column 'left'"),
        ('columns = [{ name = "u", zh = "", en = "", of = "row.Use[]" }]', "have columns"),
        ('source = "table"', "names none"),
        ('source = "table"\ntable = "currency"\nfilters = { n = "table~zn" }', "unknown column of currency 'zn'"),
        ('route = "othr"', "unknown route 'othr'"),
    ],
)
def test_what_a_query_cannot_say_is_told_at_start(tmp_path: Path, text: str, told: str) -> None:
    assert told in wrong(tmp_path, text)
