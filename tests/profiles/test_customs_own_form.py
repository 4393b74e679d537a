"""The declaration as customs itself writes it: read, written again, and held against the schema that customs published."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree
from published_forms import official

from tongguan.codecs.checking.check import Checked, check
from tongguan.codecs.checking.compile import compile_all
from tongguan.codecs.reading.item import Item
from tongguan.codecs.reading.read import read
from tongguan.codecs.writing.own_form import enclosed, render_own_form, text_to_sign
from tongguan.gateway.model.errors import Refused
from tongguan.gateway.profile.foreign import known_files
from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.profile.sections.own_form import own_forms
from tongguan.gateway.settings import Account

PROFILES = load_profiles()
OWN_FORMS = own_forms(PROFILES)
TYPE = compile_all(PROFILES)["CD.declaration"]
ACCOUNT = Account(
    name="demo",
    title="大连示例进出口有限公司",
    uscc="91210200MA0EXAMPLC",
    customs_code="2102960001",
    mofcom_code="2100MA0EXAMPL",
)
NOON = 1_795_147_200_000
PROFILE, FORM = TYPE.profile, TYPE.profile.own_form
NS = "{http://www.chinaport.gov.cn/dec}"
EXAMPLES = PROFILE.folder / "examples"
SEALED = {"DecSign/OperType": "C", "DecSign/Sign": "", "DecSign/SignDate": "2026112012000000"}


def example(name: str = "ok-save.xml", *, old: str = "", new: str = "") -> Item:
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    assert old in text
    return read(name, text.replace(old, new).encode(), most_bytes=10**6, own_forms=OWN_FORMS).items[0]


def item_of(path: Path) -> Item:
    return read(path.name, path.read_bytes(), most_bytes=10**6, own_forms=OWN_FORMS).items[0]


def held(item: Item, operation: str = "declare") -> Checked:
    return check(
        TYPE, item, account=ACCOUNT, document=None, operation=operation, numbers={"unified": "CD2026000000000001"}, now_ms=NOON
    )


def written(item: Item) -> etree._Element:
    assert FORM is not None
    content, _ = enclosed(PROFILE, FORM.enclosed, held(item).content, time="20261120120000") if FORM.enclosed else ({}, None)
    return etree.fromstring(render_own_form(PROFILE, FORM, content, SEALED))


@pytest.mark.requirement("CD-13")
@pytest.mark.parametrize("name", ["ok-save.xml", "ok-save.json", "ok-save-draft.xml"])
def test_what_goes_on_the_wire_is_valid_by_the_published_schema(name: str, tmp_path: Path) -> None:
    schema = official("DecMessage_ImportSave_V1.0.xsd", tmp_path)
    item = item_of(EXAMPLES / name)

    schema.validate(written(item))

    assert [str(error) for error in schema.error_log] == []


def test_a_message_of_customs_own_form_names_its_operation_and_its_document() -> None:
    item = example()

    assert (item.type, item.operation) == ("CD.declaration", "save")
    assert (item.reference, item.document) == ("DEMO20261100000001", "DEMO20261100000001")
    assert example(old="<OperType>G</OperType>", new="<OperType>C</OperType>").operation == "declare"


def test_it_is_read_in_any_encoding_of_customs() -> None:
    text = (EXAMPLES / "ok-save.xml").read_text(encoding="utf-8").replace('encoding="UTF-8"', 'encoding="GB18030"')
    item = read("m.xml", text.encode("gb18030"), most_bytes=10**6, own_forms=OWN_FORMS).items[0]

    assert held(item).content == held(example()).content


def test_dates_stand_as_customs_writes_them_and_come_back_as_they_were() -> None:
    root, content = written(example()), held(example()).content

    assert root.findtext(f"{NS}DecHead/{NS}IEDate") == "20261118"
    assert content["DecHead"]["IEDate"] == "2026-11-18"
    again = read("m.xml", etree.tostring(root), most_bytes=10**6, own_forms=OWN_FORMS).items[0]
    assert held(again).content["DecHead"] == content["DecHead"]
    assert held(again).content["DecLists"] == content["DecLists"]


def test_elements_that_must_occur_stand_there_empty() -> None:
    root = written(example())

    empty = [path for path in ("DecContainers", "DecLicenseDocus", "DecFreeTxt", "DecSign/Sign", "DecSign/HostId")]
    assert [path for path in empty if root.find("/".join(NS + name for name in path.split("/"))) is None] == []
    assert root.find(f"{NS}DecHead/{NS}SeqNo") is None


def test_an_element_of_a_later_edition_is_a_warning() -> None:
    item = example(old="<DecFreeTxt />", new="<DecFreeTxt><TradeCiqCode>2100000001</TradeCiqCode></DecFreeTxt>")

    faults = held(item).faults

    assert [(fault.code, fault.severity) for fault in faults] == [("GW-C41", "warning")]
    assert faults[0].path == "/DecMessage/DecFreeTxt/TradeCiqCode"


def test_in_our_own_frame_an_unknown_element_is_a_fault() -> None:
    raw = (
        f'<CD.declaration xmlns="{PROFILE.namespace}" operation="save" reference="r"><DecHead><IEFlag>I</IEFlag></DecHead>'
        "<Strange/></CD.declaration>"
    )
    item = read("m.xml", raw.encode(), most_bytes=10**6, own_forms=OWN_FORMS).items[0]

    assert [fault.code for fault in held(item, "save").faults] == ["GW-C01"]


@pytest.mark.parametrize("root", ["<DEC_RESULT><CHANNEL>7</CHANNEL></DEC_RESULT>", f'<DecImportResponse xmlns="{NS[1:-1]}"/>'])
def test_a_receipt_that_is_dropped_is_told_what_it_is(root: str) -> None:
    with pytest.raises(Refused) as refused:
        read("m.xml", root.encode(), most_bytes=10**6, own_forms=OWN_FORMS, known=known_files(PROFILES))

    assert [fault.code for fault in refused.value.faults] == ["GW-M16"]


@pytest.mark.requirement("GW-03")
@pytest.mark.parametrize(
    ("root", "code", "says"),
    [
        ('<DecMessage Version="3.1"/>', "GW-M05", 'must be http://www.chinaport.gov.cn/dec, not ""'),
        ('<DecMessage xmlns="http://www.chinaport.gov.cn/Dec"/>', "GW-M05", "not http://www.chinaport.gov.cn/Dec"),
        ('<decmessage xmlns="http://www.chinaport.gov.cn/dec"/>', "GW-C01", "→ DecMessage ?"),
    ],
)
def test_a_declaration_in_another_namespace_or_in_other_letters_is_told_as_that(root: str, code: str, says: str) -> None:
    with pytest.raises(Refused) as refused:
        read("m.xml", root.encode(), most_bytes=10**6, own_forms=OWN_FORMS, known=known_files(PROFILES))

    (fault,) = refused.value.faults
    assert (fault.code, says in fault.en) == (code, True)


@pytest.mark.parametrize(
    ("old", "new", "code", "path"),
    [
        ("<OperType>G</OperType>", "<OperType />", "GW-M07", "/DecMessage/DecSign/OperType"),
        ("<OperType>G</OperType>", "<OperType>B</OperType>", "GW-M06", "/DecMessage/DecSign/OperType"),
        ("<ClientSeqNo>DEMO20261100000001</ClientSeqNo>", "", "GW-M07", "/DecMessage/DecSign/ClientSeqNo"),
    ],
)
def test_what_it_does_not_say_of_itself_is_a_fault_at_its_element(old: str, new: str, code: str, path: str) -> None:
    with pytest.raises(Refused) as refused:
        example(old=old, new=new)

    assert [(fault.code, fault.path) for fault in refused.value.faults] == [(code, path)]


LINE = (EXAMPLES / "ok-save.xml").read_text(encoding="utf-8").partition("  <DecLists>\n")[2].partition("  </DecLists>")[0]
LINES_51 = "".join(LINE.replace("<GNo>1<", f"<GNo>{n}<") for n in range(1, 52))


@pytest.mark.requirement("CD-13")
@pytest.mark.parametrize(
    ("old", "new", "code", "label"),
    [
        (LINE, LINES_51, "GW-C18", "商品项"),
        ("<DeclTotal>8500</DeclTotal>", "<DeclTotal>8500.6</DeclTotal>", "CD-D02", "商品项总价"),
        ("<CodeTS>8542319000</CodeTS>", "<CodeTS>854231900</CodeTS>", "GW-C05", "商品项商品编号"),
        ("<ClientSeqNo>DEMO20261100000001<", "<ClientSeqNo>DEMO2026110000001<", "GW-C16", "签名信息客户端报关单编号"),
    ],
)
def test_what_customs_would_not_take_is_told_with_its_label(old: str, new: str, code: str, label: str) -> None:
    faults = held(example(old=old, new=new)).faults

    assert [(fault.code, fault.label) for fault in faults if fault.severity == "error"] == [(code, label)]


def test_the_signed_text_is_the_fields_one_behind_the_other_and_the_date_only_of_exports() -> None:
    assert FORM is not None
    imported = held(example()).content
    exported = {**imported, "DecHead": {**imported["DecHead"], "IEFlag": "E"}}

    text = text_to_sign(PROFILE, FORM, imported).decode()

    assert text.startswith("C0908260000109080908EX-2026-11820261118202611184集中申报2102960001大连示例进出口有限公司")
    assert text.endswith("118542319000集成电路处理器|示例牌|EX-11000000710000007" + "12.5035KORUSD0.853CHN")
    assert "20261118" not in text.replace("2026111820261118", "")
    assert "M2026111891210200" in text_to_sign(PROFILE, FORM, exported).decode()


def test_the_lists_go_along_as_a_sheet_that_the_declaration_tells_of() -> None:
    assert FORM is not None and FORM.enclosed is not None
    content = held(item_of(EXAMPLES / "ok-save.json")).content

    told, sheet = enclosed(PROFILE, FORM.enclosed, content, time="20261120120000")

    assert sheet is not None
    assert sheet.content == b"ListNo\ncd-l-import-bonded\n"
    assert sheet.name == "090800000008IMCD2026000000000001.csv"
    (row,) = told["EdocRealation"]
    assert (row["EdocID"], row["EdocSize"], row["SignTime"]) == (sheet.name, "26", "20261120120000")
    assert row["EdocOwnerCode"] == "2102960001"
