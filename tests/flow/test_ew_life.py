"""The life of an application not to attend an inspection, and questions about it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import bodies as b
import pytest
from sites import Site, wait_until

STATEMENT = {"声明.pdf": b.pdf()}
ABSENT = "00000002"
KINDS = [(b.INSPECTION, b.inspection, "EntryId", "entry"), (b.INSPECTION_OTHER, b.inspection_other, "BillNo", "bill")]
kinds = pytest.mark.parametrize(("type_", "make", "field", "filter_"), KINDS, ids=["declaration", "bill"])


def declare(site: Site, make: Any, marker: str = "", *states: str) -> dict[str, Any]:
    root = b.with_files(make("declare", reference=b.fresh("l") + marker), ("声明.pdf", ABSENT))
    return b.done(site, root, *states, files=STATEMENT)


def today(site: Site, status: dict[str, Any]) -> date:
    return date.fromisoformat(status["received_at"][:10])


@pytest.mark.requirement("EW-11")
@kinds
def test_each_status_comes_from_its_receipt(site: Site, type_: str, make: Any, field: str, filter_: str) -> None:
    status = declare(site, make)
    document = site.wait_business(type_, status["document"], "同意")

    texts = [receipt["text"] for receipt in document["receipts"]]
    assert texts[-3:] == ["发往海关成功", "海关接收成功", "同意"]
    for receipt in document["receipts"]:
        assert wait_until((site.mailbox / "InBox" / receipt["file"]).exists, receipt["file"])
    assert document["numbers"]["review"]


@pytest.mark.requirement("EW-11")
@kinds
@pytest.mark.parametrize(
    ("marker", "state", "text"),
    [
        ("!pace=60s", "sent", "已申请"),
        ("!stay=S1", "sent", "发往海关成功"),
        ("!send-fail", "rejected", "发送失败"),
        ("!stay=R1", "sent", "海关接收成功"),
        ("!store-fail", "rejected", "接收失败"),
        ("!disagree", "rejected", "不同意"),
        ("!reorder", "accepted", "同意"),
        ("!duplicate", "accepted", "同意"),
    ],
)
def test_every_branch_is_reached(
    site: Site, type_: str, make: Any, field: str, filter_: str, marker: str, state: str, text: str
) -> None:
    status = declare(site, make, marker, state)

    site.wait_business(type_, status["document"], text)


@pytest.mark.requirement("EW-11")
@kinds
@pytest.mark.parametrize("marker", ["!send-fail", "!store-fail"])
def test_a_failed_one_is_declared_again(site: Site, type_: str, make: Any, field: str, filter_: str, marker: str) -> None:
    first = declare(site, make, marker, "rejected")
    again = b.done(site, b.message(type_, "declare", document=first["document"]))

    assert again["business_status"]["text"] == "同意"
    assert again["numbers"]["unified"] == first["numbers"]["unified"]


@pytest.mark.requirement("EW-11")
def test_a_declare_refused_by_customs_at_once_leaves_a_draft(site: Site) -> None:
    saved = b.done(site, b.inspection("save"))
    root = b.message(b.INSPECTION, "declare", document=saved["document"], reference=b.fresh("l") + "!fault")
    status = b.done(site, b.with_files(root, ("声明.pdf", ABSENT)), "rejected", files=STATEMENT)

    assert status["faults"]
    assert status["business_status"]["text"] == "暂存"


@pytest.mark.requirement("EW-09")
@kinds
def test_lists_by_kind_status_number_and_time(site: Site, type_: str, make: Any, field: str, filter_: str) -> None:
    status = declare(site, make)
    document = site.wait_business(type_, status["document"], "同意")
    b.done(site, make("save"))
    day = today(site, status)
    span = {"operated_from": str(day - timedelta(days=1)), "operated_to": str(day + timedelta(days=1))}
    unified, number = document["numbers"]["unified"], document["body"][field]

    (row,) = b.rows(site, b.query(type_, "list", filters={"unified": unified, **span}))
    assert (row["unified"], row[filter_], row["status"], row["review"]) == (
        unified,
        number,
        "同意",
        document["numbers"]["review"],
    )
    assert (row["customs_code"], row["contact"], row["phone"]) == ("0902", "李示例", "0411-80000002")
    assert row["applied"] == row["operated"] == str(day)
    (same,) = b.rows(site, b.query(type_, "list", filters={filter_: number, **span}))
    assert same == row
    agreed = b.rows(site, b.query(type_, "list", filters={"status": "同意", **span}, size="1000"))
    assert unified in {each["unified"] for each in agreed}
    assert {each["status"] for each in agreed} == {"同意"}
    other = next(each[0] for each in KINDS if each[0] != type_)
    assert b.rows(site, b.query(other, "list", filters={"unified": unified, **span})) == []
    past = {"operated_from": "2020-01-01", "operated_to": "2020-01-20"}
    assert b.rows(site, b.query(type_, "list", filters={"unified": unified, **past})) == []


@pytest.mark.requirement("EW-09")
@pytest.mark.parametrize(
    ("span", "right"),
    [
        ({}, False),
        ({"operated_from": "2026-11-01"}, False),
        ({"operated_to": "2026-11-30"}, False),
        ({"operated_from": "2026-11-01", "operated_to": "2026-12-02"}, False),
        ({"operated_from": "2026-11-01", "operated_to": "2026-12-01"}, True),
        ({"operated_from": "20261101", "operated_to": "20261120"}, True),
        ({"operated_from": "2026-11-20", "operated_to": "2026-11-01"}, False),
    ],
)
def test_the_time_of_the_last_operation_is_required_and_at_most_thirty_days(
    site: Site, span: dict[str, str], right: bool
) -> None:
    status = b.do(site, b.query(b.INSPECTION, "list", filters=span))

    assert status["state"] == ("accepted" if right else "refused"), status["faults"]


@pytest.mark.requirement("EW-09")
def test_a_list_comes_in_pages_with_its_total(site: Site) -> None:
    for _ in range(3):
        status = b.done(site, b.inspection_other("save"))
    day = today(site, status)
    span = {"operated_from": str(day), "operated_to": str(day), "status": "暂存"}
    pages = [b.result(site, b.query(b.INSPECTION_OTHER, "list", filters=span, page=str(n), size="2")) for n in (1, 2)]

    assert pages[0][0]["total"] == pages[1][0]["total"]
    assert int(pages[0][0]["total"]) >= 3
    assert len(pages[0][1]) == 2
    assert not {row["unified"] for row in pages[0][1]} & {row["unified"] for row in pages[1][1]}


@pytest.mark.requirement("EW-10")
@kinds
@pytest.mark.parametrize("source", ["journal", "authority"])
def test_receipts_are_told_in_time_order_and_refreshed(
    site: Site, type_: str, make: Any, field: str, filter_: str, source: str
) -> None:
    status = declare(site, make)
    site.wait_business(type_, status["document"], "同意")
    question = b.query(type_, "receipts", document=status["document"])
    if source == "authority":
        question.set("source", source)
    head, rows = b.result(site, question)

    assert head["source"] == source
    told = [row for row in rows if row["code"] not in ("0", "1")]
    assert [row["text"] for row in told] == ["发往海关成功", "海关接收成功", "同意"]
    assert [row["issued"] for row in rows] == sorted(row["issued"] for row in rows)
    assert {row["unified"] for row in rows} == {status["numbers"]["unified"]}


@pytest.mark.requirement("EW-10")
def test_the_details_grow_as_receipts_come(site: Site) -> None:
    status = declare(site, b.inspection, "!pace=1s!stay=R1", "sent")
    key = status["document"]

    seen = []
    for text in ("发往海关成功", "海关接收成功"):
        site.wait_business(b.INSPECTION, key, text)
        seen.append([row["text"] for row in b.rows(site, b.query(b.INSPECTION, "receipts", document=key)) if row["code"] > "1"])
    assert seen == [["发往海关成功"], ["发往海关成功", "海关接收成功"]]
