"""A profile that asks for something unknown is refused at start, with file, line and the nearest known word."""

from __future__ import annotations

from pathlib import Path

import pytest
from codecs_sample import FIELDS, RULES, compiled

from tongguan.codecs.checking.compile import compile_all
from tongguan.gateway.model.errors import SettingsWrong
from tongguan.gateway.profile.loading import load_profiles

RULE = '[[rule]]\nid = "XX-R09"\nat = ["save"]\nsays = { zh = "错", en = "wrong" }\n'


def complaint(root: Path, *, fields: str = FIELDS, rules: str = RULES) -> str:
    with pytest.raises(SettingsWrong) as refused:
        compiled(root, fields=fields, rules=rules)
    return str(refused.value)


def test_every_installed_type_compiles() -> None:
    profiles = load_profiles()

    assert set(compile_all(profiles)) == set(profiles)


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ('path = "Title"\ncheck = "requird"', "unknown check 'requird'; did you mean 'required'?"),
        ('path = "Titel"\ncheck = "required"', "unknown field 'Titel'; did you mean 'Title'?"),
        ('path = "Title"\ncheck = "differs"\nwith = { others = ["Cod"] }', "unknown field 'Cod'; did you mean 'Code'?"),
        ('path = "Title"\ncheck = "differs"', "check differs takes others in `with`"),
        ('path = "Title"\ncheck = "required"\nwith = { least = 1 }', "check required takes nothing in `with`"),
        ('path = "Title"\ncheck = "matches"\nwith = { pattern = "(" }', "XX-R09"),
        ('path = "Title"\ncheck = "required"\nwhen = [{ path = "Nobody", is = "1" }]', "unknown field 'Nobody'"),
        ('path = "Title"\ncheck = "required"\nwhen = [{ path = "Code", iss = "1" }]', "a condition has a path and one of"),
        ('path = "Title"\ncheck = "rows"\nwith = { least = 1 }', "of rows of a table"),
        ('path = "Title"\ncheck = "not_past"', "check not_past is of dates, and Title is none"),
        ('path = "Dya"\ncheck = "not_past"', "unknown field 'Dya'; did you mean 'Day'?"),
        ('path = "Day"\ncheck = "days_since"', "check days_since takes days in `with`"),
        ('path = "Day"\ncheck = "days_since"\nwith = { days = -1 }', "days = -1"),
        ('path = "Moment"\ncheck = "months_ahead"\nwith = { months = "3" }', "months = '3'"),
    ],
)
def test_a_rule_that_asks_for_something_unknown_is_refused(tmp_path: Path, rule: str, says: str) -> None:
    told = complaint(tmp_path, rules=RULES + RULE + rule)

    assert says in told
    assert f"rules.toml:{RULES.count(chr(10)) + 2}" in told


@pytest.mark.parametrize(
    ("fill", "says"),
    [
        ("acount:uscc", "'acount:uscc': there is no such fill; did you mean 'account'?"),
        ("account:colour", "'account:colour'"),
        ("number:other", "'number:other'"),
        ("product:Total*Nothing", "there is no field Nothing"),
        ("sum:Line[]/Nothing", "there is no field Line[]/Nothing"),
        ("name:Title", "Title has no code table"),
        ("sum:Extra", "fills need each other"),
    ],
)
def test_a_fill_that_asks_for_something_unknown_is_refused(tmp_path: Path, fill: str, says: str) -> None:
    row = f"Extra,Extra,附加,extra,number,9,0,,,,0..1,,,,,{fill},,,,,,\n"

    told = complaint(tmp_path, fields=FIELDS + row)

    assert says in told
    assert f"fields.csv:{FIELDS.count(chr(10)) + 1}" in told


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    row = "Extra,Extra,附加,extra,number,9,0,,,,0..1,,,,,nothing,,,,,,\n"

    told = complaint(tmp_path, fields=FIELDS + row, rules=RULES + RULE + 'path = "Title"\ncheck = "nothing"')

    assert len(told.splitlines()) == 2


def test_fills_come_after_what_they_are_made_from(tmp_path: Path) -> None:
    paths = [one.node.field.path for _, run in compiled(tmp_path).fills for *_, one in run]

    assert paths.index("Line[]/Amount") < paths.index("Line[]/Dollars")
    assert paths.index("Line[]/Amount") < paths.index("Total")
