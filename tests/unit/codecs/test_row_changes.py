"""Rows that an operation adds, removes or marks, and rows for which a document has no room."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from codecs_sample import check_json, check_xml, compiled, document, found
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from tongguan.codecs.checking.check import Checked
from tongguan.codecs.checking.compile import Compiled
from tongguan.codecs.writing.schema import write_schemas

PROFILE = """
title = { zh = "样表", en = "sample" }
system = "XX"
own_number = "own"
[numbers.own]
label = { zh = "编号", en = "no." }
pattern = "XX[0-9]{4}"
field = "Number"
[status.draft]
code = "1"
zh = "暂存"
en = "draft"
[status.approved]
code = "7"
zh = "通过"
en = "approved"
[operation.save]
way = "desk"
body = "whole"
allowed = ["", "draft"]
to = "draft"
splits = "Goods[]"
[operation.declare]
way = "desk"
desk = "save"
body = "optional"
allowed = ["", "draft"]
to = "approved"
splits = "Goods[]"
[operation.insert]
way = "desk"
body = "whole"
allowed = ["draft"]
to = "draft"
adds = "Goods[]"
options = { before = "Before" }
[operation.remove]
way = "desk"
allowed = ["draft"]
to = "draft"
removes = { rows = "Rows", table = "Goods[]" }
[operation.amend]
way = "desk"
desk = "save"
body = "whole"
allowed = ["approved"]
to = "approved"
adds = "Goods[]"
[operation.stop]
way = "desk"
allowed = ["approved"]
to = "approved"
marks = { rows = "Rows", table = "Goods[]", key = "GNo", field = "Stopped" }
[operation.copy]
way = "desk"
desk = "copy"
allowed = ["draft", "approved"]
to = "draft"
give_numbers = ["own"]
"""
FIELDS = """
Number,Number,编号,no.,text,6,,,,,0..1,,,,,number:own,,,,,,
Status,Status,状态,status,text,2,,,,,0..1,,,,,status,,,,,,
Part,Part,分册号,volume,number,4,0,,,,0..1,,,,,part,,,,,,
Title,Title,标题,title,text,9,,,,,0..1,,,save declare,,,,,,,,
Answer,Answer,答复,answer,text,9,,,,,0..1,,,,,query:Answer,,,,,,
Total,Total,合计,total,number,17,0,,,,0..1,,,,,sum:Goods[]/Amount,,,,,,
Goods[],Goods,商品,goods,table,,,,,,1..3,,,declare,,,,,,,,
Goods[]/GNo,GNo,序号,no.,number,1,0,,,,0..1,,,,,index,,,,,,
Goods[]/Name,Name,名称,name,text,9,,,,,0..1,,,save declare insert amend,,,,,,,,
Goods[]/Price,Price,单价,price,number,9,2,,,,0..1,,,,,,,,,,,
Goods[]/Count,Count,数量,count,number,9,2,,,,0..1,,,,,,,,,,,
Goods[]/Amount,Amount,总价,amount,number,17,0,,,,0..1,,,,,product:Price*Count,,,,,,
Goods[]/Answer,Answer,答复,answer,text,9,,,,,0..1,,,,,query:Answer,,,,,,
Goods[]/Stopped,Stopped,停用,stopped,flag,,,,,,0..1,,,,,mark,,,,,,
Goods[]/Part[],Part,部件,parts,table,,,,,,0..n,,,,,,,,,,,
Goods[]/Part[]/No,No,号,no.,number,4,0,,,,0..1,,,,,index,,,,,,
Other[],Other,其他,others,table,,,,,,0..n,,,,,,,,,,,
Other[]/Name,Name,名称,name,text,9,,,,,0..1,,,,,,,,,,,
"""
RULES = """
[[rule]]
id = "XX-R01"
at = ["save", "declare", "amend", "insert"]
path = "Goods[]/Price"
check = "required"
when = [{ path = "Goods[]/Count", present = true }]
says = { zh = "单价必填", en = "price required" }
[[rule]]
id = "XX-R02"
at = ["save", "insert", "amend"]
path = "Goods[]/Name"
check = "unique"
severity = "warning"
says = { zh = "商品重复", en = "goods twice" }
[[rule]]
id = "XX-R03"
at = ["save"]
path = "Title"
check = "differs"
with = { others = ["Part"] }
says = { zh = "标题不能是分册号", en = "the title must not be the volume" }
"""


@pytest.fixture(scope="module")
def type_(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    return compiled(tmp_path_factory.mktemp("profiles"), profile=PROFILE, fields=FIELDS, rules=RULES)


def goods(*names: str, **more: str) -> str:
    cells = "".join(f"<{name}>{value}</{name}>" for name, value in more.items())
    return "".join(f"<Goods><Name>{name}</Name>{cells}</Goods>" for name in names)


def names(content: dict[str, Any]) -> list[tuple[str, str]]:
    return [(row["GNo"], row["Name"]) for row in content.get("Goods", ())]


def stored(type_: Compiled, *names: str, **more: Any) -> dict[str, Any]:
    """A document's content as a save would have left it."""
    rows = [{"GNo": str(n), "Name": name, "Price": "2", "Count": "3", "Amount": "6"} for n, name in enumerate(names, 1)]
    return {"Number": "XX0001", "Status": "1", "Part": "1", "Title": "t", "Total": str(6 * len(rows)), "Goods": rows, **more}


def run(type_: Compiled, content: dict[str, Any], body: str, operation: str, status: str = "draft") -> Checked:
    return check_xml(type_, body, operation, document=document(content, status=status), numbers={"own": "XX0001"})


def test_inserted_rows_stand_before_the_one_that_is_named_and_all_are_numbered_anew(type_: Compiled) -> None:
    checked = run(type_, stored(type_, "a", "b"), f"<Before>2</Before>{goods('n')}", "insert")

    assert (found(checked), names(checked.content)) == ([], [("1", "a"), ("2", "n"), ("3", "b")])


def test_without_a_place_they_stand_behind_the_last(type_: Compiled) -> None:
    checked = check_json(
        type_, {"Goods": [{"Name": "n"}]}, "insert", document=document(stored(type_, "a", "b")), numbers={"own": "XX0001"}
    )

    assert (found(checked), names(checked.content)) == ([], [("1", "a"), ("2", "b"), ("3", "n")])


def test_what_the_head_makes_of_the_rows_is_made_anew_and_nothing_else_is(type_: Compiled) -> None:
    before = stored(type_, "a", Answer="kept")

    checked = run(type_, before, goods("n", Price="1", Count="4"), "insert")

    assert checked.content["Total"] == "10"
    assert {**before, "Total": "", "Goods": ""} == {**checked.content, "Total": "", "Goods": ""}


def test_answers_that_are_kept_move_with_their_rows(type_: Compiled) -> None:
    before = stored(type_, "a", "b")
    before["Goods"][1]["Answer"] = "b's"

    inserted = run(type_, before, f"<Before>1</Before>{goods('n')}", "insert").content
    removed = run(type_, before, "<Rows>1</Rows>", "remove").content

    assert [row.get("Answer") for row in inserted["Goods"]] == [None, None, "b's"]
    assert [row.get("Answer") for row in removed["Goods"]] == ["b's"]


@pytest.mark.parametrize(
    ("before", "told"),
    [("0", "GW-C34"), ("3", "GW-C34"), ("-1", "GW-C36"), ("x", "GW-C36"), ("1-2", "GW-C36"), ("99999999", "GW-C36")],
)
def test_rows_are_inserted_before_a_row_that_there_is(type_: Compiled, before: str, told: str) -> None:
    checked = run(type_, stored(type_, "a", "b"), f"<Before>{before}</Before>{goods('n')}", "insert")

    assert found(checked) == [(told, "/XX.sample/Before")]
    assert checked.faults[0].label == "插入位置"


def test_where_the_document_is_not_known_any_place_will_do(type_: Compiled) -> None:
    alone = check_xml(type_, f"<Before>2</Before>{goods('n')}", "insert")
    wrong = check_xml(type_, f"<Before>x</Before>{goods('n')}", "insert")

    assert (found(alone), found(wrong)) == ([], [("GW-C36", "/XX.sample/Before")])


def test_an_option_that_stands_twice_is_a_fault(type_: Compiled) -> None:
    checked = run(type_, stored(type_, "a", "b"), "<Rows>1</Rows><Rows>2</Rows>", "remove")

    assert ("GW-C02", "/XX.sample") in found(checked)


def test_more_rows_than_the_table_takes_cannot_be_inserted(type_: Compiled) -> None:
    checked = run(type_, stored(type_, "a", "b"), goods("m", "n"), "insert")

    assert found(checked) == [("GW-C18", "/XX.sample/Goods")]
    assert "3" in checked.faults[0].en and "4" in checked.faults[0].en


def test_what_is_wrong_with_a_new_row_is_told_at_its_place_in_the_message(type_: Compiled) -> None:
    checked = run(
        type_, stored(type_, "a", "b"), "<Before>2</Before><Goods><Price>x</Price></Goods>" + goods("n", Count="1"), "insert"
    )

    assert sorted(found(checked)) == [
        ("GW-C03", "/XX.sample/Goods[1]/Name"),
        ("GW-C06", "/XX.sample/Goods[1]/Price"),
        ("GW-C18", "/XX.sample/Goods"),
    ]


def test_what_is_wrong_with_a_row_that_was_there_is_told_at_the_table(type_: Compiled) -> None:
    before = stored(type_, "a", "b")
    del before["Goods"][0]["Price"]
    before["Goods"][0].pop("Amount")

    checked = run(type_, before, f"<Before>2</Before>{goods('n')}", "insert")

    assert found(checked) == [("XX-R01", "/XX.sample/Goods")]


def test_a_new_row_may_say_its_number_and_no_other(type_: Compiled) -> None:
    right = run(type_, stored(type_, "a"), goods("n", GNo="2"), "amend", "approved")
    wrong = run(type_, stored(type_, "a"), goods("n", GNo="1"), "amend", "approved")

    assert (found(right), names(right.content)) == ([], [("1", "a"), ("2", "n")])
    assert found(wrong) == [("GW-C19", "/XX.sample/Goods[1]/GNo")]


def test_a_new_row_cannot_be_stopped_already(type_: Compiled) -> None:
    checked = run(type_, stored(type_, "a"), goods("n", Stopped="true"), "amend", "approved")

    assert found(checked) == [("GW-C19", "/XX.sample/Goods[1]/Stopped")]


def test_approved_rows_stay_to_the_letter_when_rows_are_added(type_: Compiled) -> None:
    before = stored(type_, "a", "b")
    before["Goods"][0] |= {"Amount": "7", "Stopped": "1", "Part": [{"No": "5"}]}  # as an older profile filled it

    checked = run(type_, copy.deepcopy(before), goods("n"), "amend", "approved")

    assert (found(checked), checked.content["Goods"][:2]) == ([], before["Goods"])


def test_a_message_that_adds_rows_may_repeat_what_the_document_says_and_nothing_else(type_: Compiled) -> None:
    before = stored(type_, "a", Other=[{"Name": "o"}])

    same = run(type_, before, "<Number>XX0001</Number><Title>t</Title>" + goods("n") + "<Other><Name>o</Name></Other>", "amend")
    other = run(type_, before, "<Number>XX0002</Number><Title>u</Title>" + goods("n") + "<Other/>", "amend")

    assert found(same) == []
    assert found(other) == [
        ("GW-C20", "/XX.sample/Title"),
        ("GW-C20", "/XX.sample/Other"),
        ("GW-C19", "/XX.sample/Number"),
    ]


def test_a_message_that_adds_rows_has_rows(type_: Compiled) -> None:
    assert found(run(type_, stored(type_, "a"), "<Title>t</Title>", "amend")) == [("GW-C03", "/XX.sample/Goods")]


def test_rows_that_are_removed_let_the_others_move_up(type_: Compiled) -> None:
    checked = run(type_, stored(type_, "a", "b", "c"), "<Rows>1,3</Rows>", "remove")

    assert (found(checked), names(checked.content), checked.content["Total"]) == ([], [("1", "b")], "6")


def test_when_the_last_row_goes_the_table_is_absent(type_: Compiled) -> None:
    checked = run(type_, stored(type_, "a", "b"), "<Rows>1-2</Rows>", "remove")

    assert found(checked) == []
    assert not {"Goods", "Total"} & checked.content.keys()


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("", "GW-C03"), ("0", "GW-C33"), ("2-1", "GW-C33"), ("1;2", "GW-C33"), ("a", "GW-C33"), ("3", "GW-C34"), ("1-999999", "GW-C34"),
        ("1,,2", "GW-C33"), ("01", "GW-C33"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("operation", ["remove", "stop"])
def test_rows_are_named_by_numbers_that_there_are(type_: Compiled, operation: str, rows: str, told: str) -> None:
    checked = run(type_, stored(type_, "a", "b"), f"<Rows>{rows}</Rows>", operation)

    assert found(checked) == [(told, "/XX.sample/Rows")]
    assert checked.faults[0].label == "行号"


def test_blanks_and_a_number_that_stands_twice_do_no_harm(type_: Compiled) -> None:
    checked = check_json(type_, {"Rows": " 1, 1 - 1".replace(" - ", "-")}, "remove", document=document(stored(type_, "a", "b")))

    assert names(checked.content) == [("1", "b")]


def test_an_operation_that_names_rows_carries_none(type_: Compiled) -> None:
    assert found(run(type_, stored(type_, "a"), "<Rows>1</Rows>" + goods("n"), "remove")) == [("GW-C21", "/XX.sample")]


def test_stopped_rows_have_their_flag_and_are_otherwise_as_they_were(type_: Compiled) -> None:
    before = stored(type_, "a", "b")

    checked = run(type_, copy.deepcopy(before), "<Rows>2</Rows>", "stop", "approved")

    expected = copy.deepcopy(before)
    expected["Goods"][1]["Stopped"] = "1"
    assert (found(checked), checked.content) == ([], expected)


def test_a_row_is_stopped_once(type_: Compiled) -> None:
    before = stored(type_, "a", "b")
    before["Goods"][1]["Stopped"] = "1"

    checked = run(type_, before, "<Rows>1-2</Rows>", "stop", "approved")

    assert found(checked) == [("GW-C35", "/XX.sample/Rows")]
    assert (checked.faults[0].zh, checked.faults[0].en) == (
        "行号：第 2 行已是“停用”",
        "row numbers: row 2 is “stopped” already",
    )


def test_rows_without_room_become_further_contents_with_numbers_of_their_own(type_: Compiled) -> None:
    checked = check_xml(type_, "<Title>t</Title>" + goods(*"abcdefg", Price="1", Count="2"))

    contents = [checked.content, *checked.further]
    assert found(checked) == []
    assert [names(content) for content in contents] == [
        [("1", "a"), ("2", "b"), ("3", "c")],
        [("1", "d"), ("2", "e"), ("3", "f")],
        [("1", "g")],
    ]
    assert [(content["Part"], content["Title"], content["Total"]) for content in contents] == [
        ("1", "t", "6"), ("2", "t", "6"), ("3", "t", "2")
    ]  # fmt: skip


def test_as_many_rows_as_there_is_room_for_are_one_document(type_: Compiled) -> None:
    checked = check_xml(type_, "<Title>t</Title>" + goods(*"abc"))

    assert (len(checked.content["Goods"]), checked.further, checked.content["Part"]) == (3, (), "1")


@pytest.mark.parametrize("body", ["xml", "json"])
def test_what_is_wrong_with_a_row_of_a_further_document_is_told_where_it_stands_in_the_message(
    type_: Compiled, body: str
) -> None:
    rows = [{"Name": name, "Count": "1", "Price": "1"} for name in "abcdef"]
    rows[4] = {"Name": "e", "Count": "1"}
    rows[5]["GNo"] = "9"
    if body == "json":
        checked = check_json(type_, {"Title": "t", "Goods": rows})
        assert sorted(found(checked)) == [("GW-C19", "/body/Goods/5/GNo"), ("XX-R01", "/body/Goods/4/Price")]
        return
    cells = ["".join(f"<{name}>{value}</{name}>" for name, value in row.items()) for row in rows]
    checked = check_xml(type_, "<Title>t</Title>\n" + "\n".join(f"<Goods>{row}</Goods>" for row in cells))

    assert sorted((*one, fault.line) for one, fault in zip(found(checked), checked.faults, strict=True)) == [
        ("GW-C19", "/XX.sample/Goods[6]/GNo", 7),
        ("XX-R01", "/XX.sample/Goods[5]/Price", 6),
    ]


def test_what_is_wrong_with_the_head_is_told_once(type_: Compiled) -> None:
    assert found(check_xml(type_, goods(*"abcdefg"))) == [("GW-C03", "/XX.sample/Title")]


def test_what_is_wrong_with_the_head_of_a_further_document_alone_is_told(type_: Compiled) -> None:
    assert found(check_xml(type_, "<Title>2</Title>" + goods(*"abcd"))) == [("XX-R03", "/XX.sample/Title")]


def test_rows_may_be_numbered_through_the_message_or_in_their_document(type_: Compiled) -> None:
    through = [f"<Goods><GNo>{n}</GNo><Name>{name}</Name></Goods>" for n, name in enumerate("abcdefghijkl", 1)]
    own = [*through[:3], "<Goods><GNo>1</GNo><Name>d</Name></Goods>"]
    wrong = [*through[:3], "<Goods><GNo>2</GNo><Name>d</Name></Goods>"]

    assert [found(check_xml(type_, "<Title>t</Title>" + "".join(rows))) for rows in (through, own, wrong)] == [
        [],
        [],
        [("GW-C19", "/XX.sample/Goods[4]/GNo")],
    ]


@pytest.mark.parametrize(
    ("operation", "body", "fits"),
    [
        ("save", "<Title>t</Title>" + "<Goods><GNo>123</GNo></Goods>" * 300, True),
        ("save", "<Title>t</Title>" + "<Goods/>" * 301, False),
        ("insert", "<Before>2</Before><Goods><Name>n</Name></Goods>", True),
        ("remove", "<Rows>1,3-5</Rows>", True),
    ],
)
def test_what_is_taken_is_right_by_the_schema(type_: Compiled, operation: str, body: str, fits: bool) -> None:
    schema = etree.XMLSchema(etree.fromstring(write_schemas(type_.profile)["schema.xsd"]))

    message = f'<XX.sample xmlns="urn:tongguan:XX.sample:1" operation="{operation}" reference="r">{body}</XX.sample>'

    assert schema.validate(etree.fromstring(message)) == fits


def test_what_a_message_says_of_the_systems_fields_it_says_of_the_first_document(type_: Compiled) -> None:
    body = "<Number>XX0001</Number><Part>1</Part><Title>t</Title>" + goods(*"abcd")
    first, second = stored(type_, "a"), stored(type_, "b", Number="XX0002", Part="2")

    checked = check_xml(
        type_,
        body,
        document=document(first),
        numbers={"own": "XX0001"},
        further=lambda part: document(second, numbers={"own": "XX0002"}),
    )

    assert found(checked) == []
    assert [content["Number"] for content in (checked.content, *checked.further)] == ["XX0001", "XX0002"]


def test_rows_for_more_than_a_hundred_documents_are_refused(type_: Compiled) -> None:
    rows = [{"Name": "n"}] * 301

    checked = check_json(type_, {"Title": "t", "Goods": rows})

    assert ("GW-C18", "/body/Goods") in found(checked)
    assert "300" in next(fault.en for fault in checked.faults if fault.code == "GW-C18")


def test_a_part_stays_the_part_that_it_is(type_: Compiled) -> None:
    checked = run(type_, stored(type_, "a", Part="2"), "<Title>t</Title>" + goods("a"), "save")

    assert (found(checked), checked.content["Part"]) == ([], "2")


def test_a_copy_begins_with_what_was_entered(type_: Compiled) -> None:
    before = stored(type_, "a", "b", Answer="licence", Status="7", Part="2")
    before["Goods"][0] |= {"Stopped": "1", "Answer": "kept"}

    checked = run(type_, copy.deepcopy(before), "", "copy", "approved")

    rows = [{"GNo": str(n), "Name": name, "Price": "2", "Count": "3", "Amount": "6"} for n, name in ((1, "a"), (2, "b"))]
    assert checked.content == {"Status": "1", "Part": "1", "Title": "t", "Total": "12", "Goods": rows}


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("insert"), st.integers(0, 5), st.integers(1, 2)),
            st.tuples(st.just("remove"), st.integers(1, 4), st.integers(0, 2)),
        ),
        max_size=8,
    )
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_inserted_and_removed_the_rows_are_as_in_a_list_and_numbered_from_one(
    type_: Compiled, steps: list[tuple[str, int, int]]
) -> None:
    content, expected, fresh = stored(type_, "a", "b"), ["a", "b"], iter("cdefghijklmnopqrstuvw")
    for operation, place, more in steps:
        if operation == "insert":
            new = [next(fresh) for _ in range(more)]
            body = (f"<Before>{place}</Before>" if place else "") + goods(*new)
            at = place - 1 if place else len(expected)
            right = (place <= len(expected)) and len(expected) + more <= 3
            after = [*expected[:at], *new, *expected[at:]]
        else:
            body, right = f"<Rows>{place}-{place + more}</Rows>", place + more <= len(expected)
            after = [*expected[: place - 1], *expected[place + more :]]
        before = copy.deepcopy(content)
        checked = run(type_, content, body, operation)

        assert content == before
        assert (found(checked) == []) == right
        if right:
            content, expected = checked.content, after
        assert names(content) == [(str(n), name) for n, name in enumerate(expected, 1)]
