"""What a type takes of licences: profiles that say it wrongly are told of at start, with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest
from tongues import in_both_languages

from tongguan.codecs.checking.compile import compile_all
from tongguan.gateway.model.errors import SettingsWrong
from tongguan.gateway.profile.fields import COLUMNS
from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.profile.profile import TakeRule

LIST = """\
title = { zh = "清单", en = "List" }
system = "XX"
[status.draft]
code = "1"
zh = "暂存"
en = "draft"
[operation.save]
way = "desk"
body = "whole"
allowed = ["", "draft"]
to = "draft"
[operation.declare]
way = "message"
route = "office"
body = "whole"
allowed = ["", "draft"]
between = "draft"
[takes]
licence = "LicenseNo"
table = "Goods[]"
commodity = "Code"
unit = "Unit"
quantity = "Quantity"
at = ["declare"]
[query.remaining]
source = "authority"
quantities = { unit = "unit" }
units = "unit"
columns = [{ name = "unit", zh = "单位", en = "unit", of = "row.Unit" }]
"""
FIELDS = [
    {"path": "LicenseNo", "type": "text"},
    {"path": "Weight", "type": "number", "precision": "5"},
    {"path": "Goods[]", "type": "table", "occurs": "0..3"},
    {"path": "Goods[]/Code", "type": "text"},
    {"path": "Goods[]/Unit", "type": "text"},
    {"path": "Goods[]/Quantity", "type": "number", "precision": "5"},
    {"path": "Goods[]/Finest", "type": "number", "precision": "6"},
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder of profiles with a type that takes."""
    folder = tmp_path / "office" / "XX.list"
    folder.mkdir(parents=True)
    (folder / "profile.toml").write_text(LIST, "utf-8")
    rows = [",".join(field.get(column, "") for column in COLUMNS) for field in FIELDS]
    (folder / "fields.csv").write_text("\n".join([",".join(COLUMNS), *rows, ""]), "utf-8")
    (folder.parent / "authority.toml").write_text('title={zh="某部",en="an office"}\naccount_code="uscc"\n', "utf-8")
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "unit.csv").write_text("code,zh,en\n035,千克,kilogram\n070,吨,tonne\n", "utf-8")
    return tmp_path


def test_what_is_taken_and_by_which_names_units_are_told(root: Path) -> None:
    profile = load_profiles(root)["XX.list"]

    assert profile.takes == TakeRule("LicenseNo", "Code", "Unit", "Quantity", frozenset({"declare"}), "Goods[]")
    assert profile.queries["remaining"].units == {"kilogram": "035", "tonne": "070", "千克": "035", "吨": "070"}


def test_a_type_without_a_table_takes_what_its_head_says(root: Path) -> None:
    path = root / "office" / "XX.list" / "profile.toml"
    text = LIST.replace('table = "Goods[]"\n', "").replace('"Quantity"', '"Weight"').replace('"Code"', '"LicenseNo"')
    path.write_text(text.replace('unit = "Unit"', 'unit = "LicenseNo"'), "utf-8")
    takes = load_profiles(root)["XX.list"].takes

    assert takes is not None
    assert (takes.table, takes.path_of(takes.quantity)) == ("", "Weight")


@pytest.mark.parametrize(
    ("old", "new", "at", "told"),
    [
        ('licence = "LicenseNo"', 'licence = "LicenceNo"', "licence", "unknown field 'LicenceNo'; did you mean 'LicenseNo'?"),
        ('licence = "LicenseNo"', 'licence = "Goods[]/Code"', "licence", "Goods[]/Code is in a table"),
        ('licence = "LicenseNo"\n', "", "[takes]", "licence is missing"),
        ('"Goods[]"', '"Good[]"', "table", "unknown table 'Good[]'; did you mean 'Goods[]'?"),
        ('commodity = "Code"', 'commodity = "Cod"', "commodity", "unknown field 'Goods[]/Cod'; did you mean 'Goods[]/Code'?"),
        ('quantity = "Quantity"', 'quantity = "Code"', "quantity", "Goods[]/Code is no number of at most 5 decimals"),
        ('quantity = "Quantity"', 'quantity = "Finest"', "quantity", "Goods[]/Finest is no number of at most 5 decimals"),
        ('at = ["declare"]', 'at = ["declared"]', "at =", "unknown operation 'declared'; did you mean 'declare'?"),
        ('at = ["declare"]', 'at = ["save"]', "at =", "operation save must go by message and have a status between"),
        ('between = "draft"\n', "", "at =", "operation declare must go by message and have a status between"),
        ('between = "draft"', 'between = "draft"\nsplits = "Goods[]"', "at =", "operation declare must go by message"),
        ('at = ["declare"]', 'at = ["declare"]\nmost = 1', "most", "unknown key 'most'"),
        ('units = "unit"', 'units = "units"', "units", "unknown units 'units'; did you mean 'unit'?"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_file_and_line(root: Path, old: str, new: str, at: str, told: str) -> None:
    path = root / "office" / "XX.list" / "profile.toml"
    assert old in LIST
    path.write_text(text := LIST.replace(old, new, 1), "utf-8")

    with pytest.raises(SettingsWrong) as caught:
        compile_all(load_profiles(root))

    lines = caught.value.en.splitlines()
    line = text[: text.index(at, text.index("[takes]"))].count("\n") + 1
    assert any(each.startswith(f"{path}:{line}: {told}") for each in lines), lines
    assert all(in_both_languages(f"{zh}\n{en}") for zh, en in zip(caught.value.zh.splitlines(), lines, strict=True))
