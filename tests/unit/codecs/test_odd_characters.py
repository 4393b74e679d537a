"""Letters that are not what they seem: found, told by name and place, and never counted as a value."""

from __future__ import annotations

import json
from typing import Any

import pytest
from codecs_sample import check_json, check_xml

from tongguan.codecs.checking.check import Checked, check
from tongguan.codecs.checking.compile import Compiled, compile_all
from tongguan.codecs.reading.read import read
from tongguan.gateway.model.characters import counted, shown, strange, surely_ordinary
from tongguan.gateway.model.errors import Fault, Refused
from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.settings import Account

ACCOUNT = Account(
    name="demo", kind="enterprise", title="大连示例进出口有限公司", uscc="91210200MA0EXAMPLC", customs_code="2102960001",
    mofcom_code="2100MA0EXAMPL", mailbox="m",
)  # fmt: skip
TYPE = "NA.application"
INVISIBLE = [
    "\u200b",
    "\u200d",
    "\u00ad",
    "\u2060",
    "\ufeff",
    "\u180e",
    "\u3164",
    "\u2800",
    "\u200f",
    "\ufe0f",
    "\u0081",
    "\U000e0041",
    "\U00013430",
    "\U0001bca0",
]
TURNING = ["\u202a", "\u202d", "\u202e", "\u2066", "\u2069"]
MARKS = ["\u0301", "\u0300\u0302", "\u200b\u0301"]
NOTHING = ["null", "NULL", "(null)", "undefined", "[object Object]", "#N/A", "#REF!", "#NAME?"]
LOST = ["\ufffd", "锟斤拷", "锟斤拷锟斤拷", "烫烫烫", "ï»¿", "??", "????"]


@pytest.fixture(scope="module")
def application() -> Compiled:
    return compile_all(load_profiles())[TYPE]


def example() -> str:
    return (load_profiles()[TYPE].folder / "examples/ok-declare.xml").read_text(encoding="utf-8")


def checked(application: Compiled, **values: str) -> Checked:
    """The application with these values in place of the example's."""
    text = example()
    for name, value in values.items():
        before, _, rest = text.partition(f"<{name}>")
        text = f"{before}<{name}>{value}</{name}>{rest.partition(f'</{name}>')[2]}"
    (item,) = read("m.xml", text.encode(), most_bytes=10**6).items
    return check(application, item, account=ACCOUNT, document=None, operation="declare", numbers={}, now_ms=1_795_000_000_000)


def errors(found: Checked) -> list[Fault]:
    return [fault for fault in found.faults if fault.severity == "error"]


@pytest.mark.requirement("GW-03")
@pytest.mark.parametrize("letter", [*INVISIBLE, *TURNING, *LOST, *MARKS, *NOTHING])
def test_a_required_field_counts_no_letter_that_cannot_be_read(application: Compiled, letter: str) -> None:
    (fault,) = errors(checked(application, ContactName=f" {letter} "))
    line = example()[: example().index("<ContactName>")].count("\n") + 1

    assert (fault.code, fault.path, fault.line) == ("GW-C51", "/NA.application/ContactName", line)
    assert len(letter) > 1 or (f"U+{ord(letter):04X}" in fault.zh and f"U+{ord(letter):04X}" in fault.en)


@pytest.mark.parametrize("letter", [*INVISIBLE, *LOST])
def test_in_any_other_field_it_is_warned_of_with_its_place(application: Compiled, letter: str) -> None:
    found = checked(application, Supplier=f"Example{letter} Grain")

    assert errors(found) == []
    (fault,) = found.faults
    assert (fault.code in ("GW-C50", "GW-C52"), fault.path) == (True, "/NA.application/Supplier")
    assert "8" in fault.en and "8" in fault.zh


@pytest.mark.parametrize("letter", INVISIBLE)
def test_a_field_that_may_be_absent_and_holds_nothing_else_is_absent(application: Compiled, letter: str) -> None:
    found = checked(application, Supplier=letter)

    assert ([fault.code for fault in found.faults], errors(found)) == (["GW-C51"], [])
    assert "Supplier" not in found.content


@pytest.mark.parametrize("name", ["Supplier", "NotifyBySms"])
@pytest.mark.parametrize("word", NOTHING)
def test_a_programs_word_for_no_value_is_none(application: Compiled, name: str, word: str) -> None:
    found = checked(application, **{name: word})

    assert ([fault.code for fault in found.faults], errors(found)) == (["GW-C51"], [])
    assert all(word[:12] in text for text in (found.faults[0].zh, found.faults[0].en))
    assert name not in found.content


@pytest.mark.parametrize("name", ["Null", "Nullwert GmbH", "Undefined Ltd.", "A & B; Co.", "R&D", "No. #1", "AT&T;"])
def test_a_name_that_only_begins_like_one_is_a_name(application: Compiled, name: str) -> None:
    found = checked(application, Supplier=name.replace("&", "&amp;"))

    assert (list(found.faults), found.content["Supplier"]) == ([], name)


@pytest.mark.parametrize("sign", ["&amp;", "&lt;", "&quot;", "&nbsp;", "&#39;", "&#x4E2D;"])
def test_what_was_escaped_twice_is_warned_of_with_its_place(application: Compiled, sign: str) -> None:
    found = checked(application, Supplier=f"A {sign} B".replace("&", "&amp;"))

    assert [(f.code, f.severity, f.path) for f in found.faults] == [("GW-C55", "warning", "/NA.application/Supplier")]
    assert all(sign in text and "3" in text for text in (found.faults[0].zh, found.faults[0].en))
    assert found.content["Supplier"] == f"A {sign} B"


@pytest.mark.requirement("GW-03")
@pytest.mark.parametrize("letter", TURNING)
def test_what_shows_a_text_otherwise_than_it_is_must_go(application: Compiled, letter: str) -> None:
    (fault,) = errors(checked(application, Supplier=f"Example{letter}niarG"))

    assert (fault.code, fault.path) == ("GW-C54", "/NA.application/Supplier")
    assert f"U+{ord(letter):04X}" in fault.zh


@pytest.mark.parametrize("letter", [*INVISIBLE, *TURNING])
@pytest.mark.parametrize(
    ("name", "value"), [("TradeMode", "0110"), ("ValidUntil", "2026-12-31"), ("CodeTS", "2303300011"), ("NotifyBySms", "1")]
)
def test_a_code_a_day_or_a_flag_with_one_is_told_by_it_and_not_by_a_hint_that_looks_the_same(
    application: Compiled, letter: str, name: str, value: str
) -> None:
    told = [
        fault for fault in errors(checked(application, **{name: value[:2] + letter + value[2:]})) if fault.path.endswith(name)
    ]

    assert [fault.code for fault in told] == ["GW-C54" if letter in TURNING else "GW-C50"]
    assert f"U+{ord(letter):04X}" in told[0].zh and "→" not in told[0].zh


def test_a_letter_of_another_script_in_a_word_is_told_with_the_one_that_it_looks_like(application: Compiled) -> None:
    assert [(f.code, f.severity) for f in checked(application, Supplier="EXAMPLЕ").faults] == [("GW-C53", "warning")]
    (fault,) = [
        f for f in errors(checked(application, TradeCountry1="UЅА".replace("Ѕ", "S"))) if f.path.endswith("TradeCountry1")
    ]
    assert (fault.code, " A" in fault.en) == ("GW-C53", True)


@pytest.mark.parametrize(
    "text",
    [
        "中文（全角）“引号”—、《》",
        "Åland Café",
        "Φ50 μm ±2°C × 3",
        "ООО Ромашка",
        "１２３",
        "茅台",
        "한국",
        "日本のカニ",
        "a\nb",
        "",
    ],
)
def test_what_people_write_is_not_strange(text: str) -> None:
    assert strange(text) == []


def test_a_text_that_was_read_as_gbk_is_known() -> None:
    text = "大连粮油进出口有限公司分公司"

    assert {one.kind for one in strange(text.encode().decode("gb18030"))} == {"lost"}
    assert [one.kind for one in strange(text.encode().decode("latin-1"))] == ["lost"]


def test_the_quick_look_misses_nothing() -> None:
    for letter in map(chr, range(0x20, 0x20000)):
        text = f"甲{letter}乙"
        if not 0xD800 <= ord(letter) < 0xE000 and surely_ordinary(text):
            assert counted(text) == text.strip() and shown(text) == text


def test_json_is_told_by_pointers(sample: Compiled) -> None:
    found = check_json(sample, {"Title": "标\u200b题", "Line": [{"Money": "US\u200bD", "Price": "2", "Count": "3"}]})

    assert {(f.code, f.path) for f in found.faults} >= {("GW-C50", "/body/Title"), ("GW-C50", "/body/Line/0/Money")}


def test_a_long_message_is_looked_at_as_well(sample: Compiled) -> None:
    lines = "<Line><Money>USD</Money><Price>2</Price><Count>3</Count></Line>" * 4000

    assert "GW-C50" in {f.code for f in check_xml(sample, f"<Title>标\u200b题</Title>{lines}").faults}


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"reference": "a\u200bb"}, "GW-M09"),
        ({"reference": "a\ufffd"}, "GW-M09"),
        ({"operation": "save\u200b"}, "GW-M06"),
        ({"document": "\u202ea"}, "GW-M09"),
        ({"reference": "a\u00a0b"}, "GW-M09"),
        ({"reference": "a\u3000b"}, "GW-M09"),
        ({"number": "a\u2009b"}, "GW-M09"),
        ({"document": "a\u0600b"}, "GW-M09"),
        ({"number\u200b": "1"}, "GW-J06"),
    ],
)
def test_names_of_the_frame_show_what_cannot_be_seen(given: dict[str, Any], code: str) -> None:
    raw = json.dumps({"type": "XX.sample", "operation": "save", "reference": "r", **given}).encode()
    with pytest.raises(Refused) as wrong:
        read("m.json", raw, most_bytes=10**6)

    (fault,) = wrong.value.faults
    assert fault.code == code
    assert "U+" in fault.zh and "U+" in fault.en and "\u200b" not in fault.zh


def test_a_reference_that_a_program_did_not_give_is_refused() -> None:
    """All messages of such a program would be one and the same."""
    raw = json.dumps({"type": "XX.sample", "operation": "save", "reference": "null"}).encode()
    with pytest.raises(Refused) as wrong:
        read("m.json", raw, most_bytes=10**6)

    (fault,) = wrong.value.faults
    assert (fault.code, fault.en) == ("GW-M09", "reference is no name: “null” stands for no value")


def test_a_reference_whose_letters_were_lost_is_refused() -> None:
    raw = json.dumps({"type": "XX.sample", "operation": "save", "reference": "PO-???"}).encode()
    with pytest.raises(Refused) as wrong:
        read("m.json", raw, most_bytes=10**6)

    (fault,) = wrong.value.faults
    assert (fault.code, "“???”" in fault.zh, "“???”" in fault.en) == ("GW-M09", True, True)


@pytest.mark.parametrize("text", ["???", "really???"])
def test_letters_that_became_question_marks_are_told_in_a_message_of_ascii_alone(application: Compiled, text: str) -> None:
    said = {name: text for name in ("ContactName", "Supplier")}
    faults = [f for f in checked(application, **said).faults if f.code in ("GW-C51", "GW-C52")]

    assert {f.path.rpartition("/")[2] for f in faults} == said.keys()
    assert ("error" in {f.severity for f in faults}) == (text == "???")


ROOT = '<XX.sample xmlns="urn:tongguan:XX.sample:1" operation="save" reference="r"><Title>{}</Title></XX.sample>'


@pytest.mark.requirement("GW-03")
@pytest.mark.parametrize("declared", ["GBK", "gb2312", "GB18030", "cp936"])
def test_utf8_under_a_gb_declaration_is_refused(declared: str) -> None:
    document = f'<?xml version="1.0" encoding="{declared}"?>\n{ROOT.format("大连粮油")}'
    with pytest.raises(Refused) as wrong:
        read("m.xml", document.encode(), most_bytes=10**6)

    (fault,) = wrong.value.faults
    assert (fault.code, fault.line) == ("GW-X12", 1)
    assert declared in fault.zh and "UTF-8" in fault.zh


@pytest.mark.parametrize("text", ["茅台", "隆", "大连粮油有限公司", "ascii only"])
@pytest.mark.parametrize("declared", ["GBK", "GB18030"])
def test_what_is_in_the_declared_gb_encoding_is_taken(text: str, declared: str) -> None:
    document = f'<?xml version="1.0" encoding="{declared}"?>{ROOT.format(text)}'
    (item,) = read("m.xml", document.encode("gb18030"), most_bytes=10**6).items

    assert item.body[0].text == text


@pytest.mark.parametrize("declaration", ['<?xml version="1.0" encoding="UTF-8"?>', "", '<?xml version="1.0"?>'])
def test_gb_under_a_utf8_declaration_is_told_what_it_is(declaration: str) -> None:
    with pytest.raises(Refused) as wrong:
        read("m.xml", (declaration + ROOT.format("大连粮油")).encode("gb18030"), most_bytes=10**6)

    (fault,) = wrong.value.faults
    assert (fault.code, "GB18030" in fault.en, "GB18030" in fault.zh) == ("GW-X01", True, True)


@pytest.mark.parametrize("text", ["王示範例", "大連糧油進出口有限公司"])
def test_big5_is_not_called_a_gb_encoding(text: str) -> None:
    with pytest.raises(Refused) as wrong:
        read("m.xml", ROOT.format(text).encode("big5"), most_bytes=10**6)

    (fault,) = wrong.value.faults
    assert (fault.code, "GB18030" in fault.en, "不是 UTF-8" in fault.zh) == ("GW-X01", False, True)
