"""Bad input of collective declaration: each told with code, place and label, in both languages, and nothing is lost."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import bodies as b
import filings as f
import pytest
from filings import CHANGE, GOODS, LIST, QUALIFICATION, act, qualification, qualified, volume
from lists import Filing, declared, filing, line, listed
from lxml import etree
from sites import Site, wait_until

Told = tuple[str, str, str]  #: code, place, Chinese label


@dataclass(frozen=True)
class Filed:
    """What the wrong messages are about: a filing with a stopped good, another volume of it, and an approved list."""

    on: Filing
    other: str  #: 备案号 of a volume of one good
    long: str  #: of one of 51 goods
    list: dict[str, Any]


@pytest.fixture(scope="module")
def filed(site: Site) -> Filed:
    on = filing(site)
    listed_ = declared(site, on, "海关审批通过", "!stay=7", lines=[line("1")])
    other = f.filed(site, on.qualification["numbers"]["unified"], [f.goods(21)])
    b.done(site, act(GOODS, "stop", on.volume["document"], Rows="2"))
    long = f.filed(site, on.qualification["numbers"]["unified"], [f.goods(n) for n in range(101, 152)])
    return Filed(on, str(other["numbers"]["volume"]), str(long["numbers"]["volume"]), listed_)


def change(of: str, place: str = "GrossWet", new: str = "821", old: str | None = None, kind: str = "1") -> etree._Element:
    row = {"Place": place, "New": new, **({"Old": old} if old else {})}
    said = {"ChangeKind": kind, "ListNo": of, **({"Change": [row]} if kind == "1" else {})}
    who = {"Reason": "录入有误", "Contact": "李示例", "Phone": "0411-80000002"}
    return b.message(CHANGE, "declare", set_={**said, **who}, reference=b.fresh("change"))


def told(site: Site, root: etree._Element) -> list[Told]:
    """What a message is refused with, after a look that all of it is there: the file, its answer, and both languages."""
    name = site.drop(b.xml(root))
    status = site.wait(name)
    assert status["state"] == "refused", status
    assert wait_until(lambda: site.places(name) == ["FailBox"], "the original in FailBox")
    answer = wait_until(lambda: site.inbox(f"Failed_{name.rsplit('.', 1)[0]}_"), "the answer")[0].read_text("utf-8")
    shown = site.command("show", status["message_id"], "--json", "--lang", "en", check=True)
    english = [(each["code"], each["message"]) for each in json.loads(shown.stdout)[0]["faults"]]
    for fault, (code, text) in zip(status["faults"], english, strict=True):
        assert fault["code"] == code and code in answer
        assert re.search("[一-龥]", fault["message"]) and fault["message"] in answer
        assert re.match("[A-Za-z“‘]", text) and text != fault["message"], text
    return [(each["code"], each["path"], each["label"]) for each in status["faults"]]


ROWS = "集报清单表体"
CASES: dict[str, tuple[Callable[[Site, Filed], etree._Element], list[Told]]] = {
    "a full-width colon in a licence number": (
        lambda s, g: volume(g.on.qualification["document"], "save", rows=[f.goods(1), f.goods(2, LicenseNo="7：26AA100001")]),
        [("CD-G06", "/CD.goods/DecList[2]/LicenseNo", "备案表表体许可证编号")],
    ),
    "51 lines": (
        lambda s, g: listed(g.on, "save", lines=[line(str(n)) for n in range(1, 52)], ManualNo=g.long),
        [("GW-C18", "/CD.list/DecList", ROWS)],
    ),
    "a 备案序号 twice": (
        lambda s, g: listed(g.on, "save", lines=[line("1"), line("3"), line("1")]),
        [("CD-L28", "/CD.list/DecList[3]/ContrItem", f"{ROWS}备案序号")],
    ),
    "a 备案序号 that is stopped": (
        lambda s, g: listed(g.on, lines=[line("1"), line("2")]),
        [("GW-C31", "/CD.list/DecList[2]/ContrItem", f"{ROWS}备案序号")],
    ),
    "a 备案序号 of another volume": (
        lambda s, g: listed(g.on, lines=[line("1"), line("3")], ManualNo=g.other),
        [("GW-C30", "/CD.list/DecList[2]/ContrItem", f"{ROWS}备案序号")],
    ),
    "a list for a customs where only another is approved": (
        lambda s, g: listed(g.on, lines=[line("1")], CustomMaster=f.fresh_customs()),
        [
            ("GW-F30", "/CD.list/CustomMaster", "申报地海关+境内收发货人代码+保税标志"),
            ("GW-F47", "/CD.list/CustomMaster", "申报地海关"),
        ],
    ),
    "bonded with a guarantee": (
        lambda s, g: qualification("save", nature="2", GuaranteeAmount="50"),
        [("CD-Q04", "/CD.qualification/GuaranteeAmount", "担保额度(万元)")],
    ),
    "0708 nature under 0908": (
        lambda s, g: qualification("save", nature="3", CustomMaster="0908"),
        [("CD-Q01", "/CD.qualification/CustomMaster", "申报地海关")],
    ),
    "a change of a field that is not what it says as old": (
        lambda s, g: change(g.list["document"], old="820"),
        [("GW-C19", "/CD.change/Change[1]/Old", "修改项修改前")],
    ),
    "net over gross weight": (
        lambda s, g: listed(g.on, "save", lines=[line("1")], NetWt="820.51"),
        [("CD-L06", "/CD.list/NetWt", "净重")],
    ),
    "a second quantity without its unit": (
        lambda s, g: listed(g.on, "save", lines=[line("1", SecondQty="5")]),
        [("CD-L18", "/CD.list/DecList[1]/SecondQty", f"{ROWS}法定第二数量")],
    ),
    "an extension eleven days before the end": (
        lambda s, g: act(QUALIFICATION, "extend", ends_in_eleven_days(s)),
        [("CD-Q12", "/CD.qualification/ApprovedUntil", "核准有效期")],
    ),
    "a qualification filed twice for one customs": (
        lambda s, g: qualification("declare", CustomMaster=g.on.customs),
        [("GW-F07", "/CD.qualification/CustomMaster", "申报地海关+企业海关编号+保税标志")],
    ),
}


def ends_in_eleven_days(site: Site) -> str:
    return str(qualified(site, f"!valid-until={f.today(11).replace('-', '')}", nature="2")["document"])


@pytest.mark.requirement("CD-01", "CD-03", "CD-06", "CD-07", "CD-08", "CD-10")
@pytest.mark.parametrize("case", CASES)
def test_it_is_told_where_it_is_wrong_and_nothing_is_lost(site: Site, filed: Filed, case: str) -> None:
    wrong, expected = CASES[case]

    assert told(site, wrong(site, filed)) == expected


@pytest.mark.requirement("CD-10")
def test_a_list_that_is_being_changed_is_not_changed_again(site: Site, filed: Filed) -> None:
    key = declared(site, filed.on, "已结关", lines=[line("1")])["document"]
    root = change(key)
    root.set("reference", root.get("reference", "") + "!stay=R1")
    b.done(site, root, "sent")

    for again in (change(key, "PackNo", "41"), change(key, kind="2")):
        assert told(site, again) == [("GW-F07", "/CD.change/ListNo", "集报清单编号")]


@pytest.mark.requirement("CD-10")
def test_a_cancelled_list_is_not_changed(site: Site, filed: Filed) -> None:
    key = declared(site, filed.on, "已结关", lines=[line("1")])["document"]
    b.done(site, change(key, kind="2"))

    assert told(site, change(key)) == [("GW-F30", "/CD.change/ListNo", "集报清单编号")]
    assert (site.document(LIST, key) or {})["business_status"]["text"] == "已撤销"
