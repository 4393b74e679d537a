"""A published table becomes one of the home's: what it says is understood or refused with its place, and who would be hindered is named."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from journals import comes, document, open_journal, submission, written
from openpyxl import Workbook

from tongguan.gateway.profile.loading import load_profiles

Tongguan = Callable[..., Any]
OFFICIAL = Path(__file__).resolve().parents[4] / "shared" / "official" / "code-tables"
COPPER = "7403110000"


def workbook(path: Path, *rows: tuple[Any, ...]) -> Path:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(row)
    book.save(path)
    return path


def commodities(folder: Path, *rows: tuple[Any, ...]) -> Path:
    return workbook(folder / "目录.xlsx", ("2026年目录",), ("序号", "商品编码*", "货物名称", "计量单位"), *rows)


def test_a_workbook_replaces_a_table_and_a_sample_is_whole_then(tongguan: Tongguan, home: Path, tmp_path: Path) -> None:
    file = commodities(tmp_path, (1, "2902200000", "苯", "千克"), (2, 2902300000, "甲苯", "035"))
    tried = tongguan("tables", "import", file, "--table", "commodity", "--dry-run", "--json").json
    before = load_profiles(home=home).tables["commodity"]
    done = tongguan("tables", "import", file, "--table", "commodity", "--json").json
    after = load_profiles(home=home).tables["commodity"]

    assert (tried["written"], done["written"], bool(before.sample), after.sample) == (False, True, True, "")
    assert tried["added"] == done["added"] == ["2902200000", "2902300000"]
    assert sorted(done["removed"]) == sorted(before.rows)
    assert [(row["zh"], row["en"], row["unit"]) for row in after.rows.values()] == [("苯", "苯", "035"), ("甲苯", "甲苯", "035")]


def test_added_rows_come_to_the_table_and_keep_what_the_file_does_not_say(tongguan: Tongguan, home: Path, tmp_path: Path) -> None:
    installed = load_profiles().tables["commodity"].rows
    known = next(iter(installed))
    file = commodities(tmp_path, (1, "2902200000", "苯", "千克"), (2, known, "另一名称", "千克"))
    said = tongguan("tables", "import", file, "--table", "commodity", "--add", "--json").json
    tongguan("tables", "import", commodities(tmp_path, (1, "2902300000", "甲苯", "千克")), "--table", "commodity", "--add")
    table = load_profiles(home=home).tables["commodity"]

    assert (said["added"], said["removed"], said["changed"]) == (["2902200000"], [], [known])
    assert len(table.rows) == len(installed) + 2
    assert (table.rows[known]["zh"], table.rows[known]["group"]) == ("另一名称", installed[known]["group"])
    assert table.sample


def test_every_cell_that_cannot_be_right_is_told_with_its_place_and_nothing_is_written(
    tongguan: Tongguan, home: Path, tmp_path: Path
) -> None:
    file = commodities(
        tmp_path,
        (1, 201100000, "牛肉", "千克"),
        (2, "29022", "苯", "千克"),
        (3, "2902300000", "", "千克"),
        (4, "2902410000", "邻二甲苯", "吨袋"),
        (5, None, "无代码", "千克"),
    )
    said = tongguan("tables", "import", file, "--table", "commodity")

    assert said.code == 1
    assert all(
        place in said.err
        for place in ("B3 代码应为文本", "B4 29022 不是", "B5 代码 2902300000 没有名称", "D6 没有单位 吨袋", "第 7 行")
    )
    assert not (home / "tables").exists()


def test_a_file_that_is_no_table_or_of_no_table_here_is_said_so(tongguan: Tongguan, home: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.csv").write_text("买牛奶\n", "utf-8")
    (tmp_path / "unit.csv").write_text("代码,中文名称\n", "utf-8")

    assert "commodity" in tongguan("tables", "import", tmp_path / "notes.csv", "--table", "comodity").err
    assert "没有表头" in tongguan("tables", "import", tmp_path / "notes.csv", "--table", "unit").err
    assert "没有数据行" in tongguan("tables", "import", tmp_path / "unit.csv").err


def test_the_catalogue_of_a_year_is_read_by_the_manuals_columns(tongguan: Tongguan, home: Path, tmp_path: Path) -> None:
    header = ("年度", "商品代码", "商品名称", "商品类型", "单位", "管理方式", "是否重点旧")
    row = ("2026", "9022909030", "X射线断层检查仪专用探测器", "D", "个/千克", "新:机电办签发 旧:禁止进口", "否")
    tongguan("tables", "import", workbook(tmp_path / "me_catalogue.xlsx", header, row), "--add")
    found = load_profiles(home=home).tables["me_catalogue"].rows["2026-9022909030"]

    assert (found["year"], found["commodity"], found["new_mode"], found["used_mode"], found["key_used"], found["unit"]) == (
        "2026",
        "9022909030",
        "机电办签发",
        "禁止进口",
        "否",
        "个/千克",
    )


def test_documents_in_hand_whose_codes_would_go_are_named(tongguan: Tongguan, home: Path, tmp_path: Path) -> None:
    goods = [{"CodeTS": COPPER}, {"CodeTS": "2902200000"}]
    journal = open_journal(home)
    kept = document("draft", type="NA.application", status="draft", content={"Goods": goods})
    gone = document("done", type="NA.application", status="issued", content={"Goods": goods})
    written(journal, comes(submission(), documents=(kept, gone)))
    journal.close()
    present = tmp_path / "commodity.csv"
    present.write_text(f"code,zh,en\n{COPPER},铜,copper\n2902200000,苯,benzene\n", "utf-8")
    tongguan("tables", "import", present)
    file = commodities(tmp_path, (1, "2902200000", "苯", "千克"))
    said = tongguan("tables", "import", file, "--table", "commodity", "--dry-run", "--json")

    assert said.code == 1
    assert [(one["document"], one["field"], one["code"]) for one in said.json["documents"]] == [
        ("draft", "Goods[]/CodeTS", COPPER)
    ]


@pytest.mark.parametrize("name", ["country", "trade_mode", "unit", "port", "package_type", "transport_mode", "currency"])
def test_what_customs_publishes_is_imported_as_it_is(tongguan: Tongguan, home: Path, name: str) -> None:
    file = OFFICIAL / f"{name}.csv"
    if not file.is_file():
        pytest.skip("the published code tables are not here")
    published = {row[0] for row in list(csv.reader(io.StringIO(file.read_text("utf-8-sig"))))[1:]}
    said = tongguan("tables", "import", file, "--json")

    assert said.code == 0, said.err
    assert load_profiles(home=home).tables[name].rows.keys() == published
    assert said.json["removed"] == [], "ours are a part of them"


def test_the_tables_of_a_home_are_listed_and_looked_into(tongguan: Tongguan, home: Path, tmp_path: Path) -> None:
    tongguan("tables", "import", commodities(tmp_path, (1, "2902200000", "苯", "千克")), "--table", "commodity")
    listed = {one["table"]: one for one in tongguan("tables", "--json").json}

    assert (listed["commodity"]["source"], listed["commodity"]["rows"], listed["commodity"]["sample"]) == ("home", 1, False)
    assert (listed["port"]["source"], listed["port"]["sample"]) == ("installed", True)
    assert "NA.application" in listed["commodity"]["types"]
    assert "苯" in tongguan("tables", "commodity").out
    assert [row["code"] for row in tongguan("tables", "currency", "--text", "美元", "--json").json["rows"]] == ["USD"]
    assert "样例" in tongguan("tables").out
    assert "tongguan tables import" in tongguan("tables", "port").out
