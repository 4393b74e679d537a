"""集报清单汇总: the lists of a month become declarations, with customs in the test's hands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import bodies as b
import pytest
from agreement_desk import Office
from filings import CHANGE, DECLARATION, LIST, MERGE, today
from rounds import turn
from test_cd_change import approved_list, asked, faults, filed_office, row, text

pytestmark = pytest.mark.requirement("CD-11")
CLEARED = ("9", "10", "11", "12", "15")


@pytest.fixture
def customs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with filed_office(tmp_path_factory.mktemp("customs")) as office:
        yield office


def drop(office: Office, key: str, **body: Any) -> str:
    """A merge of this month's imports, dropped and not looked at yet."""
    content = {"IEFlag": "I", "Month": today()[:7], "NoAgent": "1", **body}
    frame = {"type": MERGE, "operation": "merge", "reference": key, "body": {n: v for n, v in content.items() if v is not None}}
    return office.shop.site.drop(json.dumps(frame), suffix=".json")


def merged(office: Office, key: str = "", **body: Any) -> dict[str, Any]:
    """The status of a merge that has come to its end, and all that follows from it."""
    status: dict[str, Any] = office.shop.play(drop(office, key or b.fresh("HZ"), **body))
    office.shop.turns(lambda: not turn(office.shop.daemon))
    return status


def rows(office: Office, merge: dict[str, Any]) -> dict[str, dict[str, str]]:
    """The rows of a merge's result, by 统一编号."""
    office.shop.turns(lambda: office.shop.site.inbox(f"Result_{merge['file'].removesuffix('.json')}_"))
    return {each["list"]: each for each in json.loads(office.shop.site.result(merge["file"]).read_bytes())["rows"]}


def unified(office: Office, key: str) -> str:
    return str(office.document(LIST, key)["numbers"]["unified"])


def asked_what_is_offered(office: Office, **filters: str) -> dict[str, Any]:
    """The status of the question what a merge would be of."""
    question = {"type": MERGE, "operation": "query", "kind": "offer", "body": filters}
    status: dict[str, Any] = office.shop.play(office.shop.site.drop(json.dumps(question), suffix=".json"))
    return status


def test_what_is_offered_is_asked_for_by_codes_names_and_days_of_either_form(customs: Office) -> None:
    own = unified(customs, approved_list(customs, *CLEARED))
    first = f"{today()[:7]}-01"

    for filters in (
        {"IEFlag": "I", "Nature": "1", "TrafMode": "2"},
        {"IEFlag": "进口", "Nature": "一般贸易", "TrafMode": "水路运输"},
        {"IEFlag": "import", "DDateFrom": first.replace("-", ""), "DDateTo": "99991231"},
    ):
        assert list(rows(customs, asked_what_is_offered(customs, **filters))) == [own]


@pytest.mark.parametrize(
    ("filter_", "value", "code"),
    [
        ("IEFlag", "X", "GW-F85"),
        ("Nature", "9", "GW-F85"),
        ("Month", "2026-13", "GW-F85"),
        ("ManualNo", "b", "GW-F85"),
        ("DDateFrom", "2026-02-30", "GW-F18"),
    ],
)
def test_what_is_offered_is_not_asked_for_by_a_value_that_no_merge_takes(
    customs: Office, filter_: str, value: str, code: str
) -> None:
    status = asked_what_is_offered(customs, **{"IEFlag": "I", filter_: value})

    assert [(fault["code"], fault["path"]) for fault in status["faults"]] == [(code, f"/body/{filter_}")]


@pytest.mark.parametrize("last", ["2026-02-28", "20260228"])
def test_what_is_offered_is_not_asked_for_by_days_that_end_before_they_begin(customs: Office, last: str) -> None:
    status = asked_what_is_offered(customs, IEFlag="I", DDateFrom="2026-03-01", DDateTo=last)

    assert [(fault["code"], fault["path"]) for fault in status["faults"]] == [("GW-F21", "/body/DDateTo")]


@pytest.mark.requirement("CD-12")
@pytest.mark.requirement("CD-13")
def test_two_lists_of_one_key_become_one_draft_and_are_merged(customs: Office) -> None:
    lists = [approved_list(customs, *CLEARED, IEDate=day) for day in ("2026-03-02", "2026-03-01")]
    merge = merged(customs)

    assert (merge["state"], text(customs, MERGE, merge["document"])) == ("accepted", "已生成报关单")
    assert [text(customs, LIST, key) for key in lists] == ["已汇总"] * 2
    draft = customs.document(DECLARATION, f"{merge['document']}-1")
    assert draft["business_status"]["text"] == "暂存" and draft["numbers"]["unified"].startswith("CD")
    head, lines = draft["body"]["DecHead"], draft["body"]["DecLists"]["DecList"]
    one = customs.document(LIST, lists[0])["body"]
    assert (head["TrafName"], head["BillNo"], head["GrossWet"]) == ("集中申报", "2026030120260302", "1641")
    assert "ManualNo" not in head and "ContrItem" not in lines[0]
    assert [line["CodeTS"] for line in lines] == [line["CodeTS"] for line in one["DecList"]]
    assert [float(line["GQty"]) for line in lines] == [2 * float(line["GQty"]) for line in one["DecList"]]
    assert [row["ListNo"] for row in draft["body"]["Lists"]] == [customs.document(LIST, k)["numbers"]["entry"] for k in lists]
    assert {each["taken"] for each in rows(customs, merge).values()} == {"1"}


@pytest.mark.requirement("CD-09")
def test_what_customs_says_late_does_not_undo_a_merge(customs: Office) -> None:
    key = approved_list(customs, *CLEARED)
    number = unified(customs, key)
    name = drop(customs, "HZ-late")
    customs.shop.turns(lambda: text_now(customs, key) == "汇总中")
    customs.authority.issue(*(customs.receipt(LIST, None, code, number=number) for code in ("12", "15")))
    customs.shop.play(name)
    customs.issue(*(customs.receipt(LIST, None, code, number=number) for code in ("11", "15")))

    assert text(customs, LIST, key) == "已汇总"


def text_now(office: Office, key: str) -> str:
    """The status of a list, without another round."""
    office.shop.daemon.tellers.catch_up()
    return office.shop.business(LIST, key)


@pytest.mark.requirement("CD-10")
def test_a_list_that_is_being_merged_or_is_merged_cannot_be_changed(customs: Office) -> None:
    key = approved_list(customs, *CLEARED)
    drop(customs, "HZ-held")
    customs.shop.turns(lambda: text_now(customs, key) == "汇总中")
    customs.shop.daemon.stations[:] = [s for s in customs.shop.daemon.stations if s.name != "merge"]
    during = asked(customs, key, row("GrossWet", "821.5"))
    assert faults(during) == [("GW-F30", "ListNo")] and "汇总中" in during["faults"][0]["message"]

    customs.shop.stop()
    customs.shop.turns(lambda: not turn(customs.shop.daemon))
    assert text(customs, LIST, key) == "已汇总"
    after = asked(customs, key, kind="2")
    assert faults(after) == [("GW-F30", "ListNo")] and "已汇总" in after["faults"][0]["message"]


def test_a_list_with_an_open_request_is_left_out_and_merged_once_that_is_closed(customs: Office) -> None:
    key, other = approved_list(customs, *CLEARED), approved_list(customs, *CLEARED)
    request = asked(customs, key, row("GrossWet", "821.5"))
    first = merged(customs)
    assert rows(customs, first)[unified(customs, key)]["why"].startswith("有未办结的集报清单修撤单 ")
    assert [text(customs, LIST, each) for each in (key, other)] == ["已结关", "已汇总"]
    assert text(customs, MERGE, first["document"]) == "部分未生成"

    customs.say(CHANGE, request, "A1")
    second = merged(customs)
    assert text(customs, LIST, key) == "已汇总"
    assert customs.document(DECLARATION, f"{second['document']}-1")["body"]["DecHead"]["GrossWet"] == "821.5"


@pytest.mark.requirement("CD-13")
def test_a_refused_declaration_frees_its_lists_and_cannot_be_declared_again(customs: Office) -> None:
    key = approved_list(customs, *CLEARED)
    merge = merged(customs)
    made = f"{merge['document']}-1"
    declared = b.message(DECLARATION, "declare", document=made, reference=b.fresh("dec"))
    status = customs.shop.play(customs.shop.site.drop(b.xml(declared)), "sent", "refused")
    assert status["state"] == "sent", status["faults"]
    assert text(customs, LIST, key) == "已汇总"
    refusal = customs.authority.unsigned(code="E", type=DECLARATION, message=f"{status['message_id']}-1")
    customs.issue(customs.authority.sealer.seal(refusal))
    assert (text(customs, DECLARATION, made), text(customs, LIST, key)) == ("不受理", "已结关")

    again = customs.shop.play(
        customs.shop.site.drop(b.xml(b.message(DECLARATION, "declare", document=made, reference=b.fresh("dec"))))
    )
    assert [fault["code"] for fault in again["faults"]] == ["GW-F76"]
    second = merged(customs)
    assert text(customs, LIST, key) == "已汇总" and second["document"] != merge["document"]


@pytest.mark.requirement("CD-13")
@pytest.mark.parametrize(("agent", "words"), [({}, "已申报"), ({"NoAgent": None, "AgentCode": "2102980011"}, "待代理申报")])
def test_a_site_may_have_what_is_merged_declared_by_itself_with_its_own_card_only(
    customs: Office, agent: dict[str, Any], words: str
) -> None:
    key = approved_list(customs, *CLEARED)
    settings = customs.shop.home / "tongguan.toml"
    before = settings.read_text("utf-8")
    customs.shop.stop()
    settings.write_text(before.replace("[schedule]", '[schedule]\ndeclare_merged = "auto"'), "utf-8")
    merge = merged(customs, **agent)
    customs.shop.stop()
    settings.write_text(before, "utf-8")

    made = customs.document(DECLARATION, f"{merge['document']}-1")
    assert (made["business_status"]["text"], text(customs, LIST, key)) == (words, "已汇总")
    assert made["messages"][-1]["operation"] == ("declare" if words == "已申报" else "save")


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"NoAgent": None}, "CD-M01"),
        ({"NoAgent": None, "AgentCode": "9999999999"}, "GW-F70"),
        ({"Month": "2026-13"}, "GW-C05"),
        ({"Month": "2099-01"}, "GW-F74"),
        ({"Month": "2020-12"}, "GW-F75"),
        ({"Lists": [{"ListNo": "JQ2026000000009999"}]}, "GW-F71"),
        ({"Lists": [{"ListNo": "APPROVED"}]}, "GW-F72"),
        ({"Nature": "2", "Lists": [{"ListNo": "CLEARED"}]}, "GW-F73"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_merged_is_told(customs: Office, body: dict[str, Any], wrong: str) -> None:
    keys = {"APPROVED": approved_list(customs), "CLEARED": approved_list(customs, *CLEARED)} if "Lists" in body else {}
    listed = [{"ListNo": keys.get(each["ListNo"], each["ListNo"])} for each in body.get("Lists", ())]
    status = merged(customs, **{**body, **({"Lists": listed} if listed else {})})

    assert status["state"] == "refused" and wrong in [fault["code"] for fault in status["faults"]]
