"""Forms: layouts are data that is checked at start; values are said as a person reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tongguan.gateway.model.document import Document, Receipt
from tongguan.gateway.model.record import replace
from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.profile.profile import CodeTable, Field, NumberRule, PrintForm, Profile, ReceiptRule, Text
from tongguan.gateway.profile.source import Complaints
from tongguan.outbox.prints.default_layout import usual_layout
from tongguan.outbox.prints.form import Subject, sheet_of
from tongguan.outbox.prints.layout import read_layouts
from tongguan.outbox.prints.sheet import Box, Boxes, Grid

LAYOUT = """
title = { zh = "表", en = "form" }
[[block]]
rows = [[{ no = 1, zh = "商品", en = "goods", of = ["Code", "number.licence"], width = 12 }, { of = "Agreed", lines = 2 }, { zh = "日期", of = "receipt.40" }]]
[[block]]
each = "Goods[]"
heading = { zh = "商品信息", en = "goods" }
rows = [[{ of = "Goods[]/Name" }]]
[[block]]
each = "Goods[]"
table = "Goods[]/Spec[]"
heading = { zh = "", en = "" }
total = { zh = "合计", en = "total" }
columns = [{ of = "Model" }, { of = "../Name" }, { of = "Quantity", align = "right", total = true }]
"""


def field(path: str, type_: str = "text", *, table: str = "", length: int = 20) -> Field:
    name = path.rpartition("/")[2].removesuffix("[]")
    return Field(
        path, name, f"标签{name}", name.lower(), type_, length, 4, "", "", "", "", table, "",
        frozenset(), frozenset(), "", "", "", "", "", "", "",
    )  # fmt: skip


FIELDS = (
    field("Code", "code", table="goods"), field("Agreed", "flag"), field("Password", "secret"),
    field("Goods[]", "table"), field("Goods[]/Name"),
    field("Goods[]/Spec[]", "table"), field("Goods[]/Spec[]/Model"), field("Goods[]/Spec[]/Quantity", "number"),
)  # fmt: skip
GOODS = CodeTable("goods", ("code", "zh", "en"), {"26": {"code": "26", "zh": "铁矿", "en": "iron ore"}}, {})
CONTENT = {
    "Code": "26",
    "Agreed": "1",
    "Password": "file:secret",
    "Goods": [
        {"Name": "甲", "Spec": [{"Model": "A", "Quantity": "0.1"}, {"Model": "B", "Quantity": "0.2"}]},
        {"Name": "乙", "Spec": [{"Model": "C", "Quantity": "5"}]},
    ],
}


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    (tmp_path / "print.toml").write_text(LAYOUT, encoding="utf-8")
    any_ = next(iter(load_profiles().values()))
    return replace(
        any_,
        folder=tmp_path,
        fields=FIELDS,
        statuses={},
        receipts={"40": ReceiptRule("40", Text("已签发", "issued"))},
        numbers={"licence": NumberRule("licence", Text("许可证号", "licence no."), "")},
        own_number="licence",
        prints={"form": PrintForm("form", Text("表", "form"), "print.toml", frozenset())},
    )


def subject(profile: Profile, language: str = "zh", environment: str = "test") -> Subject:
    document = Document("d", "demo", profile.type, "k", "", 1, "", 0, 0, content=CONTENT, numbers={"licence": "26AA000001"})
    receipt = Receipt("r", "a", "40", "", "", 1_795_000_000_000, None, "d")
    return Subject(document, profile, {"goods": GOODS}, language, environment, 1_795_000_000_000, (receipt,))


def test_codes_have_names_flags_are_words_and_numbers_are_there(profile: Profile) -> None:
    sheet = sheet_of(read_layouts(profile, Complaints())["form"], subject(profile))

    first = sheet.blocks[0]
    assert isinstance(first, Boxes)
    assert first.rows == (
        (Box("1. 商品", "26 铁矿\n26AA000001", 12), Box("标签Agreed", "是", lines=2), Box("日期", "2026-11-18")),
    )
    assert (sheet.title, sheet.number, sheet.environment) == ("表", "许可证号 26AA000001", "测试 TEST")


def test_an_english_account_reads_english(profile: Profile) -> None:
    sheet = sheet_of(read_layouts(profile, Complaints())["form"], subject(profile, "en"))

    assert isinstance(sheet.blocks[0], Boxes)
    assert [box.value for box in sheet.blocks[0].rows[0]] == ["26 iron ore\n26AA000001", "yes", "2026-11-18"]
    assert [box.label for box in sheet.blocks[0].rows[0]][:2] == ["1. goods", "agreed"]


def test_blocks_of_a_row_stand_together_and_their_columns_are_added_up_exactly(profile: Profile) -> None:
    sheet = sheet_of(read_layouts(profile, Complaints())["form"], subject(profile))

    blocks = sheet.blocks[1:]
    assert [block.heading for block in blocks] == ["商品信息 1", "", "商品信息 2", ""]
    assert isinstance(blocks[1], Grid)
    assert blocks[1].rows == (("A", "甲", "0.1"), ("B", "甲", "0.2"))
    assert blocks[1].totals == ("合计", "", "0.3")


def test_a_print_that_is_a_copy_says_so(profile: Profile) -> None:
    layout = replace(read_layouts(profile, Complaints())["form"], note=Text("副本", "a copy"))

    assert sheet_of(layout, subject(profile)).foot.endswith("  副本")
    for installed in ("NA.application", "EX.application", "ME.application"):
        assert read_layouts(load_profiles()[installed], Complaints())["licence"].note.zh.startswith("副本")


@pytest.mark.requirement("GW-13")
def test_production_has_no_word_on_its_prints(profile: Profile) -> None:
    assert sheet_of(read_layouts(profile, Complaints())["form"], subject(profile, environment="production")).environment == ""


def test_a_form_without_a_layout_has_every_field_but_secrets_and_every_table(profile: Profile) -> None:
    sheet = sheet_of(usual_layout(profile, Text("表", "form")), subject(profile))

    said = [box for block in sheet.blocks if isinstance(block, Boxes) for row in block.rows for box in row]
    assert [(box.label, box.value) for box in said] == [
        ("标签Code", "26 铁矿"), ("标签Agreed", "是"), ("标签Name", "甲"), ("标签Name", "乙"),
        ("申请单位签章", ""), ("申请日期", ""),
    ]  # fmt: skip
    assert [block.rows for block in sheet.blocks if isinstance(block, Grid)] == [(("A", "0.1"), ("B", "0.2")), (("C", "5"),)]
    assert "secret" not in repr(sheet)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ('"Code", "number.licence"', "unknown field 'Cod'; did you mean 'Code'?"),
        ('of = "receipt.40"', "unknown field 'receipt.41'; did you mean 'receipt.40'?"),
        ("lines = 2", "unknown key 'line'; did you mean 'lines'?"),
        ("width = 12", "a row is 24 wide, and its boxes before the last take 48 of it"),
        ('align = "right"', "unknown align 'rigth'; did you mean 'right'?"),
        ('table = "Goods[]/Spec[]"', "unknown table 'Goods[]/Spek[]'"),
    ],
)
def test_a_wrong_layout_is_told_with_file_line_and_the_nearest_word(profile: Profile, change: str, complaint: str) -> None:
    wrong = {
        '"Code", "number.licence"': '"Cod", "number.licence"',
        'of = "receipt.40"': 'of = "receipt.41"',
        "lines = 2": "line = 2",
        "width = 12": "width = 24",
        'align = "right"': 'align = "rigth"',
        'table = "Goods[]/Spec[]"': 'table = "Goods[]/Spek[]"',
    }[change]
    (profile.folder / "print.toml").write_text(LAYOUT.replace(change, wrong), encoding="utf-8")
    complaints = Complaints()

    read_layouts(profile, complaints)

    assert any(complaint in en and "print.toml:" in zh for zh, en in complaints.all), complaints.all


def test_every_form_of_every_installed_type_can_be_read() -> None:
    complaints = Complaints()

    for profile in load_profiles().values():
        read_layouts(profile, complaints)

    assert not complaints.all


@pytest.mark.requirement("CD-06")
@pytest.mark.parametrize("language", ["zh", "en"])
def test_what_is_changed_is_called_in_the_language_of_the_print(language: str) -> None:
    profiles = load_profiles()
    change = profiles["CD.change"]
    rows = [
        {"Place": "PackNo", "Label": "件数", "Old": "1", "New": "2"},
        {"Place": "DecList[2]/GQty", "Label": "集报清单表体成交数量", "Old": "1", "New": "2"},
        {"Place": "Gone", "Label": "旧名", "Old": "1", "New": "2"},
    ]
    document = Document("d", "demo", "CD.change", "k", "", 1, "draft", 0, 0, content={"Change": rows}, numbers={})
    of = Subject(document, change, {}, language, "test", 1_795_000_000_000, changed=profiles["CD.list"])
    sheet = sheet_of(read_layouts(change, Complaints())["application"], of)

    (grid,) = [block for block in sheet.blocks if isinstance(block, Grid)]
    fields = {each.path: each for each in profiles["CD.list"].fields}
    english = [fields["PackNo"].label_en, fields["DecList[]/GQty"].label_en, "旧名"]
    assert [row[0] for row in grid.rows] == (english if language == "en" else [row["Label"] for row in rows])
