"""Lists of collective declaration (集报清单): what is entered, what it is held against, and what becomes of it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import bodies as b
import filings as f
import pytest
from filings import APPROVED, LIST, act
from lists import Filing, declared, filing, kept_rows, line, listed
from pypdf import PdfReader
from sites import Site
from test_na_customs import licence_at_customs

CLEARED = "已结关"


@pytest.fixture(scope="module")
def on(site: Site) -> Filing:
    """A qualification and a volume, approved."""
    return filing(site)


@pytest.fixture(scope="module")
def bonded(site: Site) -> dict[str, Any]:
    """A bonded qualification where the account that was fetched is."""
    f.qualified(site, nature="2", CustomMaster="0908")
    return b.document(site, b.done(site, act(f.ACCOUNT, "fetch", "", AccountNo=f.BONDED_ACCOUNT)))


def bonded_list(operation: str = "declare", marker: str = "", like: str = "ok-save-bonded.xml", **set_: Any) -> Any:
    return b.message(LIST, operation, like=like, set_=set_, reference=b.fresh("lb") + marker)


# What is entered


@pytest.mark.requirement("CD-07")
def test_a_save_needs_its_customs_alone_and_gives_the_number(site: Site) -> None:
    status = b.done(site, b.message(LIST, "save", set_={"CustomMaster": "0908"}))
    nothing = b.refused(site, b.message(LIST, "save", set_={"NoteS": "x"}))

    assert re.fullmatch(r"JQ20[0-9]{14}", status["numbers"]["unified"])
    assert [fault["label"] for fault in nothing["faults"]] == ["申报地海关"]


@pytest.mark.requirement("CD-07")
def test_the_number_in_the_filing_fills_what_was_filed(site: Site, on: Filing) -> None:
    content = f.body(site, b.done(site, listed(on, "save", lines=[line("2"), line("3", GModel="重新归类")])))

    filed = on.volume["body"]["DecList"]
    for row, of in zip(content["DecList"], filed[1:], strict=True):
        assert {name: row.get(name) for name in ("CodeTS", "GName", "GUnit", "FirstUnit")} == {
            name: of.get(name) for name in ("CodeTS", "GName", "GUnit", "FirstUnit")
        }
    assert [row["GModel"] for row in content["DecList"]] == [filed[1]["GModel"], "重新归类"]
    assert [(row["GNo"], row["DeclTotal"]) for row in content["DecList"]] == [("1", "1250"), ("2", "1250")]
    assert (content["TradeMode"], content["PromiseItmes"], content["TradeCode"]) == ("0110", "999", "2102960001")
    assert (content["OwnerName"], content["ListKind"], content["Bonded"]) == ("大连示例进出口有限公司", "I1", "0")
    assert "DDate" not in content


@pytest.mark.requirement("CD-07")
def test_the_day_of_the_declaration_is_the_systems(site: Site, on: Filing) -> None:
    other = b.refused(site, listed(on, DDate="2026-01-01"))

    assert declared(site, on, "发往海关成功", "!stay=S1")["body"]["DDate"] == f.today()
    assert [(fault["code"], fault["label"]) for fault in other["faults"]] == [("GW-C19", "申报日期")]


@pytest.mark.requirement("CD-07", "CD-08")
@pytest.mark.parametrize(
    ("field", "value", "label"),
    [("CodeTS", "0306162000", "商品编号"), ("GName", "别的虾", "商品名称"), ("GUnit", "070", "申报单位")],
)
def test_another_value_than_the_filed_one_is_a_fault_that_shows_both(
    site: Site, on: Filing, field: str, value: str, label: str
) -> None:
    (fault,) = b.refused(site, listed(on, "save", lines=[line("1"), line("2", **{field: value})]))["faults"]

    assert (fault["code"], fault["label"]) == ("GW-C19", f"集报清单表体{label}")
    assert fault["path"].endswith(f"/DecList[2]/{field}")
    assert on.volume["body"]["DecList"][1][field] in fault["message"]


@pytest.mark.requirement("CD-07")
@pytest.mark.parametrize(
    ("nature", "mode", "code"),
    [("1", "4019", "CD-L07"), ("1", "0615", "CD-L07"), ("2", "0110", "CD-L15"), ("3", "0110", "CD-L13"), ("4", "4019", "CD-L14")],
)
def test_the_nature_of_the_goods_says_the_trade_mode(site: Site, nature: str, mode: str, code: str) -> None:
    body = {"CustomMaster": "0908", "IEFlag": "E", "Nature": nature, "TradeMode": mode}

    assert b.codes(b.refused(site, b.message(LIST, "save", set_=body))) == {code}


@pytest.mark.requirement("CD-07")
@pytest.mark.parametrize(
    ("total", "right"),
    [("1250", True), ("1250.01", True), ("1249.98", True), ("1250.02", True), ("1250.03", False), ("1249", False)],
)
def test_the_total_is_as_entered_within_rounding(site: Site, on: Filing, total: str, right: bool) -> None:
    row = line("1", GQty="250", DeclPrice="5", DeclTotal=total)

    status = b.do(site, listed(on, "save", lines=[row]))

    assert b.codes(status) == (set() if right else {"CD-L29"})


@pytest.mark.requirement("CD-07")
@pytest.mark.parametrize(
    ("lines", "code", "end"),
    [
        ([line("1")] * 51, "GW-C18", "/DecList"),
        ([line("1"), line("2"), line("1")], "CD-L28", "/DecList[3]/ContrItem"),
        ([line("1"), line("4")], "GW-C30", "/DecList[2]/ContrItem"),
        ([line("1", SecondQty="5")], "CD-L18", "/DecList[1]/SecondQty"),
        ([line("1", GQty="0")], "GW-C09", "/DecList[1]/GQty"),
    ],
)
def test_a_wrong_line_is_told_at_its_place(site: Site, on: Filing, lines: list[dict[str, Any]], code: str, end: str) -> None:
    faults = b.refused(site, listed(on, "save", lines=lines))["faults"]

    found = [fault for fault in faults if fault["code"] == code]
    assert found
    assert found[0]["path"].endswith(end)
    assert found[0]["label"].startswith("集报清单表体")


@pytest.mark.requirement("CD-12")
@pytest.mark.parametrize(
    ("field", "value"), [("OwnerCode", "大连用户"), ("OwnerCode", "210296001"), ("LicenseNo", "26AA123456789012345")]
)
def test_what_no_declaration_could_say_is_refused_in_the_list(site: Site, on: Filing, field: str, value: str) -> None:
    (fault,) = b.refused(site, listed(on, "save", **{field: value}))["faults"]

    assert (fault["code"], fault["path"].rpartition("/")[2]) == ("GW-C05", field)


@pytest.mark.requirement("CD-07")
def test_net_weight_is_not_above_gross_weight(site: Site, on: Filing) -> None:
    (fault,) = b.refused(site, listed(on, "save", NetWt="820.51"))["faults"]

    assert (fault["code"], fault["label"]) == ("CD-L06", "净重")


@pytest.mark.requirement("CD-07")
def test_rows_of_a_draft_are_inserted_and_deleted(site: Site, on: Filing) -> None:
    key = b.done(site, listed(on, "save"))["document"]

    b.done(site, act(LIST, "insert", key, Before="1", DecList=[line("3")]))
    inserted = (site.document(LIST, key) or {})["body"]["DecList"]
    b.done(site, act(LIST, "remove", key, Rows="2"))
    left = (site.document(LIST, key) or {})["body"]["DecList"]

    assert [(row["GNo"], row["ContrItem"], row["GName"]) for row in inserted] == [
        ("1", "3", "冻虾3号"), ("2", "1", "冻虾1号"), ("3", "2", "冻虾2号"),
    ]  # fmt: skip
    assert [(row["GNo"], row["ContrItem"]) for row in left] == [("1", "3"), ("2", "2")]


# What a list rests on


@pytest.mark.requirement("CD-08")
def test_a_stopped_item_is_named(site: Site) -> None:
    on = filing(site)
    b.done(site, act(f.GOODS, "stop", on.volume["document"], Rows="2"))
    site.wait_business(f.GOODS, on.volume["document"], APPROVED)

    (fault,) = b.refused(site, listed(on))["faults"]

    assert (fault["code"], fault["label"]) == ("GW-C31", "集报清单表体备案序号")
    assert fault["path"].endswith("/DecList[2]/ContrItem")
    assert on.manual in fault["message"]


@pytest.mark.requirement("CD-08")
def test_an_item_of_another_volume_is_named(site: Site, on: Filing) -> None:
    more = f.filed(site, on.qualification["numbers"]["unified"], [f.goods(21)])

    (fault,) = b.refused(site, listed(on, ManualNo=more["numbers"]["volume"]))["faults"]

    assert (fault["code"], fault["path"].rpartition("/DecList")[2]) == ("GW-C30", "[2]/ContrItem")


@pytest.mark.requirement("CD-08")
def test_its_customs_is_that_of_an_approved_qualification(site: Site, on: Filing) -> None:
    elsewhere = b.refused(site, listed(on, CustomMaster=f.fresh_customs()))

    found = {fault["code"]: fault for fault in elsewhere["faults"]}
    assert set(found) == {"GW-F30", "GW-F47"}
    assert found["GW-F30"]["label"].startswith("申报地海关")
    assert "企业资质备案" in found["GW-F30"]["message"]
    assert found["GW-F47"]["label"] == "申报地海关"


@pytest.mark.requirement("CD-08")
def test_a_cancelled_qualification_carries_no_list(site: Site) -> None:
    first = b.done(site, f.qualification("declare", "!pace=1s!cancel"), "sent")
    approved = site.wait_business(f.QUALIFICATION, first["document"], APPROVED)
    volume = f.filed(site, approved["numbers"]["unified"])
    site.wait_business(f.QUALIFICATION, first["document"], "取消资质")

    status = b.refused(site, listed(Filing(approved["body"]["CustomMaster"], approved, volume)))

    assert "GW-F30" in b.codes(status)


@pytest.mark.requirement("CD-08")
def test_a_cancelled_volume_carries_no_list_and_is_told_with_its_status(site: Site) -> None:
    approved = f.qualified(site)
    first = b.done(site, f.volume(approved["numbers"]["unified"], "declare", "!cancel"), "sent", "accepted")
    volume = site.wait_business(f.GOODS, first["document"], "取消资质")

    (fault,) = b.refused(site, listed(Filing(approved["body"]["CustomMaster"], approved, volume)))["faults"]

    assert (fault["code"], fault["label"]) == ("GW-F30", "备案号")
    assert "取消资质" in fault["message"] and volume["numbers"]["volume"] in fault["message"]


@pytest.mark.requirement("CD-08")
@pytest.mark.parametrize(
    ("field", "value"), [("VoyNo", "9999W"), ("PackNo", "41"), ("GrossWet", "820.6"), ("NetWt", "779"), ("TrafName", "OTHER")]
)
def test_by_water_customs_compares_with_the_manifest(site: Site, by_water: Filing, field: str, value: str) -> None:
    document = declared(site, by_water, "退单", **{**WATER, field: value})

    refusal = document["messages"][-1]
    assert refusal["state"] == "rejected"
    told = document["receipts"][-1]
    assert told["code"] == "E"


WATER = {"TrafMode": "2", "TrafName": "EXAMPLE STAR", "VoyNo": "2611W", "BillNo": "EXBL26110001"}


@pytest.fixture(scope="module")
def by_water(site: Site) -> Filing:
    return filing(site)


@pytest.mark.requirement("CD-08")
def test_as_on_the_manifest_it_is_cleared(site: Site, by_water: Filing) -> None:
    assert declared(site, by_water, CLEARED, **WATER)["body"]["BillNo"] == "EXBL26110001"


@pytest.mark.requirement("CD-08")
@pytest.mark.parametrize("field", ["TrafName", "VoyNo", "BillNo"])
def test_by_water_the_ship_is_named(site: Site, on: Filing, field: str) -> None:
    (fault,) = b.refused(site, listed(on, **{**WATER, field: None}))["faults"]

    assert fault["path"].endswith(f"/{field}")
    assert fault["code"] in ("CD-L05", "CD-L11", "CD-L12")


# What becomes of it


@pytest.mark.requirement("CD-09")
def test_a_list_goes_its_way_to_the_clearance(site: Site, on: Filing) -> None:
    document = declared(site, on, CLEARED)

    assert [receipt["code"] for receipt in document["receipts"]] == ["0", "S1", "7", "9", "10", "11", "12", "15"]
    assert re.fullmatch(rf"{on.customs}20[0-9]{{2}}I[0-9]{{9}}", document["numbers"]["entry"])
    assert document["body"]["AcceptDate"] == document["receipts"][2]["issued_at"][:10]
    assert document["messages"][-1]["state"] == "accepted"


@pytest.mark.requirement("CD-09")
@pytest.mark.parametrize(
    ("marker", "text"),
    [
        ("!stay=S1", "发往海关成功"),
        ("!send-fail", "发往海关失败"),
        ("!refuse", "退单"),
        ("!stay=7", "海关审批通过"),
        ("!stay=9", "已委托"),
        ("!stay=10", "已承运"),
        ("!stay=11", "已过境"),
        ("!stay=12", "待汇总"),
        ("!not-presented", "海关删除"),
        ("!reorder", CLEARED),
        ("!duplicate", CLEARED),
    ],
)
def test_every_status_is_reached(site: Site, on: Filing, marker: str, text: str) -> None:
    declared(site, on, text, marker)


@pytest.mark.requirement("CD-09")
@pytest.mark.parametrize("marker", ["!refuse", "!send-fail"])
def test_a_refused_list_is_mended_and_declared_again(site: Site, on: Filing, marker: str) -> None:
    first = b.done(site, listed(on, "declare", marker), "rejected")
    b.done(site, listed(on, "save", document=first["document"], NoteS="已改"))

    b.done(site, act(LIST, "declare", first["document"]))
    document = site.wait_business(LIST, first["document"], CLEARED)

    assert document["numbers"]["unified"] == first["numbers"]["unified"]
    assert document["body"]["NoteS"] == "已改"


@pytest.mark.requirement("CD-09")
@pytest.mark.parametrize("operation", ["save", "declare", "insert", "remove", "delete"])
def test_from_sent_to_customs_on_a_list_is_copied_and_printed_only(site: Site, on: Filing, operation: str) -> None:
    key = declared(site, on, "发往海关成功", "!stay=S1")["document"]
    bodies: dict[str, Any] = {"save": {"CustomMaster": on.customs}, "insert": {"DecList": [line("3")]}, "remove": {"Rows": "1"}}

    assert "GW-F05" in b.codes(b.refused(site, act(LIST, operation, key, **bodies.get(operation, {}))))


@pytest.mark.requirement("CD-07")
@pytest.mark.parametrize(("marker", "text"), [("!stay=S1", "发往海关成功"), ("!refuse", "退单"), ("", CLEARED)])
def test_a_list_is_copied_in_any_state(site: Site, on: Filing, marker: str, text: str) -> None:
    origin = declared(site, on, text, marker)

    (copy,) = b.done(site, act(LIST, "copy", origin["document"], Copies="1"))["copies"]
    draft = site.document(LIST, copy["document"]) or {}

    assert draft["business_status"]["text"] == "暂存"
    assert not {"EntryId", "DDate", "AcceptDate"} & set(draft["body"])
    assert draft["body"]["SeqNo"] == draft["numbers"]["unified"] != origin["numbers"]["unified"]
    b.done(site, act(LIST, "declare", copy["document"]))


@pytest.mark.requirement("CD-07")
@pytest.mark.parametrize("marker", ["!refuse", "!send-fail"])
def test_a_refused_list_is_deleted(site: Site, on: Filing, marker: str) -> None:
    key = b.done(site, listed(on, "declare", marker), "rejected")["document"]

    b.done(site, act(LIST, "delete", key))


@pytest.mark.requirement("CD-18")
@pytest.mark.parametrize(
    ("export", "set_", "code"),
    [
        (False, {"ArrivalDate": f.today(-15)}, "CD-L09"),
        (False, {"ArrivalDate": f.today(-14)}, ""),
        (True, {"LoadingTime": str(datetime.now(UTC) + timedelta(hours=20))}, "CD-L33"),
        (True, {"LoadingTime": str(datetime.now(UTC) + timedelta(hours=30))}, ""),
    ],
)
def test_a_late_list_is_warned_of(site: Site, on: Filing, export: bool, set_: dict[str, str], code: str) -> None:
    if export:
        set_ = {**set_, "IEFlag": "E", "OverseasConsigneeEname": "Example Inc."}
    if "LoadingTime" in set_:
        set_["LoadingTime"] = set_["LoadingTime"][:19].replace(" ", "T") + "Z"

    status = b.done(site, listed(on, "declare", "!stay=S1", **set_), "sent")

    assert [(fault["code"], fault["severity"]) for fault in status["faults"]] == ([(code, "warning")] if code else [])


# Finding, counting, printing


@pytest.mark.requirement("CD-15")
@pytest.mark.parametrize(
    ("filter_", "of"),
    [("customs", "CustomMaster"), ("manual", "ManualNo"), ("contract", "ContrNo"), ("traf_mode", "TrafMode"), ("trade_mode", "TradeMode"), ("country", "TradeCountry"), ("wrap_type", "WrapType"), ("owner_name", "OwnerName"), ("consignor", "OverseasConsignorEname"), ("ie_date", "IEDate"), ("fee_mark", "FeeMark"), ("fee_currency", "FeeCurr"), ("goods_place", "GoodsPlace"), ("direction", "IEFlag"), ("nature", "Nature"), ("port", "IEPort"), ("cut_mode", "CutMode"), ("distinate_port", "DistinatePort"), ("trans_mode", "TransMode")],
)  # fmt: skip
def test_a_list_is_found_by_any_field_of_its_head(site: Site, on: Filing, filter_: str, of: str) -> None:
    content = f.body(site, saved := b.done(site, listed(on, "save", ContrNo=b.fresh("HT"))))
    question = {filter_: content[of], "unified": saved["numbers"]["unified"]}

    (row,) = b.rows(site, b.query(LIST, "list", filters=question))
    other = b.query(LIST, "list", filters={**question, filter_: "ZZ"})

    assert (row["unified"], row["type_code"], row["status"]) == (saved["numbers"]["unified"], "I1", "暂存")
    if filter_ in ("manual", "contract", "owner_name", "consignor", "goods_place"):
        assert b.rows(site, other) == []
    else:
        assert b.codes(b.refused(site, other)) == {"GW-F18" if filter_ == "ie_date" else "GW-F85"}


@pytest.mark.requirement("CD-15")
def test_a_day_is_asked_for_in_either_form(site: Site, on: Filing) -> None:
    saved = b.done(site, listed(on, "save", IEDate="20261118"))
    unified = saved["numbers"]["unified"]

    for day in ("2026-11-18", "20261118"):
        found = b.rows(site, b.query(LIST, "list", filters={"unified": unified, "ie_date": day}))
        assert [row["unified"] for row in found] == [unified]
    assert b.rows(site, b.query(LIST, "list", filters={"unified": unified, "ie_date": "20261119"})) == []
    assert b.codes(b.refused(site, b.query(LIST, "list", filters={"accepted": "2026-02-30"}))) == {"GW-F18"}


@pytest.mark.requirement("CD-15")
def test_a_list_is_found_by_its_numbers_its_status_and_when_customs_accepted_it(site: Site, on: Filing) -> None:
    document = declared(site, on, CLEARED)
    entry, unified = document["numbers"]["entry"], document["numbers"]["unified"]
    accepted = document["body"]["AcceptDate"]

    for question in ({"entry": entry}, {"entry": entry, "status": CLEARED}, {"unified": unified, "accepted": accepted}):
        (row,) = b.rows(site, b.query(LIST, "list", filters=question))
        assert (row["entry"], row["status"], row["accepted"]) == (entry, CLEARED, accepted)
    assert b.rows(site, b.query(LIST, "list", filters={"entry": entry, "status": "待汇总"})) == []


@pytest.mark.requirement("CD-15")
def test_import_of_general_trade_is_what_a_question_means_that_names_no_type(site: Site, on: Filing) -> None:
    export = b.done(site, listed(on, "save", IEFlag="E"))
    number = {"unified": export["numbers"]["unified"]}

    assert b.rows(site, b.query(LIST, "list", filters=number)) == []
    for type_ in ("E1", ""):
        (row,) = b.rows(site, b.query(LIST, "list", filters={**number, "type": type_}))
        assert row["type_code"] == "E1"


@pytest.mark.requirement("CD-16")
def test_statistics_count_lists_lines_and_totals_of_each_currency(site: Site) -> None:
    own = filing(site)
    rows = [line("1", TradeCurr="USD"), line("2", TradeCurr="USD", GQty="10"), line("3", TradeCurr="EUR")]
    for _ in range(2):
        declared(site, own, CLEARED, lines=rows)
    declared(site, own, "退单", "!refuse", lines=rows)
    month = f.today()[:7]
    question = {"first_month": month, "last_month": month, "customs": own.customs, "by": "type"}

    told = b.rows(site, b.query(LIST, "statistics", filters=question))

    assert [(row["code"], row["name"], row["lists"], row["lines"], row["amount"], row["currency"]) for row in told] == [
        ("I1", "进口一般贸易集报清单", "2", "2", "2500", "欧元"),
        ("I1", "进口一般贸易集报清单", "2", "4", "2750", "美元"),
    ]

    goods = b.rows(site, b.query(LIST, "statistics", filters={**question, "by": "commodity"}))

    assert [(row["code"], row["name"], row["lines"]) for row in goods] == [
        ("0306100001", "冻虾1号", "2"),
        ("0306100002", "冻虾2号", "2"),
        ("0306100003", "冻虾3号", "2"),
    ]


@pytest.mark.requirement("CD-16")
@pytest.mark.parametrize(
    ("flag", "form", "title"), [("I", "import", "进口货物集中申报清单"), ("E", "export", "出口货物集中申报清单")]
)
def test_a_list_is_printed_as_its_form(site: Site, on: Filing, flag: str, form: str, title: str) -> None:
    status = b.done(site, listed(on, "save", IEFlag=flag))

    name = site.drop(b.xml(act(LIST, "print", status["document"], Form=form)))
    site.wait(name)
    text = "".join(page.extract_text() for page in PdfReader(site.result(name)).pages)

    for word in (title, status["numbers"]["unified"], on.manual, "大连示例进出口有限公司", "冻虾2号", "1250", "4 公路运输"):
        assert word in text


@pytest.mark.requirement("CD-16")
def test_statistics_are_printed(site: Site, on: Filing) -> None:
    declared(site, on, CLEARED)
    month = f.today()[:7]
    question = b.query(LIST, "statistics", filters={"first_month": month, "last_month": month}, format="pdf")

    name = site.drop(b.xml(question))
    site.wait(name)
    text = "".join(page.extract_text() for page in PdfReader(site.result(name)).pages)

    for word in ("统计表", "清单份数", "商品项数", "进口一般贸易集报清单", "美元"):
        assert word in text


# Bonded goods


@pytest.mark.requirement("CD-03", "CD-07")
def test_bonded_goods_are_read_from_their_account(site: Site, bonded: dict[str, Any]) -> None:
    assert bonded["numbers"]["account"] == f.BONDED_ACCOUNT
    assert [(row["GNo"], row["GName"]) for row in bonded["body"]["DecList"]][:2] == [("1", "集成电路"), ("2", "手机")]

    document = site.wait_business(LIST, b.done(site, bonded_list())["document"], CLEARED)

    assert document["body"]["TradeMode"] == "0615"
    assert document["body"]["ListKind"] == "I2"
    assert document["body"]["DecList"][0]["GName"] == "集成电路"


@pytest.mark.requirement("CD-07", "CD-08")
@pytest.mark.parametrize("manual", ["C09082600099", "C09082600098"])
def test_a_bonded_list_names_an_account_that_was_fetched(site: Site, bonded: dict[str, Any], manual: str) -> None:
    (fault,) = b.refused(site, bonded_list(ManualNo=manual))["faults"]

    assert (fault["code"], fault["label"], fault["path"]) == ("GW-F30", "备案号", "/CD.list/ManualNo")
    assert manual in fault["message"] and "fetch" in fault["message"]


@pytest.mark.requirement("CD-08")
def test_a_filing_that_is_not_there_is_told_once(site: Site, on: Filing) -> None:
    (saved,) = b.refused(site, listed(on, "save", ManualNo="B00000000000"))["faults"]
    (declared_,) = b.refused(site, listed(on, ManualNo="B00000000000"))["faults"]

    assert [(fault["code"], fault["label"]) for fault in (saved, declared_)] == [("GW-C32", "备案号"), ("GW-F30", "备案号")]
    assert all("B00000000000" in fault["message"] for fault in (saved, declared_))


# What is kept for merging


@pytest.mark.requirement("CD-12")
def test_whatever_became_of_the_lists_what_is_kept_of_them_is_what_they_say(site: Site, on: Filing) -> None:
    declared(site, on, CLEARED)
    stored, made = kept_rows(site.home)

    assert len(stored) > 2
    assert stored == made


# Licences that are known here


@pytest.mark.requirement("CD-08")
def test_goods_that_were_filed_with_another_licence_are_told(site: Site) -> None:
    on = filing(site, [f.goods(1, LicenseNo="7:26AA500001"), f.goods(2, LicenseNo="7:26AA500002"), f.goods(3)])

    for licence, warned in (("26-AA-500001", ["2"]), (None, [])):
        status = b.done(site, listed(on, "save", LicenseNo=licence, lines=[line(n) for n in "123"]))

        assert [(fault["code"], fault["severity"]) for fault in status["faults"]] == [("CD-L35", "warning")] * len(warned)
        assert [fault["path"] for fault in status["faults"]] == [f"/{LIST}/DecList[{n}]/LicenseNo" for n in warned]


@pytest.mark.requirement("CD-08", "CD-10")
def test_of_a_licence_that_was_applied_for_here_no_more_is_declared_than_is_left(site: Site) -> None:
    on = filing(site, [f.goods(1, CodeTS=b.PLAIN)])
    _, licence = licence_at_customs(site, CustomsPort1=on.customs)
    cites = {"LicenseNo": licence}

    first = declared(site, on, CLEARED, lines=[line("1", GQty="60", FirstQty="60")], **cites)
    (fault,) = b.refused(site, listed(on, lines=[line("1", GQty="40.00001")], **cites))["faults"]
    change = {"ChangeKind": "1", "ListNo": first["document"], "Reason": "多到货", "Contact": "李示例", "Phone": "0411-80000002"}
    rows = {
        n: [{"Place": "DecList[1]/GQty", "New": n}, {"Place": "DecList[1]/DeclTotal", "New": str(float(n) * 12.5)}]
        for n in ("100", "101")
    }
    too_much = b.refused(site, b.message(f.CHANGE, "declare", set_={**change, "Change": rows["101"]}, reference=b.fresh("x")))
    b.done(site, b.message(f.CHANGE, "declare", set_={**change, "Change": rows["100"]}, reference=b.fresh("x")))
    (used_up,) = b.refused(site, listed(on, lines=[line("1", GQty="0.00001")], **cites))["faults"]

    assert (fault["code"], fault["path"], fault["label"]) == ("GW-F61", "/CD.list/DecList[1]/GQty", "集报清单表体申报数量")
    assert "仅余 40 千克" in fault["message"]
    assert [(each["code"], each["path"]) for each in too_much["faults"]] == [("GW-F61", "/CD.change/Change[1]/New")]
    assert "仅余 0 千克" in used_up["message"]
