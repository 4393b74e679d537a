"""Customs and collective declaration: qualifications, volumes, lists against filing, account, manifest and licence, changes."""

from __future__ import annotations

from typing import Any

import pytest
from counter_desk import OTHER, CounterDesk, codes, content, faults, number
from customs_forms import change, listed, qualification, scripts, serial, volume, wire

QUALIFICATION, GOODS, LIST, CHANGE = "CD.qualification", "CD.goods", "CD.list", "CD.change"
WAY = ["S1", "7", "9", "10", "11", "12", "15"]
ACCOUNT_NO = "C09082600001"


@pytest.fixture
def desk(tmp_path):
    made = CounterDesk(tmp_path / "home", scripts(tmp_path / "types"))
    made.at("2026-11-20")
    yield made
    made.office.store.close()


def send(desk, type_, body: dict[str, Any], operation="declare", **more):
    return desk.declared(type_, wire(body), operation, **more)


@pytest.fixture
def filed(desk):
    """An approved qualification with an approved volume; gives its customs number."""
    general = qualification()
    send(desk, QUALIFICATION, general)
    return number(send(desk, GOODS, volume(general["FilingNo"]))[-1], "volume")


def test_a_qualification_is_approved_with_its_number_and_until_when(desk):
    receipts = send(desk, QUALIFICATION, qualification())

    assert (codes(receipts), number(receipts[-1], "filing")) == (["S1", "R1", "A1"], "Q09080000001")
    assert (content(receipts[-1], "ValidUntil"), receipts[-1].get("number")[:2]) == ("2027-11-20", "JB")


def test_it_holds_no_longer_than_its_guarantee(desk):
    receipts = send(desk, QUALIFICATION, qualification(GuaranteeUntil="2027-03-01"))

    assert content(receipts[-1], "ValidUntil") == "2027-03-01"


@pytest.mark.parametrize(
    ("marker", "expected"),
    [
        ("!send-fail", ["S2"]),
        ("!store-fail", ["S1", "R2"]),
        ("!refuse", ["S1", "R1", "A2"]),
        ("!disagree", ["S1", "R1", "A2"]),
        ("!cancel", ["S1", "R1", "A1", "C1"]),
    ],
)
@pytest.mark.parametrize("kind", ["qualification", "volume"])
def test_markers_lead_to_each_refusal(desk, kind, marker, expected):
    general = qualification()
    if kind == "volume":
        send(desk, QUALIFICATION, general)
    type_, body = (QUALIFICATION, general) if kind == "qualification" else (GOODS, volume(general["FilingNo"]))

    assert codes(send(desk, type_, body, markers_=marker)) == expected


@pytest.mark.parametrize(("first", "second"), [("ok-save.xml", "ok-save.xml"), ("ok-save-bonded.json", "ok-save-bonded.json")])
def test_there_is_one_qualification_of_a_kind_for_a_customs(desk, first, second):
    send(desk, QUALIFICATION, qualification(first))

    receipts = send(desk, QUALIFICATION, qualification(second))

    assert (codes(receipts)[-1], faults(receipts[-1])[0][0]) == ("A2", "CD-S14")


def test_a_general_and_a_bonded_one_stand_beside_each_other(desk):
    ends = [codes(send(desk, QUALIFICATION, qualification(name)))[-1] for name in ("ok-save.xml", "ok-save-bonded.json")]

    assert ends == ["A1", "A1"]


def test_a_cancelled_one_makes_room(desk):
    send(desk, QUALIFICATION, qualification(), markers_="!cancel")

    assert codes(send(desk, QUALIFICATION, qualification()))[-1] == "A1"


@pytest.mark.parametrize(
    ("more", "code"),
    [({"Nature": "3"}, "CD-S11"), ({"Nature": "4"}, "CD-S12"), ({"Nature": "2", "Bonded": "1"}, "CD-S13")],
)
def test_natures_have_their_customs_and_bonded_goods_no_guarantee(desk, more, code):
    receipts = send(desk, QUALIFICATION, qualification(**more))

    assert (codes(receipts)[-1], faults(receipts[-1])[0][0]) == ("A2", code)


@pytest.mark.parametrize(
    ("marker", "last", "batches"),
    [("", "B1", "90"), ("!disagree", "B2", "120"), ("!store-fail", "R2", "120"), ("!send-fail", "S2", "120")],
)
def test_an_amendment_holds_once_customs_agrees(desk, marker, last, batches):
    general = qualification()
    send(desk, QUALIFICATION, general)

    receipts = send(desk, QUALIFICATION, {**general, "Batches": "90"}, "amend", markers_=marker)

    kept = desk.office.store.find_document(desk.account, QUALIFICATION, [general["FilingNo"]])
    assert (codes(receipts)[-1], f"<Batches>{batches}<".encode() in kept.body, kept.status) == (last, True, "A1")


def test_neither_customs_nor_nature_are_amended(desk):
    general = qualification()
    send(desk, QUALIFICATION, general)

    assert desk.refused(QUALIFICATION, "amend", wire({**general, "CustomMaster": "0902"})) == ["CD-S03"]


@pytest.mark.parametrize(
    ("day", "code"), [("2026-12-20", "X2"), ("2026-12-21", "X1"), ("2026-12-31", "X1"), ("2027-01-01", "X2")]
)
def test_an_extension_is_for_the_last_ten_days(desk, day, code):
    bonded = qualification("ok-save-bonded.json")
    send(desk, QUALIFICATION, bonded, markers_="!valid-until=20261231")
    desk.at(day)

    receipts = send(desk, QUALIFICATION, bonded, "extend")

    assert (codes(receipts), content(receipts[-1], "ValidUntil")) == (["S1", "R1", code], "2027-12-31" if code == "X1" else None)


def test_a_volume_is_numbered_and_holds_as_long_as_its_qualification(desk):
    general = qualification(GuaranteeUntil="2027-03-01")
    send(desk, QUALIFICATION, general)

    receipts = send(desk, GOODS, volume(general["FilingNo"]))
    second = send(desk, GOODS, volume(general["FilingNo"]))

    assert [number(one[-1], "volume") for one in (receipts, second)] == ["B09080000001", "B09080000002"]
    assert content(receipts[-1], "ValidUntil") == "2027-03-01"


def test_a_volume_needs_an_approved_qualification_that_says_the_same(desk):
    general = qualification()
    early = send(desk, GOODS, volume(general["FilingNo"]))
    send(desk, QUALIFICATION, general)
    elsewhere = send(desk, GOODS, volume(general["FilingNo"], CustomMaster="0902"))

    assert [codes(one)[-1] for one in (early, elsewhere)] == ["A2", "A2"]
    assert faults(early[-1])[0][:2] == ("CD-S21", "FilingNo")
    assert faults(elsewhere[-1]) == [("CD-S21", "CustomMaster", "申报地海关 0902 与企业资质的 0908 不一致")]


def test_bonded_goods_are_not_filed(desk):
    bonded = qualification("ok-save-bonded.json")
    send(desk, QUALIFICATION, bonded)

    receipts = send(desk, GOODS, volume(bonded["FilingNo"], Nature="2"))

    assert faults(receipts[-1])[0][0] == "CD-S22"


def test_goods_are_added_and_stopped_and_approved_ones_stay(desk):
    general = qualification()
    send(desk, QUALIFICATION, general)
    goods = volume(general["FilingNo"])
    send(desk, GOODS, goods)
    more = {**goods, "DecList": [*goods["DecList"], {**goods["DecList"][0], "GNo": "4", "GName": "活鳗鱼"}]}
    stopped = {**more, "DecList": [{**more["DecList"][0], "Stopped": "1"}, *more["DecList"][1:]]}
    renamed = {**stopped, "DecList": [{**stopped["DecList"][0], "GName": "死鳗鱼"}, *stopped["DecList"][1:]]}

    ends = [codes(send(desk, GOODS, body, op))[-1] for body, op in ((more, "amend"), (stopped, "stop"))]
    last = send(desk, GOODS, renamed, "amend")

    assert (ends, codes(last)[-1]) == (["B1", "B1"], "B2")
    assert faults(last[-1]) == [
        ("CD-S23", "DecList[1]/GName", "海关审批通过的商品信息不能修改: 商品名称 备案 活鳗鱼苗，变更 死鳗鱼")
    ]


def test_a_list_goes_its_way_to_the_clearance(desk, filed):
    receipts = send(desk, LIST, listed("ok-save.xml", filed))

    assert (codes(receipts), number(receipts[1], "entry")) == (WAY, "09082026I000000001")
    assert receipts[1].get("issued_at")[:10] == "2026-11-20"


def test_an_export_list_has_an_e_in_its_number(desk, filed):
    receipts = send(desk, LIST, listed("ok-save-export.json", filed))

    assert (codes(receipts), number(receipts[1], "entry")) == (WAY, "09082026E000000001")


@pytest.mark.parametrize("name", ["ok-save-bonded.xml", "ok-save-export-bonded.xml"])
def test_bonded_lists_go_by_the_account(desk, name):
    send(desk, QUALIFICATION, qualification("ok-save-bonded.json"))

    assert codes(send(desk, LIST, listed(name, ACCOUNT_NO))) == WAY


@pytest.mark.parametrize(
    ("marker", "expected"),
    [("!send-fail", ["S2"]), ("!refuse", ["S1", "E"]), ("!not-presented", ["S1", "7", "D"]), ("!stay=9", ["S1", "7", "9"])],
)
def test_markers_lead_to_each_end_of_a_list(desk, filed, marker, expected):
    assert codes(send(desk, LIST, listed("ok-save.xml", filed), markers_=marker)) == expected


def test_a_refused_list_is_mended_and_declared_again(desk, filed):
    body = listed("ok-save.xml", filed)
    send(desk, LIST, body, markers_="!refuse")

    assert codes(send(desk, LIST, body)) == WAY


def line(body, **changed):
    return {**body, "DecList": [{**body["DecList"][0], **changed}, *body["DecList"][1:]]}


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"GName": "冻虾"}, ("CD-S34", "DecList[1]/GName", "第 1 项商品名称与备案不符: 清单 冻虾，备案 冻蟹")),
        (
            {"CodeTS": "0306149090"},
            ("CD-S34", "DecList[1]/CodeTS", "第 1 项商品编号与备案不符: 清单 0306149090，备案 0306143000"),
        ),
        ({"GUnit": "036"}, ("CD-S34", "DecList[1]/GUnit", "第 1 项申报单位与备案不符: 清单 036，备案 035")),
        ({"SecondUnit": "012"}, ("CD-S34", "DecList[1]/SecondUnit", "第 1 项法定第二单位与备案不符: 清单 012，备案 -")),
        ({"ContrItem": "9"}, ("CD-S33", "DecList[1]/ContrItem", "第 1 项备案序号 9: 备案没有这一项")),
    ],
)
def test_a_line_that_differs_from_the_filing_is_told_with_its_field(desk, filed, changed, told):
    receipts = send(desk, LIST, line(listed("ok-save.xml", filed), **changed))

    assert (codes(receipts), faults(receipts[-1])) == (["S1", "E"], [told])


def test_what_is_classified_anew_is_no_difference(desk, filed):
    assert codes(send(desk, LIST, line(listed("ok-save.xml", filed), GModel="冻|块|雪蟹"))) == WAY


@pytest.mark.parametrize(
    ("field", "value", "there"),
    [
        ("PackNo", "41", "40"),
        ("GrossWet", "820.51", "820.5"),
        ("NetWt", "779", "780"),
        ("VoyNo", "2612W", "2611W"),
        ("TrafName", "OTHER", "EXAMPLE STAR"),
    ],
)
def test_what_differs_from_the_manifest_is_told_with_its_field(desk, filed, field, value, there):
    receipts = send(desk, LIST, listed("ok-save.xml", filed, **{field: value}))

    assert (codes(receipts)[-1], [fault[:2] for fault in faults(receipts[-1])]) == ("E", [("CD-S40", field)])
    assert f"清单 {value}，舱单 {there}" in faults(receipts[-1])[0][2]


def test_a_bill_without_a_manifest_is_refused(desk, filed):
    receipts = send(desk, LIST, listed("ok-save.xml", filed, BillNo="NOBODY1"))

    assert (codes(receipts)[-1], faults(receipts[-1])[0][0]) == ("E", "CD-S39")


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"CustomMaster": "0902"}, "CD-S31"),
        ({"Nature": "2", "Bonded": "1"}, "CD-S31"),
        ({"Nature": "3"}, "CD-S31"),
        ({"ManualNo": "B09080000099"}, "CD-S32"),
        ({"ManualNo": ACCOUNT_NO}, "CD-S32"),
    ],
)
def test_a_list_without_its_qualification_or_volume_is_refused(desk, filed, more, code):
    receipts = send(desk, LIST, listed("ok-save.xml", filed, **more))

    assert (codes(receipts)[-1], code in {fault[0] for fault in faults(receipts[-1])}) == ("E", True)


@pytest.mark.parametrize(
    ("manual", "more", "told"),
    [
        ("C09082600088", {}, "CD-S35"),
        ("C09082600099", {}, "CD-S36"),
        (ACCOUNT_NO, {"TradeMode": "0214"}, "CD-S37"),
        (ACCOUNT_NO, {"DecList": [{"ContrItem": "3"}]}, "CD-S33"),
    ],
)
def test_a_bonded_list_that_is_not_of_the_account_is_refused(desk, manual, more, told):
    send(desk, QUALIFICATION, qualification("ok-save-bonded.json"))
    body = listed("ok-save-bonded.xml", manual)
    rows = more.pop("DecList", None)
    body = line(body, **rows[0]) if rows else {**body, **more}

    receipts = send(desk, LIST, body)

    assert (codes(receipts)[-1], faults(receipts[-1])[0][0]) == ("E", told)


def test_a_licence_covers_every_line_or_the_list_is_refused(desk, filed):
    body = listed("ok-save.xml", filed)
    covered = send(desk, LIST, line(body, LicenseNo="7:26AA100001"))
    too_much = send(desk, LIST, line({**body, "SeqNo": serial("JQ")}, LicenseNo="7:26AA100001", GQty="999501"))
    at_the_head = send(desk, LIST, {**body, "SeqNo": serial("JQ"), "LicenseNo": "26-AA-100001"})

    assert (codes(covered), codes(too_much)[-1], codes(at_the_head)[-1]) == (WAY, "E", "E")
    assert faults(too_much[-1]) == [("CD-S41", "DecList[1]/GQty", "许可证 26AA100001 商品 0306143000 余量 999500，不足 999501")]
    assert [fault[1] for fault in faults(at_the_head[-1])] == ["DecList[2]/CodeTS"]


def test_a_list_under_anothers_code_or_in_a_wrong_form_is_not_taken(desk, filed):
    body = listed("ok-save.xml", filed)

    assert desk.refused(LIST, "declare", wire(body | {"TradeCode": OTHER})) == ["CD-S02"]
    assert desk.refused(LIST, "declare", wire(body | {"PackNo": "0", "Colour": "red", "IEFlag": ""})) == ["CD-S01"] * 3


@pytest.fixture
def passed(desk, filed):
    """A list that is on its way: approved, and not yet further."""
    body = line(listed("ok-save.xml", filed), LicenseNo="7:26AA100001")
    send(desk, LIST, body, markers_="!stay=7")
    return body


def kept(desk, body):
    return desk.office.store.find_document(desk.account, LIST, [body["SeqNo"]])


def test_customs_agrees_to_a_change_and_carries_it_out(desk, passed):
    receipts = send(desk, CHANGE, change(passed["SeqNo"], ("DecList[1]/GQty", "500", "510"), ("ContrNo", "EX-2026-118", "EX-2")))

    assert codes(receipts) == ["R1", "A1"]
    assert (b"<GQty>510<" in kept(desk, passed).body, b"<ContrNo>EX-2<" in kept(desk, passed).body) == (True, True)


def test_the_list_may_be_named_by_the_number_that_customs_gave(desk, passed):
    entry = desk.office.store.numbers(kept(desk, passed).id)["entry"]

    assert codes(send(desk, CHANGE, change(entry, ("ContrNo", "EX-2026-118", "EX-2")))) == ["R1", "A1"]


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (("GrossWet", "820.5", "900"), "CD-S40"),
        (("DecList[1]/GName", "冻蟹", "冻虾"), "CD-S34"),
        (("DecList[1]/GQty", "500", "1000001"), "CD-S41"),
        (("DecList[1]/GQty", "499", "400"), "CD-S54"),
        (("DecList[1]/GQty", "500", "many"), "CD-S55"),
    ],
)
def test_customs_does_not_agree_to_what_its_books_forbid(desk, passed, row, code):
    receipts = send(desk, CHANGE, change(passed["SeqNo"], row))

    assert (codes(receipts), faults(receipts[-1])[0][0]) == (["R1", "A2"], code)
    assert b"<GQty>500<" in kept(desk, passed).body


@pytest.mark.parametrize(
    ("marker", "expected"), [("!store-fail", ["R2"]), ("!refuse", ["R1", "A2"]), ("!disagree", ["R1", "A2"])]
)
def test_markers_lead_to_each_refusal_of_a_change(desk, passed, marker, expected):
    request = change(passed["SeqNo"], ("ContrNo", "EX-2026-118", "EX-2"))

    assert codes(send(desk, CHANGE, request, markers_=marker)) == expected
    assert codes(send(desk, CHANGE, request)) == ["R1", "A1"]


def test_a_change_of_what_may_not_change_or_of_no_list_is_not_received(desk, passed):
    fixed = send(desk, CHANGE, change(passed["SeqNo"], ("CustomMaster", "0908", "0902")))
    nobody = send(desk, CHANGE, change(serial("JQ"), ("ContrNo", "", "EX-2")))

    assert [(codes(one), faults(one[-1])[0][0]) for one in (fixed, nobody)] == [(["R2"], "CD-S53"), (["R2"], "CD-S51")]


def test_there_is_one_request_at_a_time_for_a_list(desk, passed):
    desk.send(CHANGE, "declare", wire(change(passed["SeqNo"], ("ContrNo", "EX-2026-118", "EX-2"))))
    desk.step()
    entry = desk.office.store.numbers(kept(desk, passed).id)["entry"]

    second = change(entry, ("ContrNo", "EX-2", "EX-3"))
    desk.send(CHANGE, "declare", wire(second))
    ends = {one.get("number"): one for one in desk.play()}

    assert (ends[second["ChangeNo"]].get("code"), faults(ends[second["ChangeNo"]])[0][0]) == ("R2", "CD-S52")
    assert sorted(one.get("code") for one in ends.values()) == ["A1", "R2"]


def test_a_cancelled_list_is_over_and_its_licence_given_back(desk, passed):
    receipts = send(desk, CHANGE, change(passed["SeqNo"], kind="2"))
    again = send(desk, CHANGE, change(passed["SeqNo"], kind="2"))

    permit = desk.office.store.ledger.permit("26AA100001")
    uses = [use for use, entry in desk.office.store.ledger.uses_of(permit.id) if entry.stands]
    assert (codes(receipts), kept(desk, passed).status, uses) == (["R1", "A1"], "16", [])
    assert (codes(again), faults(again[-1])[0][0]) == (["R2"], "CD-S51")


def test_a_cancelled_list_takes_no_message_any_more_and_says_why(desk, passed):
    send(desk, CHANGE, change(passed["SeqNo"], kind="2"))

    _, receipt = desk.send(LIST, "declare", wire(passed))

    assert [fault[::2] for fault in faults(receipt)] == [("DOC-02", "单证当前状态为 已撤销，不能 declare")]
