"""What documents are merged by: profiles that say it wrongly are told of at start, with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest
from tongues import in_both_languages

from tongguan.gateway.model.errors import SettingsWrong
from tongguan.gateway.profile.fields import COLUMNS
from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.profile.profile import HeadCondition, KeyPart, SumPart

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
[lines]
status = ["draft"]
pool = ["Kind"]
day = "Day"
rates = "Day"
"""
FIELDS = """\
Kind,code,,kind,,,head,
Day,date,,,,,,
Licence,text,,,,,head:bare,
Mark,text,,,,,head,
Rate,number,19.5,,,,head:Mark!=3,head:Mark=3
Weight,number,19.5,,,,,head
Goods[],table,,,0..50,line,,
Goods[]/Code,text,,,,,line,
Goods[]/Item,number,9,,,,"line:Kind=1,2",
Goods[]/Price,number,19.4,,,,line,
Goods[]/Quantity,number,19.5,,,,,line
"""


def table_of(text: str) -> str:
    """fields.csv, of rows that say: path, type, digits, code table, occurs, line, key, sum."""
    rows = [",".join(COLUMNS)]
    for line in text.splitlines():
        head, quoted, rest = line.partition('"')
        path, type_, size, table, occurs, marked, *more = head.split(",")
        key, total = (quoted + rest.rpartition(",")[0], "") if quoted else more
        length, _, precision = size.partition(".")
        said = {"path": path, "type": type_, "length": length, "precision": precision, "code_table": table, "occurs": occurs}
        said |= {"line": marked, "key": key, "sum": total}
        rows.append(",".join(said.get(column, "") for column in COLUMNS))
    return "\n".join([*rows, ""])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder of profiles with a type that is merged."""
    folder = tmp_path / "office" / "XX.list"
    folder.mkdir(parents=True)
    (folder / "profile.toml").write_text(LIST, "utf-8")
    (folder / "fields.csv").write_text(table_of(FIELDS), "utf-8")
    (folder.parent / "authority.toml").write_text('title={zh="某部",en="an office"}\naccount_code="uscc"\n', "utf-8")
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "kind.csv").write_text("code,zh,en\n1,甲,one\n2,乙,two\n", "utf-8")
    return tmp_path


def test_keys_and_sums_stand_in_the_order_of_the_fields(root: Path) -> None:
    rule = load_profiles(root)["XX.list"].lines
    assert rule is not None

    total = HeadCondition("Mark", ("3",))
    assert (rule.table, rule.pool, rule.day, rule.rates) == ("Goods[]", ("Kind",), "Day", "Day")
    assert rule.head_key == (
        KeyPart("Kind"),
        KeyPart("Licence", bare=True),
        KeyPart("Mark"),
        KeyPart("Rate", number=True, only=HeadCondition("Mark", ("3",), no=True)),
    )
    assert rule.head_sums == (SumPart("Rate", 5, total), SumPart("Weight", 5))
    assert rule.line_key == (
        KeyPart("Code"),
        KeyPart("Item", number=True, only=HeadCondition("Kind", ("1", "2"))),
        KeyPart("Price", number=True),
    )
    assert rule.line_sums == (SumPart("Quantity", 5),)


@pytest.mark.parametrize(
    ("old", "new", "at", "told"),
    [
        ('pool = ["Kind"]', 'pool = ["Kin"]', "pool", "unknown pool 'Kin'; did you mean 'Kind'?"),
        ('pool = ["Kind"]', 'pool = ["Mark"]', "pool", "Mark is no code"),
        ('pool = ["Kind"]\n', "", "[lines]", "pool is missing"),
        ('day = "Day"', 'day = "Mark"', "day", "Mark is no date"),
        ('rates = "Day"', 'rates = "Mark"', "rates", "Mark is no date"),
        ('status = ["draft"]', 'status = ["drafts"]', "status", "unknown status 'drafts'; did you mean 'draft'?"),
        ('rates = "Day"', 'rate = "Day"', "rate", "unknown key 'rate'; did you mean 'rates'?"),
    ],
)
def test_a_mistake_of_the_profile_is_told_with_file_and_line(root: Path, old: str, new: str, at: str, told: str) -> None:
    path = root / "office" / "XX.list" / "profile.toml"
    assert old in LIST
    path.write_text(text := LIST.replace(old, new, 1), "utf-8")

    line = text[: text.index(at, text.index("[lines]"))].count("\n") + 1
    _told(root, f"{path}:{line}: {told}")


@pytest.mark.parametrize(
    ("old", "new", "at", "told"),
    [
        ("head:bare", "line:bare", "Licence", "key of Licence: 'line:bare' must begin with head"),
        ("Code,text,,,,,line", "Code,text,,,,,head", "Code", "key of Goods[]/Code: 'head' must begin with line"),
        ("head:Mark!=3", "head:Mak!=3", "Rate", "unknown field of Rate key 'Mak'; did you mean 'Mark'?"),
        ("head:Mark=3", "head:Goods[]/Code=3", "Rate", "unknown field of Rate sum 'Goods[]/Code'"),
        ("head:bare", "head:naked", "Licence", "key of Licence: 'naked' is not understood"),
        ("head:Mark!=3", "head:Mark!=", "Rate", "key of Rate: 'Mark!=' is not understood"),
        ("Mark,text,,,,,head,", "Mark,text,,,,,,head", "Mark", "sum of Mark: it is no number with a count of digits"),
        (
            "Quantity,number,19.5",
            "Quantity,number,",
            "Quantity",
            "sum of Goods[]/Quantity: it is no number with a count of digits",
        ),
        ("0..50,line", "0..50,lines", "Goods[],", "Goods[]: line stands at a table of the top only"),
        ("0..50,line", "0..n,line", "Goods[],", "Goods[] may have 255 rows at most"),
        ("0..50,line", "0..256,line", "Goods[],", "Goods[] may have 255 rows at most"),
    ],
)
def test_a_mistake_of_a_field_is_told_with_file_and_line(root: Path, old: str, new: str, at: str, told: str) -> None:
    path = root / "office" / "XX.list" / "fields.csv"
    assert old in FIELDS
    path.write_text(text := table_of(FIELDS.replace(old, new, 1)), "utf-8")

    line = text[: text.index(at)].count("\n") + 1
    _told(root, f"{path}:{line}: {told}")


def test_columns_and_their_table_of_the_profile_need_each_other(root: Path) -> None:
    folder = root / "office" / "XX.list"
    (folder / "profile.toml").write_text(LIST[: LIST.index("[lines]")], "utf-8")
    _told(root, f"{folder}/fields.csv:2: line, key and sum need [lines]")
    (folder / "profile.toml").write_text(LIST, "utf-8")
    (folder / "fields.csv").write_text(table_of(FIELDS.replace("0..50,line", "0..50,")), "utf-8")
    _told(root, f"{folder}/profile.toml:13: no table has line (fields.csv)")


def test_more_sums_than_are_kept_are_told(root: Path) -> None:
    folder = root / "office" / "XX.list"
    more = "".join(f"Weight{n},number,19.5,,,,,head\n" for n in range(5))
    (folder / "fields.csv").write_text(table_of(more + FIELDS), "utf-8")

    _told(root, f"{folder}/profile.toml:12: at most 6 fields may have the sum head")


def _told(root: Path, wanted: str) -> None:
    """Loading complains of this, in both languages."""
    with pytest.raises(SettingsWrong) as caught:
        load_profiles(root)

    lines = caught.value.en.splitlines()
    assert any(each.startswith(wanted) for each in lines), lines
    assert all(in_both_languages(f"{zh}\n{en}") for zh, en in zip(caught.value.zh.splitlines(), lines, strict=True))
