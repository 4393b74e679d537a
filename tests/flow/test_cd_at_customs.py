"""What customs makes of filings, lists and changes, by books of its own: it may know otherwise than the gateway."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import bodies as b
import pytest
from filings import ACCOUNT, BONDED_ACCOUNT, CHANGE, GOODS, LIST, act, qualification
from lxml import etree
from pypdf import PdfReader
from sites import Site, make_site

CUSTOMS = "0908"  #: of the sample manifests and of the sample account
BONDED = ("ok-save-bonded.xml", "ok-save-export-bonded.xml")
CLEARED = "已结关"


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A running site whose enterprise has filed at the customs of the sample books: general and bonded goods."""
    site = make_site(tmp_path_factory.mktemp("books"))
    site.simulate("--fast")
    site.run()
    filed(site)
    bonded(site)
    contracted(site)
    yield site
    for name in list(site.processes):
        site.stop(name)


def filed(site: Site) -> None:
    """File a qualification for general trade, and a volume of goods."""
    b.done(site, qualification(document="q-general", CustomMaster=CUSTOMS))
    b.done(site, b.message(GOODS, "declare", like="ok-save.xml", set_={"FilingNo": "q-general"}, document="volume"))


def bonded(site: Site) -> None:
    """File a qualification for bonded goods, and fetch the account."""
    b.done(site, qualification(CustomMaster=CUSTOMS, nature="2"))
    b.done(site, b.message(ACCOUNT, "fetch", set_={"AccountNo": BONDED_ACCOUNT}))


def contracted(site: Site) -> None:
    """File a qualification for exports of contracted projects, and a volume of goods."""
    b.done(site, qualification(document="q-contracted", CustomMaster="5729", nature="4"))
    b.done(site, b.message(GOODS, "declare", like="ok-save.xml", set_={"FilingNo": "q-contracted"}))


def volume(site: Site) -> str:
    found = site.document(GOODS, "volume")
    assert found is not None
    return str(found["numbers"]["volume"])


def listed(
    site: Site, marker: str = "", *, like: str | None = "ok-save.xml", document: str | None = None, **set_: Any
) -> etree._Element:
    """A declare of a list of this example, under what was filed."""
    manual = BONDED_ACCOUNT if like in BONDED else volume(site)
    changes = {"ManualNo": manual, **{name.replace("__", "/"): value for name, value in set_.items()}}
    if like and like.endswith(".json"):
        body = json.loads((b.PROFILES / "customs" / LIST / "examples" / like).read_text("utf-8"))["body"]
        like, changes = None, {**body, **changes}
    return b.message(LIST, "declare", like=like, set_=changes, document=document, reference=b.fresh("list") + marker)


def change(of: str, *rows: tuple[str, str], marker: str = "", kind: str = "1") -> etree._Element:
    told = {"Change": [{"Place": place, "New": new} for place, new in rows]} if rows else {}
    said = {"ChangeKind": kind, "ListNo": of, **told, "Reason": "录入有误", "Contact": "李示例", "Phone": "0411-80000002"}
    return b.message(CHANGE, "declare", set_=said, reference=b.fresh("change") + marker)


def told(status: dict[str, Any]) -> list[tuple[str, str]]:
    """Codes and words of the faults that customs told."""
    return [(fault["code"], fault["message"]) for fault in status["faults"]]


def cleared(site: Site, status: dict[str, Any]) -> dict[str, Any]:
    return site.wait_business(LIST, status["document"], CLEARED)


@pytest.mark.requirement("CD-07", "CD-09")
@pytest.mark.parametrize(
    ("like", "direction"),
    [("ok-save.xml", "I"), ("ok-save-export.json", "E"), ("ok-save-bonded.xml", "I"), ("ok-save-export-bonded.xml", "E")],
)
def test_a_list_of_each_kind_goes_its_way_to_the_clearance(books: Site, like: str, direction: str) -> None:
    status = b.done(books, listed(books, like=like))
    document = cleared(books, status)

    assert re.fullmatch(rf"{CUSTOMS}20\d\d{direction}\d{{9}}", document["numbers"]["entry"])
    assert [r["code"] for r in document["receipts"]] == ["0", "S1", "7", "9", "10", "11", "12", "15"]
    assert document["body"]["AcceptDate"] == next(r for r in document["receipts"] if r["code"] == "7")["issued_at"][:10]


BAD = sorted((b.PROFILES / "customs" / LIST / "examples").glob("bad-*.xml"))


@pytest.mark.requirement("CD-07", "CD-08")
@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_bad_example_on_what_was_filed_breaks_its_own_rule_alone(books: Site, path: Path) -> None:
    assert volume(books) == "B09080000001", "the one that the examples name"
    status = books.wait(books.drop(path.read_bytes(), name=path.name), "refused", "accepted", "rejected")

    assert [fault["code"] for fault in status["faults"]] == [path.stem.removeprefix("bad-")]
    assert (status["state"] == "refused") == (status["faults"][0]["severity"] == "error")


@pytest.mark.requirement("CD-08", "CD-09")
@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("GrossWet", "830", "毛重与舱单不符: 清单 830，舱单 820.5"),
        ("PackNo", "41", "件数与舱单不符: 清单 41，舱单 40"),
        ("VoyNo", "2612W", "航次号与舱单不符: 清单 2612W，舱单 2611W"),
        ("BillNo", "NOBODY1", "没有提运单 NOBODY1 的舱单"),
    ],
)
def test_what_the_manifest_says_otherwise_is_told_and_the_mended_list_goes_on(
    books: Site, field: str, value: str, words: str
) -> None:
    refused = b.done(books, listed(books, **{field: value}), "rejected")
    right = {"GrossWet": "820.5", "PackNo": "40", "VoyNo": "2611W", "BillNo": "EXBL26110001"}[field]
    mended = b.done(books, listed(books, document=refused["document"], **{field: right}))

    assert (refused["business_status"]["text"], [text for _, text in told(refused)]) == ("退单", [words])
    assert any(fault["path"].endswith(field) for fault in refused["faults"])
    assert "entry" in cleared(books, mended)["numbers"]


@pytest.mark.requirement("CD-08")
def test_a_licence_at_customs_covers_no_more_than_is_left(books: Site) -> None:
    """The gateway has never seen this licence: customs alone knows what is left."""
    much = {"DecList__GQty": "1000001", "DecList__FirstQty": "1000001", "DecList__DeclTotal": "12500012.5"}

    refused = b.done(books, listed(books, **much), "rejected")

    ((_, text),) = told(refused)
    assert re.fullmatch(r"许可证 26AA100001 商品 0306143000 余量 \d+，不足 1000001", text)


@pytest.mark.requirement("CD-09", "CD-18")
def test_a_list_whose_documents_were_not_presented_is_deleted_by_customs(books: Site) -> None:
    status = b.done(books, listed(books, "!not-presented"))

    document = books.wait_business(LIST, status["document"], "海关删除")

    assert [r["code"] for r in document["receipts"]] == ["0", "S1", "7", "D"]


@pytest.mark.requirement("CD-09")
@pytest.mark.parametrize(("marker", "text"), [("!send-fail", "发往海关失败"), ("!refuse", "退单")])
def test_a_list_that_customs_does_not_take_can_be_declared_again(books: Site, marker: str, text: str) -> None:
    refused = b.done(books, listed(books, marker), "rejected")

    again = b.done(books, act(LIST, "declare", refused["document"]))

    assert refused["business_status"]["text"] == text
    assert cleared(books, again)["document"] == refused["document"]


@pytest.mark.requirement("CD-10")
def test_a_change_that_customs_agrees_to_is_carried_out(books: Site) -> None:
    before = cleared(books, b.done(books, listed(books)))

    status = b.done(books, change(before["document"], ("ContrNo", "EX-2"), ("GoodsPlace", "大连二号冷库")))

    after = books.document(LIST, before["document"])
    assert after is not None
    assert status["business_status"]["text"] == "同意"
    assert (after["body"]["ContrNo"], after["body"]["GoodsPlace"]) == ("EX-2", "大连二号冷库")
    assert after["business_status"]["text"] == CLEARED


@pytest.mark.requirement("CD-10")
@pytest.mark.parametrize(
    ("rows", "marker", "words"),
    [
        ((("GrossWet", "900"),), "", "毛重与舱单不符: 清单 900，舱单 820.5"),
        ((("ContrNo", "EX-2"),), "!disagree", "海关不同意修改/撤销"),
    ],
)
def test_a_change_that_customs_refuses_leaves_the_list(books: Site, rows: Any, marker: str, words: str) -> None:
    before = cleared(books, b.done(books, listed(books)))

    status = b.done(books, change(before["document"], *rows, marker=marker), "rejected")

    after = books.document(LIST, before["document"])
    assert after is not None
    assert (status["business_status"]["text"], [text for _, text in told(status)]) == ("不同意", [words])
    assert after["body"] == before["body"]


@pytest.mark.requirement("CD-10")
def test_a_cancelled_list_is_over(books: Site) -> None:
    before = cleared(books, b.done(books, listed(books)))

    b.done(books, change(before["document"], kind="2"))

    assert books.wait_business(LIST, before["document"], "已撤销")["numbers"] == before["numbers"]


@pytest.mark.requirement("CD-10", "CD-15")
def test_requests_are_found_by_their_kind_which_must_be_said_and_by_what_became_of_them(books: Site) -> None:
    lists = [cleared(books, b.done(books, listed(books)))["document"] for _ in range(2)]
    agreed = b.done(books, change(lists[0], ("ContrNo", "EX-2")))["numbers"]["unified"]
    refused = b.done(books, change(lists[0], ("ContrNo", "EX-3"), marker="!disagree"), "rejected")["numbers"]["unified"]
    cancelled = b.done(books, change(lists[1], kind="2"))["numbers"]["unified"]

    def found(**filters: str) -> list[str]:
        rows = b.rows(books, b.query(CHANGE, "list", filters=filters))
        return [row["unified"] for row in rows if row["unified"] in (agreed, refused, cancelled)]

    nothing = b.refused(books, b.query(CHANGE, "list", filters={"status": "同意"}))
    assert [(fault["code"], "kind" in fault["message"]) for fault in nothing["faults"]] == [("GW-F09", True)]
    assert sorted(found(kind="1")) == sorted([agreed, refused])
    assert found(kind="2") == [cancelled]
    assert found(kind="1", status="同意") == [agreed]
    assert found(kind="1", status="不同意") == [refused]
    of_list = books.document(LIST, lists[1])
    assert of_list is not None
    assert found(kind="2", list=of_list["numbers"]["unified"]) == [cancelled]


@pytest.mark.requirement("CD-10", "CD-16")
@pytest.mark.parametrize("kind", ["1", "2"])
def test_a_request_is_printed_as_its_form(books: Site, kind: str) -> None:
    key = cleared(books, b.done(books, listed(books)))["document"]
    status = b.done(books, change(key, *([("ContrNo", "EX-9")] if kind == "1" else ()), kind=kind))

    name = books.drop(b.xml(act(CHANGE, "print", status["document"])))
    books.wait(name)
    text = "".join(page.extract_text() for page in PdfReader(books.result(name)).pages)

    changed = ("合同协议号", "EX-2026-118", "EX-9") if kind == "1" else ("撤销",)
    for word in ("集报清单修撤单", status["numbers"]["unified"], "录入有误", "李示例", "同意", *changed):
        assert word in text


@pytest.mark.requirement("CD-03")
@pytest.mark.parametrize("number", ["C09082600099", "C09082600088"])
def test_an_account_that_is_not_the_enterprises_own_is_refused(books: Site, number: str) -> None:
    status = b.done(books, b.message(ACCOUNT, "fetch", set_={"AccountNo": number}), "rejected")

    assert [text for _, text in told(status)] == [f"没有 {number} 的备案信息"]


def begun_again(site: Site, old: str, new: str) -> None:
    """Start the simulators again with other settings, at the ports at which the gateway knows them."""
    place = site.home / "simulators"
    settings = place / "simulators.toml"
    site.stop("simulate")
    text = settings.read_text("utf-8")
    assert old in text
    for authority, port in json.loads((place / "ports.json").read_bytes()).items():
        text = re.sub(rf"(?ms)(^\[{authority}\].*?^port = )0", rf"\g<1>{port}", text, count=1)
    settings.write_text(text.replace(old, new), "utf-8")
    site.simulate("--fast")


@pytest.mark.long
@pytest.mark.requirement("CD-03", "CD-07", "CD-08")
def test_an_account_that_customs_has_otherwise_by_now_is_told_with_the_field_and_fetched_again(own_site: Site) -> None:
    own_site.simulate("--fast")
    own_site.run()
    bonded(own_site)
    begun_again(own_site, 'GName = "集成电路"', 'GName = "存储器"')

    refused = b.done(own_site, listed(own_site, like="ok-save-bonded.xml"), "rejected")
    b.done(own_site, b.message(ACCOUNT, "fetch", set_={"AccountNo": BONDED_ACCOUNT}))
    by_number = {"like": "ok-save-bonded.xml", "document": refused["document"], "DecList__GName": None}
    mended = cleared(own_site, b.done(own_site, listed(own_site, **by_number)))

    assert refused["business_status"]["text"] == "退单"
    assert [(f["code"], f["path"]) for f in refused["faults"]] == [("CD-S34", "DecList[1]/GName")]
    assert "存储器" in refused["faults"][0]["message"]
    assert mended["body"]["DecList"][0]["GName"] == "存储器"


@pytest.mark.long
@pytest.mark.requirement("CD-09")
def test_receipts_are_days_apart_where_the_clock_runs_fast(own_site: Site) -> None:
    settings = own_site.home / "tongguan.toml"
    settings.write_text(settings.read_text("utf-8") + "\n[clock]\nspeed = 100000\n", "utf-8")
    own_site.simulate()
    own_site.run()
    filed(own_site)

    document = cleared(own_site, b.done(own_site, listed(own_site)))

    days = [datetime.fromisoformat(r["issued_at"]) for r in document["receipts"] if r["code"] not in ("0", "S1")]
    assert [(two - one).days >= 1 for one, two in pairwise(days)] == [True] * 5
