"""Goods filed for collective declaration (企业商品信息备案): volumes under a qualification, how they wait for it, and how they change."""

from __future__ import annotations

import re
from typing import Any

import bodies as b
import filings as f
import pytest
from filings import GOODS, QUALIFICATION, act, filed, goods, qualification, qualified, volume
from pypdf import PdfReader
from sites import Site, wait_until


@pytest.fixture(scope="module")
def general(site: Site) -> dict[str, Any]:
    """An approved qualification for general trade."""
    return qualified(site)


@pytest.fixture(scope="module")
def filing(general: dict[str, Any]) -> str:
    """Its number."""
    return str(general["numbers"]["unified"])


def numbered(content: dict[str, Any]) -> list[tuple[str, str]]:
    """Number and name of each good."""
    return [(row["GNo"], row["GName"]) for row in content["DecList"]]


# What is entered


@pytest.mark.requirement("CD-03")
def test_a_volume_is_filled_from_its_qualification(site: Site, general: dict[str, Any], filing: str) -> None:
    status = b.done(site, volume(filing, "save"))

    assert re.fullmatch(r"JF20[0-9]{14}", status["numbers"]["unified"])
    content = f.body(site, status)
    assert content["VolumeUnifiedNo"] == status["numbers"]["unified"]
    assert {name: content[name] for name in ("CustomMaster", "Nature", "TradeCode")} == {
        name: general["body"][name] for name in ("CustomMaster", "Nature", "TradeCode")
    }
    assert (content["Volume"], numbered(content)[2]) == ("1", ("3", "冻虾3号"))


@pytest.mark.requirement("CD-03")
def test_a_qualification_that_is_named_by_its_key_is_told_by_its_number(site: Site, general: dict[str, Any], filing: str) -> None:
    status = b.done(site, volume(general["document"], "save"))

    assert f.body(site, status)["FilingNo"] == filing


@pytest.mark.requirement("CD-03")
def test_another_customs_than_the_qualifications_is_a_fault(site: Site, filing: str) -> None:
    (fault,) = b.refused(site, volume(filing, "save", CustomMaster="5300"))["faults"]

    assert (fault["code"], fault["label"]) == ("GW-C19", "申报地海关")


@pytest.mark.requirement("CD-03")
@pytest.mark.parametrize("number", ["JB2019000000000001", "no-such-key"])
def test_a_volume_belongs_to_a_qualification_of_the_account(site: Site, number: str) -> None:
    faults = b.refused(site, volume(number, "save"))["faults"]

    assert [(fault["code"], fault["label"]) for fault in faults] == [("GW-C32", "企业资质备案中心统一编号")]
    assert number in faults[0]["message"]


@pytest.mark.requirement("CD-03")
@pytest.mark.parametrize(
    ("licence", "code"),
    [
        ("7:26AA100001", ""),
        ("7：26AA100001", "CD-G06"),
        ("26AA100001", "CD-G02"),
        ("7:26AA：1", "CD-G06"),
        (":26AA100001", "CD-G02"),
        ("7: 26AA100001", "CD-G02"),
        ("7:26AA100001,1:26AA200001", "CD-G02"),
    ],
)
def test_a_licence_is_its_code_a_half_width_colon_and_its_number(site: Site, filing: str, licence: str, code: str) -> None:
    status = b.do(site, volume(filing, "save", rows=[goods(1), goods(2, LicenseNo=licence)]))

    assert [(fault["code"], fault["label"]) for fault in status["faults"]] == ([(code, "备案表表体许可证编号")] if code else [])
    assert all(fault["path"].endswith("/DecList[2]/LicenseNo") for fault in status["faults"])


@pytest.mark.requirement("CD-03")
def test_the_same_good_twice_is_a_warning(site: Site, filing: str) -> None:
    status = b.done(site, volume(filing, "save", rows=[goods(1), goods(2), goods(1)]))

    (fault,) = status["faults"]
    assert (fault["code"], fault["severity"]) == ("CD-G05", "warning")
    assert fault["path"].endswith("/DecList[3]")


@pytest.mark.requirement("CD-03")
def test_bonded_goods_are_never_filed(site: Site) -> None:
    bonded = qualified(site, nature="2")

    status = b.refused(site, volume(bonded["numbers"]["unified"]))

    assert b.codes(status) == {"CD-G07"}
    assert "账册/手册" in status["faults"][0]["message"]


# Volumes and rows


@pytest.mark.requirement("CD-03")
def test_the_hundredth_good_opens_the_next_volume_and_the_answer_tells_both(site: Site, filing: str) -> None:
    root = volume(filing, "save", rows=[goods(n) for n in range(1, 121)])
    status = b.done(site, root)

    first, second = (part["document"] for part in status["parts"])
    contents = [(site.document(GOODS, key) or {})["body"] for key in (first, second)]
    assert [len(content["DecList"]) for content in contents] == [99, 21]
    assert [content["Volume"] for content in contents] == ["1", "2"]
    assert [numbered(content)[-1] for content in contents] == [("99", "冻虾99号"), ("21", "冻虾120号")]
    numbers = {part["numbers"]["unified"] for part in status["parts"]}
    assert len(numbers) == 2
    assert numbers == {content["VolumeUnifiedNo"] for content in contents}
    again = b.done(site, root)
    assert again["parts"] == status["parts"]


@pytest.mark.requirement("CD-03")
def test_volumes_of_one_message_are_approved_each_with_its_own_number(site: Site, filing: str) -> None:
    status = b.done(site, volume(filing, rows=[goods(n) for n in range(1, 101)]))

    documents = [site.wait_business(GOODS, part["document"], f.APPROVED) for part in status["parts"]]
    assert len({document["numbers"]["volume"] for document in documents}) == 2


@pytest.mark.requirement("CD-03")
def test_inserting_and_deleting_renumbers_what_was_never_approved(site: Site, filing: str) -> None:
    key = b.done(site, volume(filing, "save"))["document"]

    b.done(site, act(GOODS, "insert", key, Before="2", DecList=[goods(7), goods(8)]))
    names = numbered((site.document(GOODS, key) or {})["body"])
    assert names == [("1", "冻虾1号"), ("2", "冻虾7号"), ("3", "冻虾8号"), ("4", "冻虾2号"), ("5", "冻虾3号")]
    b.done(site, act(GOODS, "remove", key, Rows="1,3-4"))
    assert numbered((site.document(GOODS, key) or {})["body"]) == [("1", "冻虾7号"), ("2", "冻虾3号")]


@pytest.mark.requirement("CD-03")
def test_the_elements_of_a_good_are_shown_and_given_anew_while_it_is_a_draft(site: Site, filing: str) -> None:
    status = b.done(site, volume(filing, "save"))
    assert f.body(site, status)["DecList"][0]["GModel"] == "冻|去头|规格1"

    again = volume(filing, "save", rows=[goods(1, GModel="冻|带头|规格1"), goods(2), goods(3)], document=status["document"])

    assert f.body(site, b.done(site, again))["DecList"][0]["GModel"] == "冻|带头|规格1"


# Waiting for the qualification


@pytest.mark.requirement("CD-04")
def test_goods_wait_for_the_qualification_and_go_by_themselves(site: Site) -> None:
    first = b.done(site, qualification("declare", "!pace=1s"), "sent")
    name = site.drop(b.xml(volume(first["document"])))

    waiting = site.wait(name, "received", "checked")
    waiting = wait_until(lambda: (s := site.status(name)) and s["waiting_for"] == "other document" and s, "goods to wait")
    assert waiting["business_status"]["text"] == "已申报（未发往海关）"
    status = site.wait(name, "accepted")

    assert status["business_status"]["text"] == f.APPROVED
    assert status["numbers"]["volume"].startswith("B")


@pytest.mark.requirement("CD-04")
def test_goods_are_refused_with_their_qualification(site: Site) -> None:
    first = b.done(site, qualification("declare", "!pace=1s!refuse"), "sent")
    status = b.refused(site, volume(first["document"]))

    (fault,) = status["faults"]
    assert (fault["code"], fault["label"]) == ("GW-F30", "企业资质备案中心统一编号")
    assert first["numbers"]["unified"] in fault["message"]
    assert "核准拒绝" in fault["message"]
    assert status["business_status"]["text"] == "暂存"


@pytest.mark.requirement("CD-04")
def test_goods_of_a_draft_can_be_entered_and_not_declared(site: Site) -> None:
    draft = b.done(site, qualification("save"))["numbers"]["unified"]
    b.done(site, volume(draft, "save"))

    (fault,) = b.refused(site, volume(draft))["faults"]

    assert (fault["code"], "暂存" in fault["message"], draft in fault["message"]) == ("GW-F30", True, True)


# Changing what is approved


@pytest.mark.requirement("CD-05")
def test_goods_are_added_and_stopped_when_customs_agrees(site: Site, filing: str) -> None:
    before = filed(site, filing)
    key = before["document"]

    b.done(site, act(GOODS, "amend", key, DecList=[goods(8), goods(9)]))
    added = site.wait_business(GOODS, key, f.APPROVED)
    b.done(site, act(GOODS, "stop", key, Rows="2,4"))
    after = site.wait_business(GOODS, key, f.APPROVED)["body"]

    assert added["body"]["DecList"][:3] == before["body"]["DecList"]
    assert numbered(added["body"])[3:] == [("4", "冻虾8号"), ("5", "冻虾9号")]
    assert [row.get("Stopped") for row in after["DecList"]] == [None, "1", None, "1", None]
    assert added["numbers"] == before["numbers"]


@pytest.mark.requirement("CD-05")
@pytest.mark.parametrize(("operation", "change"), [("amend", {"DecList": [goods(9)]}), ("stop", {"Rows": "1"})])
@pytest.mark.parametrize("marker", ["!refuse", "!send-fail"])
def test_a_change_of_goods_that_customs_does_not_make_leaves_them(
    site: Site, filing: str, operation: str, change: dict[str, Any], marker: str
) -> None:
    before = filed(site, filing)

    b.done(site, act(GOODS, operation, before["document"], marker, **change), "rejected")
    after = site.wait_business(GOODS, before["document"], f.APPROVED)

    assert (after["body"], after["pending"]) == (before["body"], None)


@pytest.mark.requirement("CD-05")
@pytest.mark.parametrize(("rows", "code"), [("4", "GW-C34"), ("0", "GW-C33"), ("a", "GW-C33")])
def test_what_is_stopped_must_be_there(site: Site, filing: str, rows: str, code: str) -> None:
    key = filed(site, filing)["document"]

    (fault,) = b.refused(site, act(GOODS, "stop", key, Rows=rows))["faults"]

    assert fault["code"] == code
    assert fault["path"].endswith("/Rows")


@pytest.mark.requirement("CD-05")
def test_a_good_is_stopped_once(site: Site, filing: str) -> None:
    key = filed(site, filing)["document"]
    b.done(site, act(GOODS, "stop", key, Rows="1"))
    site.wait_business(GOODS, key, f.APPROVED)

    assert b.codes(b.refused(site, act(GOODS, "stop", key, Rows="1-2"))) == {"GW-C35"}


@pytest.mark.requirement("CD-05")
@pytest.mark.parametrize("operation", ["save", "insert", "remove", "declare"])
def test_approved_goods_change_in_no_other_way(site: Site, filing: str, operation: str) -> None:
    key = filed(site, filing)["document"]
    bodies: dict[str, Any] = {
        "save": {"FilingNo": filing, "DecList": [goods(9)]},
        "insert": {"Before": "1", "DecList": [goods(9)]},
        "remove": {"Rows": "1"},
    }

    assert "GW-F05" in b.codes(b.refused(site, act(GOODS, operation, key, **bodies.get(operation, {}))))


# Copies, deletions, prints, lists


@pytest.mark.requirement("CD-02")
def test_a_copy_of_an_approved_volume_is_a_draft_with_a_number_of_its_own(site: Site, filing: str) -> None:
    origin = filed(site, filing)

    status = b.done(site, act(GOODS, "copy", origin["document"], Copies="1"))
    (copy,) = status["copies"]
    draft = site.document(GOODS, copy["document"]) or {}

    assert draft["business_status"]["text"] == "暂存"
    assert numbered(draft["body"]) == numbered(origin["body"])
    assert draft["numbers"]["unified"] != origin["numbers"]["unified"]
    assert "VolumeNo" not in draft["body"]


@pytest.mark.requirement("CD-02")
@pytest.mark.parametrize(
    ("marker", "state", "text", "gone"),
    [
        ("!refuse", "rejected", "核准拒绝", True),
        ("!send-fail", "rejected", "接受失败", True),
        ("!cancel", "accepted", "取消资质", True),
        ("", "accepted", f.APPROVED, False),
        ("!stay=S1", "sent", "已申报", False),
    ],
)
def test_volumes_are_deleted_in_four_states(site: Site, filing: str, marker: str, state: str, text: str, gone: bool) -> None:
    key = b.done(site, volume(filing, "declare", marker), state)["document"]
    site.wait_business(GOODS, key, text)

    status = b.do(site, act(GOODS, "delete", key))

    assert status["state"] == ("accepted" if gone else "refused")


@pytest.mark.requirement("CD-02")
def test_a_qualification_takes_its_volumes_with_it(site: Site) -> None:
    draft = b.done(site, qualification("save"))
    keys = [b.done(site, volume(draft["document"], "save"))["document"] for _ in range(2)]

    b.done(site, act(QUALIFICATION, "delete", draft["document"]))

    for key in keys:
        wait_until(lambda key=key: site.document(GOODS, key) is None or site.document(GOODS, key)["deleted"], key)  # type: ignore[index]
        assert "GW-F04" in b.codes(b.refused(site, act(GOODS, "declare", key)))


@pytest.mark.requirement("CD-02")
def test_a_qualification_stays_while_a_volume_is_in_another_state(site: Site) -> None:
    first = b.done(site, qualification("declare", "!pace=1s!cancel"), "sent")
    site.wait_business(QUALIFICATION, first["document"], f.APPROVED)
    key = b.done(site, volume(first["document"]))["document"]
    site.wait_business(QUALIFICATION, first["document"], "取消资质")

    status = b.refused(site, act(QUALIFICATION, "delete", first["document"]))

    assert key in status["faults"][0]["message"] or f.APPROVED in status["faults"][0]["message"]


@pytest.mark.requirement("CD-02", "CD-16")
def test_a_saved_volume_is_printed_as_its_form(site: Site, filing: str) -> None:
    status = b.done(site, volume(filing, "save"))

    name = site.drop(b.xml(act(GOODS, "print", status["document"])))
    site.wait(name)
    text = "".join(page.extract_text() for page in PdfReader(site.result(name)).pages)

    for word in ("企业商品信息备案表", status["numbers"]["unified"], filing, "冻虾3号", "冻|去头|规格2", "千克"):
        assert word in text


@pytest.mark.requirement("CD-15")
def test_a_list_gives_the_volumes_of_a_qualification_with_their_customs_numbers(site: Site) -> None:
    filing = qualified(site)["numbers"]["unified"]
    approved, draft = filed(site, filing), b.done(site, volume(filing, "save"))

    rows = b.rows(site, b.query(GOODS, "list", filters={"filing": filing}, sort="created"))

    assert [(row["unified"], row["volume"], row["status"]) for row in rows] == [
        (approved["numbers"]["unified"], approved["numbers"]["volume"], f.APPROVED),
        (draft["numbers"]["unified"], "-", "暂存"),
    ]
