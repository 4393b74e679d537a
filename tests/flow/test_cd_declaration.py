"""Declarations of collected lists (集报报关单): customs' own DecMessage from the drop folder to the clearance, and what customs makes of it."""

from __future__ import annotations

from typing import Any

import bodies as b
import filings as f
import pytest
from customs_desk import desk_at
from declarations import NS, TYPE, client, dec_message, declared, in_our_frame
from lists import Filing, filing, line
from lists import declared as list_declared
from lxml import etree
from pypdf import PdfReader
from sites import Site

CLEARED = "已结关"
DEC = f"{{{NS}}}"


@pytest.fixture(scope="module")
def on(site: Site) -> Filing:
    return filing(site)


@pytest.fixture
def a_list(site: Site, on: Filing) -> dict[str, Any]:
    """A cleared list, which nobody has declared."""
    return list_declared(site, on, CLEARED)


def answers(site: Site, status: dict[str, Any]) -> list[etree._Element]:
    """The technical responses to a message that lie in InBox."""
    name = status["file"].rsplit(".", 1)[0]
    return [etree.parse(str(path)).getroot() for path in site.inbox("Successed_") + site.inbox("Failed_") if name in path.name]


def asked(kind: str, **filters: str) -> etree._Element:
    return b.query(TYPE, kind, filters=filters)


def told(status: dict[str, Any]) -> list[tuple[str, str]]:
    return [(fault["code"], fault["path"]) for fault in status["faults"] if fault["severity"] == "error"]


@pytest.mark.requirement("CD-13")
def test_a_declaration_in_customs_own_format_goes_to_its_clearance(site: Site, a_list: dict[str, Any]) -> None:
    own = client()
    status = declared(site, dec_message([a_list], of=own), "accepted", "rejected", "refused")

    assert (status["state"], status["reference"], status["document"]) == ("accepted", own, own), (
        status["faults"],
        status["receipts"],
    )
    found = site.wait_business(TYPE, own, CLEARED)
    assert [one["code"] for one in found["receipts"] if one["code"] != "0"] == ["7", "L", "J", "P", "R"]
    assert found["numbers"]["seq"].startswith("I20") and len(found["numbers"]["seq"]) == 18
    assert found["numbers"]["entry"][:4] == a_list["body"]["CustomMaster"] and len(found["numbers"]["entry"]) == 18
    assert found["body"]["DecHead"]["SeqNo"] == found["numbers"]["seq"]


@pytest.mark.requirement("CD-13")
def test_it_is_answered_as_customs_answers(site: Site, a_list: dict[str, Any]) -> None:
    own = client()
    status = declared(site, dec_message([a_list], of=own), "sent", "accepted")
    site.wait_business(TYPE, own, CLEARED)

    (answer,) = answers(site, status)
    assert answer.tag == f"{DEC}DecImportResponse"
    assert [etree.QName(one).localname for one in answer] == ["ResponseCode", "ErrorMessage", "ClientSeqNo", "SeqNo", "TrnPreId"]
    assert (answer.findtext(f"{DEC}ResponseCode"), answer.findtext(f"{DEC}ClientSeqNo")) == ("0", own)
    number = answer.findtext(f"{DEC}SeqNo") or ""
    (cleared,) = [
        one
        for path in site.inbox(f"Receipt_{number}_")
        for one in etree.parse(str(path)).iter("DEC_RESULT")
        if one.findtext("CHANNEL") == "R"
    ]
    assert (cleared.findtext("CUS_CIQ_NO"), len(cleared.findtext("ENTRY_ID") or "")) == (number, 18)


@pytest.mark.requirement("CD-13")
def test_a_refused_one_is_answered_so_too(site: Site, a_list: dict[str, Any]) -> None:
    own = client()
    status = declared(site, dec_message([a_list], of=own, AgentCode="2102969999"))

    assert status["state"] == "refused" and ("GW-F77", "/DecMessage/DecHead/AgentCode") in told(status)
    (answer,) = answers(site, status)
    assert (answer.findtext(f"{DEC}ResponseCode"), answer.findtext(f"{DEC}ClientSeqNo")) == ("1", own)
    assert "GW-F77 /DecMessage/DecHead/AgentCode" in (answer.findtext(f"{DEC}ErrorMessage") or "")


@pytest.mark.requirement("CD-13")
def test_a_draft_is_declared_by_a_person_with_or_without_saying_it_again(site: Site, on: Filing) -> None:
    one, other = list_declared(site, on, CLEARED), list_declared(site, on, CLEARED)
    first, second = client(), client()
    for own, of in ((first, one), (second, other)):
        saved = declared(site, dec_message([of], "G", of=own))
        assert (saved["state"], saved["business_status"]["text"]) == ("accepted", "暂存"), saved

    again = declared(site, dec_message([one], of=first, ContrNo="HT-2"), "accepted")
    bare = b.done(site, b.message(TYPE, "declare", document=second))

    assert again["reference"].startswith(f"{first}-") and again["document"] == first
    assert site.wait_business(TYPE, first, CLEARED)["body"]["DecHead"]["ContrNo"] == "HT-2"
    assert bare["document"] == second and site.wait_business(TYPE, second, CLEARED)


@pytest.mark.requirement("CD-13")
def test_the_same_message_again_does_nothing(site: Site, a_list: dict[str, Any]) -> None:
    raw = dec_message([a_list])
    own = declared(site, raw, "accepted")["document"]
    site.wait_business(TYPE, own, CLEARED)

    assert declared(site, raw)["state"] == "accepted"
    found = site.document(TYPE, own)
    assert found is not None and [line["code"] for line in found["receipts"] if line["code"] == "7"] == ["7"]


@pytest.mark.requirement("CD-13")
@pytest.mark.parametrize("kind", ["import", "export"])
def test_several_lists_are_declared_with_a_sheet_that_names_them(site: Site, on: Filing, kind: str) -> None:
    out = (
        {"IEFlag": "E", "OverseasConsigneeEname": "Example Books Inc.", "OverseasConsignorEname": None}
        if kind == "export"
        else {}
    )
    lists = [list_declared(site, on, CLEARED, **out) for _ in range(2)]

    status = declared(site, in_our_frame(lists), "accepted", "rejected", "refused", suffix=".json")

    assert status["state"] == "accepted", status["faults"]
    found = site.wait_business(TYPE, status["document"], CLEARED)
    assert found["numbers"]["unified"].startswith("CD20") and len(found["numbers"]["unified"]) == 18


@pytest.mark.requirement("CD-13")
@pytest.mark.parametrize("kind", ["import", "export"])
def test_what_a_merge_makes_is_a_draft_until_a_person_declares_it(site: Site, kind: str) -> None:
    own, flag = filing(site), "E" if kind == "export" else "I"
    out = (
        {"IEFlag": "E", "OverseasConsigneeEname": "Example Books Inc.", "OverseasConsignorEname": None}
        if kind == "export"
        else {}
    )
    lists = [list_declared(site, own, CLEARED, FeeMark="3", FeeCurr="USD", FeeRate=fee, **out) for fee in ("260", "12.5")]
    merge = {"IEFlag": flag, "Month": f.today()[:7], "NoAgent": "1", "CustomMaster": own.customs}
    done = declared(site, b.as_json("CD.merge", "merge", merge), "accepted", suffix=".json")
    draft = f"{done['document']}-1"

    assert site.wait_business(TYPE, draft, "暂存")["body"]["DecHead"]["FeeRate"] == "272.5"
    status = b.do(site, b.message(TYPE, "declare", document=draft))

    assert status["state"] == "accepted", status["faults"]
    assert site.wait_business(TYPE, draft, CLEARED)["numbers"]["unified"].startswith("CD20")
    assert {site.wait_business("CD.list", one["document"], "已汇总")["business_status"]["text"] for one in lists} == {"已汇总"}


# What customs refuses


@pytest.mark.requirement("CD-13", "CD-15")
@pytest.mark.parametrize(
    ("marker", "text", "state"),
    [
        ("!send-fail", "申报失败", "rejected"),
        ("!refuse", "不受理", "rejected"),
        ("!return", "退回修改", "rejected"),
        ("!erase", "删单", "rejected"),
    ],
)
def test_what_customs_does_not_take_may_be_mended_or_declared_elsewhere(
    site: Site, a_list: dict[str, Any], marker: str, text: str, state: str
) -> None:
    own = client(marker)
    status = declared(site, dec_message([a_list], of=own), "accepted", "rejected")
    site.wait_business(TYPE, own, text)

    assert status["state"] == state
    if marker == "!return":
        assert declared(site, dec_message([a_list]))["state"] == "refused"  # it keeps its list
        assert declared(site, dec_message([a_list], of=own, ContrNo="HT-3"), "accepted", "rejected")["state"] == "accepted"
    else:
        assert declared(site, dec_message([a_list]), "accepted", "rejected", "refused")["state"] == "accepted"


@pytest.mark.requirement("CD-15")
def test_inspection_duties_and_a_late_deletion_are_its_statuses_on_the_way(site: Site, on: Filing) -> None:
    one, other = list_declared(site, on, CLEARED), list_declared(site, on, CLEARED)
    seen, gone = client("!inspect"), client("!delete")

    declared(site, dec_message([one], of=seen), "accepted")
    declared(site, dec_message([other], of=gone), "accepted")

    codes = [line["code"] for line in site.wait_business(TYPE, seen, CLEARED)["receipts"] if line["code"] != "0"]
    assert codes == ["7", "L", "J", "C", "T", "P", "R"]
    assert [line["code"] for line in site.wait_business(TYPE, gone, "删单")["receipts"]][-1] == "D"


@pytest.mark.requirement("CD-13")
def test_a_list_is_declared_once(site: Site, a_list: dict[str, Any]) -> None:
    own = declared(site, dec_message([a_list]), "accepted")["document"]
    site.wait_business(TYPE, own, CLEARED)

    by_name = declared(site, dec_message([a_list]))
    in_a_sheet = declared(site, in_our_frame([a_list]), "rejected", "accepted", "refused", suffix=".json")

    assert (by_name["state"], told(by_name)) == ("refused", [("GW-F07", "/DecMessage/DecSign/BillSeqNo")])
    assert (in_a_sheet["state"], told(in_a_sheet)) == ("refused", [("GW-F07", "/body/Lists/0/ListNo")])


@pytest.mark.requirement("CD-13", "CD-11")
def test_the_lists_of_a_sheet_are_declared_once_and_not_merged(site: Site, on: Filing) -> None:
    one, other, third = (list_declared(site, on, CLEARED) for _ in range(3))
    first = declared(site, in_our_frame([one, other]), "accepted", "rejected", "refused", suffix=".json")["document"]
    site.wait_business(TYPE, first, CLEARED)

    again = declared(site, in_our_frame([third, other, one]), "rejected", "accepted", "refused", suffix=".json")
    by_name = declared(site, dec_message([other]))
    offered = b.rows(site, b.query(f.MERGE, "offer", filters={"IEFlag": "I", "ManualNo": one["body"]["ManualNo"]}))

    assert told(again) == [("GW-F07", "/body/Lists/1/ListNo"), ("GW-F07", "/body/Lists/2/ListNo")]
    assert told(by_name) == [("GW-F07", "/DecMessage/DecSign/BillSeqNo")]
    why = {row["list"]: row["why"] for row in offered}
    assert [why[each["numbers"]["unified"]] for each in (one, other, third)] == [f"集报报关单 {first} 为“已结关”"] * 2 + [""]


@pytest.mark.requirement("CD-13")
def test_lists_of_a_refused_declaration_are_free_again(site: Site, on: Filing) -> None:
    lists = [list_declared(site, on, CLEARED) for _ in range(2)]
    refused = declared(
        site, in_our_frame(lists, reference=b.fresh("dec!refuse")), "accepted", "rejected", "refused", suffix=".json"
    )
    site.wait_business(TYPE, refused["document"], "不受理")

    again = declared(site, in_our_frame(lists), "accepted", "rejected", "refused", suffix=".json")

    assert again["state"] == "accepted", again["faults"]


@pytest.mark.requirement("CD-13")
def test_a_list_of_a_sheet_must_be_there_and_cleared_and_is_told_by_its_row(site: Site, on: Filing) -> None:
    good, early = list_declared(site, on, CLEARED), list_declared(site, on, "待汇总", "!stay=12")
    strange = {**good, "numbers": {"entry": "999999999999999999"}}

    status = declared(site, in_our_frame([good, early, strange]), "accepted", "rejected", "refused", suffix=".json")

    assert told(status) == [("GW-F30", "/body/Lists/1/ListNo"), ("GW-F30", "/body/Lists/2/ListNo")]
    assert "不存在" in status["faults"][1]["message"] and status["faults"][0]["label"] == "集报清单编号"


@pytest.mark.requirement("CD-13")
def test_a_sheet_names_lists_by_the_numbers_that_customs_knows(site: Site, on: Filing) -> None:
    one, other = (list_declared(site, on, CLEARED) for _ in range(2))
    by_key = {**one, "numbers": {"entry": one["document"]}}

    own = declared(site, in_our_frame([by_key, other]), "accepted", "rejected", "refused", suffix=".json")

    assert own["state"] == "accepted", own["faults"]
    rows = site.wait_business(TYPE, own["document"], CLEARED)["body"]["Lists"]
    assert [row["ListNo"] for row in rows] == [each["numbers"]["entry"] for each in (one, other)]


@pytest.mark.requirement("CD-11", "CD-17")
def test_a_list_that_its_own_declaration_declared_is_neither_named_by_the_deadlines_nor_merged(
    site: Site, a_list: dict[str, Any]
) -> None:
    """Until then the deadlines say where it stands."""

    def standing() -> list[str]:
        lines = site.command("deadlines").stdout.splitlines()
        return [line for line in lines if a_list["numbers"]["unified"] in line]

    own = client("!return")
    declared(site, dec_message([a_list], of=own), "rejected")
    site.wait_business(TYPE, own, "退回修改")
    assert [f"集报报关单 {own} 为“退回修改”" in line for line in standing()] == [True]

    declared(site, dec_message([a_list], of=own, ContrNo="HT-3"), "accepted")
    site.wait_business(TYPE, own, CLEARED)
    offered = b.rows(site, b.query(f.MERGE, "offer", filters={"IEFlag": "I", "ManualNo": a_list["body"]["ManualNo"]}))
    (row,) = (row for row in offered if row["list"] == a_list["numbers"]["unified"])
    assert standing() == []
    assert (row["taken"], row["why"]) == ("0", f"集报报关单 {own} 为“已结关”")


@pytest.mark.requirement("CD-13")
@pytest.mark.parametrize(
    ("head", "says"),
    [({"PackNo": "41"}, "件数"), ({"GrossWet": "830"}, "毛重"), ({"TradeCountry": "JPN"}, "启运国")],
)
def test_what_does_not_add_up_is_refused_by_customs_with_the_field(
    site: Site, a_list: dict[str, Any], head: dict[str, str], says: str
) -> None:
    own = client()
    status = declared(site, dec_message([a_list], of=own, **head), "rejected", "accepted", "refused")

    assert status["state"] == "rejected", status
    assert says in str(site.wait_business(TYPE, own, "不受理"))


@pytest.mark.requirement("CD-13")
@pytest.mark.parametrize(
    ("mark", "rates", "declared_as", "says"),
    [
        ("3", ("260", "140.5"), "400.5", ""),
        ("3", ("260", "140.5"), "400.50001", "运费"),
        ("3", ("260", "140.5"), "260", "运费"),
        ("1", ("0.5", "0.50"), "0.5", ""),
        ("1", ("0.5", "0.5"), "1", "运费"),
        ("1", ("0.5", "0.6"), "0.5", "运费"),
    ],
)
def test_customs_holds_fees_against_those_of_the_lists_by_what_their_mark_says(
    site: Site, on: Filing, mark: str, rates: tuple[str, str], declared_as: str, says: str
) -> None:
    fee = {"FeeMark": mark, "FeeCurr": "USD" if mark == "3" else None}
    lists = [list_declared(site, on, CLEARED, FeeRate=rate, **fee) for rate in rates]
    status = declared(site, in_our_frame(lists, FeeRate=declared_as), "accepted", "rejected", "refused", suffix=".json")

    assert status["state"] == ("rejected" if says else "accepted"), status["faults"]
    assert says in str(site.wait_business(TYPE, status["document"], "不受理" if says else CLEARED))


@pytest.mark.requirement("CD-13")
def test_a_quantity_more_than_the_lists_have_is_refused_by_customs(site: Site, a_list: dict[str, Any]) -> None:
    raw = (
        dec_message([a_list])
        .replace(b"<GQty>100</GQty>", b"<GQty>101</GQty>", 1)
        .replace(b"<DeclTotal>1250<", b"<DeclTotal>1262.5<", 1)
    )

    status = declared(site, raw, "rejected", "accepted", "refused")

    assert status["state"] == "rejected", status
    assert "申报数量" in str(site.wait_business(TYPE, status["document"], "不受理"))


@pytest.mark.requirement("CD-13")
def test_a_list_that_is_not_there_or_not_cleared_is_refused_at_once(site: Site, on: Filing, a_list: dict[str, Any]) -> None:
    under_way = list_declared(site, on, "待汇总", "!stay=12")

    unknown = declared(site, dec_message([a_list], named="090820269I0000009"))
    early = declared(site, dec_message([under_way]))

    for status, word in ((unknown, "不存在"), (early, "待汇总")):
        assert (status["state"], told(status)) == ("refused", [("GW-F30", "/DecMessage/DecSign/BillSeqNo")])
        assert word in status["faults"][0]["message"]


@pytest.mark.requirement("CD-13")
@pytest.mark.parametrize(("quantity", "text", "says"), [("20", CLEARED, ""), ("1000001", "不受理", "余量")])
def test_a_declaration_of_no_list_takes_its_licence_at_customs_itself(
    site: Site, a_list: dict[str, Any], quantity: str, text: str, says: str
) -> None:
    own, row = client(), a_list["body"]["DecList"][0]
    crab = {
        "CodeTS": "0306143000",
        "GName": "冻蟹",
        "GModel": "冻|整只",
        "GUnit": "035",
        "FirstUnit": "035",
        "GQty": quantity,
        "FirstQty": quantity,
    }
    line = {
        **crab,
        "DeclPrice": "1",
        **{n: row[n] for n in ("DutyMode", "TradeCurr", "OriginCountry", "DestinationCountry", "DistrictCode")},
    }
    raw = dec_message(
        [a_list], of=own, named="", lines=[line], TrafName="EXAMPLE STAR", BillNo="EXBL26110042", LicenseNo="26-AA-100001"
    )

    status = declared(site, raw, "accepted", "rejected", "refused")

    assert status["state"] == ("accepted" if text == CLEARED else "rejected"), status["faults"]
    assert says in str(site.wait_business(TYPE, own, text))


@pytest.mark.requirement("CD-13")
def test_what_lists_took_of_a_licence_is_written_off_with_their_declaration(site: Site) -> None:
    own = filing(site, [f.goods(1, CodeTS="0306143000", GName="冻蟹", GUnit="035", FirstUnit="035", SecondUnit=None)])
    listed = list_declared(site, own, CLEARED, LicenseNo="26-AA-100001", lines=[line("1")])
    desk, entry = desk_at(site), listed["numbers"]["entry"]
    before = desk.state(entry)

    status = declared(site, dec_message([listed], LicenseNo="26-AA-100001"), "accepted", "rejected", "refused")
    assert status["state"] == "accepted", status["faults"]
    site.wait_business(TYPE, status["document"], CLEARED)

    assert (before, desk.state(entry)) == ("reserved", "cleared")


# What is asked and printed of it


@pytest.mark.requirement("CD-15")
def test_declarations_are_asked_for_by_field_and_by_their_unified_number(site: Site, a_list: dict[str, Any]) -> None:
    own = client()
    declared(site, dec_message([a_list], of=own), "accepted")
    found = site.wait_business(TYPE, own, CLEARED)

    basic = b.rows(site, asked("list", customs=found["body"]["DecHead"]["CustomMaster"], status="R", declared_from=f.today()))
    exports = b.rows(site, asked("list", direction="E", client=own))
    advanced = b.rows(site, asked("advanced", seq=found["numbers"]["seq"]))

    assert own in {row["client"] for row in basic}
    assert own in {row["client"] for row in b.rows(site, asked("export", client=own))}
    assert exports == []
    assert [(row["client"], row["entry"], row["status"]) for row in advanced] == [(own, found["numbers"]["entry"], CLEARED)]
    assert b.refused(site, asked("advanced"))


@pytest.mark.requirement("CD-15")
@pytest.mark.requirement("CD-16")
def test_the_declaration_and_the_notices_of_its_receipts_are_printed(site: Site, a_list: dict[str, Any]) -> None:
    own = client("!inspect")
    declared(site, dec_message([a_list], of=own), "accepted")
    found = site.wait_business(TYPE, own, CLEARED)

    def printed(form: str) -> str:
        name = site.drop(b.xml(b.message(TYPE, "print", set_={"Form": form}, document=own)))
        status = site.wait(name)
        assert status["state"] == "accepted", status
        return "".join(page.extract_text() for page in PdfReader(site.result(name)).pages)

    assert found["numbers"]["entry"] in printed("declaration")
    for form, title, day in (
        ("inspection", "查验通知书", "通知日期"),
        ("examination", "审结通知书", "审结日期"),
        ("release", "放行通知书", "放行日期"),
    ):
        text = printed(form)
        assert all(word in text for word in (title, found["numbers"]["seq"], "申报日期", day))
    assert b.refused(site, b.message(TYPE, "print", set_={"Form": "refusal"}, document=own))
