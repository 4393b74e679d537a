"""Requests to print declarations, and to export their data: for one and for many, each declaration with its own outcome."""

from __future__ import annotations

import bodies as b
import declared_papers as dp
import pytest
from declared_papers import CLEARED, EXPORT, PRINT
from sites import Site

pytestmark = pytest.mark.requirement("DP-03", "DP-04")


@pytest.mark.parametrize(("type_", "seal", "state"), [(PRINT, "0", "0"), (PRINT, "1", "1"), (EXPORT, "", "1")])
def test_one_declaration_is_asked_for_and_made(site: Site, type_: str, seal: str, state: str) -> None:
    document = dp.asked(site, type_, CLEARED[:1], seal=seal)
    (row,) = document["body"]["Entry"]

    assert (document["business_status"], row["State"]) == ({"code": "3", "text": "已完成"}, state)
    assert document["numbers"]["request"].startswith("DY" if type_ == PRINT else "DC")
    assert row["Until"] == document["body"]["Until"] > row["MadeAt"]
    assert [one["code"] for one in document["receipts"]] == ["0", "P1", "P1", "P9"]


def test_fifty_are_asked_for_at_once_and_each_has_its_state(site: Site) -> None:
    document = dp.asked(site, EXPORT, CLEARED[:50])

    assert dp.states(document) == ["1"] * 50
    assert len(document["receipts"]) == 53


def test_a_batch_of_requests_is_many_requests(site: Site) -> None:
    items = [dp.request(PRINT, CLEARED[n : n + 3], seal="0") for n in (0, 3, 6)]
    status = site.wait(site.drop(b.batch(items, b.fresh("batch"))))

    assert (status["state"], [item["state"] for item in status["items"]]) == ("accepted", ["accepted"] * 3)


def test_what_customs_has_not_finished_or_does_not_support_is_told_for_each_declaration(site: Site) -> None:
    document = dp.asked(site, PRINT, [CLEARED[0], dp.RELEASED, dp.OLD_EDITION])
    rows = document["body"]["Entry"]

    assert document["business_status"] == {"code": "4", "text": "部分完成"}
    assert dp.states(document) == ["1", "2", "4"]
    assert [row.get("Reason") for row in rows] == [None, "海关作业流程未完结", "旧版本暂不支持"]
    assert "Until" in rows[0] and "Until" not in rows[1]


@pytest.mark.parametrize(
    ("type_", "marker", "state"), [(PRINT, "!unfinished", "2"), (PRINT, "!old-version", "4"), (EXPORT, "!failed", "2")]
)
def test_when_nothing_can_be_made_the_request_is_not_done(site: Site, type_: str, marker: str, state: str) -> None:
    document = dp.asked(site, type_, CLEARED[:2], marker)

    assert document["business_status"] == {"code": "5", "text": "未完成"}
    assert dp.states(document) == [state, state]


ALL = [CLEARED[50], dp.RELEASED, dp.OLD_EDITION]


@pytest.mark.parametrize(
    ("state", "found"),
    [
        ("1", ALL[:1]),
        ("海关作业流程未完结", ALL[1:2]),
        ("older edition: not supported", ALL[2:]),
        ("0", []),
        ("5", ALL),
        ("全部", ALL),
        ("", ALL),
    ],
)
def test_results_are_asked_by_the_state_of_each_declaration(site: Site, state: str, found: list[str]) -> None:
    number = dp.asked(site, PRINT, ALL)["numbers"]["request"]
    rows = b.rows(site, b.query(PRINT, "results", filters={"request": number, "state": state}))

    assert [row["entry"] for row in rows] == found
    told = dict(zip(ALL, (("1", "有签章已生成"), ("2", "海关作业流程未完结"), ("4", "旧版本暂不支持")), strict=True))
    assert [(row["state_code"], row["state"]) for row in rows] == [told[row["entry"]] for row in rows]


def test_results_are_asked_by_entry_numbers_and_day(site: Site) -> None:
    entries = CLEARED[60:63]
    number = dp.asked(site, EXPORT, entries, "!failed=2")["numbers"]["request"]

    def found(**filters: str) -> list[tuple[str, str]]:
        return [(row["entry"], row["state_code"]) for row in b.rows(site, b.query(EXPORT, "results", filters=filters))]

    assert found(entries=f"{entries[2]}，{entries[1]}", request=number) == [(entries[1], "2"), (entries[2], "1")]
    assert found(entries=entries[0], state="3") == [(entries[0], "1")]
    assert found(entries=entries[0], state="制作中") == []
    assert found(entries=entries[0], applied_to="2026-01-02", applied_from="2026-01-01") == []
    for state in ("9", "无签章已生成"):
        status = site.wait(site.drop(b.xml(b.query(EXPORT, "results", filters={"state": state}))), "refused")
        assert [fault["code"] for fault in status["faults"]] == ["GW-F85"]


def test_a_marker_can_be_about_one_of_them(site: Site) -> None:
    assert dp.states(dp.asked(site, EXPORT, CLEARED[:3], "!failed=2")) == ["1", "2", "1"]


def test_it_is_being_made_until_it_is_made(site: Site) -> None:
    root = dp.request(PRINT, CLEARED[:2], "!stay=P1")
    site.drop(b.xml(root))
    document = site.wait_business(PRINT, root.get("reference") or "", "处理中")

    assert dp.states(document) == ["3", "3"]


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        (dp.NOBODYS, "海关没有报关单 090820261999999999，或已超过保管期限"),
        (dp.LONG_AGO, "海关没有报关单 090820201000000001，或已超过保管期限"),
        (dp.OTHERS, "必须使用报关单证中收发货人的法人卡: 报关单 090220261000000301 的收发货人不是贵企业"),
    ],
    ids=["nobody's", "long ago", "another enterprise's"],
)
def test_what_customs_does_not_keep_or_is_anothers_is_refused_at_once(site: Site, entry: str, says: str) -> None:
    status = site.wait(site.drop(b.xml(dp.request(PRINT, [CLEARED[0], entry]))), "rejected")

    assert [fault["message"] for fault in status["faults"]] == [says]


@pytest.mark.parametrize("type_", [PRINT, EXPORT])
def test_what_customs_did_not_take_is_listed_without_a_status(site: Site, type_: str) -> None:
    """No type of these keeps drafts, so a request that nobody has stands nowhere."""
    key = b.fresh("none")
    site.wait(site.drop(b.xml(dp.request(type_, [dp.NOBODYS], document=key))), "rejected")

    for kind in ("list", "results"):
        (row,) = (row for row in b.rows(site, b.query(type_, kind, size="1000")) if row["document"] == key)
        assert row.get("status", row.get("state")) == "-"


def test_a_refused_request_may_be_sent_again_for_other_declarations(site: Site) -> None:
    key = b.fresh("again")
    site.wait(site.drop(b.xml(dp.request(EXPORT, CLEARED[:2], "!failed", document=key))), "rejected")
    site.wait(site.drop(b.xml(dp.request(EXPORT, CLEARED[1:4], document=key))), "accepted")
    document = site.wait_business(EXPORT, key, "已完成")

    assert dp.states(document) == ["1", "1", "1"]


@pytest.mark.parametrize("count", [0, 51])
def test_none_and_fifty_one_are_refused(site: Site, count: int) -> None:
    status = site.wait(site.drop(b.xml(dp.request(PRINT, CLEARED[:count]))), "refused")

    assert any(fault["label"] == "报关单" for fault in status["faults"])


def test_requests_are_found_by_number_status_declaration_and_day(site: Site) -> None:
    document = dp.asked(site, PRINT, CLEARED[10:12])
    day = document["body"]["ApplyDate"]
    number = document["numbers"]["request"]
    asked = {"request": number, "status": "3", "applied_from": day, "applied_to": day}
    found = b.rows(site, b.query(PRINT, "list", filters=asked))

    assert [row["request"] for row in found] == [number]
    assert b.rows(site, b.query(PRINT, "list", filters={"request": number, "status": "5"})) == []
