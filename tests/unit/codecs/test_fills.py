"""What the system sets: the sender may repeat it, and never change it."""

from __future__ import annotations

from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pytest
from codecs_sample import ACCOUNT, FIELDS, RULES, check_json, check_xml, compiled, document, found
from hypothesis import given, settings
from hypothesis import strategies as st

from tongguan.codecs.checking.compile import Compiled

LINE: dict[str, Any] = {"Money": "EUR", "Price": "1.5", "Count": "3", "Part": [{"Name": "a"}]}


def test_system_fields_are_set(sample: Compiled) -> None:
    content = check_json(sample, {"Line": [LINE, {**LINE, "Money": "USD"}]}, numbers={"own": "XX0001"}).content

    assert content["Number"] == "XX0001"
    assert content["Status"] == "1"
    assert content["MadeOn"] == "2026-11-20"
    assert content["Owner"] == {"Code": "91210200MA0EXAMPLC", "Part": "MA0EXAMPL"}
    assert content["Total"] == "10"
    assert [row["Index"] for row in content["Line"]] == ["1", "2"]
    assert content["Line"][0] == {**LINE, "Index": "1", "MoneyName": "欧元", "Amount": "5", "Dollars": "6"}


def test_a_system_field_given_with_its_value_is_no_fault(sample: Compiled) -> None:
    own = {
        "Number": "XX0001",
        "Total": "5.0",
        "Owner": {"Code": "91210200MA0EXAMPLC"},
        "Line": [{**LINE, "Index": 1, "Amount": 5}],
    }

    assert found(check_json(sample, {"Mark": "1", **own}, numbers={"own": "XX0001"})) == []


@pytest.mark.parametrize(
    ("body", "path", "right", "given_"),
    [
        ({"Number": "XX0002"}, "/body/Number", "XX0001", "XX0002"),
        ({"Total": "6"}, "/body/Total", "5", "6"),
        ({"Owner": {"Code": "X"}}, "/body/Owner/Code", "91210200MA0EXAMPLC", "X"),
        ({"Line": [{**LINE, "Amount": "4"}]}, "/body/Line/0/Amount", "5", "4"),
        ({"Line": [{**LINE, "Dollars": "7"}]}, "/body/Line/0/Dollars", "6", "7"),
        ({"Line": [{**LINE, "Index": "2"}]}, "/body/Line/0/Index", "1", "2"),
        ({"Line": [{**LINE, "MoneyName": "美元"}]}, "/body/Line/0/MoneyName", "欧元", "美元"),
        ({"Answer": "yes"}, "/body/Answer", "（空）|(empty)", "yes"),
    ],
)
def test_another_value_is_a_fault_that_shows_both(
    sample: Compiled, body: dict[str, Any], path: str, right: str, given_: str
) -> None:
    checked = check_json(sample, {"Mark": "1", "Line": [LINE], **body}, numbers={"own": "XX0001"})

    assert found(checked) == [("GW-C19", path)]
    zh, _, en = right.partition("|")
    assert zh in checked.faults[0].zh and given_ in checked.faults[0].zh
    assert (en or right) in checked.faults[0].en and given_ in checked.faults[0].en


def test_nothing_is_said_of_a_total_whose_parts_have_faults(sample: Compiled) -> None:
    checked = check_json(sample, {"Mark": "1", "Total": "5", "Line": [{**LINE, "Count": "x", "Amount": "5", "Dollars": "6"}]})

    assert found(checked) == [("GW-C06", "/body/Line/0/Count")]


def test_an_amount_that_cannot_be_computed_is_absent(sample: Compiled) -> None:
    content = check_json(sample, {"Mark": "1", "Line": [{"Money": "JPY", "Price": "1", "Count": "1"}, {"Price": "1"}]}).content

    assert content["Line"][0]["Amount"] == "1"
    assert "Dollars" not in content["Line"][0]
    assert "Amount" not in content["Line"][1]


def test_an_amount_too_large_for_its_field_is_a_fault(sample: Compiled) -> None:
    checked = check_json(sample, {"Mark": "1", "Line": [{"Price": "9" * 15, "Count": "9" * 15}]})

    assert ("GW-C08", "/body/Line/0/Amount") in found(checked)


def test_defaults_fill_what_the_sender_left_out_and_are_listed(sample: Compiled) -> None:
    checked = check_xml(sample, "<Title>标题</Title>")

    assert checked.content["Party"] == {"Code": "91210200MA0EXAMPLC", "Name": "示例公司"}
    assert checked.filled == ("Party/Code", "Party/Name")


def test_a_default_gives_way_to_the_sender(sample: Compiled) -> None:
    same = check_xml(sample, "<Party><Code>91210200MA0EXAMPLC</Code></Party>")
    other = check_xml(sample, "<Party><Code>91210200MA0OTHERXX</Code></Party>")

    assert same.content["Party"] == {"Code": "91210200MA0EXAMPLC", "Name": "示例公司"}
    assert same.filled == ("Party/Name",)
    assert other.content["Party"] == {"Code": "91210200MA0OTHERXX"}
    assert other.filled == ()


def test_an_accounts_own_defaults_go_first(sample: Compiled) -> None:
    account = ACCOUNT.model_copy(update={"defaults": {"XX.sample": {"Title": " 默认 ", "Party/Name": "别家", "Total": "9"}}})

    checked = check_xml(sample, "<Mark>1</Mark>", account=account)

    assert (checked.content["Title"], checked.content["Party"]["Name"]) == ("默认", "别家")
    assert checked.filled[:2] == ("Title", "Party/Name")
    assert "Total" not in checked.content


def with_(tmp_path: Path, old: str, new: str, rules: str = RULES) -> Compiled:
    """The sample type with one field or rule said otherwise."""
    assert old in FIELDS
    return compiled(tmp_path, fields=FIELDS.replace(old, new), rules=rules)


def test_any_fill_can_be_a_default_in_a_table_too(tmp_path: Path) -> None:
    type_ = with_(tmp_path, "product:Price*Count", "default:product:Price*Count")
    rows = [LINE, {**LINE, "Amount": "7"}]

    checked = check_json(type_, {"Mark": "1", "Line": rows})

    assert found(checked) == []
    assert [row["Amount"] for row in checked.content["Line"]] == ["5", "7"]
    assert [row["Dollars"] for row in checked.content["Line"]] == ["6", "8"]
    assert "Line[]/Amount" in checked.filled


def test_a_default_may_be_a_text_and_may_be_made_of_another_default(tmp_path: Path) -> None:
    words = "Line[]/Count,Count,数量,count,number,15,4,,,,0..1,,,declare,,"
    type_ = with_(tmp_path, f"{words},", f"{words}default:is:3,")

    (row,) = check_json(type_, {"Mark": "1", "Line": [{"Price": "2"}]}).content["Line"]

    assert (row["Count"], row["Amount"]) == ("3", "6")


def test_a_field_may_be_joined_of_others_and_of_what_their_tables_say(tmp_path: Path) -> None:
    words = "Line[]/MoneyName,MoneyName,币制名称,currency name,text,20,,,,,0..1,,,,,"
    type_ = with_(tmp_path, f"{words}name:Money,", f"{words}joined:Money+Money.en,")

    rows = check_json(type_, {"Mark": "1", "Line": [{"Money": "JPY"}, {"Price": "1"}]}).content["Line"]

    assert [row.get("MoneyName") for row in rows] == ["JPYYen", None]


def test_the_day_of_an_operation_is_that_on_which_it_was_last_asked_for(tmp_path: Path) -> None:
    type_ = with_(tmp_path, "now:date", "now:declare")
    before = document({"MadeOn": "2026-01-02"})

    assert "MadeOn" not in check_xml(type_, "<Mark>1</Mark>").content
    assert check_xml(type_, "<Mark>1</Mark>", document=before).content["MadeOn"] == "2026-01-02"
    assert check_xml(type_, "<Mark>1</Mark>", "declare", document=before).content["MadeOn"] == "2026-11-20"


def test_a_default_that_a_rule_forbids_is_not_filled(tmp_path: Path) -> None:
    rule = """[[rule]]
id = "XX-R05"
at = ["save"]
path = "Rate"
check = "absent"
when = [{ path = "Mark", is = "1" }]
says = { zh = "不填", en = "absent" }
"""
    account = ACCOUNT.model_copy(update={"defaults": {"XX.sample": {"Rate": "2.50"}}})
    type_ = compiled(tmp_path, rules=rule)

    marked, plain = (check_json(type_, {"Mark": mark}, account=account) for mark in "10")
    given_ = check_json(type_, {"Mark": "1", "Rate": "3"}, account=account)

    assert (found(marked), "Rate" in marked.content, "Rate" in marked.filled) == ([], False, False)
    assert (plain.content["Rate"], "Rate" in plain.filled) == ("2.5", True)
    assert found(given_) == [("XX-R05", "/body/Rate")]


def test_what_only_a_later_operation_may_change_is_at_first_as_the_account_says(tmp_path: Path) -> None:
    type_ = with_(
        tmp_path, "Rate,Rate,比率,rate,number,5,2,0.5,100,,0..1,,,,,", "Rate,Rate,比率,rate,number,5,2,0.5,100,,0..1,,,,amend,"
    )
    account = ACCOUNT.model_copy(update={"defaults": {"XX.sample": {"Rate": "2.50"}}})

    assert check_json(type_, {"Mark": "1"}, account=account).content["Rate"] == "2.5"
    assert found(check_json(type_, {"Rate": "2.5"}, account=account)) == []
    assert found(check_json(type_, {"Rate": "3"}, account=account)) == [("GW-C20", "/body/Rate")]
    assert found(check_json(type_, {"Rate": "3"})) == [("GW-C20", "/body/Rate")]
    assert check_json(type_, {"Rate": "3"}, "amend", document=document({"Rate": "2"}, status="done")).content["Rate"] == "3"


def test_what_was_set_once_stays(sample: Compiled) -> None:
    before = document({"MadeOn": "2026-01-02", "Answer": "yes"})

    content = check_xml(sample, "<Title>标题</Title>", document=before).content

    assert (content["MadeOn"], content["Answer"]) == ("2026-01-02", "yes")
    assert check_xml(sample, "<Title>标题</Title>", document=replace(before, status="done")).content["Status"] == "2"


prices = st.decimals(min_value=0, max_value=99_999, places=4)
counts = st.decimals(min_value=0, max_value=9_999, places=4)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(prices, counts), min_size=1, max_size=3))
def test_amounts_are_exact_and_rounded_half_up(sample: Compiled, pairs: list[tuple[Decimal, Decimal]]) -> None:
    rows = [{"Money": "EUR", "Price": f"{price:f}", "Count": f"{count:f}"} for price, count in pairs]
    unit = Decimal(1)

    content = check_json(sample, {"Mark": "1", "Line": rows}).content

    amounts = [(price * count).quantize(unit, ROUND_HALF_UP) for price, count in pairs]
    assert [row["Amount"] for row in content["Line"]] == [str(amount) for amount in amounts]
    assert [row["Dollars"] for row in content["Line"]] == [
        str((amount * Decimal("1.165")).quantize(unit, ROUND_HALF_UP)) for amount in amounts
    ]
    assert content["Total"] == str(sum(amounts))
