"""Checking a message: what is taken, what is a fault, and where the fault is said to be."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from codecs_sample import PROFILE, check_json, check_xml, compiled, document, found
from patience import here

from tongguan.codecs.checking.compile import Compiled

LINE = "<Line><Money>USD</Money><Price>2</Price><Count>3</Count></Line>"


def senders(content: dict[str, Any]) -> dict[str, Any]:
    """Without what the system sets."""
    return {k: v for k, v in content.items() if k not in ("Status", "MadeOn", "Owner", "Party", "Total")}


def test_elements_may_come_in_any_order_and_empty_ones_are_absent(sample: Compiled) -> None:
    one = check_xml(sample, "<Day>20261120</Day><Title> 标题 </Title><Code/><Moment>  </Moment><Party></Party>")
    other = check_xml(sample, "<Title>标题</Title><Day>2026-11-20</Day>")

    assert found(one) == []
    assert senders(one.content) == {"Title": "标题", "Day": "2026-11-20"}
    assert one.content == other.content


def test_values_are_kept_in_canonical_form(sample: Compiled) -> None:
    checked = check_xml(
        sample, "<Rate>007.50</Rate><Moment>2026-11-20T10:00:00Z</Moment><Mark>是</Mark>" + LINE.replace("USD", "美元")
    )

    assert found(checked) == []
    assert checked.content["Rate"] == "7.5"
    assert checked.content["Moment"] == "2026-11-20T18:00:00+08:00"
    assert checked.content["Mark"] == "1"
    assert checked.content["Line"][0]["Money"] == "USD"


@pytest.mark.parametrize(
    ("body", "code", "path"),
    [
        ("<Titel>x</Titel>", "GW-C01", "/XX.sample/Titel"),
        ("<Title>标题</Title><Title>标题</Title>", "GW-C02", "/XX.sample/Title[2]"),
        ("<Title>一二三四五六</Title>", "GW-C04", "/XX.sample/Title"),
        ("<Title>一</Title>", "GW-C16", "/XX.sample/Title"),
        ("<Code>abcd</Code>", "GW-C05", "/XX.sample/Code"),
        ("<Rate>1e1</Rate>", "GW-C06", "/XX.sample/Rate"),
        ("<Rate>1.234</Rate>", "GW-C07", "/XX.sample/Rate"),
        ("<Rate>123456</Rate>", "GW-C08", "/XX.sample/Rate"),
        ("<Rate>0.49</Rate>", "GW-C09", "/XX.sample/Rate"),
        ("<Rate>100.01</Rate>", "GW-C10", "/XX.sample/Rate"),
        ("<Day>2026-02-30</Day>", "GW-C11", "/XX.sample/Day"),
        ("<Moment>18:00</Moment>", "GW-C12", "/XX.sample/Moment"),
        ("<Mark>maybe</Mark>", "GW-C13", "/XX.sample/Mark"),
        ("<Line><Money>DEM</Money></Line>", "GW-C14", "/XX.sample/Line[1]/Money"),
        ("<Line/><Line><Part/><Part><Name>0123456789</Name></Part></Line>", "GW-C04", "/XX.sample/Line[2]/Part[2]/Name"),
        ("<Line/>" * 4, "GW-C18", "/XX.sample/Line"),
        ("<Title><b>标题</b></Title>", "GW-C23", "/XX.sample/Title"),
        ("<Party>示例</Party>", "GW-C24", "/XX.sample/Party"),
        ("<Title>标题</Title>text", "GW-C25", "/XX.sample"),
        ("<Title lang='zh'>标题</Title>", "GW-C26", "/XX.sample/Title"),
        ("<Title xmlns=''>标题</Title>", "GW-M05", "/XX.sample/Title"),
    ],
)
def test_one_thing_wrong_is_one_fault_with_its_place(sample: Compiled, body: str, code: str, path: str) -> None:
    assert found(check_xml(sample, body)) == [(code, path)]


@pytest.mark.requirement("GW-03")
@pytest.mark.parametrize("namespace", ["", "urn:other"])
def test_a_wrong_namespace_is_told_where_it_stands_first(sample: Compiled, namespace: str) -> None:
    body = "".join(f"<{name} xmlns='{namespace}'>1</{name}>" for name in ("Title", "Rate", "Line"))
    said = check_xml(sample, body + "<Day xmlns='urn:third'>1</Day>")

    assert found(said) == [("GW-M05", "/XX.sample/Title"), ("GW-M05", "/XX.sample/Day")]
    assert (namespace or '""') in said.faults[0].zh


def test_an_unknown_element_names_the_nearest_known_one(sample: Compiled) -> None:
    assert "Title" in check_xml(sample, "<Titel>x</Titel>").faults[0].zh
    assert "Money" in check_json(sample, {"Line": [{"Mony": "USD"}]}).faults[0].zh


def test_faults_of_xml_have_lines_and_faults_of_json_have_pointers(sample: Compiled) -> None:
    body = "\n<Line>\n<Money>USD</Money>\n<Price>x</Price>\n</Line>\n<Line>\n<Money>DEM</Money>\n</Line>\n"

    assert [(f.path, f.line) for f in check_xml(sample, body).faults] == [
        ("/XX.sample/Line[1]/Price", 4),
        ("/XX.sample/Line[2]/Money", 7),
    ]
    assert [(f.path, f.line) for f in check_json(sample, {"Line": [{}, {"Money": "DEM"}]}).faults] == [
        ("/body/Line/1/Money", None)
    ]


def test_what_is_missing_is_said_with_its_parents_label_and_line(sample: Compiled) -> None:
    missing = check_xml(sample, f"\n<Party>\n<Code>X</Code></Party>\n{LINE}\n<Line>\n<Money>USD</Money></Line>", "declare").faults

    assert [(f.path, f.label, f.line) for f in missing] == [
        ("/XX.sample/Title", "标题", 1),
        ("/XX.sample/Party/Name", "进口商名称", 2),
        ("/XX.sample/Line[2]/Price", "明细单价", 5),
        ("/XX.sample/Line[2]/Count", "明细数量", 5),
    ]
    assert {f.code for f in missing} == {"GW-C03"}
    assert missing[1].zh == "进口商名称必填"


def test_a_wrong_value_is_not_said_to_be_missing_too(sample: Compiled) -> None:
    assert found(check_xml(sample, f"<Title>一</Title>{LINE}", "declare")) == [("GW-C16", "/XX.sample/Title")]


def test_all_faults_are_told_at_once(sample: Compiled) -> None:
    body = "<Title>一</Title><Nobody/><Line><Money>DEM</Money><Price>-1</Price><Amount>5</Amount></Line>"

    assert [f.code for f in check_xml(sample, body, "declare").faults] == ["GW-C16", "GW-C01", "GW-C14", "GW-C09", "GW-C03"]


@pytest.mark.parametrize(
    ("body", "code", "path"),
    [
        ({"Title": 12}, "GW-C15", "/body/Title"),
        ({"Title": True}, "GW-C15", "/body/Title"),
        ({"Rate": True}, "GW-C15", "/body/Rate"),
        ({"Title": {"x": 1}}, "GW-C15", "/body/Title"),
        ({"Line": {"Money": "USD"}}, "GW-J07", "/body/Line"),
        ({"Line": ["USD"]}, "GW-J07", "/body/Line/0"),
        ({"Party": "示例"}, "GW-J07", "/body/Party"),
        ({"Ti/t~le": "x"}, "GW-C01", "/body/Ti~1t~0le"),
    ],
)
def test_json_of_the_wrong_kind_is_a_fault_at_its_pointer(sample: Compiled, body: Any, code: str, path: str) -> None:
    assert found(check_json(sample, body)) == [(code, path)]


def test_json_takes_plain_numbers_flags_and_null(sample: Compiled) -> None:
    checked = check_json(sample, {"Rate": 7.50, "Mark": True, "Title": None, "Line": [{"Price": 2, "Count": "3"}]})

    assert found(checked) == []
    assert (checked.content["Rate"], checked.content["Mark"], checked.content["Line"][0]["Amount"]) == ("7.5", "1", "6")
    assert "Title" not in checked.content


def test_an_operation_without_a_body_rechecks_the_document(sample: Compiled) -> None:
    draft = check_xml(sample, f"<Title>标题</Title>{LINE}").content

    assert found(check_xml(sample, "", "declare", document=document(draft))) == []
    assert check_xml(sample, "", "declare", document=document(draft)).content["Title"] == "标题"
    assert found(check_xml(sample, "", "declare", document=document({"Mark": "1"}))) == [
        ("GW-C03", "/XX.sample/Title"),
        ("GW-C03", "/XX.sample/Line"),
    ]


def test_a_body_that_must_be_there_or_must_not_is_one_fault(sample: Compiled) -> None:
    assert found(check_xml(sample, "")) == [("GW-C22", "/XX.sample")]
    assert found(check_xml(sample, "", "declare")) == [("GW-C22", "/XX.sample")]
    assert found(check_xml(sample, "<Title>标题</Title>", "delete", document=document({}))) == [("GW-C21", "/XX.sample")]
    assert found(check_json(sample, {"Title": "标题"}, "delete", document=document({}))) == [("GW-C21", "/body")]


def test_elements_of_the_operation_are_no_part_of_the_document(sample: Compiled) -> None:
    kept = document({"Title": "标题"}, status="done")

    for checked in (
        check_xml(sample, "<Copies> 3 </Copies>", "copy", document=kept),
        check_json(sample, {"Copies": 3}, "copy", document=kept),
    ):
        assert (found(checked), checked.options, checked.content) == ([], {"Copies": "3"}, {"Title": "标题"})


def test_a_body_replaces_what_the_document_held(sample: Compiled) -> None:
    before = document({"Title": "旧标题", "Mark": "1", "Answer": "yes", "MadeOn": "2026-01-02"})

    checked = check_xml(sample, "<Title>新标题</Title>", document=before)

    assert senders(checked.content) == {"Title": "新标题", "Answer": "yes"}
    assert checked.content["MadeOn"] == "2026-01-02"


def test_what_an_operation_may_not_change_keeps_its_value(sample: Compiled) -> None:
    before = document({"Code": "ABCD", "Title": "标题"}, status="done")

    assert check_xml(sample, "<Title>标题</Title>", "amend", document=before).content["Code"] == "ABCD"
    assert found(check_xml(sample, "<Code>ABCD</Code>", "amend", document=before)) == []
    wrong = check_xml(sample, "<Code>EFGH</Code>", "amend", document=before)
    assert found(wrong) == [("GW-C20", "/XX.sample/Code")]
    assert "ABCD" in wrong.faults[0].zh and "EFGH" in wrong.faults[0].zh


def test_a_rule_speaks_of_its_field_in_its_row(sample: Compiled) -> None:
    body = f"<Title>ABCD</Title><Code>ABCD</Code>{LINE}"
    assert found(check_xml(sample, body, "declare")) == [("XX-R01", "/XX.sample/Title")]

    parts = "".join(f"<Part><Name>{name}</Name></Part>" for name in "aba")
    body = f"<Title>标题</Title>{LINE}" + LINE.replace("</Line>", f"{parts}</Line>")
    assert found(check_xml(sample, body, "declare")) == [("XX-R03", "/XX.sample/Line[2]/Part[3]/Name")]


def test_conditions_of_a_rule_look_at_the_same_row(sample: Compiled) -> None:
    rows = [{"Money": "USD", "Count": "1"}, {"Money": "USD", "Price": "1", "Count": "1"}]
    checked = check_json(sample, {"Title": "标题", "Mark": "1", "Line": rows}, "declare")

    assert ("XX-R02", "/body/Line/0/Price") in found(checked)
    assert ("XX-R02", "/body/Line/1/Price") not in found(checked)


def test_a_warning_keeps_its_severity_and_holds_for_any_row(sample: Compiled) -> None:
    checked = check_json(sample, {"Line": [{"Money": "USD"}, {"Money": "欧元"}]})

    assert [(f.code, f.severity, f.label) for f in checked.faults] == [("XX-R04", "warning", "标志")]


def test_a_rule_is_silent_about_a_field_that_has_a_fault_already(sample: Compiled) -> None:
    checked = check_json(sample, {"Mark": "perhaps", "Line": [{"Money": "EUR"}]})

    assert found(checked) == [("GW-C13", "/body/Mark")]


@pytest.mark.requirement("CD-06")
@pytest.mark.parametrize(("day", "codes"), [("2026-11-30", []), ("2026-12-01", ["XX-R05"]), ("2026-11-19", ["XX-R05"])])
def test_an_operation_without_a_body_has_rules_about_the_document_as_it_stands(
    sample: Compiled, day: str, codes: list[str]
) -> None:
    checked = check_xml(sample, "", "extend", document=document({"Day": day}, status="done"))

    assert [f.code for f in checked.faults] == codes
    assert [(f.path, f.label) for f in checked.faults] == [("/XX.sample/Day", "日期")] * len(codes)
    assert checked.content == {"Day": day}


def test_a_warning_about_the_document_as_it_stands_names_its_row(sample: Compiled) -> None:
    stands = document({"Day": "2026-11-25", "Line": [{"Price": "1"}, {"Count": "1"}]}, status="done")

    checked = check_json(sample, None, "extend", document=stands)

    assert [(f.code, f.path, f.severity) for f in checked.faults] == [("XX-R06", "/body/Line/1/Price", "warning")]


def test_a_rule_has_nothing_to_say_where_there_is_no_document(sample: Compiled) -> None:
    assert found(check_xml(sample, "", "extend")) == []


def test_attributes_that_serializers_add_do_no_harm(sample: Compiled) -> None:
    xsi = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'

    assert found(check_xml(sample, f'<Title {xsi} xsi:nil="true"/><Code {xsi} xsi:type="string">ABCD</Code>')) == []


def test_a_save_may_warn_of_what_a_later_operation_will_want(tmp_path: Path) -> None:
    rule = """[[rule]]
id = "XX-R09"
at = ["declare"]
path = "Rate"
check = "required"
when = [{ path = "Mark", is = "1" }]
says = { zh = "比率必填", en = "rate required" }
"""
    profile = PROFILE.replace('to = "draft"', 'to = "draft"\nwarns_of = "declare"', 1)
    type_ = compiled(tmp_path, profile=profile, rules=rule)

    checked = check_xml(type_, "<Mark>1</Mark><Line><Money>USD</Money><Price>x</Price></Line>")

    assert [(f.code, f.path, f.severity) for f in checked.faults] == [
        ("GW-C06", "/XX.sample/Line[1]/Price", "error"),
        ("GW-C40", "/XX.sample/Title", "warning"),
        ("GW-C40", "/XX.sample/Line[1]/Count", "warning"),
        ("GW-C40", "/XX.sample/Rate", "warning"),
    ]
    assert checked.faults[-1].zh == "操作 申报 还须填写比率"


@pytest.mark.parametrize("element", ["<Title>标题</Title>", "<Titel>x</Titel>", "<Line><Money>DEM</Money></Line>", "<Line/>"])
def test_a_flood_of_faults_is_cut_short_and_still_refused(sample: Compiled, element: str) -> None:
    begun = time.perf_counter()

    faults = check_xml(sample, element * 20_000).faults

    assert len(faults) <= 501
    assert any(f.severity == "error" for f in faults)
    assert time.perf_counter() - begun < here(10)


def test_comments_do_no_harm(sample: Compiled) -> None:
    checked = check_xml(sample, "<!-- a --><Title>标<!-- b -->题</Title><?pi?>")

    assert found(checked) == []
    assert checked.content["Title"] == "标题"


def test_the_message_is_not_changed_by_checking(sample: Compiled) -> None:
    body = {"Line": [{"Price": "02", "Count": "3"}]}
    before = document({"Line": [{"Price": "2", "Count": "3"}], "Title": "标题"})

    check_json(sample, body)
    check_xml(sample, "", "declare", document=before)

    assert body == {"Line": [{"Price": "02", "Count": "3"}]}
    assert before.content == {"Line": [{"Price": "2", "Count": "3"}], "Title": "标题"}
