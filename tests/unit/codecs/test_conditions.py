"""Conditions of a profile: what they ask of a document, of a code table, and what is wrong with them at start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from codecs_sample import FIELDS, PROFILE, RULES, check_xml, compiled, found

from tongguan.codecs.checking.compile import Compiled
from tongguan.codecs.checking.conditions import Condition, ConditionWrong, compile_conditions
from tongguan.gateway.model.errors import SettingsWrong
from tongguan.gateway.profile.profile import CodeTable

CATALOGUE = CodeTable(
    "catalogue",
    ("code", "zh", "en", "used", "share"),
    {
        "2026-8429": {"code": "2026-8429", "zh": "机", "en": "machine", "used": "1", "share": "2.5"},
        "2027-8429": {"code": "2027-8429", "zh": "机", "en": "machine", "used": "", "share": "7"},
    },
    {},
)


def holds(sample: Compiled, *conditions: Mapping[str, Any]) -> Condition:
    return compile_conditions("here", conditions, sample.nodes, {"catalogue": CATALOGUE})


@pytest.mark.parametrize(
    ("when", "value", "wanted"),
    [
        ({"is": "e"}, "e", True),
        ({"is": "e"}, "p", False),
        ({"in": ["e", "f"]}, "f", True),
        ({"in": ["e", "f"]}, "g", False),
        ({"begins": "01"}, "0110", True),
        ({"begins": ["02", "03"]}, "0110", False),
        ({"present": True}, "x", True),
        ({"present": False}, "x", False),
        ({"between": ["2", "4"]}, "3", True),
        ({"between": ["2", "4"]}, "5", False),
        ({"between": [2, 30]}, "9", True),
    ],
)
def test_a_condition_looks_at_the_value_at_its_path(sample: Compiled, when: Mapping[str, Any], value: str, wanted: bool) -> None:
    assert holds(sample, {"path": "Title", **when})({"Title": value}) is wanted


def test_where_nothing_stands_only_its_absence_holds(sample: Compiled) -> None:
    assert not holds(sample, {"path": "Title", "is": "e"})({})
    assert holds(sample, {"path": "Title", "present": False})({})


def test_all_conditions_must_hold_and_none_always_does(sample: Compiled) -> None:
    both = holds(sample, {"path": "Title", "is": "e"}, {"path": "Party/Code", "present": True})

    assert both({"Title": "e", "Party": {"Code": "x"}})
    assert not both({"Title": "e"})
    assert holds(sample)({})


def test_of_a_table_one_row_is_enough(sample: Compiled) -> None:
    assert holds(sample, {"path": "Line[]/Money", "is": "USD"})({"Line": [{"Money": "EUR"}, {"Money": "USD"}]})


USED = {"path": "Title", "table": "catalogue", "key": ["Title", "Line[]/Money"], "column": "used", "is": "1"}


@pytest.mark.parametrize(("year", "wanted"), [("2026", True), ("2027", False), ("2028", False)])
def test_a_code_table_is_looked_up_by_the_values_of_its_key(sample: Compiled, year: str, wanted: bool) -> None:
    content = {"Title": year, "Line": [{"Money": "7208"}, {"Money": "8429"}]}

    assert holds(sample, USED)(content) is wanted


def test_without_a_key_the_path_itself_is_the_code(sample: Compiled) -> None:
    share = holds(sample, {"path": "Title", "table": "catalogue", "column": "share", "between": [2, 3]})

    assert share({"Title": "2026-8429"})
    assert not share({"Title": "2027-8429"})


def test_an_empty_cell_is_no_value(sample: Compiled) -> None:
    absent = holds(sample, {"path": "Title", "table": "catalogue", "column": "used", "present": False})

    assert absent({"Title": "2027-8429"})
    assert absent({"Title": "nothing"})
    assert not absent({"Title": "2026-8429"})


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        ({"path": "Titel", "is": "1"}, "here: unknown field 'Titel'; did you mean 'Title'?"),
        ({"path": "Title"}, "a condition has a path and one of"),
        ({"path": "Title", "is": "1", "in": ["2"]}, "a condition has a path and one of"),
        ({**USED, "table": "catalog"}, "unknown code table 'catalog'; did you mean 'catalogue'?"),
        ({**USED, "column": "usd"}, "unknown column of catalogue 'usd'; did you mean 'used'?"),
        ({**USED, "key": ["Yaer"]}, "unknown field 'Yaer'"),
        ({"path": "Title", "key": ["Code"], "is": "1"}, "key only with a table"),
    ],
)
def test_what_does_not_exist_is_refused(sample: Compiled, condition: Mapping[str, Any], says: str) -> None:
    with pytest.raises(ConditionWrong, match=says.replace("?", r"\?")):
        holds(sample, condition)


def test_a_rule_may_ask_a_code_table_of_the_row_at_hand(tmp_path: Any) -> None:
    rule = """
[[rule]]
id = "XX-R08"
at = ["save"]
path = "Line[]/Count"
check = "required"
when = [{ path = "Line[]/Money", table = "usd_rate", column = "rate", is = "1" }]
says = { zh = "数量必填", en = "count required" }
"""
    type_ = compiled(tmp_path, rules=RULES + rule)
    lines = "<Line><Money>EUR</Money></Line><Line><Money>USD</Money></Line>"

    assert ("XX-R08", "/XX.sample/Line[2]/Count") in found(check_xml(type_, f"<Code>ABCD</Code>{lines}"))
    assert ("XX-R08", "/XX.sample/Line[1]/Count") not in found(check_xml(type_, f"<Code>ABCD</Code>{lines}"))


@pytest.mark.parametrize(
    "more",
    [
        '[operation.withdraw]\nway = "desk"\ndesk = "save"\nsigned_when = [{ path = "Titel", is = "1" }]\n',
        '[needs.x]\ntype = "XX.sample"\nat = ["save"]\nsays = { zh = "无", en = "no" }\nwhen = [{ path = "Titel", is = "1" }]\n',
        '[attachments]\ntypes = ["image/png"]\nwhen = [{ path = "Titel", is = "1" }]\n',
    ],
)
def test_every_condition_of_a_profile_is_looked_at_when_it_is_made(tmp_path: Any, more: str) -> None:
    with pytest.raises(SettingsWrong, match=r"profile\.toml.*unknown field 'Titel'; did you mean 'Title'\?"):
        compiled(tmp_path, profile=PROFILE + more, fields=FIELDS)
