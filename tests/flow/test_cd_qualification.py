"""Qualifications for collective declaration (企业资质备案): what is entered, what becomes of it, and what may be changed."""

from __future__ import annotations

import re
from typing import Any

import bodies as b
import filings as f
import pytest
from filings import QUALIFICATION, act, qualification, qualified
from pypdf import PdfReader
from sites import Site

# What is entered


@pytest.mark.requirement("CD-01")
def test_a_save_gives_the_unified_number_and_tells_who_files(site: Site) -> None:
    status = b.done(site, qualification("save"))

    assert re.fullmatch(r"JB20[0-9]{14}", status["numbers"]["unified"])
    content = f.body(site, status)
    assert content["FilingNo"] == status["numbers"]["unified"]
    assert (content["TradeCode"], content["TradeName"]) == ("2102960001", "大连示例进出口有限公司")
    assert (content["Status"], content["Bonded"], content["ApplyDate"]) == ("1", "0", f.today())
    assert "ApprovedUntil" not in content


@pytest.mark.requirement("CD-01")
@pytest.mark.parametrize("field", ["CustomMaster", "Nature"])
def test_a_save_needs_customs_and_nature(site: Site, field: str) -> None:
    status = b.refused(site, qualification("save", **{field: None}))

    assert [fault["path"].rpartition("/")[2] for fault in status["faults"] if fault["code"] == "GW-C03"] == [field]


@pytest.mark.requirement("CD-01")
def test_a_save_warns_of_what_a_declare_will_want(site: Site) -> None:
    status = b.done(site, qualification("save", GuaranteeAmount=None, GuaranteeUntil=None))

    told = [(fault["code"], fault["severity"], fault["label"]) for fault in status["faults"]]
    assert told == [("GW-C40", "warning", "担保额度(万元)"), ("GW-C40", "warning", "担保有效期")]
    declared = b.refused(site, act(QUALIFICATION, "declare", status["document"]))
    assert b.codes(declared) == {"CD-Q09", "CD-Q10"}


@pytest.mark.requirement("CD-01")
@pytest.mark.parametrize(
    ("nature", "customs", "code"),
    [("3", "0908", "CD-Q01"), ("4", "0908", "CD-Q02"), ("3", "5729", "CD-Q01"), ("4", "0708", "CD-Q02")],
)
def test_border_trade_and_contracted_projects_are_for_their_own_customs(site: Site, nature: str, customs: str, code: str) -> None:
    status = b.refused(site, qualification("save", nature=nature, CustomMaster=customs))

    (fault,) = status["faults"]
    assert (fault["code"], fault["label"]) == (code, "申报地海关")
    assert fault["path"].endswith("/CustomMaster")
    assert customs[:2] not in fault["message"]


@pytest.mark.requirement("CD-01")
@pytest.mark.parametrize(
    ("field", "value", "code"), [("GuaranteeAmount", "50", "CD-Q04"), ("GuaranteeUntil", "2099-12-31", "CD-Q05")]
)
def test_bonded_goods_have_no_guarantee(site: Site, field: str, value: str, code: str) -> None:
    status = b.refused(site, qualification("save", nature="2", **{field: value}))

    assert b.codes(status) == {code}
    assert "保税货物" in status["faults"][0]["message"]


@pytest.mark.requirement("CD-01")
@pytest.mark.parametrize(
    ("until", "code", "severity"),
    [(f.today(-1), "CD-Q07", "error"), (f.today(60), "CD-Q08", "warning"), (f.months_ahead(5), "", "")],
)
def test_a_guarantee_is_not_past_and_should_last_three_months(site: Site, until: str, code: str, severity: str) -> None:
    status = b.do(site, qualification("declare", "!stay=S1", GuaranteeUntil=until.replace("-", "")), "refused", "sent")

    assert [(fault["code"], fault["severity"]) for fault in status["faults"]] == ([(code, severity)] if code else [])
    assert status["state"] == ("refused" if severity == "error" else "sent")


@pytest.mark.requirement("CD-01")
def test_the_form_of_the_guarantee_is_the_accounts_and_no_filing_says_another(site: Site) -> None:
    status = b.refused(site, qualification("save", GuaranteeMode="2"))

    (fault,) = status["faults"]
    assert (fault["code"], fault["label"]) == ("GW-C20", "担保方式")


@pytest.mark.requirement("CD-01")
def test_one_living_qualification_of_a_kind_at_each_customs(site: Site) -> None:
    customs = f.fresh_customs()
    first = b.done(site, qualification("save", CustomMaster=customs))

    again = b.refused(site, qualification("save", CustomMaster=customs))
    b.done(site, qualification("save", nature="2", CustomMaster=customs))

    (fault,) = again["faults"]
    assert fault["code"] == "GW-F07"
    assert fault["label"].startswith("申报地海关")
    b.done(site, act(QUALIFICATION, "delete", first["document"]))
    b.done(site, qualification("save", CustomMaster=customs))


@pytest.mark.requirement("CD-01")
def test_a_refused_one_makes_room_for_another(site: Site) -> None:
    customs = f.fresh_customs()
    status = b.done(site, qualification("declare", "!refuse", CustomMaster=customs), "rejected")
    assert status["business_status"]["text"] == "核准拒绝"

    assert qualified(site, CustomMaster=customs)["business_status"]["text"] == f.APPROVED


# What becomes of it


@pytest.mark.requirement("CD-02")
def test_an_approval_gives_the_customs_number_and_until_when(site: Site) -> None:
    document = qualified(site, GuaranteeUntil="20991231")

    assert [r["code"] for r in document["receipts"]] == ["0", "S1", "R1", "A1"]
    assert re.fullmatch(r"[0-9A-Z]{12}", document["numbers"]["filing"])
    assert document["body"]["CustomsFilingNo"] == document["numbers"]["filing"]
    assert document["body"]["ApprovedUntil"] > f.today(300)


@pytest.mark.requirement("CD-02")
@pytest.mark.parametrize(
    ("marker", "state", "text"),
    [
        ("!stay=S1", "sent", "已申报"),
        ("!send-fail", "rejected", "接受失败"),
        ("!store-fail", "rejected", "接受失败"),
        ("!refuse", "rejected", "核准拒绝"),
        ("!cancel", "accepted", "取消资质"),
        ("!reorder", "accepted", "海关审批通过"),
        ("!duplicate", "accepted", "海关审批通过"),
    ],
)
def test_every_status_is_reached(site: Site, marker: str, state: str, text: str) -> None:
    status = b.done(site, qualification("declare", marker), state)

    site.wait_business(QUALIFICATION, status["document"], text)


@pytest.mark.requirement("CD-02")
@pytest.mark.parametrize(("marker", "text", "state"), [("!send-fail", "接受失败", "rejected"), ("!refuse", "核准拒绝", "rejected"), ("!cancel", "取消资质", "accepted")])  # fmt: skip
def test_a_failed_refused_or_cancelled_one_can_be_deleted(site: Site, marker: str, text: str, state: str) -> None:
    status = b.done(site, qualification("declare", marker), state)
    site.wait_business(QUALIFICATION, status["document"], text)

    b.done(site, act(QUALIFICATION, "delete", status["document"]))


@pytest.mark.requirement("CD-02")
def test_an_approved_one_is_neither_deleted_nor_printed_nor_declared_again(site: Site) -> None:
    key = qualified(site)["document"]

    for operation in ("delete", "print", "declare", "save"):
        more = {"CustomMaster": "0908", "Nature": "1"} if operation == "save" else {}
        assert "GW-F05" in b.codes(b.refused(site, act(QUALIFICATION, operation, key, **more)))


@pytest.mark.requirement("CD-02", "CD-16")
def test_a_draft_is_printed_as_its_form(site: Site) -> None:
    status = b.done(site, qualification("save", CustomMaster=f.fresh_customs(), GuaranteeUntil="20991231"))
    root = act(QUALIFICATION, "print", status["document"])

    name = site.drop(b.xml(root))
    site.wait(name)
    text = "".join(page.extract_text() for page in PdfReader(site.result(name)).pages)

    for word in (
        "企业资质备案表",
        status["numbers"]["unified"],
        "大连示例进出口有限公司",
        "1 一般贸易",
        "2099-12-31",
        "暂存",
        "测试 TEST",
    ):
        assert word in text


# Changing what is approved


def amended(site: Site, key: str, marker: str = "", state: str = "accepted", **set_: Any) -> dict[str, Any]:
    b.done(site, act(QUALIFICATION, "amend", key, marker, **set_), state)
    return site.wait_business(QUALIFICATION, key, f.APPROVED, "变更已申报")


@pytest.mark.requirement("CD-05")
def test_batches_and_guarantee_change_when_customs_agrees(site: Site) -> None:
    before = qualified(site)
    new = {"Batches": "999", "GuaranteeMode": "2", "GuaranteeAmount": "70.5", "GuaranteeUntil": "2099-06-30"}

    after = amended(site, before["document"], **new)

    assert {name: after["body"][name] for name in new} == new
    assert after["body"] == {**before["body"], **new}
    assert after["numbers"] == before["numbers"]


@pytest.mark.requirement("CD-05")
@pytest.mark.parametrize("marker", ["!refuse", "!send-fail", "!store-fail"])
def test_a_change_that_customs_does_not_make_leaves_what_was_approved(site: Site, marker: str) -> None:
    before = qualified(site)

    after = amended(site, before["document"], marker, "rejected", Batches="999", GuaranteeAmount="1", GuaranteeUntil="2099-06-30")

    assert after["body"] == before["body"]
    assert after["business_status"]["text"] == f.APPROVED
    assert after["pending"] is None


@pytest.mark.requirement("CD-05")
def test_until_customs_agrees_the_change_is_shown_beside_what_holds(site: Site) -> None:
    before = qualified(site)
    change = {"Batches": "999", "GuaranteeAmount": "50", "GuaranteeUntil": "2099-12-31"}

    after = amended(site, before["document"], "!stay=S1", "sent", **change)
    second = b.refused(site, act(QUALIFICATION, "amend", before["document"], **change))

    assert after["business_status"]["text"] == "变更已申报"
    assert after["body"]["Batches"] == before["body"]["Batches"]
    assert after["pending"]["changes"] == [{"path": "Batches", "label": "进出口批次", "old": "120", "new": "999"}]
    assert "GW-F05" in b.codes(second)


@pytest.mark.requirement("CD-05")
def test_a_change_to_what_holds_already_is_none(site: Site) -> None:
    before = qualified(site)
    change = {"Batches": "121", "GuaranteeAmount": "50", "GuaranteeUntil": "2099-12-31"}
    amended(site, before["document"], "!refuse", "rejected", **change)
    amended(site, before["document"], **change)

    faults = b.refused(site, act(QUALIFICATION, "amend", before["document"], **change))["faults"]
    (fault,) = [fault for fault in faults if fault["severity"] == "error"]

    assert (fault["code"], fault["path"]) == ("GW-C42", "/CD.qualification")
    for said in ("进出口批次", "121", "担保额度(万元)", "50", "担保有效期", "2099-12-31"):
        assert said in fault["message"]
    assert amended(site, before["document"], **{**change, "Batches": "122"})["body"]["Batches"] == "122"


@pytest.mark.requirement("CD-05")
@pytest.mark.parametrize(("field", "value"), [("CustomMaster", "0902"), ("Nature", "2")])
def test_nothing_else_of_a_qualification_changes(site: Site, field: str, value: str) -> None:
    key = qualified(site)["document"]
    change = {"Batches": "1", "GuaranteeAmount": "50", "GuaranteeUntil": "2099-12-31", field: value}

    status = b.refused(site, act(QUALIFICATION, "amend", key, **change))

    assert "GW-C20" in b.codes(status)
    assert any(fault["path"].endswith(f"/{field}") for fault in status["faults"])


@pytest.mark.requirement("CD-05")
def test_of_a_bonded_one_only_the_batches_change(site: Site) -> None:
    before = qualified(site, nature="2")
    key = before["document"]

    status = b.refused(site, act(QUALIFICATION, "amend", key, Batches="7", GuaranteeMode="1", GuaranteeAmount="1"))
    after = amended(site, key, Batches="7")

    assert b.codes(status) == {"CD-Q03", "CD-Q04"}
    assert after["body"] == {**before["body"], "Batches": "7"}


# Extending it


def ends_in(days: int) -> str:
    """The marker of an approval that ends so many days from now."""
    return f"!valid-until={f.today(days).replace('-', '')}"


@pytest.mark.requirement("CD-06")
@pytest.mark.parametrize("days", [0, 5, 10])
def test_a_bonded_one_is_extended_in_its_last_ten_days(site: Site, days: int) -> None:
    before = qualified(site, ends_in(days), nature="2")
    assert before["body"]["ApprovedUntil"] == f.today(days)

    b.done(site, act(QUALIFICATION, "extend", before["document"]))
    after = site.wait_business(QUALIFICATION, before["document"], f.APPROVED)

    assert after["body"]["ApprovedUntil"] > f.today(300)
    assert {**after["body"], "ApprovedUntil": ""} == {**before["body"], "ApprovedUntil": ""}


@pytest.mark.requirement("CD-06")
@pytest.mark.parametrize("days", [11, 200])
def test_no_earlier(site: Site, days: int) -> None:
    key = qualified(site, ends_in(days), nature="2")["document"]

    status = b.refused(site, act(QUALIFICATION, "extend", key))

    (fault,) = status["faults"]
    assert (fault["code"], fault["label"]) == ("CD-Q12", "核准有效期")


@pytest.mark.requirement("CD-06")
def test_one_for_general_trade_is_not_extended(site: Site) -> None:
    key = qualified(site, ends_in(5))["document"]

    assert b.codes(b.refused(site, act(QUALIFICATION, "extend", key))) == {"CD-Q11"}


@pytest.mark.requirement("CD-06")
def test_an_extension_that_customs_refuses_leaves_the_end_where_it_was(site: Site) -> None:
    before = qualified(site, ends_in(5), nature="2")

    b.done(site, act(QUALIFICATION, "extend", before["document"], "!refuse"), "rejected")
    after = site.wait_business(QUALIFICATION, before["document"], f.APPROVED)

    assert after["body"] == before["body"]


# When its time is over


@pytest.mark.requirement("CD-01", "CD-02")
def test_past_its_day_it_has_expired_and_makes_room_for_another(site: Site) -> None:
    customs = f.fresh_customs()
    old = qualified(site, ends_in(-1), CustomMaster=customs)
    number = {"unified": old["numbers"]["unified"]}

    (row,) = b.rows(site, b.query(QUALIFICATION, "list", filters=number))
    found = b.rows(site, b.query(QUALIFICATION, "list", filters={**number, "status": "已过期"}))
    missed = b.rows(site, b.query(QUALIFICATION, "list", filters={**number, "status": f.APPROVED}))
    amended_ = b.refused(
        site, act(QUALIFICATION, "amend", old["document"], Batches="1", GuaranteeAmount="1", GuaranteeUntil="20991231")
    )
    goods = b.refused(site, f.volume(old["numbers"]["unified"]))
    new = qualified(site, CustomMaster=customs)

    assert (row["status"], [each["unified"] for each in found], missed) == ("已过期", [number["unified"]], [])
    assert "已过期" in amended_["faults"][0]["message"]
    assert b.codes(goods) == {"GW-F30"}
    assert old["body"]["ApprovedUntil"] in goods["faults"][0]["message"]
    assert new["business_status"]["text"] == f.APPROVED
    assert site.wait_business(QUALIFICATION, old["document"], "已过期")["body"] == {**old["body"], "Status": "11"}


# Finding it


@pytest.mark.requirement("CD-15")
def test_a_list_finds_qualifications_by_their_numbers_and_kind(site: Site) -> None:
    document = qualified(site)
    customs = document["body"]["CustomMaster"]

    for filters in (
        {"unified": document["numbers"]["unified"]},
        {"filing": document["numbers"]["filing"]},
        {"customs": customs, "nature": "1"},
        {"trade_code": "2102960001", "customs": customs, "bonded": "0", "status": f.APPROVED},
    ):
        (row,) = b.rows(site, b.query(QUALIFICATION, "list", filters=filters))
        assert (row["unified"], row["filing"]) == (document["numbers"]["unified"], document["numbers"]["filing"])
        assert (row["customs_code"], row["nature_code"], row["status"]) == (customs, "1", f.APPROVED)
        assert row["approved_until"] == document["body"]["ApprovedUntil"]
